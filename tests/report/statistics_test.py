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
  rows = [r | {'protocol': 'official', 'total': 201}
          for r in testing.result_rows()]
  assert statistics.summarise(rows).accuracy_percent[0] == 100 * 100 / 250


def test_wide_table_has_group_means_and_mean():
  table = statistics.wide(statistics.summarise(testing.result_rows()),
                          ('natural', 'specialized', 'structured'))
  assert list(table.columns) == [
      ('natural', 'x'), ('natural', 'mean'), ('structured', 'y'),
      ('structured', 'z'), ('structured', 'mean'), ('all', 'mean')]
  assert table.loc['linear'].tolist() == pytest.approx(
      [50, 50, 50, 70, 60, 170 / 3])
  assert table.loc['head2toe', ('all', 'mean')] == pytest.approx(200 / 3)


def test_a_mean_over_missing_tasks_is_missing():
  rows = [r for r in testing.result_rows()
          if (r['method'], r['task']) != ('linear', 'y')]
  table = statistics.wide(statistics.summarise(rows),
                          ('natural', 'structured'))
  assert table.loc['linear', ('natural', 'mean')] == 50
  assert np.isnan(table.loc['linear', ('structured', 'mean')])
  assert np.isnan(table.loc['linear', ('all', 'mean')])


def test_domain_affinity_is_linear_less_scratch():
  rows = testing.result_rows()
  table = statistics.wide(statistics.summarise(rows), ('natural', 'structured'))
  assert statistics.domain_affinity(table).empty  # No Scratch.
  rows += [r | {'method': 'scratch', 'correct': r['correct'] - 30}
           for r in rows if r['method'] == 'linear' and r['split'] == 'test']
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
      samples, dict.fromkeys('xyz', 'g'), lambda a: a['a'].mean(),
      replicates=50)
  assert found == statistics.Interval(5, 5, 5)


def test_bootstrap_covers_about_as_often_as_it_says():
  """Means of 12 tasks around 0; 95 % intervals of a small bootstrap."""
  rng = np.random.default_rng(0)
  covered = 0
  for i in range(60):
    values = rng.normal(size=12)
    samples = {'a': {f't{j}': np.array([v]) for j, v in enumerate(values)}}
    found = statistics.bootstrap(
        samples, {t: 'g' for t in samples['a']}, lambda a: a['a'].mean(), i,
        200)
    covered += found.low <= 0 <= found.high
  assert 48 <= covered <= 60


def test_bootstrap_keeps_tasks_in_their_groups():
  """Each replicate has as many of each group as there are."""
  samples = {'a': {'x': np.array([0.]), 'y': np.array([10.])}}
  found = statistics.bootstrap(
      samples, {'x': 'one', 'y': 'two'}, lambda a: a['a'].mean(), replicates=50)
  assert (found.low, found.high) == (5, 5)


def test_bootstrap_wants_the_same_tasks():
  for samples in ({}, {'a': {'x': np.ones(1)}, 'b': {'y': np.ones(1)}}):
    with pytest.raises(ValueError, match='the same tasks'):
      statistics.bootstrap(samples, {}, lambda a: 0)


def test_spearman_with_ties():
  one, other = pd.Series([1, 2, 2, 4]), pd.Series([10, 20, 20, 30])
  assert statistics.spearman(one, other) == pytest.approx(1)
  assert statistics.spearman(one, -other) == pytest.approx(-1)


def test_means_do_not_hang_on_the_order_of_tasks():
  values = [42.3, 68.7, 67.4, 27.5, 62.6, 31.8, 0.1]
  found = set()
  for shift in range(len(values)):
    turned = values[shift:] + values[:shift]
    summary = pd.DataFrame({
        'method': 'm', 'task': [f't{i}' for i in range(len(values))],
        'group': 'own', 'accuracy_percent': turned})
    found.add(statistics.wide(summary, ['own'])['own', 'mean'].item())
  assert len(found) == 1


def test_a_table_without_rows_has_no_means():
  """As ours less the paper's on a task that is not the paper's."""
  summary = pd.DataFrame(
      {'method': [], 'task': [], 'group': [], 'accuracy_percent': []})
  assert statistics.wide(summary, ['own']).empty
