import numpy as np
import pytest

from vtab_h2t.heads import fraction
from vtab_h2t.studies import base as study
from vtab_h2t.studies import granularity


@pytest.mark.parametrize(
  'taps, counts',
  [
    (1, [1]),
    (2, [1, 2]),
    (3, [1, 2, 3]),
    (8, [1, 2, 4, 8]),
    (52, [1, 2, 4, 8, 16, 32, 52]),
  ],
)
def test_counts_of_taps(taps, counts):
  assert granularity.counts_of_taps(taps) == counts


def test_by_tap():
  np.testing.assert_array_equal(
    granularity.by_tap(np.array([1.0, 3, 5, 4]), (2, 1, 1), np.mean), [2, 5, 4]
  )


def test_kinds_and_numbers_of_features(measured, data, layout, options):
  found = measured(granularity.Granularity())
  by_kind = {
    k: [(f, h) for f, h in found if f['kind'] == k] for k in granularity.KINDS
  }
  assert [f['fraction'] for f, _ in by_kind['features']] == [0.05, 0.5, 1.0] * 2
  scores = study.relevance(data, np.arange(300), options, (0, 1))
  for fields, head in by_kind['features']:
    np.testing.assert_array_equal(
      head.columns, fraction.select(scores[fields['seed']], fields['fraction'])
    )
  sizes = [b.size for b in layout.blocks]
  for kind in ('taps_mean', 'taps_group'):
    assert [f['num_taps'] for f, _ in by_kind[kind]] == [1, 2, 3] * 2
    for seed in (0, 1):
      columns = [set(h.columns) for f, h in by_kind[kind] if f['seed'] == seed]
      assert columns[0] < columns[1] < columns[2]
      assert len(columns[0]) in sizes and len(columns[2]) == layout.size
  best = int(np.argmax(granularity.by_tap(scores[0], sizes, np.mean)))
  _, head = by_kind['taps_mean'][0]
  assert head.columns[0] == layout.starts[best]
