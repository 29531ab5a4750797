r"""Heads on selected features: the sweep trainer against model.fit.

  python -m benchmarks.selected_heads
  python -m benchmarks.selected_heads --setting=small

9 fractions x 2 learning rates x 5 folds x 3 seeds on 800 rows, all trained;
model.fit is timed for one head of each width and counted as often as there are
heads. Its result is compared with the same head of the sweep.
"""

from collections.abc import Sequence
import itertools
from typing import TYPE_CHECKING

from absl import app
import numpy as np

from benchmarks import harness
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import initial
from vtab_h2t.heads import sweep

if TYPE_CHECKING:
  import tensorflow as tf

_ROWS, _CLASSES, _STEPS = 800, 10, 500
_RATES, _FOLDS, _SEEDS = (0.1, 0.01), 5, 3


def _data(features: int) -> tuple[np.ndarray, np.ndarray]:
  rng = np.random.default_rng(0)
  x = rng.random((_ROWS, features), np.float32)
  x /= np.linalg.norm(x, axis=1, keepdims=True)
  return x, rng.integers(0, _CLASSES, _ROWS)


def _problems(x: np.ndarray, y: np.ndarray, seeds: int) -> list[sweep.Problem]:
  """One for each fold and seed, with a head for each rate."""
  import tensorflow as tf

  padded = x[sweep.padded(np.arange(_ROWS))]
  return [
    sweep.Problem(
      lambda: [tf.constant(padded)],
      x.shape[1],
      y,
      [sweep.HeadSpec(rate, (seed,)) for rate in _RATES],
    )
    for _, seed in itertools.product(range(_FOLDS), range(seeds))
  ]


def _train(
  problems: Sequence[sweep.Problem], steps: int
) -> list[list[sweep.Head]]:
  return [
    heads
    for _, heads in sweep.train(
      problems,
      classes=_CLASSES,
      steps=steps,
      penalty=None,
      memory_bytes=4 * 2**30,
    )
  ]


def _keras(x: np.ndarray, y: np.ndarray, steps: int) -> np.ndarray:
  """The first of these heads with model.fit."""
  import keras
  import tensorflow as tf

  model = keras.Sequential(
    [keras.Input((x.shape[1],)), keras.layers.Dense(_CLASSES)]
  )
  model.layers[0].kernel.assign(initial.kernel((0,), x.shape[1], _CLASSES).T)

  def loss(labels: 'tf.Tensor', logits: 'tf.Tensor') -> 'tf.Tensor':
    # A partial batch is divided by 128, too.
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(
      tf.cast(tf.reshape(labels, [-1]), tf.int32), logits
    )
    share = tf.cast(tf.shape(each)[0], tf.float32) / sweep.BATCH_SIZE
    return tf.reduce_mean(each) * share

  model.compile(
    keras.optimizers.Adam(
      keras.optimizers.schedules.CosineDecay(_RATES[0], steps)
    ),
    loss,
  )
  data = (
    tf.data.Dataset.from_tensor_slices((x, y))
    .batch(sweep.BATCH_SIZE)
    .cache()
    .repeat()
  )
  model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0)
  return model.layers[0].kernel.numpy().T


def _compare(features: int, seeds: int, steps: int) -> dict[str, float]:
  x, y = _data(features)
  problems = _problems(x, y, seeds)
  ours = harness.timed(lambda: _train(problems, steps), repeats=3)
  heads = len(problems) * len(_RATES)
  keras = harness.timed(lambda: _keras(x, y, steps), repeats=3)
  one, other = _train(problems[:1], steps)[0][0].kernel, _keras(x, y, steps)
  difference = np.linalg.norm(one - other) / np.linalg.norm(other)
  assert difference < 1e-2, difference
  return {
    'features': features,
    'heads': heads,
    'steps': steps,
    'ours_ms_a_head_step': 1000 * ours.cpu / heads / steps,
    'fit_ms_a_head_step': 1000 * keras.cpu / steps,
    'ours_wall_seconds': ours.wall,
    'fit_wall_seconds_of_all': keras.wall * heads,
    'fit_over_ours_cpu': keras.cpu * heads / ours.cpu,
    'fit_over_ours_wall': keras.wall * heads / ours.wall,
    'kernels_differ_by': float(difference),
  }


def main(argv: Sequence[str]) -> None:
  del argv
  if harness.SETTING.value == harness.SMALL:
    harness.write('selected_heads', [_compare(256, 1, 100)])
    return
  # The widths of the goals, and those of all fractions of 30,440 features.
  widths = dict.fromkeys(
    [
      256,
      4096,
      *(fraction_lib.num_kept(30_440, f) for f in fraction_lib.FRACTIONS),
    ]
  )
  harness.write('selected_heads', [_compare(w, _SEEDS, _STEPS) for w in widths])


if __name__ == '__main__':
  app.run(main)
