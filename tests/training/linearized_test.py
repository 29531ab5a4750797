"""A trainer of the Taylor expansion: its logits, gradients and runs."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import vit_layers
from vtab_h2t.heads import initial
from vtab_h2t.training import checkpoint
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_X = np.random.default_rng(0).normal(size=(64, 16, 16, 3)).astype(np.float32)
_Y = np.arange(64) % 3
_ROWS = np.arange(64)
_RECIPE = trainer_lib.Recipe(batch=16, frozen_statistics=True, linearized=True)


def _mobile(x):
  """An inverted bottleneck, as of EfficientNet-Lite; smooth for a test."""
  layers = keras.layers

  def normed(x):
    return layers.BatchNormalization(moving_mean_initializer='random_normal')(x)

  x = start = layers.Conv2D(4, 4, 4, use_bias=False)(x)
  x = keras.ops.silu(normed(layers.Conv2D(16, 1, use_bias=False)(x)))
  x = layers.DepthwiseConv2D(5, padding='same', use_bias=False)(x)
  x = keras.ops.silu(normed(x))
  x = normed(layers.Conv2D(4, 1, use_bias=False)(x))
  return layers.GlobalAveragePooling2D()(layers.Add()([x, start]))


def _transformer(x):
  """A block of a ViT."""
  layers = keras.layers
  x = layers.Reshape((16, 8))(layers.Conv2D(8, 4, 4)(x))
  x = vit_layers.PositionEmbedding()(vit_layers.ClassToken()(x))
  y = layers.LayerNormalization()(x)
  x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
  y = layers.Dense(16, activation='gelu')(layers.LayerNormalization()(x))
  return layers.Add()([x, layers.Dense(8)(y)])[:, 0]


@functools.cache
def _network(kind):
  if kind == 'normed':
    return network_lib.Network(testing.normed_backbone())
  keras.utils.set_random_seed(0)
  inputs = keras.Input((16, 16, 3))
  pooled = {'mobile': _mobile, 'transformer': _transformer}[kind](inputs)
  model = keras.Model(inputs, {'pooled': pooled})
  return network_lib.Network(
    backbone_lib.Backbone(
      kind,
      model,
      ('pooled',),
      'pooled',
      16,
      testing.INPUT,
      backbone_lib.hash_weights(model),
    )
  )


def _trainer(kind='normed', recipe=_RECIPE, trained=None, net=None):
  net = net or _network(kind)
  net.reset()
  size = net.backbone.model.output['pooled'].shape[-1]
  trainer = net.trainer(
    readout_lib.Embedding('pooled', size, True),
    (size, 3),
    range(len(net.variables)) if trained is None else trained,
    recipe,
  )
  trainer.start(initial.layers((size, 3), (1,)))
  return trainer


@functools.cache
def _compiled(trainer):
  return tf.function(
    lambda x: trainer._logits_in_graph(x, training=False),
    input_signature=[tf.TensorSpec([None, 16, 16, 3])],
  )


def _logits(trainer, x=_X):
  return _compiled(trainer)(x).numpy()


def _direction(trainer):
  """A displacement of the size of the weights, whatever theirs."""
  rng = np.random.default_rng(1)
  return [
    rng.normal(size=v.shape) * (np.sqrt(np.square(v).mean()) + 0.1)
    for v in trainer.values
  ]


def _displace(variables, start, direction, factor):
  for variable, value, change in zip(variables, start, direction, strict=True):
    variable.assign(value + factor * change)


@pytest.mark.parametrize('kind', ['mobile', 'transformer'])
def test_the_error_is_of_second_order(kind):
  """It falls four-fold when the displacement halves."""
  trainer, network = _trainer(kind), _trainer(kind, trainer_lib.Recipe())
  start, direction = network.values, _direction(network)
  np.testing.assert_allclose(_logits(trainer), _logits(network), atol=1e-6)
  errors = []
  for factor in (0.04, 0.02):
    _displace(trainer._displacement, [0.0] * len(start), direction, factor)
    expanded = _logits(trainer)
    _displace(network._weights, start, direction, factor)
    found = _logits(network)
    errors.append(np.abs(expanded - found).mean())
    _displace(network._weights, start, direction, 0)
  assert 3.3 < errors[0] / errors[1] < 4.7
  assert errors[1] < 0.1 * np.abs(found).mean()


def test_logits_and_gradients_are_those_of_the_jacobian():
  trainer, x, y = _trainer('mobile'), tf.constant(_X[:6]), _Y[:6]
  direction = [0.1 * d for d in _direction(trainer)]
  with tf.GradientTape(watch_accessed_variables=False) as tape:
    tape.watch(trainer._weights)
    taps = trainer._part(x, training=False)
    logits = readout_lib.apply_head(trainer._readout(taps), trainer._layers)
  jacobian = [
    j.numpy().reshape(6, 3, -1)
    for j in tape.jacobian(
      logits, trainer._weights, unconnected_gradients='zero'
    )
  ]
  _displace(trainer._displacement, [0.0] * len(direction), direction, 1)
  wanted = logits.numpy() + sum(
    j @ d.ravel() for j, d in zip(jacobian, direction, strict=True)
  )
  np.testing.assert_allclose(_logits(trainer, x), wanted, atol=1e-4)
  error = (tf.nn.softmax(wanted).numpy() - np.eye(3)[y]) / 6
  for found, j in zip(trainer.gradients(x, y), jacobian, strict=True):
    np.testing.assert_allclose(
      found.ravel(), np.einsum('nc,ncw->w', error, j), atol=1e-4
    )


def test_of_the_head_alone_it_is_logistic_regression():
  """Logits are linear in the head's weights as they are."""
  values = []
  for recipe in (_RECIPE, dataclasses.replace(_RECIPE, linearized=False)):
    trainer = _trainer('normed', recipe, trained=())
    trainer.run(_X, _Y, _ROWS, 0.1, 9, (0,))
    values.append([*trainer.values, _logits(trainer)])
  for one, other in zip(*values, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_network_stays_and_the_displacement_learns():
  trainer = _trainer()
  state, start = trainer._model.get_weights(), trainer.values
  right = (trainer.predict(_X) == _Y).sum()
  trainer.run(_X, _Y, _ROWS, 0.1, 60, (0,))
  for value, wanted in zip(trainer._model.get_weights(), state, strict=True):
    np.testing.assert_array_equal(value, wanted)
  assert all((a != b).any() for a, b in zip(trainer.values, start))
  ((kernel, bias),) = trainer.head
  np.testing.assert_array_equal(kernel, trainer.values[-2])
  np.testing.assert_array_equal(bias, trainer.values[-1])
  predicted = trainer.predict(_X)
  assert (predicted == _Y).sum() > right + 10
  np.testing.assert_array_equal(predicted, _logits(trainer).argmax(1))
  assert trainer.correct(_X, _Y) == (predicted == _Y).sum()


class _Cut(checkpoint.Checkpoint):
  """Is killed when it has saved the eighth step."""

  def save(self, trainer, steps, counts):
    super().save(trainer, steps, counts)
    if steps == 8:
      raise KeyboardInterrupt


def test_a_run_that_is_cut_off_goes_on(tmp_path):
  wanted = _trainer()
  wanted.run(_X, _Y, _ROWS, 0.01, 14, (5,))
  values, logits = wanted.values, _logits(wanted)
  trainer, path = _trainer(), tmp_path / 'run.npz'
  with pytest.raises(KeyboardInterrupt):
    trainer.run(_X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=_Cut(path, 0))
  trainer = _trainer()
  trainer.run(
    _X, _Y, _ROWS, 0.01, 14, (5,), checkpoint=checkpoint.Checkpoint(path, 0)
  )
  for value, other in zip(trainer.values, values, strict=True):
    np.testing.assert_array_equal(value, other)
  np.testing.assert_array_equal(_logits(trainer), logits)


def test_divergence_is_told():
  trainer = _trainer()
  with pytest.raises(trainer_lib.DivergedError, match='not finite by step'):
    trainer.run(_X, _Y, _ROWS, 3e38, 20, (0,))


@pytest.mark.soak
def test_in_mixed_precision_it_learns_alike():
  net = network_lib.Network(
    precision.compute_in(testing.normed_backbone(), 'mixed_bfloat16')
  )
  found = []
  for trainer in _trainer(), _trainer(net=net):
    ((start, _),) = trainer.head
    trainer.run(_X, _Y, _ROWS, 0.1, 8, (7,))
    found.append((trainer.head[0][0] - start).ravel())
  one, two = found
  assert one @ two > 0.99 * np.linalg.norm(one) * np.linalg.norm(two)
  assert (one != two).any()


@pytest.mark.parametrize(
  'change, says',
  [
    ({'frozen_statistics': False}, 'needs frozen statistics'),
    ({'weight_decay': 1e-4}, 'without weight decay'),
  ],
)
def test_what_has_no_meaning_is_refused(change, says):
  with pytest.raises(ValueError, match=says):
    dataclasses.replace(_RECIPE, **change)
