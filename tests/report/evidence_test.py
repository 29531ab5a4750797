"""Whatever rows are missing, each claim is judged or says what lacks."""

import dataclasses
import random

import pytest

from tests.report import made
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import claims
from vtab_h2t.report import evidence
from vtab_h2t.report import judging
from vtab_h2t.report import results as results_lib

_BY_ID = {c.id: c for c in claims.CLAIMS}
# What tells the conditions of methods and studies apart.
_FIELDS = (
  *('job', 'method', 'split', 'tap', 'kind', 'num_features', 'source'),
  *('target_size', 'tap_stride', 'offset', 'coefficient', 'train_fraction'),
)


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('evidence')
  made.write(workdir, made.run('vit_ti16'), seeds=(0, 1))
  (found,) = results_lib.read_all(ledger_lib.Ledger(workdir))
  return found.rows


def test_all_that_was_measured_is_judged(rows):
  """But for cost, what compares two runs, and what this suite cannot test."""
  lacking = {
    c.id
    for c in claims.CLAIMS
    if judging.judge(c, rows).interval is None and not c.untested
  }
  assert lacking <= {
    'operations_below_1_percent',
    'storage_below_1_percent',
    'storage_above_linear',
    'seconds_below_1_percent',
    'selection_overhead_18_percent',
    'flowers_and_pets_gain_from_others',
    'group_1_gains_more_than_group_2',
    'early_layers_for_far_tasks',  # All made-up shares are alike.
    'best_layer_differs',
    'later_layers_correlate_more',  # Of two taps that are alike.
    'same_images_share_most',  # No two tasks have the same images.
  }


def _condition(row):
  return tuple(row.get(f) for f in _FIELDS)


@pytest.mark.parametrize('seed', range(6))
def test_conditions_and_tasks_may_lack(rows, seed):
  draw = random.Random(seed)
  conditions = sorted(
    {_condition(r) for some in rows.values() for r in some}, key=repr
  )
  dropped = set(draw.sample(conditions, int(len(conditions) * (seed + 1) / 8)))
  kept = {
    job: [
      r
      for r in some
      if _condition(r) not in dropped and (seed % 2 or draw.random() < 0.98)
    ]
    for job, some in rows.items()
  }
  for claim in claims.CLAIMS:
    found = judging.judge(claim, kept)
    assert found.rows
    assert (found.interval is None) <= (found.verdict == judging.UNTESTABLE)


def test_a_need_may_stand_for_any_of_its_beginning():
  rows = {
    'one_tap': [
      made.row(made.run(), 'one_tap', 'one_tap', t, 0, 50, tap='none')
      for t in 'abc'
    ]
  }
  claim = _BY_ID['oracle_above_linear']
  with pytest.raises(evidence.LackingError, match='no rows of any tap'):
    evidence.of(claim, rows)
  rows['one_tap'] += [
    r | {'tap': 'early', 'correct': 600} for r in rows['one_tap']
  ]
  found = evidence.of(claim, rows)
  assert set(found.samples) == {'tap none', 'tap early'}
  assert found.used == 'one_tap/one_tap'


def test_groups_are_told_where_several_are_compared():
  of = made.run()
  rows = {
    'one_tap': [
      made.row(of, 'one_tap', 'one_tap', task, 0, 50, tap=tap)
      for task in made.GROUPS
      for tap in ('none', 'early')
    ]
  }
  found = evidence.of(_BY_ID['structured_gain_more_than_natural'], rows)
  assert 'scan_patches' not in found.groups
  assert {t: v[0] for t, v in found.samples['is natural'].items()} == {
    t: float(group == 'natural') for t, group in found.groups.items()
  }


def test_a_half_needs_affinity():
  of = made.run()
  level = {'linear': 40, 'scratch': 30, 'head2toe': 60, 'finetune': 50}
  rows = {
    'accuracy': [
      made.row(of, 'accuracy', m, f't{i}', 0, v + i * (m == 'linear'))
      for m, v in level.items()
      for i in range(5)
    ]
  }
  far = _BY_ID['far_head2toe_above_finetune']
  near = _BY_ID['near_linear_matches_finetune']
  assert far.half == claim_lib.LOWER and near.half == claim_lib.UPPER
  # The third of five is in neither half.
  assert list(evidence.of(far, rows).groups) == ['t0', 't1']
  assert list(evidence.of(near, rows).groups) == ['t3', 't4']


def test_methods_that_a_claim_does_not_name_are_not_used():
  """Such as one that a plugin registered, here or when it was measured."""
  of = made.run()
  rows = [
    made.row(of, 'accuracy', method, task, 0, 50)
    for method in ('linear', 'head2toe', 'all_l2', 'ones_own')
    for task in ('digits', 'scan_patches')
  ]
  claim = claim_lib.Claim(
    id='x',
    sentence='X.',
    where='here',
    text='x',
    gather=claim_lib.methods('linear', 'head2toe'),
  )
  assert evidence.of(claim, {'accuracy': rows}).used == (
    'accuracy/head2toe accuracy/linear'
  )


_PART_CLAIM = claim_lib.Claim(
  id='x',
  sentence='X.',
  where='here',
  text='x',
  gather=lambda rows: {
    'value': {r['task']: [float(r['correct'])] for r in rows}
  },
  needs=('value',),
  differing=lambda rows: ' '.join(sorted({r['budget'] for r in rows})),
)


def _part_rows():
  of = made.run()
  return [
    made.row(of, 'accuracy', 'linear', t, 0, 50, part=p, budget=f'b{p}')
    for t in ('digits', 'scan_patches')
    for p in (1, 2)
  ]


def test_budgets_of_all_rows_are_compared():
  found = evidence.of(_PART_CLAIM, {'accuracy': _part_rows()})
  assert found.groups == {'digits': 'natural', 'scan_patches': 'specialized'}
  assert found.unequal == 'b1 b2' and found.used == 'accuracy/linear'


def test_budgets_are_of_the_tasks_that_are_judged():
  claim = dataclasses.replace(_PART_CLAIM, groups=('natural',))
  rows = [
    r | {'budget': 'other'} if r['group'] == 'specialized' else r
    for r in _part_rows()
  ]
  assert evidence.of(claim, {'accuracy': rows}).unequal == 'b1 b2'


def test_without_strata_all_tasks_are_in_one():
  claim = dataclasses.replace(_PART_CLAIM, stratified=False)
  found = evidence.of(claim, {'accuracy': _part_rows()})
  assert set(found.groups.values()) == {'all'} and len(found.groups) == 2
