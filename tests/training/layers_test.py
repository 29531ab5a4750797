"""The layers of a trained copy equal Keras': values, gradients, statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.training import layers

# Of the largest entry: rounding in float32, and in bfloat16's eight bits.
_TOLERANCE = {'float32': 2e-4, 'mixed_bfloat16': 6e-2}


def _norm(x):
  return keras.layers.BatchNormalization(
    epsilon=1e-3,
    beta_initializer='random_normal',
    gamma_initializer='random_uniform',
    moving_mean_initializer='random_normal',
  )(x)


def _conv(*arguments, **options):
  options = {'use_bias': False, 'padding': 'same'} | options

  def of(x):  # Each model has a layer of its own.
    return keras.layers.Conv2D(*arguments, **options)(x)

  return of


def _depthwise(*arguments, **options):
  options = {'use_bias': False, 'padding': 'same'} | options

  def of(x):  # Each model has a layer of its own.
    return keras.layers.DepthwiseConv2D(*arguments, **options)(x)

  return of


def _normed(convolution):
  return lambda x: _norm(convolution(x))


# Name, what is done to a map of 6 channels, its side.
_CASES = {
  'norm': (_norm, 8),
  'pointwise': (_conv(9, 1), 8),
  'pointwise_bias_relu': (
    _conv(
      9, 1, use_bias=True, activation='relu', bias_initializer='random_normal'
    ),
    8,
  ),
  'pointwise_strided': (_conv(9, 1, 2), 8),
  'wide': (_conv(9, 3, 2), 7),
  'wide_valid': (_conv(9, 3, padding='valid'), 8),
  'grouped': (_conv(6, 3, groups=3), 8),
  'dilated': (_conv(6, 3, dilation_rate=2), 8),
  'depthwise': (_depthwise(3), 8),
  'depthwise_small_map': (_depthwise(5), 5),
  'depthwise_small_map_strided': (_depthwise(5, 2), 6),
  'depthwise_smaller_than_kernel': (_depthwise(5, 2), 2),
  'depthwise_oblong': (_depthwise((5, 3)), 6),
  'depthwise_large_map': (_depthwise(5, 2), 9),
  'depthwise_valid': (_depthwise(5, padding='valid'), 8),
  'depthwise_twice': (_depthwise(5, depth_multiplier=2), 6),
  'depthwise_bias': (_depthwise(5, use_bias=True), 6),
  'expansion_normed': (_normed(_conv(24, 1)), 8),
  'reduction_normed': (_normed(_conv(4, 1)), 8),
  'wide_normed': (_normed(_conv(9, 3, 2)), 8),
  'bias_normed': (_normed(_conv(24, 1, use_bias=True)), 8),
  'relu_normed': (_normed(_conv(9, 3, activation='relu')), 8),
  'depthwise_normed': (_normed(_depthwise(5, 2)), 6),
  'depthwise_twice_normed': (_normed(_depthwise(3, depth_multiplier=2)), 6),
}


def _model(case):
  keras.utils.set_random_seed(0)
  of, side = _CASES[case]
  x = inputs = keras.Input((side, side, 6))
  return keras.Model(inputs, of(x))


def _stock(model, policy):
  def copied(layer):
    config = layer.get_config()
    if not isinstance(layer, keras.layers.InputLayer):
      config |= {'dtype': policy}
    return type(layer).from_config(config)

  copy = keras.models.clone_model(model, clone_function=copied)
  copy.set_weights(model.get_weights())
  return copy


def _fast(model, policy, on_cpu=True):
  copy = layers.copy_of(model, policy, on_cpu)
  copy.set_weights(model.get_weights())
  return copy


def _found(model, x, training, jit=False):
  """Output, gradients and running statistics of a model, as arrays."""
  variables = [x, *(v.value for v in model.trainable_variables)]

  @tf.function(jit_compile=jit)
  def of(x):
    with tf.GradientTape() as tape:
      tape.watch(x)
      out = tf.cast(model(x, training=training), tf.float32)
      rng = np.random.default_rng(2)
      loss = tf.reduce_sum(out * rng.normal(size=out.shape).astype(np.float32))
    return out, tape.gradient(loss, [x, *variables[1:]])

  out, gradients = of(x)
  return [
    np.asarray(v) for v in (out, *gradients, *(w.value for w in model.weights))
  ]


def _images(side, width=6):
  rng = np.random.default_rng(1)
  # Away from zero, where variances lose digits to their means.
  return tf.constant(
    rng.normal(2, 1, (5, side, side, width)).astype(np.float32)
  )


def _assert_close(found, wanted, tolerance):
  assert [f.shape for f in found] == [w.shape for w in wanted]
  for f, w in zip(found, wanted):
    np.testing.assert_allclose(
      f, w, rtol=0, atol=tolerance * max(np.abs(w).max(), 0.05)
    )


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
  'case, policy',
  [
    *((case, 'float32') for case in sorted(_CASES)),
    *(
      (case, 'mixed_bfloat16')
      for case in (
        'norm',
        'pointwise_bias_relu',
        'depthwise_small_map',
        'expansion_normed',
        'reduction_normed',
        'depthwise_twice_normed',
      )
    ),
  ],
)
def test_equals_keras(case, policy, training):
  model, x = _model(case), _images(_CASES[case][1])
  _assert_close(
    _found(_fast(model, policy), x, training),
    _found(_stock(model, policy), x, training),
    _TOLERANCE[policy],
  )


@pytest.mark.parametrize('on_cpu', [True, False])
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
  'case', ['norm', 'pointwise', 'depthwise_small_map', 'expansion_normed']
)
def test_xla_gives_the_same(case, training, on_cpu):
  model, x = _model(case), _images(_CASES[case][1])
  _assert_close(
    _found(_fast(model, 'float32', on_cpu), x, training, jit=True),
    _found(_fast(model, 'float32', on_cpu), x, training),
    1e-4,
  )


@pytest.mark.soak
@pytest.mark.parametrize('training', [True, False])
def test_a_whole_network_in_bfloat16_loses_no_more_than_keras(training):
  """Distance of the embedding from that in float32."""
  model, _ = efficientnet_lite.build(32)
  efficientnet_lite.load_imagenet(model)
  model = keras.Model(model.inputs, model.output['embedding'])
  x = _images(32, 3)
  exact, stock, fast = (
    np.asarray(make(model, policy)(x, training=training), np.float32)
    for make, policy in (
      (_stock, 'float32'),
      (_stock, 'mixed_bfloat16'),
      (_fast, 'mixed_bfloat16'),
    )
  )
  lost = [np.linalg.norm(found - exact) for found in (fast, stock)]
  assert 0 < lost[0] < 1.3 * lost[1]


@pytest.mark.soak
@pytest.mark.parametrize('training', [True, False])
def test_a_whole_network_equals_keras(training):
  model, _ = efficientnet_lite.build(32)
  keras.utils.set_random_seed(0)
  model = keras.Model(model.inputs, model.output['embedding'])
  model.trainable = True
  rng = np.random.default_rng(0)
  for weight in model.weights:  # Not zero and one, as batch norms start.
    weight.assign(weight + 0.1 * rng.random(weight.shape))
  x = _images(32, 3)
  # Sixteen blocks add up what rounding does in each.
  _assert_close(
    _found(_fast(model, 'float32'), x, training),
    _found(_stock(model, 'float32'), x, training),
    5e-3,
  )


def test_names_and_variables_stay():
  model, _ = efficientnet_lite.build(32)
  copy = layers.copy_of(model, 'float32', True)
  assert [layer.name for layer in copy.layers] == [
    layer.name for layer in model.layers
  ]
  assert [(w.path, w.shape) for w in copy.weights] == [
    (w.path, w.shape) for w in model.weights
  ]
  left = [
    layer.name
    for layer in copy.layers
    if getattr(layer, 'is_left_to_norm', False)
  ]
  assert len(left) == 49  # All convolutions: a batch norm reads each.


def test_what_is_tapped_or_read_twice_is_not_left_to_a_norm():
  x = inputs = keras.Input((8, 8, 6))
  tapped = _conv(24, 1)(x)
  twice = _conv(24, 1)(x)
  both = keras.layers.Add()([_norm(twice), twice])
  model = keras.Model(inputs, {'tap': tapped, 'a': _norm(tapped), 'b': both})
  copy = _fast(model, 'float32')
  x = _images(8)
  found, wanted = copy(x), model(x)
  for tap in wanted:
    np.testing.assert_allclose(found[tap], wanted[tap], atol=1e-5)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('case', ['norm', 'wide_normed', 'expansion_normed'])
def test_what_accelerators_have_equals_keras(case, training):
  model, x = _model(case), _images(_CASES[case][1])
  _assert_close(
    _found(_fast(model, 'float32', on_cpu=False), x, training),
    _found(_stock(model, 'float32'), x, training),
    _TOLERANCE['float32'],
  )


@pytest.mark.parametrize('training', [True, False])
def test_layers_that_are_called_twice_equal_keras(training):
  x = inputs = keras.Input((8, 8, 6))
  keras.utils.set_random_seed(0)
  norm, conv = keras.layers.BatchNormalization(), keras.layers.Conv2D(6, 1)
  first = _conv(6, 1)(x)
  outputs = keras.layers.Add()([norm(first), norm(x), conv(x)])
  outputs = keras.layers.Add()([outputs, _norm(conv(first))])
  model = keras.Model(inputs, outputs)
  found, wanted = (
    make(model, 'float32')(_images(8), training=training)
    for make in (_fast, _stock)
  )
  np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_operations_are_copied_as_they_are():
  inputs = keras.Input((8, 8, 6))
  model = keras.Model(inputs, keras.ops.relu(_conv(6, 1)(inputs)))
  copy = _fast(model, 'mixed_bfloat16')
  assert copy(_images(8)).shape == (5, 8, 8, 6)


def test_accelerators_keep_their_convolutions():
  model, _ = efficientnet_lite.build(32)
  copy = layers.copy_of(model, 'mixed_bfloat16', False)
  kinds = {type(layer) for layer in copy.layers}
  assert layers.BatchNormalization in kinds
  assert not kinds & {layers.Conv2D, layers.DepthwiseConv2D}
