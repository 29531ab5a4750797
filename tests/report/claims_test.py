"""What the statistics are, on accuracies; `judging_test` has the verdicts."""

import math

import numpy as np
import pytest

from vtab_h2t.report import claims
from vtab_h2t.report import frames
from vtab_h2t.report import jobs

_BY_ID = {c.id: c for c in claims.CLAIMS}


def _of(name, **accuracies):
  return _BY_ID[name].statistic(
    {c.replace('_', ' '): np.array(v, float) for c, v in accuracies.items()}
  )


def test_claims_are_told_apart_and_of_known_jobs():
  assert len(_BY_ID) == len(claims.CLAIMS)
  assert {c.job for c in claims.CLAIMS} <= set(jobs.JOBS)


def test_places_are_ordered_by_their_number():
  # 10 comes after 9; the first task falls, the second rises, the third is flat.
  value = _of(
    'ranking_matters',
    offset_9=[3, 1, 2],
    offset_10=[2, 2, 2],
    offset_100=[1, 3, 2],
  )
  assert value == pytest.approx(0)  # Of -1, 1 and none.
  assert _of('ranking_matters', offset_0=[9], offset_20=[5], offset_3=[7]) == 1
  assert math.isnan(_of('ranking_matters', offset_0=[9]))


def test_own_features_are_compared_where_there_are_others():
  value = _of(
    'own_features_best',
    own=[9, 5, 7],
    other_t=[math.nan, 4, 4],
    other_u=[math.nan, 2, math.nan],
  )
  assert value == ((5 - 3) + (7 - 4)) / 2
  assert math.isnan(_of('own_features_best', own=[9]))


def test_published_values_are_those_of_the_papers_table():
  means = (
    frames.published_accuracies('resnet50').groupby('method').percent.mean()
  )
  for method in ('linear', 'all_l2', 'all_l1', 'all_l21', 'finetune'):
    assert _BY_ID[f'head2toe_above_{method}'].published == pytest.approx(
      means.head2toe - means[method], abs=0.11
    )
  assert _BY_ID['ft_plus_best'].published == pytest.approx(
    means.head2toe_ft_plus - means.head2toe, abs=0.11
  )
