import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib


def test_taps_must_be_the_outputs():
  good = testing.tiny_backbone()
  with pytest.raises(ValueError, match='differ'):
    backbone_lib.Backbone('x', good.model, ('early', 'pooled'), 'pooled', 16,
                          1, 0, '')
  with pytest.raises(ValueError, match='not a tap'):
    backbone_lib.Backbone('x', good.model, good.taps, 'none', 16, 1, 0, '')


def test_preprocess_resizes_and_scales():
  backbone = testing.tiny_backbone()
  image = np.full((7, 30, 3), 255, np.uint8)
  out = backbone.preprocess(image)
  assert out.shape == (16, 16, 3)
  np.testing.assert_allclose(out, 255 / 128 - 1)


def test_legacy_resize_has_no_half_pixel_centres():
  """Two columns, 0 and 100, become 16: written out for both rules."""
  image = np.zeros((4, 2, 3), np.uint8)
  image[:, 1] = 100
  backbone = dataclasses.replace(testing.tiny_backbone(), scale=1, offset=0)
  legacy = dataclasses.replace(backbone, resize=backbone_lib.LEGACY)
  column = np.arange(16)
  for one, at in ((backbone, (column + 0.5) / 8 - 0.5), (legacy, column / 8)):
    out = one.preprocess(image)
    assert out.shape == (16, 16, 3)
    np.testing.assert_allclose(
        out[5, :, 0], 100 * np.clip(at, 0, 1), atol=1e-3)
    np.testing.assert_allclose(one.preprocess(image[None])[0], out)


def test_weights_hash_tells_weights_apart():
  one, same, other = (testing.tiny_backbone(seed=s) for s in (0, 0, 1))
  assert one.weights_sha256 != other.weights_sha256
  one.model.weights[0].assign_add(
      tf.ones_like(one.model.weights[0]))
  assert backbone_lib.hash_weights(one.model) != one.weights_sha256
  del same


def test_input_protocol_covers_size_and_scale():
  backbone = testing.tiny_backbone()
  assert len({dataclasses.replace(backbone, **change).input_protocol()
              for change in ({}, {'scale': 1.0}, {'offset': 0.0},
                             {'image_size': 32}, {'resize': 'legacy'})}) == 5
