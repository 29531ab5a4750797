"""A plugin for runners' tests: two tiny networks and two tiny tasks.

`tiny` has all that a network can offer, and with the weights `signature` is a
SavedModel that can only be called; `tiny2` is what a user registers.
"""

import dataclasses
import functools
import pathlib
import tempfile

from tests import testing
import vtab_h2t
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import retapping
from vtab_h2t.protocol import grids


def _build(seed: int) -> vtab_h2t.Backbone:
  return dataclasses.replace(testing.normed_backbone(seed), name='tiny')


@functools.cache
def _called() -> vtab_h2t.Backbone:
  """The same network, called through a signature."""
  from vtab_h2t.backbones import saved_model

  usual = _build(0)
  with tempfile.TemporaryDirectory() as folder:
    names = {tap: tap for tap in usual.taps}
    testing.export(usual, names, folder, 'representation')
    return saved_model.backbone(
      'tiny', pathlib.Path(folder), {}, usual.taps, 'pooled', 16, testing.INPUT
    )


registry.BACKBONES['tiny'] = registry.Entry(
  lambda weights, size, taps: (
    _called() if weights == 'signature' else _build(int(weights == 'other'))
  ),
  ('noise', 'other', 'signature'),
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
