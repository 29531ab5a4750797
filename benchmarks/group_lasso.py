r"""The group-lasso head: a step of the sweep trainer against Keras' steps.

  python -m benchmarks.group_lasso
  python -m benchmarks.group_lasso --setting=small
  python -m benchmarks.group_lasso --features=467688 --classes=10

Each side has a process of its own (`--side` and `--kernel` are for them), as at
the largest size there is no room for two, and reads the same batches, cut
before; where memory does not suffice for a side of Keras', its numbers are
missing. `bound` is the time that the machine's copy bandwidth needs for the
bytes that a step cannot do without: the batch twice (the softmax needs all
logits before there is a gradient), and kernel and moments read and written, the
kernel once more for the logits.
"""

from collections.abc import Callable, Sequence
import dataclasses
import json
import pathlib
import tempfile
from typing import TYPE_CHECKING

from absl import app
from absl import flags
import numpy as np

from benchmarks import baseline
from benchmarks import harness
from vtab_h2t.heads import sweep

if TYPE_CHECKING:
  import tensorflow as tf

_OURS, _KERAS, _EAGER = 'ours', 'keras', 'eager'
_SIDE = flags.DEFINE_enum('side', None, [_OURS, _KERAS, _EAGER], 'Whose step.')
_FEATURES = flags.DEFINE_integer('features', None, 'Of one size alone.')
_CLASSES = flags.DEFINE_integer('classes', None, 'Of that size.')
_KERNEL = flags.DEFINE_string('kernel', None, 'Where to put the kernel, .npy.')

_EXAMPLES = 1000
_SPEC = sweep.HeadSpec(0.01, (0,), 1e-4)


def _batches(
  features: int, y: np.ndarray
) -> 'list[tuple[tf.Tensor, tf.Tensor]]':
  """Batches of features and labels, the last of them padded with features."""
  import tensorflow as tf

  starts = range(0, _EXAMPLES, sweep.BATCH_SIZE)
  return [
    (
      harness.uniform(sweep.BATCH_SIZE, features, seed),
      tf.constant(y[s : s + sweep.BATCH_SIZE]),
    )
    for seed, s in enumerate(starts)
  ]


def _ours(
  x: 'tf.Tensor', y: np.ndarray, classes: int
) -> 'Callable[[int], tf.Tensor]':
  problem = sweep.Problem(lambda: [x], x.shape[1], y, [_SPEC])

  def run(steps: int) -> 'tf.Tensor':
    ((_, (head,)),) = sweep.train(
      [problem], classes=classes, steps=steps, penalty='l21', memory_bytes=2**40
    )
    return head.kernel

  return run


def _keras(
  batches: 'Sequence[tuple[tf.Tensor, tf.Tensor]]', classes: int, compiled: bool
) -> 'Callable[[int], tf.Tensor]':
  """Steps in the released code's manner, on the same start."""
  import tensorflow as tf

  features = batches[0][0].shape[1]

  def run(steps: int) -> 'tf.Tensor':
    layer, step = baseline.head(features, classes, _SPEC, steps, 'l21')
    step = tf.function(step, reduce_retracing=True) if compiled else step
    for t in range(steps):
      step(*batches[t % len(batches)])
    return tf.transpose(layer.kernel)

  return run


def _steps(features: int) -> tuple[int, int]:
  """A few and many."""
  return (4, 12) if features > 10**6 else (8, 32)


def _measure(
  side: str, features: int, classes: int, kernel: str
) -> harness.Time:
  """Time of a step; saves the kernel after a few of them."""
  import tensorflow as tf

  y = np.random.default_rng(0).integers(0, classes, _EXAMPLES)
  few, many = _steps(features)
  batches = _batches(features, y)
  if side == _OURS:
    run = _ours(tf.concat([x for x, _ in batches], axis=0), y, classes)
    del batches  # At the largest size there is no room for both.
  else:
    run = _keras(
      [(x[: len(labels)], labels) for x, labels in batches],
      classes,
      side == _KERAS,
    )
  np.save(kernel, run(few).numpy())
  if side == _EAGER:
    return harness.per_step(run, 2, 6, repeats=1)
  return harness.per_step(run, few, many)


def _compare(
  features: int, classes: int, eager: bool, bandwidth: float
) -> dict[str, float]:
  found, kernels = {}, {}
  with tempfile.TemporaryDirectory() as folder:
    for side in (_OURS, _KERAS, *([_EAGER] if eager else [])):
      kernel = pathlib.Path(folder, 'kernel.npy')
      try:
        found[side] = harness.Time(
          **harness.elsewhere(
            'benchmarks.group_lasso',
            f'--side={side}',
            f'--features={features}',
            f'--classes={classes}',
            f'--kernel={kernel}',
          )
        )
      except MemoryError:
        if side == _OURS:
          raise
        continue
      kernels[side] = np.load(kernel)
  batch = 4 * sweep.BATCH_SIZE * features
  kernel = 4 * features * classes
  bound = (2 * batch + 7 * kernel) / bandwidth
  row = {
    'features': features,
    'classes': classes,
    **{f'{k}_ms': 1000 * t.wall for k, t in found.items()},
    **{f'{k}_cpu_ms': 1000 * t.cpu for k, t in found.items()},
    'bound_ms': 1000 * bound,
    'ours_over_bound': found[_OURS].wall / bound,
  }
  if _KERAS in found:
    one, other = kernels[_OURS], kernels[_KERAS]
    difference = np.linalg.norm(one - other) / np.linalg.norm(other)
    assert difference < 1e-3, difference
    row |= {
      'keras_over_ours': found[_KERAS].wall / found[_OURS].wall,
      'kernels_differ_by': float(difference),
    }
  return row


def main(argv: Sequence[str]) -> None:
  del argv
  if _SIDE.value:
    print(
      json.dumps(
        dataclasses.asdict(
          _measure(_SIDE.value, _FEATURES.value, _CLASSES.value, _KERNEL.value)
        )
      )
    )
    return
  bandwidth = harness.copy_bandwidth()
  print(f'copy bandwidth: {bandwidth / 1e9:.1f} GB/s')
  sizes = (
    [(30_440, 10)]
    if harness.SETTING.value == harness.SMALL
    else [(d, c) for d in (30_440, 467_688, 1_696_552) for c in (10, 100)]
  )
  if _FEATURES.value:
    sizes = [(_FEATURES.value, _CLASSES.value)]
  for d, c in sizes:
    harness.write(
      'group_lasso',
      [_compare(d, c, c == 10, bandwidth) | {'copy_gb_s': bandwidth / 1e9}],
    )


if __name__ == '__main__':
  app.run(main)
