"""A network's own head on photographs."""

import keras
import numpy as np
from PIL import Image
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import own_head
from vtab_h2t.backbones import preprocessing

_RED, _GREEN = 7, 340


def _backbone(classes):
  """Two logits are the amounts of red and green, the others are zero."""
  inputs = keras.Input((8, 8, 3), name='image')
  mean = keras.layers.GlobalAveragePooling2D(name='mean')(inputs)
  kernel = np.zeros((3, classes), np.float32)
  kernel[0, _RED] = kernel[1, _GREEN] = 10
  dense = keras.layers.Dense(classes, name='logits')
  model = keras.Model(inputs, {'mean': mean, 'logits': dense(mean)})
  dense.set_weights([kernel, np.zeros(classes, np.float32)])
  return backbone_lib.Backbone(
    'colours', model, ('mean', 'logits'), 'mean', 8, preprocessing.UNIT, ''
  )


@pytest.fixture
def paths(tmp_path):
  """Eighteen photographs, red and green in turn, of several sizes."""
  found = []
  for i in range(18):
    path = tmp_path / f'{i:02d}.png'
    colour = ((255, 51, 0), (51, 255, 0))[i % 2]
    Image.new('RGB', (10 + i, 20), colour).save(path)
    found.append(str(path))
  return found


def test_the_likeliest_classes_by_name(paths):
  found = list(own_head.best(_backbone(1000), paths))
  assert [path for path, _ in found] == paths
  # Logits 10, 2, and 998 zeros.
  whole = np.exp(10) + np.exp(2) + 998
  for i, (_, guesses) in enumerate(found):
    wanted = [_RED, _GREEN][:: 1 if i % 2 == 0 else -1]
    assert [guess.number for guess in guesses][:2] == wanted
    assert len(guesses) == 3
    assert guesses[0].probability == pytest.approx(np.exp(10) / whole, 1e-5)
    assert guesses[1].probability == pytest.approx(np.exp(2) / whole, 1e-5)
  assert str(found[0][1][0]) == f'7 cock {np.exp(10) / whole:.1%}'
  assert found[0][1][1].name == 'zebra'


def test_classes_without_names(paths):
  ((_, guesses),) = own_head.best(_backbone(999), paths[:1], count=1)
  assert str(guesses[0]) == f'7 {guesses[0].probability:.1%}'
  assert own_head.names(999) == () and own_head.labels(999) == ''


def test_a_background_is_first():
  assert own_head.names(1001)[:2] == ('background', 'tench')
  assert 'background' in own_head.labels(1001)


def test_a_network_without_a_head(paths):
  with pytest.raises(errors.InputError, match='of tiny have no head'):
    list(own_head.best(testing.tiny_backbone(), paths))
