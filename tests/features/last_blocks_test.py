import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.features import extraction
from vtab_h2t.features import last_blocks
from vtab_h2t.features import pooling
from vtab_h2t.tasks import task as task_lib

_LAST = extraction.LAST_BLOCKS


def _split(count=5):
  images = testing.images(count, size=32)
  return images, task_lib.array_split('x', images, [0] * count, range(count))


def _features(extractor, split):
  """All features of the layout of the last blocks, `[n, D]`."""
  return np.concatenate(
    [
      np.concatenate(extractor.select(batch, _LAST), axis=1)
      for _, batch in extractor(split)
    ]
  )


_WIDTH, _DEPTH = 6, 5


@pytest.fixture(scope='module')
def vit():
  """Blocks of tokens by the names of a ViT's, and the final norm."""
  init = keras.initializers.RandomNormal(seed=0)
  inputs = keras.Input((32, 32, 3))
  x = keras.layers.Conv2D(_WIDTH, 16, 16, kernel_initializer=init)(inputs)
  x = keras.layers.Reshape((4, _WIDTH))(x)
  taps = {}
  for i in range(_DEPTH):
    name = f'block{i:02d}'
    y = taps[f'{name}_mlp2'] = keras.layers.Dense(
      _WIDTH, 'gelu', kernel_initializer=init, name=f'{name}_mlp2'
    )(x)
    x = keras.layers.Add(name=f'{name}_add2')([x, y])
  x = taps['norm'] = keras.layers.LayerNormalization(epsilon=1e-6, name='norm')(
    x
  )
  taps['pre_logits'] = keras.layers.GlobalMaxPooling1D()(x)
  model = keras.Model(inputs, taps)
  rng = np.random.default_rng(0)
  model.get_layer('norm').set_weights([rng.normal(size=_WIDTH) for _ in 'gb'])
  return backbone_lib.Backbone(
    'vit',
    model,
    tuple(taps),
    'pre_logits',
    32,
    testing.INPUT,
    backbone_lib.hash_weights(model),
  )


def test_a_vits_last_blocks_go_through_its_final_norm(vit):
  images, split = _split()
  sizes = [b.size for b in last_blocks.layout(vit).blocks]
  assert sizes == [_WIDTH, _WIDTH, _WIDTH, 2 * _WIDTH]
  found = _features(extraction.Extractor(vit, (_LAST,), 2), split)
  model, x = vit.model, vit.preprocess(images)
  gamma, beta = (w.numpy() for w in model.get_layer('norm').weights)
  normed = []
  for i in range(_DEPTH - 4, _DEPTH):
    output = model.get_layer(f'block{i:02d}_add2').output
    tokens = keras.Model(model.inputs, output)(x).numpy()
    mean = tokens.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(tokens.var(axis=-1, keepdims=True) + 1e-6)
    normed.append((tokens - mean) / deviation * gamma + beta)
  wanted = [t[:, 0] for t in normed] + [normed[-1][:, 1:].mean(axis=1)]
  np.testing.assert_allclose(found, np.concatenate(wanted, axis=1), atol=1e-4)


@pytest.mark.parametrize('is_normed', [True, False])
@pytest.mark.parametrize(
  'before, has_class', [(0, False), (1, True), (3, True), (2, False)]
)
def test_registers_are_in_no_mean_and_a_class_token_may_be_missing(
  before, has_class, is_normed
):
  """Before the tokens of patches are a class token, registers, or both.

  A network that norms a mean of tokens has no norm of tokens: its last tap of
  tokens is what there is.
  """
  init = keras.initializers.RandomNormal(seed=0)
  inputs = keras.Input((32, 32, 3))
  x = keras.layers.Conv2D(
    _WIDTH, 16, 16, kernel_initializer=init, name='patches'
  )(inputs)
  x = keras.layers.Reshape((4, _WIDTH))(x)
  if before:
    # Without a layer that adds registers, the first is the class token.
    x = keras.layers.Concatenate(
      axis=1, name='joined' if has_class else 'registers'
    )([2 * x[:, :before], x])
  for i in range(2):
    y = keras.layers.Dense(_WIDTH, 'gelu', kernel_initializer=init)(x)
    x = keras.layers.Add(name=f'block{i:02d}_add2')([x, y])
  last = 'norm' if is_normed else 'tokens'
  x = keras.layers.LayerNormalization(name=last)(x)
  model = keras.Model(inputs, {last: x})
  backbone = backbone_lib.Backbone.of_model(model, (last,), 1 / 128, -1.0)
  images, split = _split()
  found = _features(extraction.Extractor(backbone, (_LAST,)), split)
  x, normed = backbone.preprocess(images), model.get_layer(last)
  wanted = []
  for i in range(2) if is_normed else (1,):
    output = model.get_layer(f'block{i:02d}_add2').output
    tokens = normed(keras.Model(model.inputs, output)(x)).numpy()
    patches = tokens[:, before:].mean(axis=1)
    wanted.append(tokens[:, 0] if has_class else patches)
  if has_class:
    wanted.append(patches)
  np.testing.assert_allclose(found, np.concatenate(wanted, axis=1), atol=1e-4)


def test_taps_stay_as_they_are_beside_the_last_blocks(vit):
  _, split = _split()
  alone = extraction.Extractor(vit, (_WIDTH,))
  beside = extraction.Extractor(vit, (_WIDTH, _LAST))
  assert beside.layouts[_WIDTH] == alone.layouts[_WIDTH]
  assert set(vit.model.output) == set(vit.taps)
  ((_, one),), ((_, other),) = alone(split), beside(split)
  assert set(other) > set(one)
  for name, value in one.items():
    np.testing.assert_allclose(other[name], value, atol=1e-5)


def test_a_copied_network_gives_the_same(vit):
  """As on each of several devices."""
  _, split = _split()
  wanted = _features(extraction.Extractor(vit, (_LAST,)), split)
  with tf.distribute.OneDeviceStrategy('/cpu:0').scope():
    found = _features(extraction.Extractor(vit, (_LAST,)), split)
  np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_features_that_are_not_finite_are_named(vit):
  _, split = _split()
  norm = vit.model.get_layer('norm')
  kept = norm.get_weights()
  norm.set_weights([np.full(_WIDTH, np.nan), kept[1]])
  try:
    with pytest.raises(
      errors.InputError, match='pre_logits.pool0 of image x/0'
    ):
      _features(extraction.Extractor(vit, (_LAST,)), split)
  finally:
    norm.set_weights(kept)


def test_vits_of_the_registry_have_four():
  layout = last_blocks.layout(registry.load('vit_ti16', 'random', 32))
  assert [(b.tap, b.size, b.cls) for b in layout.blocks] == [
    ('block08_last', 192, pooling.CLS_ONLY),
    ('block09_last', 192, pooling.CLS_ONLY),
    ('block10_last', 192, pooling.CLS_ONLY),
    ('block11_last', 384, pooling.CLS_BOTH),
  ]


def test_of_convolutional_networks_the_last_units_are_pooled():
  backbone = registry.load('efficientnet_lite0', 'random', 32)
  layout = last_blocks.layout(backbone)
  assert [backbone_lib.unit_of(b.tap) for b in layout.blocks] == [
    'block13',
    'block14',
    'block15',
    'head',
  ]
  images, split = _split()
  found = _features(extraction.Extractor(backbone, (_LAST,)), split)
  taps = backbone.model(backbone.preprocess(images), training=False)
  wanted = [np.mean(taps[b.tap], axis=(1, 2)) for b in layout.blocks]
  np.testing.assert_allclose(
    found, np.concatenate(wanted, axis=1), rtol=1e-3, atol=1e-4
  )
  # The last is the embedding.
  np.testing.assert_allclose(
    found[:, -1280:], taps['embedding'], rtol=1e-3, atol=1e-4
  )


def test_a_small_network_has_fewer():
  assert [
    b.tap for b in last_blocks.layout(testing.normed_backbone()).blocks
  ] == [
    'a',
    'b',
  ]


def test_of_tokens_whose_layers_are_out_of_reach_there_are_the_last():
  """As a SavedModel's signature gives them, the class token first."""
  (block,) = last_blocks.layout(testing.tiny_backbone()).blocks
  assert block == pooling.Block('tokens', pooling.GLOBAL, 14, pooling.CLS_BOTH)


def _of_vectors(shape):
  inputs = keras.Input((16, 16, 3))
  x = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
  if shape is not None:
    x = keras.layers.Reshape(shape, name='tokens')(x)
  model = keras.Model(inputs, {'x': x})
  return backbone_lib.Backbone(
    'v', model, ('x',), 'x', 16, preprocessing.PIXELS, 'f'
  )


@pytest.mark.parametrize(
  'shape, cls', [(None, pooling.CLS_POOLED), ((1, 8), pooling.CLS_ONLY)]
)
def test_without_maps_or_other_tokens_there_is_a_vector(shape, cls):
  (block,) = last_blocks.layout(_of_vectors(shape)).blocks
  assert block == pooling.Block('x', pooling.GLOBAL, 8, cls)
