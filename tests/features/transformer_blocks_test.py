"""Tests of finding the blocks of a vision transformer."""

import keras
import numpy as np
import pytest

from tests import testing
from vtab_h2t.features import transformer_blocks


@pytest.fixture(scope='module')
def model():
  return testing.tiny_vit().model


def _values(model, *tensors):
  found = keras.Model(model.inputs, list(tensors))
  return [np.asarray(x) for x in found(testing.images(2) / np.float32(255))]


def test_blocks_are_found_with_what_they_read_and_give(model):
  first, second = transformer_blocks.blocks(model)
  assert [first.name, second.name] == ['block00', 'block01']
  given, normed, attended, handed_on, again = _values(
    model,
    first.given,
    first.normed,
    first.attended,
    first.output,
    second.given,
  )
  np.testing.assert_array_equal(handed_on, again)
  np.testing.assert_allclose(
    first.attention(normed, normed), attended, rtol=1e-5
  )
  norm = model.get_layer('block00_norm')
  np.testing.assert_allclose(norm(given), normed, rtol=1e-5)


def test_what_mlps_read_is_found_by_depth(model):
  found = transformer_blocks.before_mlps(model)
  assert list(found) == ['block00', 'block01']
  assert found['block01'] is model.get_layer('block01_norm2').output
  assert transformer_blocks.final(model) is model.get_layer('norm').output


def test_tokens_before_the_patches_are_counted(model):
  assert transformer_blocks.prefix(model, 5) == 1
  assert transformer_blocks.prefix(model, 4) == 0
  assert transformer_blocks.prefix(model, 9) == 5
  assert transformer_blocks.patch_inputs(model) == 8 * 8 * 3


def test_other_networks_have_no_blocks():
  inputs = keras.Input((8, 8, 3))
  x = keras.layers.Conv2D(2, 3, name='block00_norm')(inputs)
  x = keras.layers.Dense(2, name='block00_attention')(x)
  other = keras.Model(inputs, keras.layers.Add(name='block00_add2')([x, x]))
  assert not transformer_blocks.blocks(other)
  assert not transformer_blocks.before_mlps(other)
  assert transformer_blocks.final(other) is None
  assert transformer_blocks.prefix(other, 5) == 1
  assert transformer_blocks.patch_inputs(other) == 16 * 16 * 3
