import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry
from vtab_h2t.features import block_tokens
from vtab_h2t.features import extraction
from vtab_h2t.features import transformer_blocks
from vtab_h2t.tasks import task as task_lib

_TOKENS = extraction.BLOCK_TOKENS


def _split(size=32, count=5):
  images = testing.images(count, size=size)
  return images, task_lib.array_split('x', images, [0] * count, range(count))


def _vectors(backbone, split, **options):
  """Each block's vectors `[n, d]`, by the tap's name."""
  extractor = extraction.Extractor(backbone, (_TOKENS,), **options)
  parts = [extractor.select(batch, _TOKENS) for _, batch in extractor(split)]
  return {
    block.tap: np.concatenate([p[i] for p in parts])
    for i, block in enumerate(extractor.layouts[_TOKENS].blocks)
  }


def _outputs(backbone, images, *names):
  model = keras.Model(
    backbone.model.inputs,
    {n: backbone.model.get_layer(n).output for n in names},
  )
  outputs = model(backbone.preprocess(images))
  return [outputs[n].numpy() for n in names]


@pytest.fixture(scope='module')
def vit():
  return registry.load('vit_ti16', 'random', 32)


@pytest.mark.soak
def test_a_vit_gives_two_vectors_of_each_depth_but_the_first(vit):
  images, split = _split()
  found = _vectors(vit, split, batch_size=2)
  depths = [*(f'block{i:02d}_norm2' for i in range(1, 12)), 'norm']
  wanted = dict(zip(depths, _outputs(vit, images, *depths)))
  assert list(found) == [f'{d}.{k}' for d in depths for k in ('cls', 'mean')]
  assert len(found) == 24
  for depth, tokens in wanted.items():
    np.testing.assert_allclose(found[f'{depth}.cls'], tokens[:, 0], atol=1e-4)
    np.testing.assert_allclose(
      found[f'{depth}.mean'], tokens[:, 1:].mean(axis=1), atol=1e-4
    )


def _vit(prefix, joined='joined'):
  """A block of four patches and so many tokens before them, by a ViT's names.

  One norm gives all that is read. The layer that adds the tokens has a name.
  """
  inputs = keras.Input((32, 32, 3))
  x = keras.layers.Conv2D(
    6, 16, 16, name='patches', kernel_initializer=keras.initializers.Ones()
  )(inputs)
  x = keras.layers.Reshape((4, 6))(x)
  if prefix:
    before = keras.ops.ones_like(x[:, :1]) * keras.ops.arange(6.0)
    x = keras.layers.Concatenate(axis=1, name=joined)([before] * prefix + [x])
  for i in range(2):
    x = keras.layers.LayerNormalization(name=f'block{i:02d}_norm2')(x)
  x = keras.layers.LayerNormalization(name='norm')(x)
  pooled = keras.layers.GlobalAveragePooling1D(name='pooled')(x)
  return backbone_lib.Backbone.of_model(
    keras.Model(inputs, pooled), ['norm', 'pooled'], 1 / 128, -1.0
  )


def test_registers_are_in_no_mean_and_there_may_be_no_class_token():
  images, split = _split()
  for prefix, joined, names in (
    (0, '', ['mean']),
    (1, 'cls', ['cls', 'mean']),
    (1, 'other', ['cls', 'mean']),
    (4, 'other', ['cls', 'mean']),
    (4, 'registers', ['mean']),
  ):
    backbone = _vit(prefix, joined)
    found = _vectors(backbone, split)
    assert {n.split('.')[1] for n in found} == set(names)
    assert {n.split('.')[0] for n in found} == {'block01_norm2', 'norm'}
    (tokens,) = _outputs(backbone, images, 'norm')
    assert tokens.shape[1] == 4 + prefix
    np.testing.assert_allclose(
      found['norm.mean'], tokens[:, prefix:].mean(axis=1), atol=1e-5
    )
    assert transformer_blocks.blocks(backbone.model) == []


def test_of_convolutional_networks_each_units_last_tap_is_pooled():
  backbone = registry.load('efficientnet_lite0', 'random', 32)
  images, split = _split()
  found = _vectors(backbone, split)
  # The last is four times as wide as the widest of the others.
  cut = [n for n in found if '.part' in n]
  assert cut == list(found)[-4:]
  assert {found[n].shape[1] for n in cut} == {320}
  assert max(found[n].shape[1] for n in found.keys() - set(cut)) == 320
  whole, _, _ = cut[0].partition('.part')
  found[whole] = np.hstack([found.pop(n) for n in cut])
  units = [backbone_lib.unit_of(n.removesuffix('.mean')) for n in found]
  assert len(units) == len(set(units)) == 18
  assert units[1:-1] == [f'block{i:02d}' for i in range(16)]
  taps = backbone.model(backbone.preprocess(images), training=False)
  for name in found:
    wanted = np.mean(taps[name.removesuffix('.mean')], axis=(1, 2))
    np.testing.assert_allclose(found[name], wanted, rtol=1e-3, atol=1e-4)
  # The last is the embedding.
  last = list(found.values())[-1]
  np.testing.assert_allclose(last, taps['embedding'], rtol=1e-3, atol=1e-4)


def test_maps_and_tokens_that_are_taps_are_read_where_nothing_else_is():
  blocks = block_tokens.layout(testing.tiny_backbone()).blocks
  assert [(b.name, b.size) for b in blocks] == [
    ('early.mean.pool0', 6),
    ('tokens.cls.pool0', 7),
    ('tokens.mean.pool0', 7),
  ]
  inputs = keras.Input((16, 16, 3))
  x = keras.layers.Dense(8, name='x')(keras.layers.Flatten()(inputs))
  vector = backbone_lib.Backbone.of_model(
    keras.Model(inputs, x), ['x'], 1.0, 0.0
  )
  (block,) = block_tokens.layout(vector).blocks
  assert (block.tap, block.size) == ('x', 8)


def test_a_last_vector_wider_than_the_others_is_cut():
  inputs = keras.Input((8, 8, 3))
  narrow = keras.layers.Conv2D(4, 3, name='narrow')(inputs)
  wide = keras.layers.Conv2D(10, 3, name='wide')(narrow)
  backbone = backbone_lib.Backbone.of_model(
    keras.Model(inputs, wide), ['narrow', 'wide'], 1 / 128, -1.0
  )
  images, split = _split(8)
  found = _vectors(backbone, split)
  assert {n: x.shape[1] for n, x in found.items()} == {
    'narrow.mean': 4,
    'wide.mean.part0': 3,
    'wide.mean.part1': 3,
    'wide.mean.part2': 4,
  }
  (maps,) = _outputs(backbone, images, 'wide')
  np.testing.assert_allclose(
    np.hstack(list(found.values())[1:]), maps.mean(axis=(1, 2)), atol=1e-5
  )


def test_means_are_of_float32_in_a_network_of_half_precision():
  policy = keras.config.dtype_policy()
  keras.config.set_dtype_policy('mixed_bfloat16')
  try:
    backbone = _vit(1)
  finally:
    keras.config.set_dtype_policy(policy)
  for x in block_tokens.outputs(backbone).values():
    assert x.dtype == 'float32'


def test_a_copied_network_gives_the_same():
  """As on each of several devices, and beside the last blocks."""
  vit = testing.tiny_vit()
  _, split = _split(16)
  wanted = _vectors(vit, split)
  with tf.distribute.OneDeviceStrategy('/cpu:0').scope():
    found = _vectors(vit, split)
  sizes = extraction.LAST_BLOCKS, _TOKENS
  both = extraction.Extractor(vit, sizes)
  ((_, batch),) = both(split)
  assert len(both.select(batch, extraction.LAST_BLOCKS)) == 2
  for i, (name, value) in enumerate(wanted.items()):
    np.testing.assert_allclose(found[name], value, atol=1e-5)
    np.testing.assert_allclose(both.select(batch, _TOKENS)[i], value, atol=1e-5)
