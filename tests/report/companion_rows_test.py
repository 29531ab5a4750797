import math

import pandas as pd
import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.tasks import task as task_lib


def test_jobs_are_known_and_kinds_are_of_the_suite():
  assert set(companion_rows.JOBS) <= set(jobs.JOBS)
  assert set(companion_rows.KINDS) <= set(task_lib.KINDS)


def test_without_test_rows_there_is_an_empty_table():
  of = made.run()
  rows = [r for r in made.lp_ft(of) if r['split'] == 'val']
  failed = [r | {'split': 'test', 'correct': None} for r in rows]
  assert companion_rows.tests(rows + failed).empty


def test_the_last_rows_are_remembered():
  asked = []

  @companion_rows.remembered
  def count(rows):
    asked.append(rows)
    return pd.DataFrame({'n': [len(rows)]})

  rows = [{'a': 1}, {'a': 2}]
  assert count(rows) is count(list(rows)) and len(asked) == 1
  assert count(rows[:1]).n.item() == 1
  # Equal rows are other rows.
  assert count([dict(r) for r in rows[:1]]) is not None and len(asked) == 3
  assert count([]).n.item() == 0


def test_columns_are_conditions_and_what_is_missing_is_left_out():
  table = pd.DataFrame(
    {'task': ['a', 'a', 'b'], 'x': [1.0, math.nan, 3.0], 'y': math.nan}
  )
  assert companion_rows.found(table, 'task', ['x', 'y']) == {
    'x': {'a': [1.0], 'b': [3.0]}
  }


def _row(side, task='a', split='test', **fields):
  return {'side': side, 'task': task, 'split': split} | fields


_differing = companion_rows.differing('side', ('epochs', 'batch'), ('rate',))


@pytest.mark.parametrize(
  'rows, words',
  [
    ([], ''),
    ([_row('one', epochs=20), _row('two', epochs=20)], ''),
    # A side without epochs is not compared, and other tasks may differ.
    ([_row('one', epochs=20), _row('two', batch=64)], ''),
    ([_row('one', epochs=20), _row('two', task='b', epochs=5)], ''),
    (
      [_row('one', epochs=20), _row('two', epochs=5)],
      '20 (one) against 5 (two) epochs',
    ),
    (
      [
        _row('one', batch=64),
        _row('two', batch=32),
        _row('two', batch=64),
        _row('one', task='b', batch=64),
        _row('two', task='b', batch=16),
      ],
      '64 (one) against 32 or 64 (two) images a step; '
      '64 (one) against 16 (two) images a step',
    ),
  ],
)
def test_budgets_that_differ_are_told(rows, words):
  assert _differing(rows) == words


def test_what_was_tried_is_in_validation_rows():
  tried = companion_rows.differing('side', (), ('learning_rate',))
  rows = [_row('one', split='val', learning_rate=r) for r in (0.1, 0.01)] + [
    _row('two', split='val', learning_rate=0.1)
  ]
  chosen = [_row('one', learning_rate=0.01), _row('two', learning_rate=0.1)]
  assert tried(rows + chosen) == (
    '0.01 or 0.1 (one) against 0.1 (two) as learning rate'
  )
  assert tried(chosen) == ''


def test_only_some_rows_are_compared():
  rows = [_row('one', epochs=20), _row('two', epochs=5)]
  of = companion_rows.differing(
    'side', ('epochs',), of=lambda row: row['side'] == 'one'
  )
  assert of(rows) == ''
