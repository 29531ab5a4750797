import sys

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import keras_cv_resnet
from vtab_h2t.features import pooling


def _make(size, weights='random'):
  return keras_cv_resnet.keras_cv_resnet50(weights, size, 'all')


@pytest.mark.soak
def test_does_what_every_backbone_does(tmp_path):
  testing.check_backbone(_make, (64, 96), tmp_path)


def test_taps():
  backbone = _make(240)
  assert len(backbone.taps) == 51
  shapes = backbone.tap_shapes()
  assert shapes['block2_unit4_layer1'] == (60, 60, 128)
  assert shapes['block2_unit4_layer2'] == (30, 30, 128)
  assert shapes['pre_pool'] == (8, 8, 2048)
  # ResNet-50's 30,440 without its 1000 logits.
  assert pooling.layout(shapes, 512).size == 29_440


@pytest.mark.soak
def test_weights_files(tmp_path):
  import keras_cv

  other = keras_cv.models.ResNetV2Backbone(
    stackwise_filters=[64, 128, 256, 512],
    stackwise_blocks=[3, 4, 6, 3],
    stackwise_strides=[1, 2, 2, 2],
    include_rescaling=False,
    input_shape=(64, 64, 3),
  )
  path = tmp_path / 'resnet.weights.h5'
  other.save_weights(path)
  backbone = _make(64, str(path))
  x = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype(np.float32)
  np.testing.assert_allclose(backbone.model(x)['pre_pool'], other(x), atol=1e-5)
  path.write_bytes(b'no weights')
  with pytest.raises(errors.InputError, match='does not fit'):
    _make(64, str(path))


def test_a_missing_package_is_one_line(monkeypatch):
  monkeypatch.setitem(sys.modules, 'keras_cv', None)
  with pytest.raises(errors.InputError, match='pip install keras-cv'):
    _make(64)
