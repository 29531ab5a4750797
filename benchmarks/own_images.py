r"""`adapt` on many photographs: seconds by stage, memory and disk.

Makes so many pictures, adapts a network to them within a stated memory, and
predicts some of them. Pictures are synthetic: stripes whose slant is the class,
in noise, as JPEG; they are good for times, and their accuracy says little. A
program that was stopped goes on with the pictures and features that are there.

  python -m benchmarks.own_images --setting=small
  python -m benchmarks.own_images --images=2000 --folder=own
  python -m benchmarks.own_images --images=200000 --side=96 --folder=own \
      --memory_gib=4
"""

from collections.abc import Sequence
from concurrent import futures
import dataclasses
import os
import pathlib
import resource
import tempfile
import time
from typing import Any, TYPE_CHECKING

from absl import app
from absl import flags
import numpy as np

from benchmarks import harness

if TYPE_CHECKING:
  from vtab_h2t.backbones import backbone as backbone_lib

_IMAGES = flags.DEFINE_integer(
  'images', 2000, 'How many pictures; 60 of 32 pixels in the small setting.'
)
_SIDE = flags.DEFINE_integer('side', 224, 'Of pictures and network, in pixels.')
_CLASSES = flags.DEFINE_integer('classes', 10, 'How many.')
_FOLDER = flags.DEFINE_string(
  'folder', None, 'For pictures and features; else they are not kept.'
)
_MEMORY = flags.DEFINE_float('memory_gib', None, 'As of adapt.')
_METHOD = flags.DEFINE_string('method', 'head2toe', 'As of adapt.')
_BACKBONE = flags.DEFINE_string('backbone', 'efficientnet_lite0', 'Which.')
_FLOAT16 = flags.DEFINE_bool('float16_features', False, 'As of adapt.')
_PREDICTED = flags.DEFINE_integer(
  'predicted', 2000, 'How many pictures are predicted, and by the bare network.'
)
_FEATURES = flags.DEFINE_string(
  'features', None, 'Where features go; by default into the folder.'
)
_NOISE = 60.0  # Standard deviation, in grey levels.
_NOTED = 1024  # Images; embedding that was stopped goes on at a multiple.


class Stages:
  """Seconds and memory of the stages that progress tells of.

  Attributes:
    seconds: of each stage.
    resident: the most memory of the process in each, in GiB.
    first: how far each was when it was first told of.
  """

  def __init__(self) -> None:
    self.seconds: dict[str, float] = {}
    self.resident: dict[str, float] = {}
    self.first: dict[str, int] = {}
    self._name, self._began = '', time.monotonic()

  def __call__(self, stage: str, done: int, total: int) -> None:
    """Is told how far a stage is; one begins where the last one ends."""
    from vtab_h2t.classifier import budget

    now = time.monotonic()
    if stage != self._name:
      self._add(now)
      self._name, self._began = stage, now
      self.first[stage] = done
      print(f'{time.strftime("%H:%M:%S")} {stage}', flush=True)
    gib = budget.resident() / 2**30
    self.resident[stage] = max(self.resident.get(stage, 0), gib)

  def end(self) -> None:
    """Ends the last stage."""
    self._add(time.monotonic())
    self._name = ''

  def _add(self, now: float) -> None:
    if self._name:
      before = self.seconds.get(self._name, 0)
      self.seconds[self._name] = before + now - self._began


def picture(number: int, label: int, classes: int, side: int) -> np.ndarray:
  """Stripes in noise, uint8 `[side, side, 3]`; the slant is the class."""
  rng = np.random.default_rng(number)
  slant = np.pi * (label + rng.uniform(-0.3, 0.3)) / classes
  y, x = np.mgrid[:side, :side] / side
  wave = np.sin(
    2 * np.pi * rng.uniform(4, 8) * (x * np.cos(slant) + y * np.sin(slant))
    + rng.uniform(0, 2 * np.pi)
  )
  colour = rng.uniform(0.2, 1, 3)
  noise = rng.normal(0, _NOISE, (side, side, 1))
  grey = 128 + 60 * wave[..., None] * colour + noise
  return np.clip(grey, 0, 255).astype(np.uint8)


def make(folder: pathlib.Path, count: int, classes: int, side: int) -> None:
  """Writes the pictures that are not there, in a folder for each class."""
  from PIL import Image

  def one(number: int) -> None:
    label = number % classes
    path = folder / f'class{label:02d}' / f'{number:07d}.jpg'
    if not path.exists():
      whole = path.with_suffix('.part')
      image = Image.fromarray(picture(number, label, classes, side))
      image.save(whole, 'JPEG', quality=85)
      os.replace(whole, path)

  for label in range(classes):
    (folder / f'class{label:02d}').mkdir(parents=True, exist_ok=True)
  with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for first in range(0, count, 1000):
      list(pool.map(one, range(first, min(first + 1000, count))))


def measure(root: pathlib.Path, images: int, side: int) -> dict[str, Any]:
  """A row of what was asked for and what it took.

  Args:
    root: where pictures and features are kept.
    images: how many pictures.
    side: of pictures and network, in pixels.
  """
  import tensorflow as tf

  from vtab_h2t import devices
  from vtab_h2t.backbones import input_names
  from vtab_h2t.backbones import registry as backbones
  from vtab_h2t.classifier import adapting
  from vtab_h2t.classifier import artefact
  from vtab_h2t.features import store
  from vtab_h2t.tasks import labelled_pictures
  from vtab_h2t.tasks import pictures

  devices.keep_freed_memory()  # As a runner does.
  tf.config.experimental.enable_op_determinism()
  where = root / f'pictures-{side}-{images}'
  stages = Stages()
  stages('make pictures', 0, 1)
  make(where, images, _CLASSES.value, side)
  stages('examine files', 0, 1)
  found = labelled_pictures.read(where)
  weights = backbones.weights_of(_BACKBONE.value, None)
  backbone = backbones.load(_BACKBONE.value, weights, side)
  backbone = dataclasses.replace(
    backbone, input=input_names.for_photographs(backbone.input)
  )
  features = pathlib.Path(_FEATURES.value or root)
  adapted = adapting.adapt(
    found.split(),
    found.classes,
    backbone,
    features,
    method=_METHOD.value,
    memory_bytes=None if _MEMORY.value is None else int(_MEMORY.value * 2**30),
    dtype=store.FLOAT16 if _FLOAT16.value else store.FLOAT32,
    progress=stages,
  )
  stages.end()
  kept = sum(f.stat().st_size for f in (features / 'features').rglob('*.npy'))
  adapting_peak = _peak()
  model = artefact.model_of(adapted)
  some = found.paths[: _PREDICTED.value]
  predicting = pictures.unlabelled(some, {})
  for _ in model.probabilities(pictures.unlabelled(some[:64], {})):
    pass  # Traces.
  stages('predict', 0, 1)
  for _ in model.probabilities(predicting):
    pass
  stages.end()
  bare = _bare(backbone, len(some))
  predicted = stages.seconds.pop('predict')
  before = stages.first['embed images']
  del stages.seconds['make pictures']
  return {
    'images': images,
    'side': side,
    'memory_gib': _MEMORY.value,
    'float16': _FLOAT16.value,
    'method': adapted.method,
    'embedded': images - (before if before >= _NOTED else 0),
    'stages': stages.seconds,
    'resident_gib': stages.resident,
    'seconds': sum(stages.seconds.values()),
    'peak_gib': adapting_peak,
    'features_gib': kept / 2**30,
    'predicted_a_second': len(some) / predicted,
    'bare_a_second': len(some) / bare,
    'held_out': str(adapted.accuracy),
    'linear': str(adapted.linear),
    'chosen': adapted.setting.as_row(),
  }


def _bare(backbone: 'backbone_lib.Backbone', count: int) -> float:
  """Seconds of the network alone, on so many images that are in memory."""
  import keras
  import tensorflow as tf

  bare = keras.Model(
    backbone.model.inputs, backbone.model.output[backbone.embedding]
  )
  forward = tf.function(lambda x: bare(x, training=False))
  images = tf.zeros((32, backbone.image_size, backbone.image_size, 3))
  forward(images)  # Traces.
  began = time.monotonic()
  for _ in range(-(-count // 32)):
    forward(images)
  return time.monotonic() - began


def _peak() -> float:
  """The most memory that the process had so far, in GiB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(argv: Sequence[str]) -> None:
  """Measures, and adds a row."""
  del argv
  images, side = (
    (60, 32) if harness.is_small() else (_IMAGES.value, _SIDE.value)
  )
  with tempfile.TemporaryDirectory() as scratch:
    row = measure(pathlib.Path(_FOLDER.value or scratch), images, side)
  harness.write('own_images', [row])


if __name__ == '__main__':
  app.run(main)
