"""Tests of the table of methods after Head2Toe."""

import math

import pytest

from tests.report import made
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import jobs
from vtab_h2t.report import successors

# Percent on two tasks of a group and one of another; seeds 0, 1, 2 add 0, 1, 5.
_PERCENT = {
  'linear': {'sprites_loc': 40, 'shapes_count': 50, 'digits': 60},
  'head2toe': {'sprites_loc': 50, 'shapes_count': 60, 'digits': 70},
  'ridge': {'sprites_loc': 51, 'shapes_count': 63, 'digits': 71, 'solo': 9},
  'knn': {'sprites_loc': 30, 'shapes_count': 40, 'digits': 50},
}
_TASKS = list(_PERCENT['knn'])
_SETTING = {
  'learning_rate': 0.1,
  'steps': 500,
  'target_size': 256,
  'coefficient': 1e-5,
}


def _rows(percent):
  run = made.run()
  return [
    made.row(run, jobs.ACCURACY, method, task, seed, value + (0, 1, 5)[seed])
    for method, by_task in percent.items()
    for task, value in by_task.items()
    for seed in range(3)
  ]


def _measurement(task, methods_, processor='one', **facts):
  """Timed with another task; each method twice as long as the one before."""
  seconds = {'embed train': {'cpu': 6.0, 'wall': 9.0}}
  for i, method in enumerate(methods_):
    seconds[f'choose {method}'] = {'cpu': 10.0 * 2**i, 'wall': 99.0}
    seconds[f'train {method}'] = {'cpu': 12.0 * 2**i, 'wall': 99.0}
  own = [r for r in _rows(_PERCENT) if r['task'] == task]
  return ledger_lib.Measurement(
    {
      'task': task,
      'tasks': [task, 'other'],
      'resumed': [],
      'processor': processor,
      'seconds': seconds,
      'seeds': {method: [0, 1, 2] for method in methods_},
    }
    | facts,
    {m: [{**own[0], **_SETTING, 'method': m}] for m in methods_},
    {},
  )


def test_accuracy_is_compared_on_the_tasks_of_all():
  table = successors.table(_rows(_PERCENT), []).set_index('method')
  assert list(table.index) == ['linear', 'head2toe', 'ridge', 'knn']
  assert set(table.tasks) == {3}
  # Medians over seeds are one more than what is listed.
  assert list(table.accuracy_percent) == [51, 61, 62 + 2 / 3, 41]
  assert list(table.points) == pytest.approx([-10, 0, 5 / 3, -20])
  assert math.isnan(table.low['head2toe'])
  # Three tasks in two groups: one degree of freedom.
  assert table.low['knn'] < -20 < table.high['knn']


def test_a_method_that_lacks_a_task_is_left_out():
  lacking = {**_PERCENT, 'linear': {'digits': 60}}
  assert 'linear' not in set(successors.table(_rows(lacking), []).method)
  fewer = {**_PERCENT, 'knn': {'digits': 50, 'shapes_count': 40}}
  table = successors.table(_rows(fewer), [])
  assert set(table.tasks) == {2} and 'linear' in set(table.method)


def test_without_head2toe_or_one_after_it_there_is_no_table():
  for name in ('head2toe', 'both'):
    rows = [
      r
      for r in _rows(_PERCENT)
      if (r['method'] in methods.FROZEN) == (name == 'both')
    ]
    assert successors.table(rows, []).empty
  run = made.run()
  output = catalogue.of(run)['successors']
  frozen = [r for r in _rows(_PERCENT) if r['method'] in methods.FROZEN]
  assert output.possible(made.results(_rows(_PERCENT), run))
  assert not output.possible(made.results(frozen, run))


def test_seconds_of_search_and_training_are_of_a_task():
  order = 'linear', 'ridge', 'all_l21', 'head2toe'
  measurements = [_measurement(t, order) for t in _TASKS]
  table = successors.table(_rows(_PERCENT), measurements).set_index('method')
  # Two tasks are timed together. All methods but ridge train three seeds, and
  # Head2Toe's scores are those of +All-l2,1.
  assert table.choose_cpu_seconds['linear'] == 10 / 2
  assert table.choose_cpu_seconds['ridge'] == 20 / 2
  assert table.choose_cpu_seconds['head2toe'] == (40 + 80) / 2
  assert table.train_cpu_seconds['linear'] == 12 / 6 + 6
  assert table.train_cpu_seconds['ridge'] == 24 / 2 + 6
  assert table.train_cpu_seconds['head2toe'] == (48 + 96) / 6 + 6
  assert set(table.processor[['linear', 'ridge']]) == {'one'}
  assert math.isnan(table.choose_cpu_seconds['knn'])


@pytest.mark.parametrize(
  'other', [{'processor': 'two'}, {'resumed': ['linear']}]
)
def test_seconds_that_do_not_compare_are_not_told(other):
  measurements = [_measurement(t, ['linear']) for t in _TASKS[1:]]
  measurements.append(_measurement(_TASKS[0], ['linear'], **other))
  table = successors.table(_rows(_PERCENT), measurements).set_index('method')
  assert math.isnan(table.choose_cpu_seconds['linear'])
  assert table.processor['linear'] == ''
