"""The pooling rule, item by item of the released code's behaviour."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t.features import pooling

_SIDES = st.integers(1, 70)
_CHANNELS = st.integers(1, 3000)
_TARGETS = st.integers(1, 40_000)


@pytest.mark.parametrize(
  'shape, target, pool, size',
  [
    ((15, 15, 256), 8192, 3, 6400),
    ((60, 60, 64), 8192, 5, 144 * 64),
    ((8, 8, 512), 24576, 1, 32768),
    ((20, 20, 128), 512, 10, 512),
    ((8, 8, 2048), 512, pooling.GLOBAL, 2048),
    ((3, 3, 192), 256, pooling.GLOBAL, 192),
    ((197, 768), 15360, 9, 21 * 768),
    ((197, 768), 32448, 4, 49 * 768),
    ((197, 3072), 15360, 39, 15360),
    ((197, 3072), 32448, 18, 30720),
    ((197, 768), 768, pooling.GLOBAL, 768),
    ((2048,), 512, pooling.GLOBAL, 2048),
  ],
)
def test_known_sizes(shape, target, pool, size):
  assert pooling.pool_size(shape, target) == pool
  assert pooling.pooled_size(shape, pool) == size


def test_resnet50_v2_feature_counts():
  """30,440 features at 52 taps (Table 3), and Figure 6's 29,800.

  Taps of a v2 ResNet-50 at 240 pixels with the stride in the first unit of a
  stage: maps of 60, 30, 15 and 8 pixels.
  """
  maps = []
  for stage, (units, width) in enumerate(
    [(3, 64), (4, 128), (6, 256), (3, 512)]
  ):
    side, before = (60, 30, 15, 8)[stage], (60, 60, 30, 15)[stage]
    for unit in range(units):
      first = before if unit == 0 else side
      channels = (64 if stage == 0 else 2 * width) if unit == 0 else 4 * width
      maps += [
        (first, first, channels),
        (first, first, width),
        (side, side, width),
      ]
  shapes = dict(
    enumerate([(60, 60, 64), *maps, (8, 8, 2048), (2048,), (1000,)])
  )
  assert len(shapes) == 52
  assert pooling.layout(shapes, 512).size == 30_440


def test_never_pools_to_nothing_where_the_released_code_would():
  # 3 * 3 cells cannot give 16 * 16; the released code's pool size is 0 there.
  assert pooling.pool_size((3, 3, 8), 2048) == 1
  assert pooling.pool_size((3, 8), 2048) == 1


@given(_SIDES, _CHANNELS, _TARGETS)
def test_rule_for_maps(side, channels, target):
  shape = (side, side, channels)
  pool = pooling.pool_size(shape, target)
  size = pooling.pooled_size(shape, pool)
  assert size % channels == 0 and channels <= size <= math.prod(shape)
  if channels >= target:
    assert size == channels
  elif side >= math.isqrt(target // channels):
    # The number of patches is at least what the target asks for.
    assert size >= math.isqrt(target // channels) ** 2 * channels


@given(st.integers(1, 300), _CHANNELS, _TARGETS)
def test_rule_for_tokens(tokens, channels, target):
  pool = pooling.pool_size((tokens, channels), target)
  size = pooling.pooled_size((tokens, channels), pool)
  assert channels <= size <= tokens * channels
  assert (size == channels) or pool <= tokens


@settings(max_examples=40, deadline=None)
@given(
  st.sampled_from([(7, 7, 3), (6, 6, 2), (11, 4), (5,)]),
  st.integers(1, 60),
  st.integers(0, 100),
)
def test_pooled_values_are_means_of_patches(shape, target, seed):
  x = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
  pool = pooling.pool_size(shape, target)
  got = np.asarray(pooling.pool_tap(x, pool))
  if len(shape) == 1:
    wanted = x
  elif pool == pooling.GLOBAL:
    wanted = x.mean(axis=tuple(range(1, x.ndim - 1)))
  elif len(shape) == 2:
    n = shape[0] // pool
    wanted = x[:, : n * pool].reshape(2, n, pool, shape[1]).mean(2)
  else:
    n = shape[0] // pool
    wanted = (
      x[:, : n * pool, : n * pool]
      .reshape(2, n, pool, n, pool, shape[2])
      .mean((2, 4))
    )
  assert got.shape == (2, pooling.pooled_size(shape, pool))
  np.testing.assert_allclose(got, wanted.reshape(2, -1), atol=1e-6)


def test_layouts_share_blocks():
  shapes = {'a': (8, 8, 4), 'b': (2, 2, 100), 'c': (10,)}
  small, large = (pooling.layout(shapes, t) for t in (16, 64))
  assert [b.tap for b in small.blocks] == ['a', 'b', 'c']
  assert small.starts == (0, 16, 116, 126) and small.size == 126
  names = [b.name for b in pooling.unique_blocks([small, large])]
  assert names == ['a.pool4', 'b.pool0', 'c.pool0', 'a.pool2']


@pytest.mark.parametrize('shape, target', [((3, 3, 3, 3), 5), ((4, 4, 2), 0)])
def test_refuses_other_inputs(shape, target):
  with pytest.raises(ValueError):
    pooling.pool_size(shape, target)


@pytest.mark.parametrize(
  'cls, size', [('pooled', 4 * 3), ('only', 3), ('both', 3 + 4 * 3)]
)
def test_class_token_variants(cls, size):
  """Table 7's, written out; 13 tokens of 3 channels at T=12."""
  x = np.random.default_rng(0).normal(size=(2, 13, 3)).astype(np.float32)
  block = pooling.block('t', (13, 3), 12, cls)
  got = np.asarray(block(x))
  mean = lambda y: y[:, :12].reshape(2, 4, 3, 3).mean(2).reshape(2, 12)
  wanted = {
    'pooled': mean(x),
    'only': x[:, 0],
    'both': np.concatenate([x[:, 0], mean(x[:, 1:])], 1),
  }[cls]
  assert got.shape == (2, size) and block.size == size
  np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_class_token_variants_leave_other_taps_alone():
  shapes = {'map': (4, 4, 2), 'tokens': (5, 4), 'vector': (7,)}
  layouts = {
    cls: pooling.layout(shapes, 8, cls) for cls in pooling.CLS_POOLINGS
  }
  names = {
    cls: [b.name for b in layout.blocks] for cls, layout in layouts.items()
  }
  assert names == {
    'pooled': ['map.pool2', 'tokens.pool2', 'vector.pool0'],
    'only': ['map.pool2', 'tokens.pool0.cls_only', 'vector.pool0'],
    'both': ['map.pool2', 'tokens.pool2.cls_both', 'vector.pool0'],
  }


def test_class_token_variants_have_the_released_sizes():
  """A ViT-B/16's tokens at T=768 and 15360, by the released code's rule."""
  for cls, sizes in (
    ('pooled', (768, 21 * 768)),
    ('only', (768, 768)),
    # 196 tokens in pools of 196 // 20 = 9, and the class's.
    ('both', (2 * 768, 22 * 768)),
  ):
    assert (
      tuple(pooling.block('t', (197, 768), t, cls).size for t in (768, 15360))
      == sizes
    )
