import numpy as np

from vtab_h2t.heads import fraction
from vtab_h2t.studies import base as study
from vtab_h2t.studies import offset


def test_places_follow_each_other_in_the_ranking(measured, data, options):
  found = measured(offset.Offset(), (1,))
  (scores,) = study.relevance(data, np.arange(300), options, (1,))
  count = fraction.num_kept(len(scores), 0.1)
  assert [f['offset'] for f, _ in found] == [count * i for i in range(10)]
  np.testing.assert_array_equal(
    found[0][1].columns, fraction.select(scores, 0.1)
  )
  used = np.concatenate([h.columns for _, h in found])
  assert len(set(used)) == len(used) == 10 * count
  worst = np.inf
  for _, head in found:
    assert scores[head.columns].max() <= worst
    worst = scores[head.columns].min()


def test_the_ranking_ends(measured):
  assert len(measured(offset.Offset(), (0,), fraction=0.4)) == 2
