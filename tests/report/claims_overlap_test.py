"""Which features are selected: the statistics of the claims."""

import numpy as np
import pytest

from tests.report import made
from tests.report import rows as rows_lib
from vtab_h2t.report import claims_overlap
from vtab_h2t.studies import relevance
from vtab_h2t.tasks import registry as tasks


def _selection(task, seed, columns):
  return {
    'job': 'relevance',
    'split': 'selection',
    'task': task,
    'seed': seed,
    'num_features': 40,
    'selected': relevance.pack(np.array(columns), 40),
  }


def test_overlap_of_selections():
  rows = [
    _selection('sprites_loc', 0, range(10)),
    _selection('sprites_loc', 1, range(2, 12)),
    _selection('sprites_ori', 0, range(5, 15)),
    _selection('digits', 0, range(30, 40)),
  ]
  within = rows_lib.CLAIMS['seeds_share_more_than_tasks'].gather(rows)
  assert within['within'] == {'sprites_loc': pytest.approx([0.8, 0.8])}
  # Loc has 5 and 7 of 10 of the other, and none of digits'.
  assert within['between']['sprites_loc'] == pytest.approx([0.3])
  few = rows_lib.CLAIMS['tasks_share_few_features'].gather(rows)
  assert few == {
    'few': {'sprites_loc': [0.5], 'sprites_ori': [0.5], 'digits': [1.0]}
  }
  twins = rows_lib.CLAIMS['same_images_share_most'].gather(rows)
  assert twins['twin'] == {
    t: pytest.approx([0.6]) for t in ('sprites_loc', 'sprites_ori')
  }
  assert twins['others']['sprites_ori'] == [0]
  assert claims_overlap.OVERLAP[0].gather([]) == {}


@pytest.mark.parametrize('suite', ['embedded', 'vtab'])
def test_twins_label_the_same_images(suite):
  """By their names as by their data."""
  found = tasks.tasks(suite) if suite == 'embedded' else None
  if found is None:
    names = tasks.order(suite)
    twins = [
      ['clevr_count', 'clevr_dist'],
      ['dsprites_loc', 'dsprites_ori'],
      ['snorb_azim', 'snorb_elev'],
    ]
  else:
    names = [t.name for t in found]
    twins = [
      [t.name for t in same]
      for same in tasks.sharing_images(found)
      if len(same) > 1
    ]
  by_stem = {}
  for name in names:
    by_stem.setdefault(claims_overlap.stem(name), []).append(name)
  assert sorted(v for v in by_stem.values() if len(v) > 1) == sorted(twins)


def test_depth_is_that_of_blocks():
  """Of five the middle one is in neither half; the first has two taps."""
  row = made.row(made.run(), 'accuracy', 'head2toe', 'digits', 0, 50)
  row['selected_by_tap'] = {
    'block01_a': [1, 9],
    'block01_b': [2, 9],
    'block02_a': [1, 9],
    'block03_a': [10, 30],
    'block04_a': [4, 9],
    'block05_a': [2, 9],
  }
  found = rows_lib.CLAIMS['later_layers_selected_more'].gather([row])
  assert found == {'early': {'digits': [4 / 20]}, 'later': {'digits': [6 / 20]}}
  for nothing in ({}, {'a': [0, 9], 'b': [0, 9]}, {'a': [3, 9]}):
    row['selected_by_tap'] = nothing
    assert rows_lib.CLAIMS['later_layers_selected_more'].gather([row]) == {}


def test_natural_tasks_are_compared_with_all_others():
  values = {'later': [0.5, 0.3, 0.1], 'is natural': [1, 0, 0]}
  assert rows_lib.value_of(
    'later_layers_for_natural_tasks', values
  ) == pytest.approx(0.5 - 0.2)
