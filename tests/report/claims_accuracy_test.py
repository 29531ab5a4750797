"""Sections 4.1 and 4.2 and Appendix D: the statistics of the claims."""

from tests.report import made
from tests.report import rows as rows_lib


def test_the_best_of_all_has_the_best_mean():
  values = {
    'head2toe': [50, 60],
    'linear': [70, 30],
    'all_l2': [52, 56],
    'finetune': [40, 64],
  }
  assert rows_lib.value_of('head2toe_best_on_average', values) == 55 - 54
  values |= {'head2toe_ft': [60, 60], 'head2toe_ft_plus': [58, 60]}
  assert rows_lib.value_of('ft_plus_best', values) == 59 - 60
  # 60 and 60 against 58 and 60.
  assert rows_lib.value_of('ft_plus_not_the_better', values) == 1
  values['head2toe_ft_plus'] = [62, 60]
  assert rows_lib.value_of('ft_plus_not_the_better', values) == 1
  assert rows_lib.value_of('natural_head2toe_ft_poor_on_some', values) == 0 - 1


def test_deviations_are_of_seeds_or_as_a_row_tells():
  rows = [
    made.row(made.run(), 'accuracy', 'linear', 'digits', s, p)
    for s, p in enumerate((50, 52, 54))
  ]
  gather = rows_lib.CLAIMS['linear_deviates_least'].gather
  assert gather(rows) == {'deviation of linear': {'digits': [2.0]}}
  assert gather(rows[:1]) == {}
  assert gather([rows[0] | {'deviation': 0.3}]) == {
    'deviation of linear': {'digits': [0.3]}
  }
  value = rows_lib.value_of(
    'linear_deviates_least',
    {'deviation of linear': [2, 1], 'deviation of head2toe': [3, 4]},
  )
  assert value == 2
