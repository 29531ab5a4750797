import math

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
  assert first.range_points == pytest.approx(7)


def test_one_seed_has_no_deviation():
  rows = [r for r in testing.result_rows() if r['seed'] == 1]
  summary = statistics.summarise(rows)
  assert summary[['std_percent', 'range_points']].isna().all(axis=None)


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
def test_rank_correlation_is_that_of_one_after_the_other(seed):
  """With ties and missing values."""
  rng = np.random.default_rng(seed)
  one = rng.integers(0, 9, 11).astype(float)
  others = rng.integers(0, 9 if seed % 2 else 99, (30, 11)).astype(float)
  if seed % 3 == 0:
    others[rng.random(others.shape) < 0.2] = np.nan
  np.testing.assert_allclose(
    statistics.rank_correlation(one, others),
    [statistics.spearman(pd.Series(one), pd.Series(row)) for row in others],
    atol=1e-12,
  )


def test_rank_correlation_is_broadcast():
  falling = np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [2, 2, 2, 2]])
  found = statistics.rank_correlation(np.arange(4.0), falling)
  np.testing.assert_array_equal(found, [-1, 1, np.nan])


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
