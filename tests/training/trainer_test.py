import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.backbones import precision
from vtab_h2t.features import pooling
from vtab_h2t.heads import adam
from vtab_h2t.heads import initial
from vtab_h2t.training import checkpoint
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_X = np.random.default_rng(0).normal(size=(64, 16, 16, 3)).astype(np.float32)
_Y = np.arange(64) % 3
_ROWS = np.arange(64)
_SGD = trainer_lib.Recipe(batch=16)
_ADAM = trainer_lib.Recipe(optimizer='adam', batch=16, schedule='constant')


def _trainer(net, recipe=_SGD, trained=None, sizes=(8, 3)):
  net.reset()
  everything = range(len(net.variables))
  trainer = net.trainer(
    readout_lib.Embedding('pooled', 8, False),
    sizes,
    everything if trained is None else trained,
    recipe,
  )
  trainer.start(initial.layers(sizes, (1,)))
  return trainer


def _keras(optimizer, steps, training, decay=0.0):
  """The same run with Keras' own optimizers and layers."""
  backbone = testing.normed_backbone()
  backbone.model.trainable = True
  for layer in backbone.model.layers:
    layer.trainable = True
    if isinstance(layer, keras.layers.BatchNormalization):
      layer.momentum = 0.9
  ((kernel, bias),) = initial.layers((8, 3), (1,))
  kernel, bias = tf.Variable(kernel), tf.Variable(bias)
  variables = [v.value for v in backbone.model.trainable_variables]
  variables += [kernel, bias]
  optimizer.build([keras.Variable(v.numpy()) for v in variables])
  mirrors = optimizer._trainable_variables
  losses = []
  for number in range(steps):
    epoch, within = divmod(number, 4)
    chosen = trainer_lib.batches(_ROWS, 16, (7,), epoch)[within]
    with tf.GradientTape() as tape:
      z = backbone.model(_X[chosen], training=training)['pooled']
      loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(
          _Y[chosen], tf.matmul(z, kernel, transpose_b=True) + bias
        )
      )
    gradients = tape.gradient(loss, variables)
    optimizer.apply([g + decay * v for g, v in zip(gradients, variables)])
    for v, mirror in zip(variables, mirrors):
      v.assign(mirror.value)
    losses.append(float(loss))
  return [v.numpy() for v in variables], backbone.model.get_weights()


@pytest.mark.parametrize(
  'name, training, decay',
  [('sgd', True, 0.0), ('sgd', False, 0.0), ('adam', False, 1e-2)],
)
def test_equals_keras(net, name, training, decay):
  optimizer = (
    keras.optimizers.SGD(0.05, momentum=0.9)
    if name == 'sgd'
    else keras.optimizers.Adam(0.01)
  )
  wanted, weights = _keras(optimizer, 9, training, decay)
  trainer = _trainer(
    net,
    trainer_lib.Recipe(
      optimizer=name,
      batch=16,
      schedule='constant',
      frozen_statistics=not training,
      weight_decay=decay,
    ),
  )
  trainer.run(_X, _Y, _ROWS, 0.05 if name == 'sgd' else 0.01, 9, (7,))
  for value, other in zip(trainer.values, wanted, strict=True):
    np.testing.assert_allclose(value, other, atol=2e-4)
  for value, other in zip(net.state(), weights, strict=True):
    np.testing.assert_allclose(value, other, atol=2e-4)


def test_mixed_precision_keeps_variables_and_learns_alike():
  losses = {}
  for policy in ('float32', 'mixed_bfloat16'):
    net = network_lib.Network(
      precision.compute_in(testing.normed_backbone(), policy)
    )
    assert all(v.dtype == tf.float32 for v in net.variables)
    trainer = _trainer(net)
    trainer.run(_X, _Y, _ROWS, 0.02, 8, (7,))
    losses[policy] = trainer.values[-2]
    assert trainer.embed(_X).dtype == np.float32
  one, two = (v.ravel() for v in losses.values())
  assert one @ two > 0.99 * np.linalg.norm(one) * np.linalg.norm(two)
  assert (one != two).any()


def test_schedules(net, monkeypatch):
  """The steps of a single bias under a constant gradient."""
  rates = {}
  for schedule in ('cosine', 'cosine_by_epoch', 'constant'):
    trainer = _trainer(net, trainer_lib.Recipe(batch=16, schedule=schedule))
    found = rates[schedule] = []
    monkeypatch.setattr(
      trainer,
      '_step',
      lambda x, y, lr, scales, number, found=found: (
        found.append(float(lr)) or np.float32(0)
      ),
    )
    trainer.run(_X, _Y, _ROWS, 2.0, 8, (0,))
  steps = np.arange(8)
  np.testing.assert_allclose(
    rates['cosine'], 1 + np.cos(np.pi * steps / 8), rtol=1e-6
  )
  np.testing.assert_allclose(rates['cosine_by_epoch'], [2] * 4 + [1] * 4)
  np.testing.assert_allclose(rates['constant'], [2] * 8)


def test_frozen_statistics_stay_and_affine_parameters_move(net):
  before = testing.normed_backbone().model
  statistics = [
    i for i, w in enumerate(before.weights) if w.name.startswith('moving')
  ]
  affine = [
    i for i, w in enumerate(before.weights) if w.name in ('gamma', 'beta')
  ]
  pretrained = before.get_weights()
  for frozen in (True, False):
    trainer = _trainer(
      net, trainer_lib.Recipe(batch=16, frozen_statistics=frozen)
    )
    trainer.run(_X, _Y, _ROWS, 0.1, 8, (0,))
    state = net.state()
    for i in statistics:
      assert (state[i] == pretrained[i]).all() == frozen
    assert any((state[i] != pretrained[i]).any() for i in affine)


def test_a_variable_with_scale_zero_does_not_move(net):
  for recipe in (_ADAM, trainer_lib.Recipe(batch=16)):
    trainer = _trainer(net, recipe)
    start = trainer.values
    scales = np.ones(trainer.num_scales, np.float32)
    scales[[0, 3]] = 0
    trainer.run(_X, _Y, _ROWS, 0.01, 6, (0,), lambda epoch, t: scales)
    moved = [(a != b).any() for a, b in zip(start, trainer.values)]
    assert moved == [bool(s) for s in scales]


def test_adam_steps_are_in_proportion_to_scales(net):
  """The first step of Adam is lr * scale, whatever the gradient."""
  steps = {}
  for scale in (1.0, 0.25):
    trainer = _trainer(net, _ADAM)
    before = trainer.values[0]
    trainer.run(
      _X,
      _Y,
      _ROWS,
      0.01,
      1,
      (0,),
      lambda epoch, t: np.full(t.num_scales, scale, np.float32),
    )
    steps[scale] = np.abs(trainer.values[0] - before).max()
  assert steps[1.0] == pytest.approx(0.01, rel=1e-2)
  assert steps[0.25] == pytest.approx(0.0025, rel=1e-2)


def test_scales_are_asked_for_at_each_epoch_and_adam_starts_anew(net):
  trainer = _trainer(net, _ADAM)
  epochs, moments = [], []

  def scales(epoch, t):
    epochs.append(epoch)
    moments.append(float(tf.reduce_sum(tf.abs(t._slots[0][0]))))
    return np.ones(t.num_scales, np.float32)

  trainer.run(_X, _Y, _ROWS, 0.01, 10, (0,), scales)
  assert epochs == [0, 1, 2]
  assert moments[0] == 0 and moments[1] > 0  # Before they are forgotten.


def test_only_the_chosen_variables_and_the_head_move(net):
  second = net.block('second')
  assert [net.layers[i] for i in second] == ['b_conv', 'b_norm', 'b_norm']
  trainer = _trainer(net, _ADAM, second)
  before = [v.numpy() for v in net.variables]
  trainer.run(_X, _Y, _ROWS, 0.01, 4, (0,))
  moved = [
    i for i, v in enumerate(net.variables) if (v.numpy() != before[i]).any()
  ]
  assert tuple(moved) == second


def test_selected_features_have_finite_gradients(net):
  """Through the gathering and the norm of columns that are zero."""
  backbone = net.backbone
  layout = pooling.layout(backbone.tap_shapes(), 30)
  columns = np.array([0, 1, layout.starts[1], layout.size - 1])
  net.reset()
  readout = readout_lib.Selected(layout, columns, 'selected')
  assert readout.taps == ('a', 'b', 'pooled') and readout.size == 4
  trainer = net.trainer(
    readout, (4, 3), range(len(net.variables)), trainer_lib.Recipe(batch=16)
  )
  trainer.start(initial.layers((4, 3), (0,)))
  black = np.full_like(_X[:8], -50.0)  # Many of the features are zero.
  for x in (black, np.zeros_like(black), _X[:8]):
    assert all(np.isfinite(g).all() for g in trainer.gradients(x, _Y[:8]))
  x = trainer.embed(_X)
  assert x.shape == (64, 4)
  only = readout_lib.Selected(layout, columns[:2], 'selected')
  assert only.taps == ('a',)


def test_hidden_layers(net):
  trainer = _trainer(net, sizes=(8, 5, 3))
  (k1, b1), (k2, b2) = trainer.head
  z = trainer.embed(_X)
  logits = np.maximum(z @ k1.T + b1, 0) @ k2.T + b2
  np.testing.assert_array_equal(trainer.predict(_X), logits.argmax(1))


@pytest.mark.parametrize('count', [40, 48, 10, 33, 1])
def test_the_last_batch_of_an_epoch_has_what_is_left(net, count, monkeypatch):
  """Each example once an epoch: 40 in batches of 16 are 16, 16 and 8.

  One image alone joins the batch before it, 33 being 16 and 17.
  """
  trainer = _trainer(net, trainer_lib.Recipe(batch=16, schedule='constant'))
  labels, batches = np.arange(64), []
  monkeypatch.setattr(
    trainer, '_step', lambda x, y, *unused: batches.append(y) or np.float32(0)
  )
  in_epoch = trainer_lib.epoch_steps(count, 16)
  assert in_epoch == {40: 3, 48: 3, 10: 1, 33: 2, 1: 1}[count]
  trainer.run(_X, labels, np.arange(count), 0.1, 2 * in_epoch, (0,))
  sizes = [len(b) for b in batches]
  assert (
    sizes
    == 2
    * {40: [16, 16, 8], 48: [16] * 3, 10: [10], 33: [16, 17], 1: [1]}[count]
  )
  for epoch in (batches[:in_epoch], batches[in_epoch:]):
    assert sorted(np.concatenate(epoch)) == list(range(count))


def test_a_smaller_batch_has_the_mean_of_its_own_loss(net):
  """The step on it is that of a trainer with batches of its size."""
  values = []
  for batch in (16, 5):
    trainer = _trainer(
      net, trainer_lib.Recipe(batch=batch, schedule='constant')
    )
    trainer.run(_X, _Y, _ROWS[:5], 0.1, 1, (0,))
    values.append(trainer.values)
  for one, other in zip(*values, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_smaller_batch_costs_no_trace(net):
  trainer = _trainer(net, trainer_lib.Recipe(batch=24))
  trainer.run(_X, _Y, _ROWS, 0.01, 6, (0,))
  for size in (1, 7, 64):
    trainer.gradients(_X[:size], _Y[:size])
    trainer.predict(_X[:size])
    trainer.embed(_X[:size])
    trainer.correct(_X[:size], _Y[:size])
  for function in (
    trainer._compiled,
    trainer._gradients,
    trainer._classes,
    trainer._forward,
    trainer._right,
  ):
    assert function.experimental_get_tracing_count() == 1


def test_adams_epsilon_is_the_recipes(net):
  """It is seen where it is as large as the gradients."""
  moved = {}
  for corrected in (False, True):
    trainer = _trainer(
      net,
      trainer_lib.Recipe(
        optimizer='adam',
        batch=16,
        schedule='constant',
        epsilon=adam.Epsilon(value=0.1, corrected=corrected),
      ),
    )
    start = trainer.values
    trainer.run(_X, _Y, _ROWS, 0.01, 1, (0,))
    moved[corrected] = max(
      np.abs(a - b).max() for a, b in zip(start, trainer.values)
    )
  # At the first step 0.1 / sqrt(1 - 0.999), against 0.1.
  assert moved[False] < moved[True] / 5
  assert trainer_lib.Recipe().epsilon == adam.KERAS


def _judge():
  return judge_lib.Judge(_X, _Y, np.arange(10, 60))


def test_correct_answers_are_counted_before_and_after_each_epoch(net):
  trainer, judge = _trainer(net), _judge()
  before = (trainer.predict(_X) == _Y)[10:60].sum()
  trainer.run(_X, _Y, _ROWS, 0.1, 12, (0,), judge=judge)
  assert len(judge.counts) == 4 and judge.counts[0] == before
  assert judge.counts[-1] == (trainer.predict(_X) == _Y)[10:60].sum()
  assert len(set(judge.counts)) > 1


def test_each_epoch_is_told(net):
  told = []
  _trainer(net).run(
    _X, _Y, _ROWS, 0.1, 10, (0,), tell=lambda *steps: told.append(steps)
  )
  assert told == [(4, 10), (8, 10), (10, 10)]


def test_judging_changes_nothing(net):
  values = []
  for judge in (None, _judge()):
    trainer = _trainer(net)
    trainer.run(_X, _Y, _ROWS, 0.1, 8, (0,), judge=judge)
    values.append([*trainer.values, *net.state()])
  for one, other in zip(*values, strict=True):
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('schedule', ['cosine', 'cosine_by_epoch'])
def test_stopping_early_is_on_the_same_schedule(net, schedule):
  """What is judged at an epoch is what a run that stops there ends with."""
  recipe = trainer_lib.Recipe(batch=16, schedule=schedule)
  whole = _judge()
  _trainer(net, recipe).run(_X, _Y, _ROWS, 0.1, 16, (0,), judge=whole)
  start = _trainer(net, recipe).values
  for stop in (0, 1, 3):
    trainer, judge = _trainer(net, recipe), _judge()
    trainer.run(_X, _Y, _ROWS, 0.1, 16, (0,), stop=stop, judge=judge)
    assert judge.counts == whole.counts[: stop + 1]
    moved = [(a != b).any() for a, b in zip(start, trainer.values)]
    assert all(moved) if stop else not any(moved)


def test_what_was_counted_before_a_divergence_is_kept(net):
  trainer, judge = (
    _trainer(
      net,
      trainer_lib.Recipe(batch=16, schedule='constant', frozen_statistics=True),
    ),
    _judge(),
  )
  with pytest.raises(trainer_lib.DivergedError, match='not finite by step'):
    trainer.run(_X, _Y, _ROWS, 1e30, 20, (0,), judge=judge)
  assert len(judge.counts) == 1


def test_a_weight_that_is_not_finite_is_told(net, monkeypatch):
  """A loss tells of the weights before its step only, and a ReLU hides NaN."""
  trainer = _trainer(net)

  def step(*unused):
    net.variables[1].assign([np.nan] * 6)
    return np.float32(1)

  monkeypatch.setattr(trainer, '_step', step)
  with pytest.raises(trainer_lib.DivergedError, match='a weight was not finit'):
    trainer.run(_X, _Y, _ROWS, 0.1, 1, (0,))


def test_divergence_is_told(net):
  trainer = _trainer(
    net,
    trainer_lib.Recipe(batch=16, schedule='constant', frozen_statistics=True),
  )
  with pytest.raises(
    trainer_lib.DivergedError, match='not finite by step 4 of '
  ):
    trainer.run(_X, _Y, _ROWS, 1e30, 20, (0,))


class _Cut(checkpoint.Checkpoint):
  """Is killed when it has saved the eighth step."""

  def save(self, trainer, steps, counts):
    super().save(trainer, steps, counts)
    if steps == 8:
      raise KeyboardInterrupt


@pytest.mark.parametrize('recipe', [_ADAM, trainer_lib.Recipe(batch=16)])
def test_a_run_that_is_cut_off_goes_on(net, tmp_path, recipe):
  wanted = _trainer(net, recipe)
  wanted.run(_X, _Y, _ROWS, 0.01, 14, (5,))
  values, state = wanted.values, net.state()
  trainer = _trainer(net, recipe)
  path = tmp_path / 'run.npz'

  with pytest.raises(KeyboardInterrupt):
    trainer.run(_X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=_Cut(path, 0))
  assert path.exists()
  trainer = _trainer(net, recipe)
  trainer.run(
    _X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=checkpoint.Checkpoint(path, 0)
  )
  for value, other in zip([*trainer.values, *net.state()], [*values, *state]):
    np.testing.assert_array_equal(value, other)
  assert not path.exists()


def test_a_judged_run_that_is_cut_off_ends_with_all_counts(
  net, tmp_path, monkeypatch
):
  """Of the epochs before the cut, too, which are not counted again."""
  run = lambda trainer, judge, kept: trainer.run(
    _X,
    _Y,
    _ROWS,
    0.05,
    20,
    (5,),
    lambda epoch, t: np.linspace(0.5, 1, t.num_scales, dtype=np.float32),
    kept,
    4,
    judge,
  )
  wanted, trainer = _judge(), _trainer(net, _ADAM)
  run(trainer, wanted, None)
  values = trainer.values
  path = tmp_path / 'run.npz'
  with pytest.raises(KeyboardInterrupt):
    run(_trainer(net, _ADAM), _judge(), _Cut(path, 0))
  trainer, judge = _trainer(net, _ADAM), _judge()
  calls, good = [], trainer.correct
  monkeypatch.setattr(
    trainer, 'correct', lambda x, y: calls.append(len(y)) or good(x, y)
  )
  run(trainer, judge, checkpoint.Checkpoint(path, 0))
  assert judge.counts == wanted.counts and len(judge.counts) == 5
  assert len(calls) == 2  # Epochs 3 and 4, in one batch each.
  for value, other in zip(trainer.values, values, strict=True):
    np.testing.assert_array_equal(value, other)
  assert not path.exists()


@pytest.mark.parametrize(
  'optimizer, frozen, linearized',
  [
    ('sgd', True, False),
    ('sgd', False, False),
    ('adam', True, False),
    ('adam', False, False),
    ('sgd', True, True),
  ],
)
def test_a_step_compiled_by_xla_gives_the_same(
  net, optimizer, frozen, linearized
):
  recipe = trainer_lib.Recipe(
    optimizer=optimizer,
    batch=16,
    frozen_statistics=frozen,
    linearized=linearized,
  )

  def after(jit):
    trainer = _trainer(net, recipe)
    step = tf.function(trainer._step_in_graph, jit_compile=jit)
    scales = np.ones(trainer.num_scales, np.float32)
    losses = [
      step(
        tf.constant(_X[:16]),
        tf.constant(_Y[:16], tf.int64),
        np.float32(0.01),
        tf.constant(scales),
        np.float32(number),
      ).numpy()
      for number in (1, 2)
    ]
    return [*losses, *trainer.values, *net.state()]

  for found, wanted in zip(after(True), after(False)):
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_factors_stay_where_none_are_given(net):
  """And Adam goes on: as if the factors were there at all epochs."""
  factors = np.ones(_trainer(net, _ADAM).num_scales, np.float32)
  factors[0] = 0
  values = []
  for scales in (
    lambda epoch, _: None if epoch else factors,
    lambda epoch, _: factors,
  ):
    trainer = _trainer(net, _ADAM)
    start = trainer.values[0]
    trainer.run(_X, _Y, _ROWS, 0.01, 8, (0,), scales)
    values.append(trainer.values)
    np.testing.assert_array_equal(trainer.values[0], start)
  # Where factors are given anew, Adam's moments begin anew.
  assert any((a != b).any() for a, b in zip(*values))
