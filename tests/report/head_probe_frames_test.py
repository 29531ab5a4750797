import numpy as np
import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import head_probe_frames as frames

_ROWS = made.head_probe(made.run())


def test_a_line_for_each_task_head_and_tau():
  table = frames.table(_ROWS)
  assert len(table) == 2 * 2 * len(made.TAUS)
  assert list(table.tau[:5]) == list(made.TAUS)
  first = table.iloc[0]
  assert (first.task, first.hidden, first.seeds) == ('mnist_5k', 0, 3)
  assert first.aie == pytest.approx(0.9)
  assert (first.probe_percent, first.train_percent) == (50, 99)
  assert list(table.reached) == [3] * len(table)
  # 70 points, one of the median seed, four less at two taus from the best.
  assert first.percent == pytest.approx(67)
  assert list(table.tau[table.best]) == [4] * 4
  assert first.train_adaptation_l2 == pytest.approx(1.1 * first.adaptation_l2)
  assert frames.table([]).empty


def test_what_is_drawn_is_relative_to_where_it_began():
  table = frames.figure(_ROWS)
  line = table.query('tau == 4 and hidden == 0 and task == "mnist_5k"')
  train, test = (
    line[line.images == images].iloc[0] for images in frames.IMAGES
  )
  assert test.energy == train.energy == pytest.approx(0.6)
  assert test.l2 == pytest.approx(1.2 / 3) and train.l2 == pytest.approx(0.44)
  assert test['dot'] == pytest.approx(1.1)
  assert test['norm'] == pytest.approx(1.2)
  assert test.cos == pytest.approx(0.06)
  assert test.percent == pytest.approx(71) and train.percent == 99


def _missing(of):
  """Rows of which some did not reach the common loss."""
  return [r | {'reached': not of(r)} for r in _ROWS]


def test_what_missed_the_common_loss_is_set_apart():
  rows = _missing(lambda r: r['tau'] == 0 and r['seed'] == 1)
  table = frames.table(rows)
  assert list(table.reached[:2]) == [2, 3] and list(table.seeds[:2]) == [3, 3]
  assert table.equals(frames.table(_ROWS).assign(reached=table.reached))
  # The median of the other two seeds.
  drawn = frames.figure(rows).query('tau == 0 and images == "test"')
  assert drawn.percent.iloc[0] == pytest.approx(67)
  assert drawn.reached.all()
  rows = _missing(lambda r: r['tau'] == 0 and r['hidden'] == 0)
  missed = frames.figure(rows).query('not reached')
  assert set(zip(missed.hidden, missed.tau)) == {(0, 0)}
  # The median of all three.
  assert missed.percent.max() == 99 and missed.percent.min() == 67


def test_what_missed_the_common_loss_is_in_no_trend():
  """A collapse moves features far, with little energy."""
  rows = [
    r | {'reached': r['tau'] != 4, 'adaptation_l2': 99 - r['tau']}
    if r['tau'] == 4
    else r
    for r in _ROWS
  ]
  table = frames.trend(rows, 'l2', frames.TEST, frames.rises)
  assert len(table) == 2 * 3
  assert table.value.to_numpy() == pytest.approx(1)
  none = _missing(lambda _: True)
  assert frames.trend(none, 'l2', frames.TEST, frames.rises).empty
  # Accuracies are compared at equal steps.
  assert frames.best_between(none).equals(frames.best_between(_ROWS))


def test_heads_of_a_task_are_averaged():
  rows = [r | {'adaptation_l2': -r['aie']} if r['hidden'] else r for r in _ROWS]
  table = frames.trend(rows, 'l2', frames.TEST, frames.rises)
  assert table.value.to_numpy() == pytest.approx(0)


def test_a_task_and_a_head_have_a_name():
  row = {'task': 'digits', 'hidden': 0}
  assert frames.unit_of(row) == 'digits, linear head'
  assert frames.unit_of(row | {'hidden': 512}) == 'digits, 512 hidden units'


@pytest.mark.parametrize(
  'values, expected',
  [
    ([1, 2, 3, 2, 1], 1),
    ([1, 1.5, 1.4, 3, 2, 0], 1),  # It need not rise at each step.
    ([3, 2, 1, 4, 3, 2], 0),  # Falls before its peak.
    ([1, 2, 3, 4, 5], 0),
    ([5, 4, 3, 2, 1], 0),
    ([2, 2, 2], 0),
  ],
)
def test_rising_and_falling(values, expected):
  energy = np.arange(len(values), dtype=float)
  assert frames.rises_then_falls(energy, np.array(values, float)) == expected


def test_trends_are_by_energy_not_by_tau():
  table = frames.trend(_ROWS, 'l2', frames.TEST, frames.rises)
  assert len(table) == 2 * 3
  # tau lowers the energy, distances grow with it.
  assert table.value.to_numpy() == pytest.approx(1)
  few = [r for r in _ROWS if r['tau'] < 2]
  assert frames.trend(few, 'l2', frames.TEST, frames.rises).empty
  assert frames.trend([], 'l2', frames.TEST, frames.rises).empty


def test_the_best_tau_between_is_chosen_on_other_seeds():
  """On each of two seeds another tau is best by chance, and no better there."""
  percents = {0: (60, 60), 1: (90, 50), 2: (50, 90), 3: (60, 70)}
  rows = [
    made.row(made.run(), 'x', 'x', 'mnist_5k', seed, percent)
    | {'tau': tau, 'hidden': 0, 'reached': True}
    | dict.fromkeys(('probe_correct', 'probe_total', 'train_correct'), 1)
    for tau, by_seed in percents.items()
    for seed, percent in enumerate(by_seed)
  ]
  table = frames.best_between(rows)
  # Seed 0: tau 2 has 50, the better end by seed 1 is tau 3 with 60.
  # Seed 1: tau 1 has 50; the ends are alike on seed 0, the first has 60.
  assert table.value.to_list() == pytest.approx([-10, -10])
  assert frames.best_between(rows[::2]).empty  # One seed.
  assert frames.best_between([r for r in rows if r['tau'] < 2]).empty
  assert frames.best_between([]).empty


def test_the_middle_tau_gains_what_rows_say():
  table = frames.best_between(_ROWS)
  assert table.value.to_numpy() == pytest.approx(4)
