import numpy as np
import pytest

from tests.report import made
from vtab_h2t.report import standing

_TASKS = 'digits', 'mnist_5k', 'sprites_loc', 'shapes_count'
_SETTING = {'learning_rate': 0.1, 'steps': 500}


def _rows(gains, of=None):
  """Rows of methods by how many points each is above Head2Toe, by task."""
  of = of or made.run()
  return [
    made.row(of, 'accuracy', m, t, s, 50 + gain, **_SETTING)
    for m, by_task in ({'head2toe': [0] * 4} | gains).items()
    for t, gain in zip(_TASKS, by_task)
    for s in (0, 1)
  ]


def test_methods_are_better_worse_or_tie():
  found = standing.table(
    _rows(
      {'linear': [-9, -10, -11, -9], 'all_l1': [5, -5, 4, -4]}
      | {'all_l2': [9, 10, 11, 9]}
    )
  ).set_index('method')
  assert found.reading.to_dict() == {
    'linear': standing.WORSE,
    'all_l1': standing.TIE,
    'all_l2': standing.BETTER,
  }
  assert found.points.linear == pytest.approx(-9.75)
  assert found.low.linear < found.points.linear < found.high.linear < 0
  assert (found.tasks == 4).all()


def test_two_tasks_are_too_few_for_a_tie():
  rows = _rows({'all_l1': [5, -5], 'all_l2': [9, 9]})
  found = standing.table(
    [r for r in rows if r['task'] in _TASKS[:2]]
  ).set_index('method')
  assert found.reading.to_dict() == {
    'all_l1': standing.FEW,
    'all_l2': standing.BETTER,
  }


def test_one_task_gives_no_interval():
  rows = [r for r in _rows({'linear': [1] * 4}) if r['task'] == 'digits']
  (line,) = standing.table(rows).to_dict('records')
  assert line['reading'] == standing.UNKNOWN and np.isnan(line['low'])
  assert line['points'] == pytest.approx(1)


def test_what_was_not_trained_as_long_has_no_verdict():
  space = made.run().space.changed({'finetune': {'steps': (80,), 'batch': 64}})
  rows = _rows({'finetune': [9, 10, 11, 9], 'linear': [1, 2, 3, 4]})
  found = standing.table(rows, space).set_index('method')
  assert found.reading.finetune == standing.UNEQUAL
  assert found.why.finetune == '500 steps of 128 images against 80 of 64'
  assert found.reading.linear == standing.BETTER
  assert standing.table(rows).set_index('method').reading.finetune == 'better'


def test_without_head2toe_there_is_nothing_to_stand_beside():
  rows = [r for r in _rows({'linear': [1] * 4}) if r['method'] == 'linear']
  assert standing.table(rows).empty
  assert standing.table([]).empty


def test_head2toe_in_one_job_less_that_in_another():
  of = made.run()

  def rows(job, method, percents):
    return [
      made.row(of, job, method, t, s, percent, **_SETTING)
      for t, percent in zip(_TASKS, percents)
      for s in (0, 1)
    ]

  results = made.results(
    [
      *rows('accuracy', 'head2toe', (60, 61, 62, 63)),
      *rows('accuracy', 'linear', (10, 10, 10, 10)),
    ],
    of,
    offset=rows('offset', 'head2toe', (50, 50, 52, 54)),
  )
  found = standing.of_jobs(results, 'accuracy', 'offset')
  assert found.value == pytest.approx(10)
  assert 0 < found.low < 10 < found.high
  for job, some in (('offset', rows('offset', 'head2toe', (50,))), ('cv', [])):
    results = made.results(
      rows('accuracy', 'head2toe', (60, 61, 62, 63)), of, **{job: some}
    )
    with pytest.raises(ValueError, match='same tasks'):
      standing.of_jobs(results, 'accuracy', job)
