import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.features import pooling
from vtab_h2t.heads import initial
from vtab_h2t.training import checkpoint
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
    chosen = trainer_lib.order_of(_ROWS, (7,), epoch)[
      within * 16 : within * 16 + 16
    ]
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
    net = network_lib.Network(testing.normed_backbone(), policy=policy)
    assert all(v.dtype == tf.float32 for v in net.variables)
    trainer = _trainer(net)
    trainer.run(_X, _Y, _ROWS, 0.02, 8, (7,))
    losses[policy] = trainer.values[-2]
    assert trainer.embed(_X).dtype == np.float32
  one, two = (v.ravel() for v in losses.values())
  assert one @ two > 0.99 * np.linalg.norm(one) * np.linalg.norm(two)
  assert (one != two).any()


def test_schedules(net):
  """The steps of a single bias under a constant gradient."""
  rates = {}
  for schedule in ('cosine', 'cosine_by_epoch', 'constant'):
    trainer = _trainer(net, trainer_lib.Recipe(batch=16, schedule=schedule))
    found = rates[schedule] = []
    trainer._step = lambda x, y, lr, scales, number: (
      found.append(float(lr)) or np.float32(0)
    )
    trainer.run(_X, _Y, _ROWS, 2.0, 8, (0,))
    del net._trainers[next(reversed(net._trainers))]
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


def test_divergence_is_told(net):
  trainer = _trainer(
    net,
    trainer_lib.Recipe(batch=16, schedule='constant', frozen_statistics=True),
  )
  with pytest.raises(
    trainer_lib.DivergedError, match='not finite by step 4 of '
  ):
    trainer.run(_X, _Y, _ROWS, 1e30, 20, (0,))


@pytest.mark.parametrize('recipe', [_ADAM, trainer_lib.Recipe(batch=16)])
def test_a_run_that_is_cut_off_goes_on(net, tmp_path, recipe):
  wanted = _trainer(net, recipe)
  wanted.run(_X, _Y, _ROWS, 0.01, 14, (5,))
  values, state = wanted.values, net.state()
  trainer = _trainer(net, recipe)
  path = tmp_path / 'run.npz'

  class Cut(checkpoint.Checkpoint):
    def save(self, trainer, steps):
      super().save(trainer, steps)
      if steps == 8:
        raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    trainer.run(_X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=Cut(path, 0))
  assert path.exists()
  trainer = _trainer(net, recipe)
  trainer.run(
    _X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=checkpoint.Checkpoint(path, 0)
  )
  for value, other in zip([*trainer.values, *net.state()], [*values, *state]):
    np.testing.assert_array_equal(value, other)
  assert not path.exists()
