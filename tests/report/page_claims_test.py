import numpy as np
import pandas as pd
import pytest

from tests.report import made
from vtab_h2t.report import judging
from vtab_h2t.report import page_claims

_SETTING = {
  'learning_rate': 0.1,
  'steps': 500,
  'target_size': 30,
  'coefficient': 1e-5,
  'fraction': 0.1,
}


def test_claims_say_what_could_be_seen_and_why_they_have_no_verdict():
  of = made.run()
  space = of.space.changed({'finetune': {'steps': (80,), 'batch': 64}})
  of = made.run(space=space)
  rows = [
    made.row(of, 'accuracy', m, t, s, level + s, **_SETTING)
    for m, level in (('head2toe', 60), ('linear', 40), ('finetune', 50))
    for t in ('a', 'b', 'c')
    for s in (0, 1, 2)
  ]
  table = judging.of_run(made.results(rows, of))
  lines = page_claims.of(table)['tested']
  found = {line['claim']: line for line in lines}
  no = found['Head2Toe is better than fine-tuning on average.']
  assert (no['verdict'], no['mark']) == ('no verdict', 'none')
  assert no['why'] == 'trained for 500 steps of 128 images against 80 of 64'
  yes = found['Head2Toe is better than Linear on average.']
  assert (yes['verdict'], yes['mark']) == ('holds', 'holds')
  details = yes['details']
  assert float(details['smallest effect that could be seen']) > 0
  where = details['where the paper says it']
  assert where == 'sections 1, 4.1, 4.2 (ResNet-50, ViT-B/16)'
  assert not yes['why'] and details['rows'] == (
    'accuracy/Head2Toe accuracy/Linear'
  )


def _line(**changes):
  return {
    'id': 'head2toe_above_linear',
    'claim': 'A claim.',
    'where': 'section 1',
    'of': 'ResNet-50',
    'statistic': 'points',
    'published': 'ResNet-50 on VTAB-1k: 8.8; ViT-B/16 on VTAB-1k: 10',
    'measured': 1.23456,
    'low': 0.5,
    'high': 2.0,
    'detectable': 1.0,
    'verdict': judging.HOLDS,
    'tasks': 3,
    'rows': 'accuracy/head2toe',
  } | changes


@pytest.mark.parametrize(
  ('changes', 'shown'),
  [
    ({}, ('1.2', '0.5 to 2.0')),
    ({'low': 1.1, 'high': 1.4}, ('1.23', '1.10 to 1.40')),
    (
      {'id': 'gain_falls_with_affinity', 'low': -0.37, 'high': 1.0},
      ('1.23', '-0.37 to 1.00'),
    ),
    ({'low': 0.004}, ('1.235', '0.004 to 2.000')),  # Above 0, and seen to be.
    ({'low': -8.14, 'high': 1.7}, ('1.2', '-8.1 to 1.7')),
    (
      {'measured': 31.32, 'low': -79.84, 'high': 142.49},
      ('31', '-80 to 142'),
    ),
    (
      {'low': np.nan, 'high': np.nan},
      ('1.2', 'the same for every task and seed'),
    ),
    (
      {'low': np.nan, 'id': 'selection_overhead_18_percent'},
      ('1.23', 'follows from the fractions tried, not measured'),
    ),
    ({'low': np.nan, 'verdict': judging.NO_VERDICT}, ('1.2', 'no interval')),
    ({'low': 0.0, 'high': 2.0}, ('1.2', '0.0 to 2.0')),
  ],
)
def test_numbers_have_as_many_digits_as_say_something(changes, shown):
  (line,) = page_claims.of(pd.DataFrame([_line(**changes)]))['tested']
  assert (line['measured'], line['interval']) == shown
  assert line['published'] == ['ResNet-50: 8.8', 'ViT-B/16: 10']


def test_what_follows_from_the_settings_stands_last():
  found = page_claims.of(
    pd.DataFrame(
      [_line(claim='A.', low=np.nan, high=np.nan, measured=1.235), _line()]
    )
  )
  first, last = found['tested']
  assert (first['fixed'], last['fixed']) == (False, True)
  assert last['claim'] == 'A.'


def test_why_claims_cannot_be_tested_is_counted_most_frequent_first():
  why = {'verdict': judging.UNTESTABLE, 'measured': np.nan}
  found = page_claims.of(
    pd.DataFrame(
      [
        _line(**why, rows='no rows of one_tap'),
        _line(**why, rows='no rows of finetune', claim='B.'),
        _line(**why, rows='no rows of finetune', claim='C.'),
      ]
    )
  )
  assert not found['tested'] and found['untested'] == 3
  assert found['reasons'] == [
    {'why': 'No rows of Fine-tuning', 'claims': ['B.', 'C.']},
    {'why': 'No rows of one_tap', 'claims': ['A claim.']},
  ]


def test_verdicts_of_runs_stand_side_by_side():
  untestable = {'verdict': judging.UNTESTABLE, 'measured': np.nan}
  tables = {
    'a': [_line(), _line(**untestable), _line(**untestable)],
    'b': [_line(verdict=judging.FAILS), _line(), _line(**untestable)],
    'c': [_line(**untestable)] * 3,
  }
  found = page_claims.matrix(
    page_claims.Column(name, name.upper(), f'{name}.html', pd.DataFrame(lines))
    for name, lines in tables.items()
  )
  assert [column.name for column in found['columns']] == ['a', 'b']
  assert found['others'] == ['c'] and found['untested'] == 1
  numbers = [[c['measured'] for c in l['cells']] for l in found['lines']]
  assert numbers == [['1.2', '1.2'], ['', '1.2']]
  verdicts = [[c['verdict'] for c in l['cells']] for l in found['lines']]
  assert verdicts == [['holds', 'does not hold'], ['', 'holds']]


def test_what_was_not_measured_stands_last_beside_each_other():
  derived = _line(id='selection_overhead_18_percent', claim='D.', low=np.nan)
  found = page_claims.matrix(
    [page_claims.Column('a', 'A', 'a.html', pd.DataFrame([derived, _line()]))]
  )
  first, last = found['lines']
  assert (first['claim'], last['claim']) == ('A claim.', 'D.')
  assert last['cells'][0]['measured'] == '1.23, derived'


def test_what_rounding_decides_is_marked_and_said_once():
  moved = _line(id='head2toe_above_all_l1', claim='B.')
  of = made.main_run()
  columns = [
    page_claims.Column(name, '', 'x', pd.DataFrame([moved, _line()]), run)
    for name, run in (('main', of), ('other', made.run()), ('printed', None))
  ]
  found = page_claims.matrix(columns)
  marks = {
    line['claim']: [cell['is_rounded'] for cell in line['cells']]
    for line in found['lines']
  }
  assert marks == {'B.': [True, False, False], 'A claim.': [False] * 3}
  assert found['note'].startswith('Undecided with additions in another order')
  assert page_claims.matrix(columns[1:])['note'] == ''


def test_the_smallest_effect_that_could_be_seen_is_in_words():
  assert (
    page_claims.seen(np.inf) == 'none' and page_claims.seen(1.234) == '1.23'
  )
  assert page_claims.seen(160.234) == '160'
  assert page_claims.seen(np.nan) == ''
