"""SavedModels of small ViTs with the variables of converted ones."""

import dataclasses

import numpy as np
import pytest

from tests.backbones import released
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_layers
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_saved
from vtab_h2t.backbones import vit_tensors

_SIZE = 32


_SMALL = vit_architecture.Architecture(width=12, depth=3, heads=3, mlp=48)


@pytest.fixture
def small(monkeypatch):
  """ViTs here have three blocks of 12 channels."""
  monkeypatch.setitem(vit_architecture.NAMED, 'vit_ti16', _SMALL)


def _save(folder, tap_set, variant, named):
  """Writes a ViT of noise with the variables of a converted one."""
  network = dataclasses.replace(_SMALL, **variant)
  model, taps = vit.build(network, _SIZE, tap_set)
  rng = np.random.default_rng(0)
  for weight in model.weights:
    weight.assign(weight + rng.normal(0, 0.3, tuple(weight.shape)))
  plan = {
    entry.path: entry.name
    for entry in vit_tensors.entries(vit_names.AUGREG, network)
  }
  variables, forward = released.renamed(model, plan)
  variables = {
    name: variables[name]
    for name in sorted(variables, key=lambda name: name.split('/'))
  }

  def endpoints(v, images):
    outputs = forward(v, images)
    return {vit_saved.endpoints().get(t, t): outputs[t] for t in taps}

  released.save(folder, variables, endpoints, _SIZE, 'serving_default', named)
  return model


@pytest.mark.parametrize(
  'tap_set, variant, named',
  [
    (
      'released',
      {'representation': True, 'activation': 'gelu_tanh'},
      False,
    ),
    ('all', {'classes': 7}, True),
  ],
)
def test_converted_from_jax(small, tmp_path, tap_set, variant, named):
  """ImageNet-21k's representation layer and tanh GELU, or neither."""
  model = _save(tmp_path / 'm', tap_set, variant, named)
  backbone = vit.vit('vit_ti16', str(tmp_path / 'm'), _SIZE, tap_set)
  assert not backbone.misfit
  assert dict(backbone.blocks) == vit_architecture.BLOCKS
  for ours, theirs in zip(
    backbone.model.get_weights(), model.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
  layer = backbone.model.get_layer('block02_mlp1')
  is_tanh = layer.activation is vit_layers.gelu_tanh
  assert is_tanh == (variant.get('activation') == 'gelu_tanh')
