import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.studies import offset


def test_places_follow_each_other_in_the_ranking(measured, candidates, ranked):
  found = measured(offset.Offset(), (1,))
  scores = ranked[1]
  # Of 33 candidates 6 at a time, to the end of the ranking.
  assert [f['offset'] for f, _ in found] == [0, 6, 12, 18, 24]
  np.testing.assert_array_equal(
    found[0][1].columns, candidates.columns[fraction.highest(scores, 6)]
  )
  used = np.concatenate([h.columns for _, h in found])
  assert len(set(used)) == len(used) == 5 * 6
  by_column = dict(zip(candidates.columns, scores, strict=True))
  worst = np.inf
  for _, head in found:
    own = [by_column[c] for c in head.columns]
    assert max(own) <= worst
    worst = min(own)


def test_the_ranking_ends(measured):
  found = measured(offset.Offset(), (0,), kept=11)
  assert [f['offset'] for f, _ in found] == [0, 11, 22]
