"""The sweep trainer equals separate Keras training of each head."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.heads import counting
from vtab_h2t.heads import initial
from vtab_h2t.heads import loop
from vtab_h2t.heads import regularizers
from vtab_h2t.heads import scores
from vtab_h2t.heads import stacks
from vtab_h2t.heads import sweep

_CLASSES = 5
_GIB = 2**30


def _data(examples=300, features=240, seed=0):
  rng = np.random.default_rng(seed)
  x = np.maximum(rng.normal(size=(examples, features)), 0).astype(np.float32)
  x /= np.linalg.norm(x, axis=1, keepdims=True) / 3
  return x, rng.integers(0, _CLASSES, examples)


def _problem(x, y, heads):
  rows = sweep.padded(np.arange(len(x)))
  return sweep.Problem(lambda: [tf.constant(x[rows])], x.shape[1], y, heads)


def _train(problems, steps, penalty=None, memory=_GIB, **options):
  return [
    heads
    for _, heads in sweep.train(
      problems,
      classes=_CLASSES,
      steps=steps,
      penalty=penalty,
      memory_bytes=memory,
      **options,
    )
  ]


def _keras(x, y, head, steps, penalty, groups=None):
  """The released algorithm, head by head, with Keras' layer and optimiser."""
  layer = keras.layers.Dense(
    _CLASSES,
    kernel_regularizer=regularizers.L21(head.coefficient, groups)
    if groups
    else regularizers.get(penalty, head.coefficient),
  )
  layer.build(x.shape)
  layer.kernel.assign(initial.kernel(head.seed, x.shape[1], _CLASSES).T)
  optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.CosineDecay(head.learning_rate, steps)
  )
  optimizer.build(layer.trainable_variables)

  @tf.function(reduce_retracing=True)
  def step(features, labels):
    with tf.GradientTape() as tape:
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, layer(features)
      )
      if layer.losses:
        loss += tf.add_n(layer.losses)
      # A partial batch is divided by 128 too, penalty included.
      loss = tf.nn.compute_average_loss(
        loss, global_batch_size=sweep.BATCH_SIZE
      )
    optimizer.apply(tape.gradient(loss, layer.trainable_variables))

  starts = range(0, len(x), sweep.BATCH_SIZE)
  for t in range(steps):
    batch = slice(
      starts[t % len(starts)], starts[t % len(starts)] + sweep.BATCH_SIZE
    )
    step(x[batch], y[batch])
  return layer.kernel.numpy().T, layer.bias.numpy()


# The grid's extremes: two learning rates, two coefficients, two seeds.
_HEADS = [
  sweep.HeadSpec(lr, (seed,), coefficient)
  for lr, seed, coefficient in (
    (0.1, 0, 1e-5),
    (0.1, 1, 1e-3),
    (0.01, 0, 1e-3),
    (0.01, 1, 1e-5),
  )
]


@pytest.mark.parametrize('penalty', sweep.PENALTIES)
@pytest.mark.parametrize('steps', [1, 2, 3, 8, 60])
def test_equals_keras_step_for_step(penalty, steps):
  """Within 1e-3 of the kernel's norm and 1e-3 of the logits, at every step.

  300 examples are two batches of 128 and one of 44, so from the third step on
  the partial batch counts. Adam divides by the root of tiny second moments,
  which makes a rounding error of 1e-7 in a gradient near zero visible.
  """
  x, y = _data()
  (heads,) = _train([_problem(x, y, _HEADS)], steps, penalty)
  for spec, head in zip(_HEADS, heads):
    kernel, bias = _keras(x, y, spec, steps, penalty)
    difference = np.linalg.norm(head.kernel - kernel) / np.linalg.norm(kernel)
    assert difference < 1e-3
    np.testing.assert_allclose(head.bias, bias, atol=1e-4)
    logits = x @ kernel.T + bias
    np.testing.assert_allclose(
      x @ head.kernel.numpy().T + head.bias,
      logits,
      atol=1e-3 * np.abs(logits).max(),
    )


def _momentum(x, y, head, steps):
  """One head by SGD with momentum in float64, rate times velocity."""
  x, one_hot = x.astype(np.float64), np.eye(_CLASSES)[y]
  kernel = initial.kernel(head.seed, x.shape[1], _CLASSES, head.deviation)
  w, b = kernel.astype(np.float64), np.zeros(_CLASSES)
  velocities = np.zeros_like(w), np.zeros_like(b)
  starts = range(0, len(x), sweep.BATCH_SIZE)
  for t in range(steps):
    first = starts[t % len(starts)]
    batch = slice(first, first + sweep.BATCH_SIZE)
    error = special.softmax(x[batch] @ w.T + b, axis=1) - one_hot[batch]
    error /= sweep.BATCH_SIZE
    rate = head.learning_rate * (1 + np.cos(np.pi * t / steps)) / 2
    for value, velocity, gradient in (
      (w, velocities[0], error.T @ x[batch]),
      (b, velocities[1], error.sum(axis=0)),
    ):
      velocity *= 0.9
      velocity += gradient
      value -= rate * velocity
  return w, b


@pytest.mark.parametrize('steps', [1, 2, 8, 60])
def test_momentum_equals_a_plain_loop(steps):
  """For rates from 5e-6 to 5 on one matrix, in one stack."""
  x, y = _data()
  heads = [
    sweep.HeadSpec(rate, (seed,), deviation=0.01)
    for rate in (5e-6, 1e-3, 0.1, 5.0)
    for seed in (0, 1)
  ]
  (trained,) = _train([_problem(x, y, heads)], steps, optimizer=loop.MOMENTUM)
  for spec, head in zip(heads, trained):
    kernel, bias = _momentum(x, y, spec, steps)
    np.testing.assert_allclose(
      head.kernel, kernel, atol=1e-4 * np.abs(kernel).max()
    )
    np.testing.assert_allclose(
      head.bias, bias, atol=1e-4 * np.abs(kernel).max()
    )


def test_learning_rate_is_that_of_the_cosine_decay():
  """One step with zero gradient history moves each weight by about lr."""
  x, y = _data()
  heads = [sweep.HeadSpec(lr, (0,)) for lr in (0.1, 0.01, 0.003)]
  (trained,) = _train([_problem(x, y, heads)], 1)
  start = initial.kernel((0,), x.shape[1], _CLASSES)
  for head, spec in zip(trained, heads):
    moved = np.median(np.abs(head.kernel - start))
    assert moved == pytest.approx(spec.learning_rate, rel=1e-2)


def test_a_heads_company_does_not_matter():
  """Stacked, alone, beside other problems, cut by memory: the same heads."""
  x, y = _data()
  other, other_y = _data(features=77, seed=1)
  twin, twin_y = _data(seed=2)
  problems = [
    _problem(x, y, _HEADS),
    _problem(other, other_y, _HEADS[:2]),
    _problem(twin, twin_y, _HEADS),
  ]
  together = _train(problems, 30, 'l21')
  least = sweep.needed_bytes(300, 240, _CLASSES)
  for memory in (least, 2 * least, 4 * least):
    for one, two in zip(together, _train(problems, 30, 'l21', memory)):
      for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a.kernel, b.kernel, atol=2e-4)
  for i, problem in enumerate(problems):
    for j, spec in enumerate(problem.heads):
      ((alone,),) = _train(
        [
          sweep.Problem(
            problem.load, problem.num_features, problem.labels, [spec]
          )
        ],
        30,
        'l21',
      )
      np.testing.assert_allclose(alone.kernel, together[i][j].kernel, atol=2e-4)


def test_heads_of_one_matrix_may_take_several_loops(monkeypatch):
  """The matrix is asked for in each; heads are those of one loop."""
  x, y = _data()
  whole, asked = _problem(x, y, _HEADS), []
  (together,) = _train([whole], 10)
  problem = dataclasses.replace(
    whole, load=lambda: asked.append(None) or whole.load()
  )
  monkeypatch.setattr(sweep, '_CUT_AT_ONCE', 1)
  one = stacks.head_bytes(240, _CLASSES)
  for heads, loops in ((1, 4), (2, 2), (3, 2)):
    asked.clear()
    memory = sweep.needed_bytes(300, 240, _CLASSES) + (heads - 1) * one
    cut, other = _train([problem, whole], 10, memory=memory)
    assert len(asked) == loops and len(other) == len(_HEADS)
    for a, b in zip(cut, together, strict=True):
      np.testing.assert_allclose(a.kernel, b.kernel, atol=2e-4)


@pytest.mark.parametrize(
  'changes', [{'heads': []}, {'num_features': 0, 'load': list}]
)
def test_a_problem_has_a_head_and_a_feature(changes):
  problem = _problem(*_data(), _HEADS)
  with pytest.raises(ValueError, match='at least one head and one feature'):
    _train([dataclasses.replace(problem, **changes), problem], 3)


def test_problems_with_other_numbers_of_examples():
  x, y = _data()
  heads = _train(
    [_problem(x, y, _HEADS), _problem(x[:200], y[:200], _HEADS)], 10
  )
  ((alone, *_),) = _train([_problem(x[:200], y[:200], _HEADS)], 10)
  np.testing.assert_allclose(heads[1][0].kernel, alone.kernel, atol=1e-5)


def test_the_same_run_gives_the_same_bits():
  x, y = _data()
  one, two = (_train([_problem(x, y, _HEADS)], 40, 'l21')[0] for _ in range(2))
  for a, b in zip(one, two):
    np.testing.assert_array_equal(a.kernel, b.kernel)


def test_rows_that_fill_the_last_batch_do_not_count():
  x, y = _data()
  rows = sweep.padded(np.arange(300))
  assert len(rows) == 384 and (rows[300:] == 0).all()
  noise = x[rows].copy()
  noise[300:] = 1e3
  results = [
    _train([sweep.Problem(lambda m=m: [tf.constant(m)], 240, y, _HEADS)], 9)
    for m in (x[rows], noise)
  ]
  np.testing.assert_array_equal(
    results[0][0][0].kernel, results[1][0][0].kernel
  )


def test_parts_of_a_matrix_train_the_heads_of_the_whole():
  x, y = _data()
  whole = _problem(x, y, _HEADS)
  (matrix,) = whole.load()
  parts = dataclasses.replace(whole, load=lambda: iter(tf.split(matrix, 5, 1)))
  for a, b in zip(_train([whole], 9)[0], _train([parts], 9)[0], strict=True):
    np.testing.assert_array_equal(a.kernel, b.kernel)


def test_wide_features_are_never_there_twice():
  """Those of a ViT at the largest target size, with ten classes."""
  features, head = 1_890_000, stacks.head_bytes(1_890_000, 10)
  held = 4 * 1024 * features
  assert held + head < sweep.needed_bytes(1000, features, 10) < 1.3 * held
  narrow = sweep.needed_bytes(1000, 1000, 10)
  assert narrow > 2 * 4 * 1024 * 1000  # These are, while they are cut.


def test_learns_what_is_there_to_learn():
  rng = np.random.default_rng(0)
  y = rng.integers(0, _CLASSES, 400)
  x = (np.eye(_CLASSES)[y] + 0.1 * rng.normal(size=(400, _CLASSES))).astype(
    np.float32
  )
  ((head,),) = _train([_problem(x, y, [sweep.HeadSpec(0.1, (0,))])], 200)
  np.testing.assert_allclose(
    head.logits(x), x @ head.kernel.numpy().T + head.bias, rtol=1e-5, atol=1e-5
  )
  assert counting.correct(head.logits(x), y) > 0.99 * len(y)


def test_too_little_memory_is_one_line():
  x, y = _data()
  with pytest.raises(errors.InputError, match='--memory_gib'):
    _train([_problem(x, y, _HEADS)], 1, memory=10_000)


def test_features_that_are_not_finite_are_one_line():
  x, y = _data()
  x[3, 5] = np.nan
  with pytest.raises(errors.InputError, match='not finite'):
    _train([_problem(x, y, _HEADS)], 3)


@pytest.mark.parametrize(
  'labels, penalty',
  [
    (np.full(300, _CLASSES), None),
    (np.full(300, -1), None),
    (np.zeros(300, int), 'l3'),
  ],
)
def test_bad_arguments(labels, penalty):
  x, _ = _data()
  with pytest.raises(ValueError):
    _train([_problem(x, labels, _HEADS)], 1, penalty)


def test_an_unknown_optimizer_is_refused():
  with pytest.raises(ValueError, match="unknown optimizer 'sgd'"):
    _train([_problem(*_data(), _HEADS)], 1, optimizer='sgd')


def test_groups_equal_keras_with_group_sizes():
  """Layer-wise group lasso: heads with groups beside heads without."""
  x, y = _data()
  groups = (100, 1, 39, 100)
  problem = dataclasses.replace(_problem(x, y, _HEADS), groups=groups)
  trained, plain = _train([problem, _problem(x, y, _HEADS)], 60, 'l21')
  for spec, head, other in zip(_HEADS, trained, plain):
    kernel, bias = _keras(x, y, spec, 60, 'l21', groups)
    difference = np.linalg.norm(head.kernel - kernel) / np.linalg.norm(kernel)
    assert difference < 1e-3
    np.testing.assert_allclose(head.bias, bias, atol=1e-4)
    kernel, _ = _keras(x, y, spec, 60, 'l21')
    difference = np.linalg.norm(other.kernel - kernel) / np.linalg.norm(kernel)
    assert difference < 1e-3


@pytest.mark.parametrize(
  'penalty, groups', [('l21', (100, 139)), ('l1', (100, 140)), (None, (240,))]
)
def test_groups_that_do_not_fit_are_refused(penalty, groups):
  problem = dataclasses.replace(_problem(*_data(), _HEADS), groups=groups)
  with pytest.raises(ValueError, match='do not fit'):
    _train([problem], 1, penalty)


@pytest.mark.parametrize(
  'penalty, groups',
  [*((p, None) for p in sweep.PENALTIES), ('l21', (1, 139, 60, 40))],
)
def test_blocks_of_columns_change_nothing(penalty, groups, monkeypatch):
  """Groups of features reach over the borders of blocks."""
  x, y = _data()
  twin, twin_y = _data(seed=2)
  problems = [
    dataclasses.replace(_problem(*data, _HEADS), groups=groups)
    for data in ((x, y), (twin, twin_y))
  ]
  whole = _train(problems, 30, penalty)
  monkeypatch.setattr(stacks, '_COLUMNS', 100)
  blocks = _train(problems, 30, penalty)
  for one, two in zip(whole, blocks):
    for a, b in zip(one, two, strict=True):
      np.testing.assert_allclose(a.kernel, b.kernel, atol=2e-4)
      np.testing.assert_allclose(a.bias, b.bias, atol=1e-4)


@pytest.mark.soak
@pytest.mark.parametrize('penalty', sweep.PENALTIES)
def test_xla_trains_the_same_heads(penalty, monkeypatch):
  """As on a TPU: stacks of several shapes, and groups where there may be some.

  Kernels within 2e-4, as in other company; relevance scores within 1e-3 of the
  largest.
  """
  x, y = _data()
  twin, twin_y = _data(seed=2)
  other, other_y = _data(features=77, seed=1)
  problems = [
    _problem(x, y, _HEADS),
    _problem(twin, twin_y, _HEADS),
    _problem(other, other_y, _HEADS[:2]),
  ]
  if penalty == 'l21':
    problems.append(dataclasses.replace(problems[0], groups=(100, 1, 39, 100)))
  plain = _train(problems, 20, penalty)
  used = []
  monkeypatch.setattr(
    devices, 'needs_xla', lambda device: bool(used.append(device)) or True
  )
  with_xla = _train(problems, 20, penalty)
  assert used == ['/device:CPU:0']
  for one, two in zip(plain, with_xla, strict=True):
    for a, b in zip(one, two, strict=True):
      np.testing.assert_allclose(a.kernel, b.kernel, atol=2e-4)
      np.testing.assert_allclose(a.bias, b.bias, atol=1e-4)
      for name in scores.OF_KERNEL:
        wanted = scores.of_kernel(name, a.kernel)
        np.testing.assert_allclose(
          scores.of_kernel(name, b.kernel), wanted, atol=1e-3 * wanted.max()
        )


@pytest.mark.parametrize('penalty', sweep.PENALTIES)
def test_what_was_trained_before_changes_no_bit(penalty):
  """Other numbers of images, features, heads and problems."""

  def bits(problems, heads):
    trained = _train(
      [_problem(*_data(*sizes), heads) for sizes in problems], 30, penalty
    )
    return [
      part.numpy().tobytes()
      for some in trained
      for head in some
      for part in (head.kernel, head.bias)
    ]

  loop.compiled.cache_clear()
  alone = bits([(300, 240)], _HEADS)
  loop.compiled.cache_clear()
  bits([(150, 100)], _HEADS[:1])
  bits([(500, 700), (500, 333)], _HEADS[:2])
  assert bits([(300, 240)], _HEADS) == alone
