import dataclasses

from tests.report import made
from vtab_h2t.protocol import grids
from vtab_h2t.report import budgets

_PAPER = grids.paper('resnet50')


def test_budgets_are_steps_and_images():
  assert budgets.of('linear', _PAPER) == {((500, 5000), 128)}
  short = _PAPER.changed({'finetune': {'steps': (80,), 'batch': 64}})
  assert budgets.of('finetune', short) == {((80,), 64)}
  assert budgets.of('lp_ft', _PAPER) == set()  # It has epochs.


def test_settings_are_counted():
  quick = grids.quick('resnet50')
  assert budgets.settings('finetune', _PAPER) == 4  # Two rates, two lengths.
  assert budgets.settings('finetune', quick) == 2
  assert budgets.settings('head2toe', quick) == 36  # Nine fractions.


def test_one_given_setting_is_known():
  assert budgets.is_one_setting(made.fixed(lr=0.1, steps=5))
  assert not budgets.is_one_setting(grids.quick('resnet50'))


def test_the_number_of_candidates_is_no_budget():
  fewer = _PAPER.changed({'finetune': {'learning_rates': (0.1,)}})
  assert budgets.differing(('head2toe', 'finetune'), fewer, ['t']) == ''


def test_a_derived_method_has_the_budgets_of_what_it_chooses_from():
  short = _PAPER.changed({'head2toe_ft': {'steps': (80,)}})
  batch = short.of('head2toe_ft').batch
  assert budgets.of('head2toe_ft_plus', short) == {
    ((500, 5000), 128),
    ((80,), batch),
  }
  assert budgets.differing(('head2toe_ft_plus', 'linear'), short, ['t'])


def test_each_task_has_its_space():
  short = _PAPER.changed({'finetune': {'steps': (500,), 'batch': 64}})
  space = dataclasses.replace(_PAPER, by_task={'u': short})
  sides = 'head2toe', 'finetune'
  assert budgets.differing(sides, space, ['t']) == ''
  assert budgets.differing(sides, space, ['t', 'u']) == (
    '500 or 5000 steps of 128 images against 500 of 64'
  )


def test_what_a_space_does_not_give_is_not_compared():
  space = made.fixed(lr=0.1, steps=5)
  assert budgets.differing(('linear', 'finetune'), space, ['t']) == ''
