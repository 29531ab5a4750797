"""Section 3.2 and Appendix G: the statistics of the claims."""

import pytest

from tests.report import rows as rows_lib


def test_the_oracle_and_the_layers():
  taps = {
    'tap none': [50, 50, 50],
    'tap a': [51, 58, 50],
    'tap b': [50, 49, 56],
  }
  affinity = {'linear': [60, 50, 40], 'scratch': [0, 20, 30]}  # 60, 30, 10
  assert rows_lib.value_of('oracle_above_linear', taps) == (1 + 8 + 6) / 3
  control = taps | {'control': [51, 50, 50]}
  assert rows_lib.value_of('oracle_above_control', control) == pytest.approx(
    14 / 3
  )
  assert rows_lib.value_of('control_above_linear', control) == pytest.approx(
    1 / 3
  )
  # Gains 1, 8, 6 with affinities 60, 30, 10: rho is -0.5.
  both = taps | affinity
  assert rows_lib.value_of(
    'oracle_gain_falls_with_affinity', both
  ) == pytest.approx(0.5)
  # a: 1, 8, 0 has 0.5; b: 0, -1, 6 has -0.5.
  assert rows_lib.value_of(
    'no_layer_gains_with_affinity', both
  ) == pytest.approx(0.2 - 0.5)
  assert rows_lib.value_of(
    'later_layers_correlate_more', both
  ) == pytest.approx(1)
  # One of two taps has a negative correlation.
  assert rows_lib.value_of('most_layers_gain_less_with_affinity', both) == 0
  # The improvement is in percent of Linear: 12 of 80 is less than 10 of 50.
  percent = {'tap none': [80, 50, 10], 'tap a': [92, 60, 10]} | affinity
  assert rows_lib.value_of(
    'no_layer_gains_with_affinity', percent
  ) == pytest.approx(0.2 - 0.5)


def test_each_task_has_a_layer_of_its_own_by_validation():
  """Not by test, by which the best of noise would always be better."""
  values = {
    'tap none': [0, 0],
    'tap a': [50, 60],
    'tap b': [55, 50],
    'validated a': [40, 48],
    'validated b': [42, 41],
  }
  # By validation b and a; on average a. By test 55 and 60; 50 and 60.
  assert rows_lib.value_of('best_layer_differs', values) == 57.5 - 55


def test_groups_gain_more_or_less():
  values = {
    'tap none': [50, 50, 50],
    'tap a': [51, 58, 56],
    'is natural': [1, 0, 0],
    'is structured': [0, 1, 1],
  }
  assert rows_lib.value_of('structured_gain_more_than_natural', values) == 7 - 1
  natural = {name: v[:1] for name, v in values.items() if name.startswith('t')}
  assert rows_lib.value_of('natural_gain_little', natural) == 1 - 1


@pytest.mark.parametrize(
  'name', ['natural_gain_little', 'structured_gain_more_than_natural']
)
def test_svhn_is_excepted_as_in_the_paper(name):
  rows = rows_lib.of_study(
    'one_tap',
    [{'tap': 'none'}, {'tap': 'a'}],
    {task: [(90,), (95,)] for task in ('svhn', 'dtd')},
  )
  rows = [row | {'job': 'one_tap'} for row in rows]
  found = rows_lib.CLAIMS[name].gather(rows)
  assert {name: list(v) for name, v in found.items()} == {
    'tap none': ['dtd'],
    'tap a': ['dtd'],
  }
