import math

import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import claims_lp_ft
from vtab_h2t.report import judging
from vtab_h2t.report import lp_ft_frames

_BY_ID = {c.id: c for c in claims_lp_ft.CLAIMS}
_OF = made.run()
_ROWS = made.lp_ft(_OF)


def _judge(name, rows=_ROWS):
  return judging.judge(_BY_ID[name], {'lp_ft_shift': rows})


@pytest.mark.parametrize(
  'name, value',
  [
    ('ft_above_lp_id', 90 - 80),
    ('ft_frozen_above_lp_id', 88 - 80),
    ('ft_below_lp_ood', 60 - 50),
    ('ft_frozen_below_lp_ood', 60 - 54),
    ('lp_ft_at_least_ft_id', 91 - 90 + 1),
    ('lp_ft_at_least_ft_frozen_id', 91 - 88 + 1),
    ('lp_ft_at_least_lp_id', 91 - 80 + 1),
    ('lp_ft_at_least_ft_ood', 62 - 50 + 1),
    ('lp_ft_at_least_ft_frozen_ood', 62 - 54 + 1),
    ('lp_ft_at_least_lp_ood', 62 - 60 + 1),
    ('ft_moves_id_more', math.log10(4 / 2)),
    ('ft_frozen_moves_id_more', math.log10(3 / 2)),
    ('lp_ft_moves_tenth_of_ft_id', math.log10(4 / 0.2) - 1),
    ('lp_ft_moves_tenth_of_ft_ood', math.log10(2 / 0.1) - 1),
    ('lp_ft_moves_tenth_of_ft_frozen_id', math.log10(3 / 0.2) - 1),
    ('lp_ft_moves_tenth_of_ft_frozen_ood', math.log10(2 / 0.1) - 1),
  ],
)
def test_values_are_of_the_rows(name, value):
  found = _judge(name)
  assert found.interval.value == pytest.approx(value)
  assert (found.verdict, found.tasks) == (judging.HOLDS, 3)


def test_every_claim_has_its_number():
  assert len(_BY_ID) == 16


def _levels(**changed):
  return made.lp_ft(_OF, levels=made.LP_FT | changed)


def test_the_opposite_does_not_hold():
  rows = _levels(ft=(70, 70, 1, 2))
  for name in ('ft_above_lp_id', 'ft_below_lp_ood', 'ft_moves_id_more'):
    assert _judge(name, rows).verdict == judging.FAILS
  # Five times less is not ten times less.
  rows = _levels(lp_ft=(91, 62, 0.8, 0.4))
  found = _judge('lp_ft_moves_tenth_of_ft_id', rows)
  assert found.verdict == judging.FAILS


def test_at_least_as_good_has_a_margin_of_one_point():
  for accuracy, verdict in ((89.5, judging.HOLDS), (88.5, judging.FAILS)):
    rows = _levels(lp_ft=(accuracy, 62, 0.2, 0.1))
    assert _judge('lp_ft_at_least_ft_id', rows).verdict == verdict


def test_pairs_that_disagree_leave_it_undecided():
  rows = [
    r | {'correct': r['correct'] - 300}
    if (r['task'], r['adaptation']) == ('digits.to.mnist_5k', 'ft')
    else r
    for r in _ROWS
  ]
  found = _judge('ft_above_lp_id', rows)
  assert found.verdict == judging.UNDECIDED
  assert found.interval.value == pytest.approx(0)
  assert found.interval.detectable > 10


def test_pairs_of_different_kinds_are_one_stratum():
  """Of three pairs in three groups there would be no interval."""
  assert len(set(made.PAIRS.values())) == 3
  rows = [
    r | {'correct': r['correct'] - 20}
    if (r['task'], r['adaptation']) == ('digits.to.mnist_5k', 'ft')
    else r
    for r in _ROWS
  ]
  assert not math.isnan(_judge('ft_above_lp_id', rows).interval.low)
  alone = [r for r in _ROWS if r['task'] == 'digits.to.mnist_5k']
  assert _judge('ft_above_lp_id', alone).verdict == judging.UNTESTABLE


@pytest.mark.parametrize(
  'change, words',
  [
    ({'epochs': 5}, '20 (ft) against 5 (lp_ft) epochs'),
    ({'batch': 32}, '64 (ft) against 32 (lp_ft) images a step'),
  ],
)
def test_other_budgets_give_no_verdict(change, words):
  rows = [r | (change if r['adaptation'] == 'lp_ft' else {}) for r in _ROWS]
  found = _judge('lp_ft_at_least_ft_ood', rows)
  assert found.verdict == judging.NO_VERDICT and words in found.rows
  # The probe has none, and the others' are equal.
  assert _judge('lp_ft_at_least_lp_ood', rows).verdict == judging.HOLDS
  assert _judge('ft_below_lp_ood', rows).verdict == judging.HOLDS


def test_other_rates_give_no_verdict():
  rows = [
    r
    for r in _ROWS
    if not (
      (r['adaptation'], r['split']) == ('lp_ft', 'val')
      and r['learning_rate'] == 0.001
    )
  ]
  found = _judge('lp_ft_at_least_ft_id', rows)
  assert found.verdict == judging.NO_VERDICT
  assert (
    '0.01 or 0.001 (ft)' in found.rows or '0.001 or 0.01 (ft)' in found.rows
  )


def test_what_lacks_is_told():
  rows = [r for r in _ROWS if r['adaptation'] != lp_ft_frames.FT]
  assert _judge('ft_above_lp_id', rows).rows == 'no rows of ft and lp'
  assert _judge('lp_ft_at_least_lp_id', rows).verdict == judging.HOLDS


def test_features_that_do_not_move_are_no_error():
  rows = _levels(lp_ft=(91, 62, 0, 0))
  found = _judge('lp_ft_moves_tenth_of_ft_id', rows)
  assert found.interval.value > 10 and found.verdict == judging.HOLDS
