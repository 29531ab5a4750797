import math

import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import claims_surgical
from vtab_h2t.report import judging
from vtab_h2t.report import surgical_rows

_BY_ID = {c.id: c for c in claims_surgical.CLAIMS}
_OF = made.run()
_JOB = 'surgical_small'
_ROWS = made.surgical(_OF, _JOB)


def _judge(name, rows=_ROWS, job=_JOB):
  return judging.judge(_BY_ID[name], {job: rows})


@pytest.mark.parametrize(
  'name, value, tasks',
  [
    # Tuning all has 78, 69 and 55.
    ('first_block_best_input', 80 - 78, 2),
    ('middle_block_best_feature', 70 - 69, 2),
    ('last_layer_best_output', 90 - 55, 2),
    ('chosen_block_at_least_all_input', 80 - 78 + 1, 2),
    ('chosen_block_at_least_all_feature', 70 - 69 + 1, 2),
    ('chosen_block_at_least_all_output', 90 - 55 + 1, 2),
    ('no_block_gains_without_shift', 90 - 90 + 1, 2),
    ('auto_rgn_above_all', 2, 6),
  ],
)
def test_values_are_means_over_targets(name, value, tasks):
  found = _judge(name)
  assert found.interval.value == pytest.approx(value)
  assert found.tasks == tasks


def test_the_pretrained_network_has_the_same_claims():
  assert len(_BY_ID) == 18
  rows = made.surgical(_OF, 'surgical_shift', blocks=(*made.BLOCKS, 'block4'))
  for name in list(_BY_ID)[:9]:
    own = _judge(f'pretrained_{name}', rows, 'surgical_shift')
    assert own.interval.value == pytest.approx(_judge(name).interval.value)
    assert own.rows == 'surgical_shift/surgical_shift' or (
      own.verdict != judging.HOLDS
    )
    assert '(pretrained network)' in _BY_ID[f'pretrained_{name}'].sentence
    assert '(small residual network)' in _BY_ID[name].sentence


def test_auto_rgns_rank_is_against_the_best_of_the_others():
  # It is one rank before all under each shift; the last layer, which is first
  # under output shifts, is six ranks behind under the others.
  found = _judge('auto_rgn_best_rank')
  assert found.interval.value == pytest.approx(1)
  without = [r for r in _ROWS if r['tuned'] != 'auto_snr_code']
  found = _judge('auto_rgn_best_rank', without)
  assert 'no rows of all rules that are ranked' in found.rows


def _swapped(one, other):
  """The accuracies of two things that are tuned change places."""
  names = {one: other, other: one}
  counts = {
    (r['task'], r['seed'], r['shots'], r['tuned']): r['correct']
    for r in _ROWS
    if r['batch_norm'] == surgical_rows.INFERENCE
  }
  return [
    r
    | {
      'correct': counts[
        r['task'], r['seed'], r['shots'], names.get(r['tuned'], r['tuned'])
      ]
    }
    for r in _ROWS
    if r['batch_norm'] == surgical_rows.INFERENCE
  ]


def test_other_blocks_make_them_fail():
  assert (
    _judge('first_block_best_input', _swapped('block1', 'block2')).verdict
    == judging.FAILS
  )
  assert (
    _judge('middle_block_best_feature', _swapped('block3', 'last')).verdict
    == judging.FAILS
  )
  assert (
    _judge('last_layer_best_output', _swapped('last', 'block3')).verdict
    == judging.FAILS
  )
  assert (
    _judge('auto_rgn_above_all', _swapped('auto_rgn', 'all')).verdict
    == judging.FAILS
  )


def test_the_test_does_not_choose_the_block():
  """Validation counts stay: the block that is best on the test is not taken."""
  found = _judge('chosen_block_at_least_all_output', _swapped('last', 'block1'))
  assert found.interval.value == pytest.approx(20 - 55 + 1)


def test_targets_without_a_shift_are_in_no_other_claim():
  rows = [r | {'correct': 0} if r['group'] == 'none' else r for r in _ROWS]
  for name in list(_BY_ID)[:9]:
    if name != 'no_block_gains_without_shift':
      assert _judge(name, rows) == _judge(name)


def test_the_ablation_is_in_no_claim():
  rows = [
    r | {'correct': 0} if r['batch_norm'] == 'training' else r for r in _ROWS
  ]
  for name in list(_BY_ID)[:9]:
    assert _judge(name, rows).interval == _judge(name).interval


def test_seeds_are_paired():
  """Seeds that are 20 points apart for all that is tuned do not blur it."""
  rows = [r | {'correct': r['correct'] - 200 * r['seed']} for r in _ROWS]
  rows = [r for r in rows if r['group'] == 'feature']
  found = _judge('middle_block_best_feature', rows)
  assert found.verdict == judging.HOLDS
  # All agree, so that there is no interval.
  assert found.interval.value == pytest.approx(1)
  assert math.isnan(found.interval.low)


def test_other_budgets_give_no_verdict():
  rows = [r | {'epochs': 50} if r['tuned'] == 'all' else r for r in _ROWS]
  found = _judge('chosen_block_at_least_all_input', rows)
  assert found.verdict == judging.NO_VERDICT
  assert 'trained for 15 (block1) against 50 (all) epochs' in found.rows
  # Rules may have others than a claim of blocks compares.
  rows = [
    r | {'epochs': 50} if r['tuned'] == 'first_to_last' else r for r in _ROWS
  ]
  assert _judge('first_block_best_input', rows).verdict == judging.HOLDS
  assert _judge('auto_rgn_best_rank', rows).verdict == judging.NO_VERDICT
