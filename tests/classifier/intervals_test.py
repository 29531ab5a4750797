import numpy as np
import pytest
from scipy import stats

from vtab_h2t.classifier import intervals


def test_wilsons_interval_is_scipys():
  correct = np.array([[0, 1], [7, 50]])
  total = np.array([[3, 1], [9, 80]])
  low, high = intervals.wilson(correct, total)
  for place, count in np.ndenumerate(correct):
    wanted = stats.binomtest(int(count), int(total[place])).proportion_ci(
      method='wilson'
    )
    assert low[place] == pytest.approx(wanted.low, abs=1e-12)
    assert high[place] == pytest.approx(wanted.high, abs=1e-12)


def test_of_nothing_there_is_no_interval():
  low, high = intervals.wilson(0, 0)
  assert np.isnan(low) and np.isnan(high)


def test_the_interval_of_a_mean_covers_as_often_as_it_says():
  rng = np.random.default_rng(1)
  shares = np.array([0.6, 0.9, 0.8])
  total = np.array([10, 40, 20])
  found = [
    intervals.of_mean(rng.binomial(total, shares), total) for _ in range(300)
  ]
  covered = np.mean([low <= shares.mean() <= high for low, high in found])
  assert 0.91 < covered < 0.985


def test_students_interval_is_scipys():
  values = np.array([0.3, -0.1, 0.8, 0.2])
  np.testing.assert_allclose(
    intervals.student(values),
    stats.ttest_1samp(values, 0).confidence_interval(0.95),
  )
