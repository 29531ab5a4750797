"""Taps at any tensor of a functional model, also of models within it."""

import keras
import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.heads import initial
from vtab_h2t.training import layers as fast_layers
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

layers = keras.layers


def _inner():
  """A network as users build others upon."""
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(6, 3, 2, 'same', use_bias=False, name='conv')(inputs)
  x = layers.BatchNormalization(name='norm')(x)
  x = layers.ReLU(name='relu')(x)
  return keras.Model(inputs, x, name='base')


def _nested(training=None):
  """A model of a model and a Sequential; returns all three."""
  inner = _inner()
  tail = keras.Sequential(
    [keras.Input((8, 8, 6)), layers.Conv2D(5, 3, name='last')], name='tail'
  )
  inputs = keras.Input((16, 16, 3))
  x = layers.Rescaling(2.0, name='twice')(inputs)
  x = inner(x, training=training)
  x = tail(x)
  x = layers.GlobalAveragePooling2D(name='pooled')(x)
  model = keras.Model(inputs, x, name='outer')
  backbone_lib.randomise(model, 0)
  return model, inner, tail


def _of(model, taps, **options):
  return backbone_lib.Backbone.of_model(model, taps, 1 / 255, 0.0, **options)


_X = np.random.default_rng(1).normal(size=(4, 16, 16, 3)).astype('f4')


def test_tensors_of_the_model_and_of_those_within():
  model, inner, tail = _nested()
  normed = inner.get_layer('norm').output
  backbone = _of(
    model,
    {
      'twice': model.get_layer('twice').output,
      'normed': normed,
      'base': inner.output,
      'last': tail.layers[0].output,
      'flat': layers.Flatten(name='flat')(model.get_layer('twice').output),
      'pooled': model.output,
    },
  )
  assert backbone.taps == ('twice', 'normed', 'base', 'last', 'flat', 'pooled')
  assert backbone.embedding == 'pooled' and not backbone.model.trainable
  assert backbone.tap_shapes()['normed'] == (8, 8, 6)
  got = backbone.model(_X)
  want = {
    'twice': 2 * _X,
    'normed': keras.Model(inner.input, normed)(2 * _X),
    'base': inner(2 * _X),
    'last': tail(inner(2 * _X)),
    'flat': 2 * _X.reshape(4, -1),
    'pooled': model(_X),
  }
  for tap, value in want.items():
    np.testing.assert_allclose(got[tap], value, atol=1e-5, err_msg=tap)
  names = [layer.name for layer in backbone.model.layers]
  assert names[1:5] == ['twice', 'base_conv', 'base_norm', 'base_relu']
  # Copies: what is done to the model later is not seen.
  conv = inner.get_layer('conv')
  conv.set_weights([2 * w for w in conv.get_weights()])
  np.testing.assert_array_equal(backbone.model(_X)['pooled'], got['pooled'])


def test_a_model_within_may_be_a_tap_by_its_name():
  """Its own output is another tensor than what it gives in the outer one."""
  model, inner, _ = _nested()
  backbone = _of(model, ['base', 'tail', 'pooled'])
  got = backbone.model(_X)
  np.testing.assert_allclose(got['base'], inner(2 * _X), atol=1e-5)
  np.testing.assert_allclose(got['pooled'], model(_X), atol=1e-5)
  # Its layers are the backbone's own, for training and for `blocks`.
  assert 'base_norm' in [layer.name for layer in backbone.model.layers]


@pytest.mark.parametrize('training', [False, True])
def test_the_copy_is_trained_as_the_model(training):
  """Also where `base(x, training=False)`, which Keras does not heed there."""
  model, inner, _ = _nested(training=False)
  tensors = {'conv': inner.layers[1].output, 'pooled': model.output}
  backbone = _of(model, tensors)
  copy = fast_layers.copy_of(backbone.model, 'float32', on_cpu=True)
  for layer in copy.layers:  # The model's own flag is on already.
    layer.trainable = True
  copy.set_weights(backbone.model.get_weights())
  model.trainable = True
  wanted = model(_X, training=training)
  np.testing.assert_allclose(
    copy(_X, training=training)['pooled'],
    wanted,
    atol=1e-5 * np.abs(wanted).max(),
  )


def test_a_layer_that_is_called_twice_is_shared():
  inputs = keras.Input((16, 16, 3))
  inner = keras.Model(inputs, layers.Activation('relu', name='r')(inputs))
  shared = layers.Conv2D(3, 1, name='shared')
  x = keras.Input((16, 16, 3))
  y = shared(inner(shared(x)))
  model = keras.Model(x, layers.Flatten(name='flat')(y), name='m')
  backbone = _of(model, {'relu': inner.layers[1].output, 'out': model.output})
  assert len(backbone.model.weights) == 2
  np.testing.assert_allclose(backbone.model(_X)['out'], model(_X), atol=1e-5)
  with pytest.raises(
    errors.InputError, match='layer shared of m gives several'
  ):
    _of(model, ['shared'])


def test_what_is_no_tensor_of_the_model_is_one_line():
  model, inner, _ = _nested()
  other = layers.Flatten()(keras.Input((16, 16, 3)))
  for tap, message in (
    (other, 'tap x of outer is no tensor of it, of a model within it, or co'),
    (_inner().output, 'tap x of outer is no tensor of it'),
    (np.zeros(3), 'tap x of outer is a ndarray, not a KerasTensor'),
    ('pooled', 'tap x of outer is a str, not a KerasTensor'),
    (layers.Flatten()(inner.output)[:, 0], r'tap x of outer is no \[B, h, w'),
  ):
    with pytest.raises(errors.InputError, match=message) as e:
      _of(model, {'x': tap})
    assert '\n' not in str(e.value)
  with pytest.raises(errors.InputError, match="embedding 'y' is not among"):
    _of(model, {'x': model.output}, embedding='y')
  with pytest.raises(errors.InputError, match=r'\(none\)'):
    _of(model, {})


def test_a_model_that_is_called_twice_stands_for_several_tensors():
  inputs = keras.Input((16, 16, 3))
  inner = keras.Model(inputs, layers.Conv2D(3, 3, 1, 'same')(inputs))
  x = keras.Input((16, 16, 3))
  model = keras.Model(x, inner(inner(x)), name='m')
  with pytest.raises(errors.InputError, match='x of m is within a model that'):
    _of(model, {'x': inner.output})


class _Odd(layers.Layer):
  """Its configuration is not what it takes."""

  def get_config(self):
    return super().get_config() | {'extra': 1}

  def call(self, x):
    return x


def test_layers_that_cannot_be_copied_are_named():
  inner = _inner()
  inputs = keras.Input((16, 16, 3))
  x = _Odd(name='odd')(inner(inputs))
  model = keras.Model(inputs, layers.Flatten(name='flat')(x))
  message = r'^layer odd \(_Odd\) cannot be copied, .*extra.*get_config$'
  with pytest.raises(errors.InputError, match=message) as e:
    _of(model, {'x': inner.layers[1].output, 'flat': model.output})
  assert '\n' not in str(e.value)
  # Features need no copy, training does.
  backbone = _of(model, ['odd', 'flat'])
  assert backbone.tap_shapes()['odd'] == (8, 8, 6)
  with pytest.raises(errors.InputError, match=message):
    network_lib.Network(backbone)


def test_features_are_extracted_and_it_learns():
  """As KerasHub's are, below: taps by tensors, pooled by a layer of ours."""
  model, inner, _ = _nested()
  check(
    _of(
      model,
      {'norm': inner.get_layer('norm').output, 'pooled': model.output},
      blocks={'base': 'base_', 'tail': 'tail_'},
    )
  )


def check(backbone, is_trainable=True):
  """Features are whole and finite; a network learns which channel is bright."""
  size = backbone.image_size
  labels = np.arange(24) % 3
  pixels = testing.images(24, size=size) // 2
  for i, label in enumerate(labels):
    pixels[i, :, :, label] += 120
  images = backbone.preprocess(pixels).numpy()
  outputs = backbone.model(images)
  for tap, shape in backbone.tap_shapes().items():
    assert outputs[tap].shape == (24, *shape)
    assert np.isfinite(outputs[tap]).all()
    assert np.ptp(outputs[tap], axis=0).max() > 0  # It depends on the image.
  (width,) = backbone.tap_shapes()[backbone.embedding]
  if not is_trainable:
    return
  net = network_lib.Network(backbone)
  trainer = net.trainer(
    readout_lib.Embedding(backbone.embedding, width, False),
    (width, 3),
    range(len(net.variables)),
    trainer_lib.Recipe(optimizer='adam', batch=8),
  )
  trainer.start(initial.layers((width, 3), (1,)))
  before = net.state()
  trainer.run(images, labels, np.arange(24), 0.01, 40, (1,))
  assert (trainer.predict(images) == labels).mean() > 0.8
  assert any((a != b).any() for a, b in zip(net.state(), before, strict=True))
