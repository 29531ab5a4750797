"""Tests of spaces as JSON values."""

import json

import pytest

from vtab_h2t import files
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import space_json


def _again(space, backbone):
  """A space through JSON's text, and what was written."""
  text = json.dumps(space_json.as_json(space, backbone))
  return space_json.from_json(json.loads(text), backbone), json.loads(text)


@pytest.mark.parametrize(
  'space, backbone',
  [
    (grids.quick('vit_b16'), 'vit_b16'),
    (grids.paper('resnet50'), 'resnet50'),
    (grids.appendix_a('resnet50'), 'resnet50'),
    (grids.get('published', 'vit_b16'), 'vit_b16'),
    (grids.get('fixed', 'x', 'lr=0.1,steps=9,target_size=5'), 'x'),
  ],
)
def test_the_successors_usual_options_are_not_written(space, backbone):
  again, value = _again(space, backbone)
  assert again == space
  for written in (value, *value['by_task'].values()):
    assert not written['options'].keys() & methods.SUCCESSORS.keys()
    assert written['options'].keys() >= methods.FROZEN.keys()


def test_other_options_are_written():
  space = grids.get('fixed', 'x', 'lr=0.1,block=a,tau=1,k=7')
  again, value = _again(space, 'x')
  assert again == space
  assert value['options']['knn']['neighbours'] == [7]
  assert 'ridge' not in value['options']
  changed = grids.quick('x').changed({'knn': {'neighbours': (3, 4)}})
  again, value = _again(changed, 'x')
  assert again == changed
  assert value['options']['knn']['neighbours'] == [3, 4]


@pytest.mark.parametrize('grid', grids.SEARCHES)
def test_what_is_not_written_stays_what_it_is(grid):
  """Runs that are on people's disks mean these options.

  Whoever changes them has to give the grid another name, or to write them: else
  rows of two settings would be of one run.
  """
  found = {
    backbone: {
      name: repr(grids.SEARCHES[grid](backbone).of(name))
      for name in methods.SUCCESSORS
    }
    for backbone in ('efficientnet_lite0', 'resnet50', 'vit_ti16', 'other')
  }
  assert files.fingerprint(found)[:8] == _MEANT[grid]


_MEANT = {'quick': 'be4ee122', 'paper': '93bc1a0f', 'appendix_a': '51b00f91'}
