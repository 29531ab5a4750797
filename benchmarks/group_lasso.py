r"""The group-lasso head: a step of the sweep trainer against Keras' steps.

  python -m benchmarks.group_lasso
  python -m benchmarks.group_lasso --setting=small

All read the same batches, cut before. `bound` is the time that the machine's
copy bandwidth needs for the bytes that a step cannot do without: the batch
twice (the softmax needs all logits before there is a gradient), and kernel and
moments read and written, the kernel once more for the logits.
"""

from collections.abc import Sequence

from absl import app
import numpy as np

from benchmarks import baseline
from benchmarks import harness
from vtab_h2t.heads import sweep

_EXAMPLES = 1000
_SPEC = sweep.HeadSpec(0.01, (0,), 1e-4)


def _ours(x, y, classes):
  problem = sweep.Problem(lambda: x, x.shape[1], y, [_SPEC])
  def run(steps):
    ((_, (head,)),) = sweep.train(
        [problem], classes=classes, steps=steps, penalty='l21',
        memory_bytes=2**40)
    return head
  return run


def _batches(x, y):
  """The same batches, cut before."""
  import tensorflow as tf
  starts = range(0, _EXAMPLES, sweep.BATCH_SIZE)
  return [(tf.identity(x[s:min(s + sweep.BATCH_SIZE, _EXAMPLES)]),
           tf.constant(y[s:s + sweep.BATCH_SIZE])) for s in starts]


def _keras(batches, classes, compiled):
  """Steps in the released code's manner, on the same start."""
  import tensorflow as tf
  features = batches[0][0].shape[1]

  def run(steps):
    layer, step = baseline.head(features, classes, _SPEC, steps, 'l21')
    step = tf.function(step, reduce_retracing=True) if compiled else step
    for t in range(steps):
      step(*batches[t % len(batches)])
    return layer
  return run


def _compare(features: int, classes: int, eager: bool, bandwidth: float
             ) -> dict[str, float]:
  # The last 24 rows are padding.
  x = harness.uniform(len(sweep.pad_rows(np.arange(_EXAMPLES))), features)
  y = np.random.default_rng(0).integers(0, classes, _EXAMPLES)
  few, many = (4, 12) if features > 10**6 else (8, 32)
  ours = _ours(x, y, classes)
  found = {'ours': harness.per_step(ours, few, many)}
  one = ours(few).kernel.numpy()
  batches = _batches(x, y)
  del x, ours  # At the largest size there is no room for both.
  keras = _keras(batches, classes, True)
  found['keras'] = harness.per_step(keras, few, many)
  if eager:
    found['eager'] = harness.per_step(
        _keras(batches, classes, False), 2, 6, repeats=1)
  other = keras(few).kernel.numpy().T
  difference = np.linalg.norm(one - other) / np.linalg.norm(other)
  assert difference < 1e-3, difference
  batch = 4 * sweep.BATCH_SIZE * features
  kernel = 4 * features * classes
  bound = (2 * batch + 7 * kernel) / bandwidth
  return {
      'features': features, 'classes': classes,
      **{f'{k}_ms': 1000 * t.wall for k, t in found.items()},
      **{f'{k}_cpu_ms': 1000 * t.cpu for k, t in found.items()},
      'bound_ms': 1000 * bound,
      'keras_over_ours': found['keras'].wall / found['ours'].wall,
      'ours_over_bound': found['ours'].wall / bound,
      'kernels_differ_by': float(difference)}


def main(argv: Sequence[str]) -> None:
  del argv
  bandwidth = harness.copy_bandwidth()
  print(f'copy bandwidth: {bandwidth / 1e9:.1f} GB/s')
  sizes = ([(30_440, 10)] if harness.SETTING.value == harness.SMALL else
           [(d, c) for d in (30_440, 467_688, 1_696_552) for c in (10, 100)])
  rows = [_compare(d, c, c == 10, bandwidth) | {'copy_gb_s': bandwidth / 1e9}
          for d, c in sizes]
  harness.write('group_lasso', rows)


if __name__ == '__main__':
  app.run(main)
