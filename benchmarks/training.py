r"""A step of training a network, against the same with Keras' own layers.

  python -m benchmarks.training
  python -m benchmarks.training --setting=small

Both sides have the same trainer and see the same images, in turn. The bound of
a step is three times the operations of a forward pass (a pass back needs twice
as many) at the rate of large matrix products. Also what validating after each
epoch costs, what settings of glibc's allocator give, each in a process of its
own (`--one_step` and `--keep_memory` are for them), and how time grows with
steps, batch and pixels; draws training.png and training.pdf.
"""

from collections.abc import Sequence
import json
import pathlib
import time
from typing import Any

from absl import app
from absl import flags
import keras
import numpy as np

from benchmarks import growth
from benchmarks import harness
from vtab_h2t import devices
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.heads import initial
from vtab_h2t.report import measured_cost
from vtab_h2t.report import plotting
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_HUGE = {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'}
# Whether memory is kept, and environment variables.
_ALLOCATORS: dict[str, tuple[bool, dict[str, str]]] = {
  'as glibc has it': (False, {}),
  'memory is kept': (True, {}),
  'transparent huge pages': (False, _HUGE),
  'memory is kept, in huge pages': (True, _HUGE),
}
_ONE_STEP = flags.DEFINE_bool(
  'one_step', False, 'Only prints the time of a step of this process.'
)
_KEEP = flags.DEFINE_bool(
  'keep_memory', True, 'As the runners do; see devices.keep_freed_memory.'
)
_CLASSES, _BATCH, _REPEATS = 10, 64, 9
_BASE = {'steps': 32, 'batch': 64, 'pixels': 64}
_SMALL_BASE = {'steps': 2, 'batch': 8, 'pixels': 32}
_SMALL_SIZES = {'batch': (8, 16)}  # Each size compiles a network.
_SIZES = {
  'steps': (8, 16, 32, 64, 128),
  'batch': (8, 16, 32, 64, 128),
  'pixels': (32, 48, 64, 96, 128),
}


class _Side:
  """A network with either kind of layers, ready to train."""

  def __init__(
    self, name: str, size: int, is_stock: bool, recipe: trainer_lib.Recipe
  ) -> None:
    self.backbone = backbones.load(name, 'random', size)
    width = self.backbone.tap_shapes()[self.backbone.embedding][-1]
    readout = readout_lib.Embedding(self.backbone.embedding, width, True)
    sizes = (width, _CLASSES)
    if is_stock:
      model = keras.models.clone_model(self.backbone.model)
      for layer in model.layers:
        layer.trainable = True
      model.set_weights(self.backbone.model.get_weights())
      variables = [v.value for v in model.trainable_variables]
      self._trainer = trainer_lib.Trainer(
        model,
        variables,
        devices.strategy(),
        readout,
        sizes,
        range(len(variables)),
        recipe,
      )
    else:
      network = network_lib.Network(self.backbone)
      self._trainer = network.trainer(
        readout, sizes, range(len(network.variables)), recipe
      )
    self._trainer.start(initial.layers(sizes, (0,)))
    rng = np.random.default_rng(0)
    self._x = rng.normal(size=(1000, size, size, 3)).astype(np.float32)
    self._y = rng.integers(0, _CLASSES, 1000)
    start = time.perf_counter()
    self.run(1)
    self.compile_seconds = time.perf_counter() - start

  def run(self, steps: int, judge: judge_lib.Judge | None = None) -> None:
    """So many steps on the first 800 images."""
    self._trainer.run(
      self._x, self._y, np.arange(800), 1e-3, steps, (0,), judge=judge
    )

  def time(self, steps: int) -> harness.Time:
    """Of one step, where so many are taken."""
    return harness.timed(lambda: self.run(steps), 1, 0) / steps

  def judge(self) -> judge_lib.Judge:
    """Of the last 200 images."""
    return judge_lib.Judge(self._x, self._y, np.arange(800, 1000))


def _rate() -> float:
  """Operations a second of large matrix products, the best of several."""
  import tensorflow as tf

  side = 3000
  x = tf.random.stateless_uniform([side, side], (0, 1))
  product = tf.function(lambda: tf.reduce_sum(tf.matmul(x, x)))
  return 2 * side**3 / min(harness.timed(product, 1).wall for _ in range(9))


def _compare(
  name: str, size: int, is_frozen: bool, steps: int, rate: float
) -> dict[str, Any]:
  recipe = trainer_lib.Recipe(batch=_BATCH, frozen_statistics=is_frozen)
  ours = _Side(name, size, False, recipe)
  stock = _Side(name, size, True, recipe)
  # In turn, so that both see the same machine; others share it.
  found = [
    [side.time(steps) for side in (ours, stock)]
    for _ in range(_REPEATS if steps > 1 else 3)
  ]
  cpu = np.array([[side.cpu for side in pair] for pair in found])
  wall = np.array([[side.wall for side in pair] for pair in found])
  bound = 3 * _BATCH * measured_cost.measure(ours.backbone).forward / rate
  return {
    'backbone': name,
    'image_size': size,
    'batch': _BATCH,
    'statistics': 'running' if is_frozen else 'batch',
    'ours_cpu_ms': 1e3 * float(np.median(cpu[:, 0])),
    'keras_cpu_ms': 1e3 * float(np.median(cpu[:, 1])),
    'ours_wall_ms': 1e3 * float(np.median(wall[:, 0])),
    'keras_wall_ms': 1e3 * float(np.median(wall[:, 1])),
    'keras_over_ours_cpu': float(np.median(cpu[:, 1] / cpu[:, 0])),
    'keras_over_ours_wall': float(np.median(wall[:, 1] / wall[:, 0])),
    'bound_wall_ms': 1e3 * bound,
    'ours_over_bound': float(np.median(wall[:, 0])) / bound,
    'rate_gflops': rate / 1e9,
    'compile_seconds': ours.compile_seconds,
    'keras_compile_seconds': stock.compile_seconds,
  }


def _validating(size: int) -> dict[str, Any]:
  """What judging 200 images after each epoch of 800 costs."""
  side = _Side(
    'efficientnet_lite0',
    size,
    False,
    trainer_lib.Recipe(batch=_BATCH, frozen_statistics=True),
  )
  steps = trainer_lib.epoch_steps(800, _BATCH)
  judge = side.judge()
  side.run(steps, judge)
  share = []
  for _ in range(_REPEATS):
    plain = harness.timed(lambda: side.run(steps), 1, 0)
    # The state before the first step is judged, too: two more for one epoch.
    judged = harness.timed(lambda: side.run(steps, judge), 1, 0)
    share.append((judged.wall - plain.wall) / 2 / plain.wall)
  return {
    'backbone': 'efficientnet_lite0',
    'image_size': size,
    'validating_percent': 100 * float(np.median(share)),
  }


def _with_allocator(name: str, size: int) -> dict[str, Any]:
  keeps, environment = _ALLOCATORS[name]
  found = harness.elsewhere(
    'benchmarks.training',
    '--one_step',
    f'--keep_memory={keeps}',
    f'--setting={harness.SETTING.value}',
    environment=environment,
  )
  return {
    'backbone': 'efficientnet_lite0',
    'image_size': size,
    'allocator': name,
  } | found


def _print_step(size: int, steps: int) -> None:
  """The time of a step and its page faults, as JSON."""
  import resource

  side = _Side(
    'efficientnet_lite0', size, False, trainer_lib.Recipe(batch=_BATCH)
  )
  side.run(steps)
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  spent = harness.timed(lambda: side.run(steps), _REPEATS, 0) / steps
  faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
  print(
    json.dumps(
      {
        'step_cpu_ms': 1e3 * spent.cpu,
        'step_wall_ms': 1e3 * spent.wall,
        'page_faults_a_step': faults / steps / _REPEATS,
      }
    )
  )


def _grow(steps: int, batch: int, pixels: int) -> harness.Time:
  side = _Side(
    'efficientnet_lite0', pixels, False, trainer_lib.Recipe(batch=batch)
  )
  return harness.timed(lambda: side.run(steps))


def main(argv: Sequence[str]) -> None:
  import tensorflow as tf

  del argv
  small = harness.is_small()
  size, steps = (32, 2) if small else (64, 8)
  # As the runners do.
  tf.config.experimental.enable_op_determinism()
  if _KEEP.value:
    devices.keep_freed_memory()
  if _ONE_STEP.value:
    _print_step(size, steps)
    return
  rate = _rate()
  compared = (
    [('efficientnet_lite0', 32, False, 2)]
    if small
    else [
      ('efficientnet_lite0', 32, False, 12),
      ('efficientnet_lite0', 64, False, 8),
      ('efficientnet_lite0', 96, False, 4),
      ('efficientnet_lite0', 64, True, 8),
      ('vit_ti16', 224, False, 1),
      ('resnet50', 240, False, 1),
    ]
  )
  rows = [_compare(*each, rate) for each in compared]
  rows.append(_validating(size))
  settings = list(_ALLOCATORS)[:1] if small else _ALLOCATORS
  rows += [_with_allocator(name, size) for name in settings]
  grown = growth.measured(
    _grow,
    _SMALL_BASE if small else _BASE,
    _SMALL_SIZES if small else _SIZES,
  )
  harness.write('training', rows)
  harness.write('training', grown)
  if not small:
    figure = growth.drawn(grown, _SIZES, (1, 100), squares=['pixels'])
    plotting.save(figure, pathlib.Path(__file__).parent, 'training')


if __name__ == '__main__':
  app.run(main)
