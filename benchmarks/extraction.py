r"""Extraction: all taps pooled at three target sizes against the bare network.

  python -m benchmarks.extraction
  python -m benchmarks.extraction --setting=small

Also the most memory that an extraction holds, for few and for many images; each
in a process of its own (`--memory_of` is for them).
"""

from collections.abc import Sequence
import json

from absl import app
from absl import flags
import numpy as np

from benchmarks import harness
from vtab_h2t import devices
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import provenance
from vtab_h2t.tasks import task as task_lib

_MEMORY_OF = flags.DEFINE_integer('memory_of', None, 'Number of images.')
_SIDE, _REPEATS = 96, 11


def split(count: int) -> task_lib.Split:
  """So many images, made as they are read."""
  import tensorflow as tf

  def dataset() -> tf.data.Dataset:
    image = tf.cast(
      tf.random.stateless_uniform([_SIDE, _SIDE, 3], (0, 1), 0, 256, tf.int32),
      tf.uint8,
    )
    return tf.data.Dataset.range(count).map(
      lambda i: tf.bitwise.bitwise_xor(image, tf.cast(i % 256, tf.uint8))
    )

  return task_lib.Split(range(count), np.zeros(count, np.int64), dataset, '')


def _compare(name: str, size: int, images: int) -> dict[str, float]:
  import tensorflow as tf

  backbone = backbones.load(name, 'random', size)
  pictures = split(images)
  extractor = extraction.Extractor(backbone, grids.target_sizes(name))
  model = backbone.model
  import keras

  bare = keras.Model(model.inputs, model.output[backbone.embedding])
  forward = tf.function(
    lambda x: bare(x, training=False), reduce_retracing=True
  )

  def all_taps() -> None:
    for _ in extractor(pictures):
      pass

  def embedding() -> None:
    # Computes ahead as the extractor does.
    for _ in devices.spread(
      lambda piece, _: forward(piece[1]),
      extraction.read(backbone, pictures),
      ahead=True,
    ):
      pass

  # In turn, so that both see the same machine; others share it.
  found = np.array(
    [
      (
        harness.timed(all_taps, 1, i == 0).wall,
        harness.timed(embedding, 1, i == 0).wall,
      )
      for i in range(_REPEATS)
    ]
  )
  ours, least = np.median(found, axis=0).tolist()
  over = float(np.median(found[:, 0] / found[:, 1]))
  return {
    'backbone': name,
    'image_size': backbone.image_size,
    'images': images,
    'features': sum(b.size for b in extractor.blocks),
    'images_a_second': images / ours,
    'bare_images_a_second': images / least,
    'taps_cost_percent': 100 * (over - 1),
  }


def main(argv: Sequence[str]) -> None:
  del argv
  if _MEMORY_OF.value:
    backbone = backbones.load('efficientnet_lite0', 'random', _SIDE)
    extractor = extraction.Extractor(backbone, (256, 1024, 4096))
    for _ in extractor(split(_MEMORY_OF.value)):
      pass
    print(json.dumps({'peak': provenance.peak_memory()}))
    return
  small = harness.SETTING.value == harness.SMALL
  runs = (
    [('efficientnet_lite0', 96, 256)]
    if small
    else [
      ('efficientnet_lite0', 96, 1024),
      ('efficientnet_lite0', 224, 256),
      ('resnet50', 240, 128),
      ('vit_ti16', 224, 256),
    ]
  )
  rows = [_compare(*run) for run in runs]
  for count in (128, 256) if small else (256, 1024, 4096):
    peak = harness.elsewhere('benchmarks.extraction', f'--memory_of={count}')
    rows.append(
      {
        'backbone': 'efficientnet_lite0',
        'image_size': _SIDE,
        'images': count,
        'peak_gib': peak['peak'] / 2**30,
      }
    )
  harness.write('extraction', rows)


if __name__ == '__main__':
  app.run(main)
