r"""Judging heads on as many test images as dSprites has, in little memory.

  python -m benchmarks.streaming
  python -m benchmarks.streaming --setting=small

Two heads: one on a hundredth of the features, one on the embedding. Memory is
stated for a tenth of the images and for all, each in a process of its own.
"""

from collections.abc import Sequence
import json

from absl import app
from absl import flags
import numpy as np

from benchmarks import extraction as extraction_benchmark
from benchmarks import harness
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data
from vtab_h2t.protocol import evaluation
from vtab_h2t.protocol import provenance

_IMAGES = flags.DEFINE_integer('images', None, 'For the processes.')


def _judge(images: int) -> dict[str, float]:
  import tensorflow as tf

  backbone = backbones.load('efficientnet_lite0', 'random', 32)
  extractor = extraction.Extractor(backbone, (256,))
  split = extraction_benchmark.split(images)
  size = extractor.layouts[256].size
  rng = np.random.default_rng(0)
  heads = []
  for target, columns in ((256, np.arange(0, size, 100)), (None, None)):
    width = (
      len(columns) if columns is not None else extractor.layouts[None].size
    )
    heads.append(
      (
        data.FeatureHead(
          target,
          columns,
          sweep.Head(
            tf.constant(rng.normal(size=(16, width)).astype(np.float32)),
            tf.zeros(16),
          ),
          'selected',
        ),
        split.labels,
      )
    )
  spent = harness.timed(
    lambda: evaluation.count_correct(
      extractor, split, heads, harness.tell_nobody
    ),
    1,
    0,
  )
  return {
    'images': images,
    'images_a_second': images / spent.wall,
    'cpu_seconds': spent.cpu,
    'peak_gib': provenance.peak_memory() / 2**30,
  }


def main(argv: Sequence[str]) -> None:
  del argv
  if _IMAGES.value:
    print(json.dumps(_judge(_IMAGES.value)))
    return
  whole = 4_096 if harness.SETTING.value == harness.SMALL else 73_728
  harness.write(
    'streaming',
    [
      harness.elsewhere('benchmarks.streaming', f'--images={count}')
      for count in (whole // 8, whole)
    ],
  )


if __name__ == '__main__':
  app.run(main)
