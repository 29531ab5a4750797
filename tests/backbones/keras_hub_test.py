"""The plugin of docs/backbones.md, where KerasHub is installed."""

import pathlib
import re

import pytest

from tests.backbones import tapping_test
from vtab_h2t import errors
from vtab_h2t import plugins
from vtab_h2t.backbones import registry
from vtab_h2t.training import network as network_lib

keras_hub = pytest.importorskip(
  'keras_hub', reason='KerasHub is not installed; pip install keras-hub'
)
_DOCS = pathlib.Path(__file__).parents[2] / 'docs' / 'backbones.md'
_SIZE = 32
_SHAPE = (_SIZE, _SIZE, 3)


def _resnet(version):
  return keras_hub.models.ResNetBackbone(
    [64],
    [7],
    [64, 64],
    [1, 1],
    [1, 2],
    'basic_block',
    use_pre_activation=version == 2,
    image_shape=_SHAPE,
  )


def _vit():
  return keras_hub.models.ViTBackbone(
    image_shape=_SHAPE,
    patch_size=8,
    num_layers=2,
    num_heads=2,
    hidden_dim=16,
    mlp_dim=32,
  )


def _dinov2():
  return keras_hub.models.DINOV2Backbone(
    patch_size=8,
    num_layers=2,
    hidden_dim=16,
    num_heads=2,
    intermediate_dim=32,
    num_register_tokens=1,
    image_shape=_SHAPE,
    position_embedding_shape=_SHAPE,
  )


@pytest.fixture
def load(monkeypatch, tmp_path):
  """Saves a network as a preset and loads it with the documented plugin."""
  monkeypatch.setattr(registry, 'BACKBONES', dict(registry.BACKBONES))
  (code,) = re.findall(
    r'```python\n(# hub\.py\n.*?)```', _DOCS.read_text(), re.DOTALL
  )
  (tmp_path / 'hub.py').write_text(code)
  plugins.load(str(tmp_path / 'hub.py'))

  def load(network):
    network.save_to_preset(str(tmp_path / 'preset'))
    return registry.load('hub', str(tmp_path / 'preset'), _SIZE)

  return load


@pytest.mark.parametrize(
  'make, shapes',
  [
    (
      lambda: _resnet(1),
      {'P2': (8, 8, 64), 'P3': (4, 4, 64), 'embedding': (64,)},
    ),
    (
      lambda: _resnet(2),
      {'P2': (8, 8, 64), 'P3': (4, 4, 64), 'embedding': (64,)},
    ),
    (
      _dinov2,
      dict.fromkeys(('stem', 'stage1', 'stage2'), (18, 16))
      | {'embedding': (16,)},
    ),
  ],
  ids=['resnet_v1', 'resnet_v2', 'dinov2'],
)
def test_features_and_training(make, shapes, load):
  backbone = load(make())
  assert backbone.tap_shapes() == shapes
  tapping_test.check(backbone)


def test_a_vit_gives_features_and_says_why_it_is_not_trained(load):
  backbone = load(_vit())
  assert backbone.tap_shapes() == {'output': (17, 16), 'embedding': (16,)}
  tapping_test.check(backbone, is_trainable=False)
  with pytest.raises(
    errors.InputError, match='ViTPatchingAndEmb.* cannot be c'
  ):
    network_lib.Network(backbone)
