"""Intervals of statistics: what they cover, what they can show."""

import math
import warnings

import numpy as np
import pytest

from vtab_h2t.report import bootstrap
from vtab_h2t.report import statistics


def _mean(a):
  return a['a'].mean(axis=-1)


def _groups(sizes):
  return {
    f't{i}': f'g{g}'
    for i, g in enumerate(np.repeat(np.arange(len(sizes)), sizes))
  }


def test_a_constant_is_that_constant():
  samples = {'a': {t: np.array([5.0, 5, 5]) for t in 'xyz'}}
  found = bootstrap.interval(
    samples, dict.fromkeys('xyz', 'g'), _mean, replicates=50
  )
  assert found == bootstrap.Interval(5, 5, 5, 0)


def test_rounding_is_no_spread():
  """Three summands in another order are alike in 16 digits, not in all."""
  apart = 0.1 + 0.2 - 0.3  # 5.6e-17.
  for value in (0.0, 10.0):
    samples = {
      'a': {t: np.array([value + s * apart]) for t, s in zip('xyz', range(3))},
      'b': {t: np.array([70.0]) for t in 'xyz'},
    }
    groups = dict.fromkeys('xyz', 'g')
    found = bootstrap.interval(samples, groups, _mean, replicates=50)
    assert found.low == found.value == found.high
    assert (found.value, found.detectable) == (pytest.approx(value), 0)
    assert found.value or value == 0  # 0 is on no side.
  # What is measured to be small is not rounding.
  small = {'a': {t: np.array([s * 1e-6]) for t, s in zip('xyz', range(3))}}
  assert bootstrap.interval(small, groups, _mean).detectable > 0


@pytest.mark.parametrize(
  'sizes, draw',
  [
    ((3, 1, 6), 'normal'),  # The groups of the embedded suite.
    ((7, 4, 8), 'normal'),  # Those of VTAB.
    ((3, 1, 6), 'exponential'),
    ((7, 4, 8), 'exponential'),
    ((2, 1, 1), 'normal'),
  ],
)
def test_intervals_cover_the_truth_as_often_as_they_say(sizes, draw):
  """Tasks with the mean 0 and the deviation 1, and three seeds around each.

  Plain percentiles cover 87 % of 3, 1 and 6 tasks. With one degree of freedom
  an interval is wide, and covers more.
  """
  rng = np.random.default_rng(0)
  groups, repetitions = _groups(sizes), 300
  covered = 0
  for i in range(repetitions):
    tasks = getattr(rng, draw)(size=len(groups)) - (draw == 'exponential')
    values = tasks[:, None] + rng.normal(0, 0.5, (len(groups), 3))
    found = bootstrap.interval(
      {'a': dict(zip(groups, values))}, groups, _mean, i, 200
    )
    covered += found.low <= 0 <= found.high
  assert 92 <= 100 * covered / repetitions <= (100 if sizes[0] == 2 else 99)


@pytest.mark.parametrize('sizes', [(3,), (4,), (2, 1, 2), (3, 1, 6)])
def test_unrelated_ranks_are_seldom_taken_for_related(sizes):
  """Of draws alone the interval excludes 0 in a third of cases with 3 tasks."""
  rng = np.random.default_rng(0)
  groups, excluded, repetitions = _groups(sizes), 0, 200
  for i in range(repetitions):
    found = bootstrap.interval(
      {name: {t: rng.normal(size=1) for t in groups} for name in ('a', 'b')},
      groups,
      lambda a: statistics.rank_correlation(a['a'], a['b']),
      i,
      100,
      (-1, 1),
      bootstrap.correlation_error,
    )
    excluded += found.low > 0 or found.high < 0
  assert excluded <= 0.08 * repetitions


def test_the_least_error_of_a_correlation():
  """Without one it is that of ranks in random order."""
  assert bootstrap.correlation_error(0, 10) == pytest.approx(1 / 3)
  # 1 - (19/21)**2, and sqrt(1.5 / 18).
  found = bootstrap.correlation_error(-1, 19)
  assert found == pytest.approx(0.1814 * 0.2887, abs=1e-4)
  assert found == bootstrap.correlation_error(1, 19)


def test_what_is_detectable_is_detected_in_four_of_five_repetitions():
  rng = np.random.default_rng(1)
  groups, effect = _groups((7, 4, 8)), 0.75
  seen, detectable = 0, []
  for i in range(300):
    values = effect + rng.normal(size=(19, 1))
    found = bootstrap.interval(
      {'a': dict(zip(groups, values))}, groups, _mean, i, 200
    )
    seen += found.low > 0
    detectable.append(found.detectable)
  # (2.120 + 0.865) / sqrt(19) with 16 degrees of freedom.
  assert np.median(detectable) == pytest.approx(0.685, abs=0.06)
  assert 0.8 <= seen / 300 <= 0.95


def test_what_is_detectable_does_not_depend_on_what_was_found():
  """The error of a correlation does: it is smaller where that is larger."""
  rng = np.random.default_rng(2)
  groups, true = _groups((7, 4, 8)), 0.56
  normal = 2 * math.sin(math.pi * true / 6)  # Pearson's of this Spearman's.
  seen, detectable = 0, []
  for i in range(200):
    x, y = rng.normal(size=(2, 19, 1))
    y = normal * x + math.sqrt(1 - normal**2) * y
    found = bootstrap.interval(
      {'x': dict(zip(groups, x)), 'y': dict(zip(groups, y))},
      groups,
      lambda a: statistics.rank_correlation(a['x'], a['y']),
      i,
      100,
      (-1, 1),
      bootstrap.correlation_error,
    )
    seen += found.low > 0
    detectable.append(found.detectable)
  # 0.56 is 2.985 times (1 - (0.56 19/21)**2) sqrt((1 + 0.56**2 / 2) / 18).
  assert np.median(detectable) == pytest.approx(true, abs=0.02)
  assert 0.65 <= seen / 200 <= 0.9


def test_the_interval_is_the_error_times_the_quantile_of_t():
  """Two tasks in one group: draws are both, or one of them twice."""
  samples = {'a': {'x': np.array([0.0]), 'y': np.array([2.0])}}
  found = bootstrap.interval(samples, dict.fromkeys('xy', 'g'), _mean)
  # Error: sqrt(1/2) of the draws, times sqrt(2 / 1); t with 1 degree: 12.706.
  assert found.value == 1
  assert found.high - 1 == pytest.approx(12.706, rel=0.03)
  assert 1 - found.low == pytest.approx(found.high - 1)


def test_a_difference_is_the_mean_over_tasks_of_medians_over_seeds():
  one = {'x': np.array([1.0, 3, 9]), 'y': np.array([5.0]), 'z': np.array([4.0])}
  other = {t: np.array([1.0]) for t in 'xyz'}
  groups = dict.fromkeys('xyz', 'g')
  found = bootstrap.difference(one, other, groups)
  assert found.value == pytest.approx(3)  # Of 2, 4 and 3.
  assert found.low < 3 < found.high
  back = bootstrap.difference(other, one, groups)
  assert back.value == pytest.approx(-3)


def test_groups_of_one_task_leave_no_interval():
  samples = {'a': {'x': np.array([0.0, 1]), 'y': np.array([10.0, 11])}}
  found = bootstrap.interval(samples, {'x': 'one', 'y': 'two'}, _mean)
  assert found.value == 5.5
  assert math.isnan(found.low) and math.isnan(found.detectable)
  assert bootstrap.freedom(['x', 'y'], {'x': 'one', 'y': 'two'}) == 0


def test_tasks_stay_in_their_groups_and_conditions_together():
  """Each replicate has as many of each group as there are."""
  groups = {'w': 'one', 'x': 'one', 'y': 'two', 'z': 'two'}
  levels = {'w': 0.0, 'x': 1.0, 'y': 10.0, 'z': 11.0}
  samples = {
    'a': {t: np.array([v]) for t, v in levels.items()},
    'b': {t: np.array([v + 0.5] * 3) for t, v in levels.items()},
  }

  def statistic(a):
    if a['a'].ndim == 2:
      assert ((a['a'] < 5).sum(axis=1) == 2).all()
      np.testing.assert_array_equal(a['b'] - a['a'], 0.5)
      assert set(a['a'].ravel()) == set(levels.values())
    return a['a'].mean(axis=-1)

  bootstrap.interval(samples, groups, statistic, replicates=50)


@pytest.mark.parametrize('count', [2, 3, 4])
def test_seeds_are_drawn_with_replacement_and_their_median_is_taken(count):
  """Beside a task with another number of seeds."""
  values = np.arange(count, dtype=float)
  samples = {'a': {'x': values, 'y': np.full(5, 7.0)}}
  seen = []

  def statistic(a):
    seen.append(a['a'])
    return a['a'].mean(axis=-1)

  bootstrap.interval(samples, dict.fromkeys('xy', 'g'), statistic)
  drawn = seen[1][seen[1] < 7]
  rng = np.random.default_rng(5)
  wanted = np.median(rng.choice(values, (20000, count)), axis=1)
  possible, shares = np.unique(wanted, return_counts=True)
  for value, share in zip(possible, shares / 20000):
    assert np.mean(drawn == value) == pytest.approx(share, abs=0.05)


def test_what_a_task_lacks_is_passed_on_as_missing():
  samples = {
    'a': {t: np.array([1.0, 2, 3]) for t in 'xyz'},
    'b': {'x': np.array([1.0, 5]), 'y': np.array([np.nan]), 'z': np.ones(3)},
  }

  def statistic(a):
    missing = np.isnan(a['b'])
    if missing.ndim == 2:
      assert 0.2 < missing.mean() < 0.5
    else:
      assert missing.tolist() == [False, True, False]
    return np.where(missing, 0, 1).mean(axis=-1)

  bootstrap.interval(samples, dict.fromkeys('xyz', 'g'), statistic)


def test_the_same_tasks_are_wanted():
  for samples in ({}, {'a': {'x': np.ones(1)}, 'b': {'y': np.ones(1)}}):
    with pytest.raises(ValueError, match='the same tasks'):
      bootstrap.interval(samples, {}, lambda a: np.zeros(()))


def test_what_is_never_known_is_missing_without_a_warning():
  samples = {'a': {t: np.array([1.0]) for t in 'xy'}}
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found = bootstrap.interval(
      samples,
      dict.fromkeys('xy', 'g'),
      lambda a: np.full(a['a'].shape[:-1], np.nan),
      replicates=5,
    )
  assert math.isnan(found.value) and math.isnan(found.low)


def test_an_interval_keeps_within_bounds():
  rng = np.random.default_rng(3)
  values = np.arange(6) + rng.normal(0, 0.8, 6)
  samples = {
    'a': {f't{i}': np.array([float(i)]) for i in range(6)},
    'b': {f't{i}': np.array([v]) for i, v in enumerate(values)},
  }
  found = bootstrap.interval(
    samples,
    dict.fromkeys(samples['a'], 'g'),
    lambda a: statistics.rank_correlation(a['a'], a['b']),
    bounds=(-1, 1),
  )
  assert found.low < found.value <= found.high == 1
  assert found.detectable <= 1
  few = {'a': {t: np.array([v]) for t, v in (('x', 0.0), ('y', 1.0))}}
  found = bootstrap.interval(
    few, dict.fromkeys('xy', 'g'), _mean, bounds=(-1, 1)
  )
  assert found.detectable == math.inf  # None of all that there can be.


def test_a_share_on_which_all_tasks_agree_has_an_error():
  """Of 5 tasks (5 + 2) / (5 + 4); sqrt(7/9 2/9 / 9)."""
  assert bootstrap.share_error(0.5, 5) == pytest.approx(0.1386, abs=1e-4)
  samples = {'a': {t: np.array([1.0]) for t in 'vwxyz'}}
  found = bootstrap.interval(
    samples,
    {'v': 'one', 'w': 'one', 'x': 'two', 'y': 'two', 'z': 'three'},
    lambda a: a['a'].mean(axis=-1) - 0.5,
    least_error=bootstrap.share_error,
  )
  assert found.value == 0.5
  assert found.low == pytest.approx(0.5 - 4.303 * 0.1386, abs=0.001)
