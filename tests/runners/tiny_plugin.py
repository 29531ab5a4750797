"""A plugin for runners' tests: two tiny networks and two tiny tasks.

`tiny` has all that a network can offer; `tiny2` is what a user registers.
"""

import dataclasses

from tests import testing
import vtab_h2t
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import retapping
from vtab_h2t.protocol import grids


def _build(seed: int) -> vtab_h2t.Backbone:
  return dataclasses.replace(testing.normed_backbone(seed), name='tiny')


registry.BACKBONES['tiny'] = registry.Entry(
  lambda weights, size, taps: _build(int(weights == 'other')),
  ('noise', 'other'),
  image_size=16,
  tap_sets=(backbone_lib.ALL_TAPS, *retapping.KINDS),
)
grids.TARGET_SIZES |= dict.fromkeys(('tiny', 'tiny2'), (30, 120))
vtab_h2t.register_backbone(
  'tiny2',
  lambda weights, size: _build(2),
  ['noise'],
  any_file='anything',
  image_size=16,
)
for number, name in enumerate(('one', 'two')):
  vtab_h2t.register_task(testing.tiny_task(name, 60, 30, seed=number))
