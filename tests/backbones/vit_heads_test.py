"""How many heads there are."""

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import vit_heads


@pytest.mark.parametrize(
  'width, heads',
  [
    (192, 3),
    (384, 6),
    (768, 12),
    (1024, 16),
    (1152, 16),
    (1280, 16),
    (1408, 16),
    (1536, 16),
    (1664, 16),
    (1792, 16),
  ],
)
def test_they_are_64_wide_or_as_published(width, heads):
  for qkv_bias in (True, False):
    found = vit_heads.count(
      width=width, mlp=4 * width, qkv_bias=qkv_bias, file='f'
    )
    assert found == heads


@pytest.mark.parametrize(
  'width, mlp, message',
  [
    (96, 384, 'f holds a ViT of width 96: .* no multiple of the usual 64'),
    (64, 256, 'width 64: tensors do not tell its heads, and .* one or two'),
    (768, 2304, "timm's first ViT-S of these shapes scales its attention"),
  ],
)
def test_what_shapes_do_not_tell_is_refused(width, mlp, message):
  with pytest.raises(errors.InputError, match=message):
    vit_heads.count(width=width, mlp=mlp, qkv_bias=False, file='f')


def test_a_small_network_with_biases_is_a_usual_one():
  found = vit_heads.count(width=768, mlp=2304, qkv_bias=True, file='f')
  assert found == 12


def test_positions_tell_a_network_of_moco():
  learned = np.random.default_rng(0).normal(size=(1, 5, 384))
  fixed = learned.copy()
  fixed[:, 0] = 0
  vit_heads.check_positions(learned, 'f')
  vit_heads.check_positions(np.zeros((1, 5, 384)), 'f')
  vit_heads.check_positions(fixed[..., :192], 'f')
  with pytest.raises(errors.InputError, match='f has fixed positions, as MoCo'):
    vit_heads.check_positions(fixed, 'f')
