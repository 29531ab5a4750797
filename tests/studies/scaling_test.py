import dataclasses

import numpy as np

from vtab_h2t.methods import head2toe
from vtab_h2t.studies import base as study
from vtab_h2t.studies import scaling


def test_candidates_are_every_sixteenth_fourth_and_each_tap(
    measured, data, space):
  found = measured(scaling.Scaling(), (0, 1))
  assert [(f['target_size'], f['tap_stride'], f['seed']) for f, _ in found] == [
      (size, stride, seed) for size in (30, 60) for stride in (16, 4, 1)
      for seed in (0, 1)]
  for fields, head in found:
    layout = data.features.layouts[fields['target_size']]
    assert fields['fraction'] in space.fractions
    taps = ['pooled'] if fields['tap_stride'] > 1 else [
        b.tap for b in layout.blocks]  # Of three taps the last is kept.
    candidates = study.columns_of(layout, taps)
    assert fields['num_candidates'] == len(candidates)
    assert np.isin(head.columns, candidates).all()
    assert len(head.columns) == max(
        1, int(fields['fraction'] * len(candidates)))


def test_whole_taps_and_one_fraction_are_head2toe(measured, data, space):
  one = dataclasses.replace(space, fractions=(0.1,), target_sizes=(30,))
  found = measured(scaling.Scaling(), (0,), one)
  fields, head = found[-1]
  assert fields['tap_stride'] == 1
  wanted, = head2toe.Head2Toe().fit(
      data, np.arange(300), space.setting, (0,))
  np.testing.assert_array_equal(head.columns, wanted.columns)


def test_it_needs_every_target_size(space):
  assert scaling.Scaling().target_sizes(space) == (30, 60)
