import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import claims_head_probe
from vtab_h2t.report import judging

_BY_ID = {c.id: c for c in claims_head_probe.CLAIMS}
# Of two tasks, each under two names: two tasks decide nothing.
_ROWS = [
  row | {'task': f'{row["task"]}{again}'}
  for again in ('', '_again')
  for row in made.head_probe(made.run())
]


def _judge(name, rows=_ROWS):
  return judging.judge(_BY_ID[name], {'head_probe_energy': rows})


@pytest.mark.parametrize('name', _BY_ID)
def test_all_hold_where_rows_are_as_the_paper_says(name):
  found = _judge(name)
  assert (found.verdict, found.tasks) == (judging.HOLDS, 4)
  value = {'best_tau_between': 4.0}.get(name, 1.0 if 'grows' in name else 0.5)
  assert found.interval.value == pytest.approx(value)
  assert len(_BY_ID) == 9


def _changed(field, value):
  """Rows with another value of a field, of each row."""
  return [r | {field: value(r)} for r in _ROWS]


def test_distances_that_fall_with_energy():
  rows = _changed('train_adaptation_l2', lambda r: -r['aie'])
  assert _judge('l2_grows_with_energy_train', rows).verdict == judging.FAILS
  assert _judge('l2_grows_with_energy_test', rows).verdict == judging.HOLDS


def test_perfect_order_leaves_an_error():
  found = _judge('l2_grows_with_energy_train').interval
  assert (found.value, found.high) == (pytest.approx(1), 1)
  assert 0.6 < found.low < 0.8 and 0.2 < found.detectable < 1
  # One task in reverse order among four is too much.
  rows = _changed(
    'train_adaptation_l2',
    lambda r: (
      -r['aie'] if r['task'] == 'mnist_5k' else r['train_adaptation_l2']
    ),
  )
  assert _judge('l2_grows_with_energy_train', rows).verdict == judging.UNDECIDED


def test_norms_that_only_rise():
  rows = _changed('adaptation_norm', lambda r: r['aie'])
  found = _judge('norm_rises_then_falls_test', rows)
  assert found.verdict == judging.FAILS
  assert found.interval.value == pytest.approx(-0.5)


def test_a_share_is_over_seeds_too():
  rows = _changed(
    'adaptation_dot',
    lambda r: r['aie'] if r['seed'] == 0 else r['adaptation_dot'],
  )
  found = _judge('dot_rises_then_falls_test', rows)
  assert found.interval.value == pytest.approx(2 / 3 - 0.5)


def test_the_largest_tau_may_be_best():
  rows = _changed('correct', lambda r: 500 + r['tau'])
  found = _judge('best_tau_between', rows)
  assert found.verdict == judging.FAILS
  assert found.interval.value == pytest.approx(-4.8)  # 16 against 64.


def test_other_budgets_give_no_verdict():
  rows = _changed('steps', lambda r: 80 if r['tau'] == 0 else 160)
  found = _judge('cos_grows_with_energy_train', rows)
  assert found.verdict == judging.NO_VERDICT
  assert '80 (0) against 160 (1) steps' in found.rows


def test_the_best_tau_needs_fine_tuning_without_probing():
  rows = [r for r in _ROWS if r['tau']]
  assert _judge('best_tau_between', rows).verdict == judging.UNTESTABLE


def test_two_tasks_decide_nothing():
  rows = [r for r in _ROWS if not r['task'].endswith('_again')]
  found = _judge('l2_grows_with_energy_train', rows)
  assert (found.verdict, found.tasks) == (judging.UNDECIDED, 2)


def test_two_taus_or_one_seed_are_too_few():
  rows = [r for r in _ROWS if r['tau'] < 2]
  assert _judge('l2_grows_with_energy_test', rows).rows == (
    'no rows of enough values of tau, and seeds'
  )
  rows = [r for r in _ROWS if r['seed'] == 0]
  assert _judge('best_tau_between', rows).verdict == judging.UNTESTABLE
