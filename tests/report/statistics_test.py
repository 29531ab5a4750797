from collections.abc import Callable, Mapping
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from tests import testing
from vtab_h2t.report import statistics


def test_median_and_deviation_over_seeds_of_test_rows():
  summary = statistics.summarise(testing.result_rows())
  assert list(summary.method.unique()) == ['linear', 'head2toe']
  first = summary.iloc[0]
  assert first.accuracy_percent == 50 and first.seeds == 3
  assert first.std_percent == pytest.approx(np.std([50, 45, 52], ddof=1))


def test_one_seed_has_no_deviation():
  rows = [r for r in testing.result_rows() if r['seed'] == 1]
  assert statistics.summarise(rows).std_percent.isna().all()


def test_the_rows_protocol_counts():
  rows = [
    r | {'protocol': 'official', 'total': 201} for r in testing.result_rows()
  ]
  assert statistics.summarise(rows).accuracy_percent[0] == 100 * 100 / 250


def test_wide_table_has_group_means_and_mean():
  table = statistics.wide(
    statistics.summarise(testing.result_rows()),
    ('natural', 'specialized', 'structured'),
  )
  assert list(table.columns) == [
    ('natural', 'x'),
    ('natural', 'mean'),
    ('structured', 'y'),
    ('structured', 'z'),
    ('structured', 'mean'),
    ('all', 'mean'),
  ]
  assert table.loc['linear'].tolist() == pytest.approx(
    [50, 50, 50, 70, 60, 170 / 3]
  )
  assert table.loc['head2toe', ('all', 'mean')] == pytest.approx(200 / 3)


def test_a_mean_over_missing_tasks_is_missing():
  rows = [
    r
    for r in testing.result_rows()
    if (r['method'], r['task']) != ('linear', 'y')
  ]
  table = statistics.wide(statistics.summarise(rows), ('natural', 'structured'))
  assert table.loc['linear', ('natural', 'mean')] == 50
  assert np.isnan(table.loc['linear', ('structured', 'mean')])
  assert np.isnan(table.loc['linear', ('all', 'mean')])


def test_domain_affinity_is_linear_less_scratch():
  rows = testing.result_rows()
  table = statistics.wide(statistics.summarise(rows), ('natural', 'structured'))
  assert statistics.domain_affinity(table).empty  # No Scratch.
  rows += [
    r | {'method': 'scratch', 'correct': r['correct'] - 30}
    for r in rows
    if r['method'] == 'linear' and r['split'] == 'test'
  ]
  table = statistics.wide(statistics.summarise(rows), ('natural', 'structured'))
  affinity = statistics.domain_affinity(table)
  np.testing.assert_allclose(affinity, 15)  # 30 of 200.
  assert list(affinity.index) == list(table.columns)


def test_failed_runs_are_left_out():
  rows = testing.result_rows()
  rows[0] = rows[0] | {'correct': None, 'failed': 'the loss was not finite'}
  summary = statistics.summarise(rows)
  assert summary.iloc[0].seeds == 2 and summary.iloc[1].seeds == 3


def test_bootstrap_of_a_constant_is_that_constant():
  samples = {'a': {t: np.array([5.0, 5, 5]) for t in 'xyz'}}
  found = statistics.bootstrap(
    samples, dict.fromkeys('xyz', 'g'), lambda a: a['a'].mean(), replicates=50
  )
  assert found == statistics.Interval(5, 5, 5)


def test_bootstrap_covers_about_as_often_as_it_says():
  """Means of 12 tasks around 0; 95 % intervals of a small bootstrap."""
  rng = np.random.default_rng(0)
  covered = 0
  for i in range(60):
    values = rng.normal(size=12)
    samples = {'a': {f't{j}': np.array([v]) for j, v in enumerate(values)}}
    found = statistics.bootstrap(
      samples, dict.fromkeys(samples['a'], 'g'), lambda a: a['a'].mean(), i, 200
    )
    covered += found.low <= 0 <= found.high
  assert 48 <= covered <= 60


def test_bootstrap_keeps_tasks_in_their_groups():
  """Each replicate has as many of each group as there are."""
  samples = {'a': {'x': np.array([0.0]), 'y': np.array([10.0])}}
  found = statistics.bootstrap(
    samples, {'x': 'one', 'y': 'two'}, lambda a: a['a'].mean(), replicates=50
  )
  assert (found.low, found.high) == (5, 5)


def test_bootstrap_wants_the_same_tasks():
  for samples in ({}, {'a': {'x': np.ones(1)}, 'b': {'y': np.ones(1)}}):
    with pytest.raises(ValueError, match='the same tasks'):
      statistics.bootstrap(samples, {}, lambda a: 0)


def _slow_bootstrap(
  samples: statistics.Samples,
  groups: Mapping[str, str],
  statistic: Callable[[Mapping[str, np.ndarray]], float],
  seed: int,
  replicates: int,
) -> tuple[float, float]:
  """The interval, one `rng.choice` and one median at a time."""
  tasks = sorted(next(iter(samples.values())))
  strata = [
    [t for t in tasks if groups[t] == g] for g in sorted(set(groups.values()))
  ]
  rng = np.random.default_rng(seed)
  found = []
  for _ in range(replicates):
    drawn = [t for stratum in strata for t in rng.choice(stratum, len(stratum))]
    found.append(
      statistic(
        {
          condition: np.array(
            [np.median(rng.choice(by_task[t], len(by_task[t]))) for t in drawn]
          )
          for condition, by_task in samples.items()
        }
      )
    )
  low, high = np.nanpercentile(found, [2.5, 97.5])
  return float(low), float(high)


def _drawn_samples(
  most_seeds: int, missing: float = 0, uneven: bool = True
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
  """Three conditions, eleven tasks and three groups that are not in order."""
  rng = np.random.default_rng(most_seeds)
  samples = {
    c: {
      f't{i}': rng.normal(
        50, 9, rng.integers(1 if uneven else most_seeds, most_seeds + 1)
      )
      for i in range(11)
    }
    for c in 'cab'
  }
  for by_task in samples.values():
    for values in by_task.values():
      values[rng.random(len(values)) < missing] = np.nan
  return samples, {f't{i}': 'yxxzx'[i % 5] for i in range(11)}


def _mean_difference(a: Mapping[str, np.ndarray]) -> float:
  return float(np.mean(a['a'] - a['b']))


def _missing_passed_over(a: Mapping[str, np.ndarray]) -> float:
  return float(np.nanmean(a['a'] - a['b']))


def _rank_correlation(a: Mapping[str, np.ndarray]) -> float:
  return statistics.spearman(
    pd.Series(a['a'] - a['c']), pd.Series(a['b'] - a['c'])
  )


@pytest.mark.parametrize(
  'statistic', [_mean_difference, _missing_passed_over, _rank_correlation]
)
@pytest.mark.parametrize(
  'most_seeds, missing, uneven',
  [
    (1, 0, False),
    (3, 0, False),
    (4, 0, False),
    (6, 0, True),
    (6, 0.03, True),
    (3, 0.03, False),
    (40, 0, True),
  ],
)
def test_bootstrap_draws_what_one_choice_at_a_time_draws(
  statistic, most_seeds, missing, uneven
):
  """The same bits, with missing values and any number of seeds by task."""
  samples, groups = _drawn_samples(most_seeds, missing, uneven)
  found = statistics.bootstrap(samples, groups, statistic, 3, 40)
  np.testing.assert_array_equal(
    (found.low, found.high), _slow_bootstrap(samples, groups, statistic, 3, 40)
  )


@pytest.mark.parametrize('most_seeds', [3, 6])
def test_each_replicate_is_the_same_in_each_value(most_seeds):
  """All that the statistic is given, in order."""
  samples, groups = _drawn_samples(most_seeds, 0.05)
  seen = {'fast': [], 'slow': []}

  def noting(name: str) -> Callable[[Mapping[str, np.ndarray]], float]:
    def statistic(a: Mapping[str, np.ndarray]) -> float:
      assert list(a) == ['c', 'a', 'b']
      seen[name].append(np.stack(list(a.values())))
      return 0

    return statistic

  statistics.bootstrap(samples, groups, noting('fast'), 1, 30)
  _slow_bootstrap(samples, groups, noting('slow'), 1, 30)
  # The first is that of the samples themselves.
  np.testing.assert_array_equal(seen['fast'][1:], seen['slow'])


def test_spearman_with_ties():
  one, other = pd.Series([1, 2, 2, 4]), pd.Series([10, 20, 20, 30])
  assert statistics.spearman(one, other) == pytest.approx(1)
  assert statistics.spearman(one, -other) == pytest.approx(-1)


@pytest.mark.parametrize('seed', range(40))
def test_spearman_is_that_of_pandas(seed):
  """With ties, missing values, and pairs by index in another order."""
  rng = np.random.default_rng(seed)
  n = int(rng.integers(4, 30))
  one, other = (
    pd.Series(
      rng.integers(0, 9, n).astype(float) if ties else rng.normal(size=n)
    )
    for ties in (seed % 2, seed % 3 == 0)
  )
  if seed % 4 == 0:
    one[rng.random(n) < 0.2] = np.nan
  if seed % 5 == 0:
    other = other.iloc[rng.permutation(n)[: n - 1]]
  assert statistics.spearman(one, other) == pytest.approx(
    one.rank().corr(other.rank()), abs=1e-12, nan_ok=True
  )


@pytest.mark.parametrize('seed', range(12))
def test_rank_correlations_are_those_of_one_after_the_other(seed):
  """The same bits, with ties and missing values."""
  rng = np.random.default_rng(seed)
  one = rng.integers(0, 9, 11).astype(float)
  others = rng.integers(0, 9 if seed % 2 else 99, (30, 11)).astype(float)
  if seed % 3 == 0:
    others[rng.random(others.shape) < 0.2] = np.nan
  wanted = [
    statistics.spearman(pd.Series(one), pd.Series(row)) for row in others
  ]
  np.testing.assert_array_equal(
    statistics.rank_correlations(one, others), wanted
  )
  np.testing.assert_array_equal(
    [statistics.rank_correlation(one, row) for row in others], wanted
  )


def test_a_summary_of_tasks_that_methods_share():
  rows = [
    r
    for r in testing.result_rows()
    if (r['method'], r['task']) != ('linear', 'y')
  ]
  summary = statistics.summarise(rows)
  both = statistics.compared(summary, ('linear', 'head2toe'))
  assert sorted(set(both.task)) == ['x', 'z'] and len(both) == 4
  assert statistics.compared(summary, ('linear', 'scratch')).empty


def test_bootstrap_of_what_is_never_known_is_missing_without_a_warning():
  samples = {'a': {t: np.array([1.0]) for t in 'xy'}}
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found = statistics.bootstrap(
      samples, dict.fromkeys('xy', 'g'), lambda a: math.nan, replicates=5
    )
  assert math.isnan(found.value) and math.isnan(found.low)


@pytest.mark.parametrize('values', [[], [1.0], [2.0, 2.0], [1.0, np.nan]])
def test_spearman_of_what_has_no_order_is_missing(values):
  one = pd.Series(values, dtype=float)
  assert math.isnan(statistics.spearman(one, one))


def test_means_do_not_hang_on_the_order_of_tasks():
  values = [42.3, 68.7, 67.4, 27.5, 62.6, 31.8, 0.1]
  found = set()
  for shift in range(len(values)):
    turned = values[shift:] + values[:shift]
    summary = pd.DataFrame(
      {
        'method': 'm',
        'task': [f't{i}' for i in range(len(values))],
        'group': 'own',
        'accuracy_percent': turned,
      }
    )
    found.add(statistics.wide(summary, ['own'])['own', 'mean'].item())
  assert len(found) == 1


def test_a_table_without_rows_has_no_means():
  """As ours less the paper's on a task that is not the paper's."""
  summary = pd.DataFrame(
    {'method': [], 'task': [], 'group': [], 'accuracy_percent': []}
  )
  assert statistics.wide(summary, ['own']).empty
