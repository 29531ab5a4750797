"""Tests of reading a ResNet v1's architecture from names and shapes."""

import math

import pytest

from vtab_h2t import errors
from vtab_h2t.backbones import resnet_v1_names as names


def test_published_architectures_are_read_from_their_own_shapes():
  """Numbers of parameters are those that torchvision prints."""
  for depth, parameters in (
    (18, 11_689_512),
    (34, 21_797_672),
    (50, 25_557_032),
    (101, 44_549_160),
    (152, 60_192_808),
  ):
    network = names.of_depth(depth)
    shapes = names.shapes(network)
    assert names.architecture(shapes, 'w') == network
    trained = [s for n, s in shapes.items() if 'running' not in n]
    assert sum(map(math.prod, trained)) == parameters


@pytest.mark.parametrize(
  'name, shape, said',
  [
    ('layer1.0.se.fc1.weight', (4, 64, 1, 1), 'SE-'),
    ('layer2.0.downsample.2.weight', (1,), 'ResNet-D'),
  ],
)
def test_other_resnets_are_named(name, shape, said):
  shapes = {**names.shapes(names.of_depth(18)), name: shape}
  with pytest.raises(errors.InputError, match=said) as e:
    names.torchvision(shapes, 'w.safetensors')
  assert 'w.safetensors' in str(e.value) and '\n' not in str(e.value)
