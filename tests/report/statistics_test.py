import numpy as np
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
