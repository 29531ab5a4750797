"""Positions of one image size for another."""

import numpy as np
from PIL import Image
import pytest

from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import vit_positions


@pytest.mark.parametrize('old, new', [(14, 24), (37, 16), (14, 7), (5, 6)])
def test_positions_are_resized_as_by_pillow(old, new):
  """Images of floats, bicubic; whose filter is that of timm's too."""
  rng = np.random.default_rng(0)
  embedding = rng.normal(size=(1, 2 + old * old, 3)).astype(np.float32)
  found = vit_positions.resampled(embedding, 2, new)
  np.testing.assert_array_equal(found[:, :2], embedding[:, :2])
  for i in range(3):
    image = Image.fromarray(embedding[0, 2:, i].reshape(old, old))
    wanted = image.resize((new, new), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(
      found[0, 2:, i].reshape(new, new), wanted, atol=1e-6
    )


def test_positions_of_the_same_size_stay_as_they_are():
  embedding = np.random.default_rng(0).normal(size=(1, 10, 3)).astype('f4')
  assert vit_positions.resampled(embedding, 1, 3) is embedding


@pytest.mark.parametrize(
  'rename, registers, scale',
  [(dict, 0, 3), (vit_like.dinov2, 4, 2), (vit_like.dinov2, 4, 1)],
)
def test_another_image_size_has_other_positions_alone(
  rename, registers, scale, tmp_path
):
  """The last of these is the size that it was trained with."""
  timm = vit_like.timm(
    registers=registers, layer_scale=bool(registers), classes=0
  )
  path = tmp_path / 'm.npz'
  np.savez(path, **rename(timm))
  size = scale * vit_like.SIZE
  backbone = registry.load('vit', str(path), size)
  side = scale * vit_like.GRID
  resized = timm | {
    'pos_embed': vit_positions.resampled(timm['pos_embed'], 1, side)
  }
  x = np.random.default_rng(1).normal(size=(1, size, size, 3)).astype('f4')
  wanted = vit_like.forward(resized, x)
  assert backbone.tap_shapes()['norm'][0] == side * side + 1 + registers
  for tap, value in backbone.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)
  with pytest.raises(errors.InputError, match='a multiple of 4, not 30'):
    registry.load('vit', str(path), 30)
