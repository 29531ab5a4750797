import dataclasses

import keras
import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import diagnosis
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry


@pytest.fixture
def registered(monkeypatch):
  """Registers backbones; what a test registers is gone after it."""
  monkeypatch.setattr(registry, 'BACKBONES', dict(registry.BACKBONES))

  def register(backbone):
    registry.register('mine', lambda weights, size: backbone, ['one', 'two'])

  return register


def test_variables_can_be_trained(registered):
  registered(testing.tiny_backbone())
  assert diagnosis.diagnose('mine', None, 16, 'all') == (
    'trainable',
    'one: features can be read, and all methods can train it',
  )
  assert diagnosis.diagnose('mine', 'two', 16, 'all')[1].startswith('two: ')


@pytest.mark.parametrize('misfit', ['', 'F lacks w'])
def test_a_signature_can_be_called_only(registered, misfit):
  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, {'x': keras.layers.Flatten()(inputs)})
  fixed = backbone_lib.Backbone(
    'fixed', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )
  registered(dataclasses.replace(fixed, misfit=misfit))
  status, advice = diagnosis.diagnose('mine', None, 16, 'all')
  assert status == 'frozen only'
  assert advice.endswith(f"SavedModel's signature{misfit and '; F lacks w'}")


def test_what_cannot_be_read_is_broken(tmp_path):
  np.savez(tmp_path / 'other.npz', a=np.ones(3))
  status, advice = diagnosis.diagnose(
    'vit_ti16', str(tmp_path / 'other.npz'), 224, 'all'
  )
  assert status == 'broken' and 'other.npz is no ViT with names of' in advice
  assert diagnosis.diagnose('vit_ti16', 'random', 224, 'nope')[0] == 'broken'
  status, advice = diagnosis.diagnose('vit_ti16', None, 224, 'all')
  assert status == 'broken' and 'no weights by default; name them' in advice
  with pytest.raises(errors.InputError, match="unknown backbone 'nope'"):
    diagnosis.diagnose('nope', None, 224, 'all')
