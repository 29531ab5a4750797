"""Section 4.3 and Appendix H: the statistics of the claims."""

import math

import pytest

from tests.report import rows as rows_lib


def test_layers_are_compared_at_equal_numbers_of_features():
  """Not at the best of each curve, and not with all features."""
  values = {
    'features 10': [60, 50],
    'features 100': [70, 60],
    'features 400': [65, 65],
    'taps_mean 10': [50, 45],  # 10 and 5 less
    'taps_mean 100': [68, 59],  # 2 and 1 less
    'taps_mean 400': [65, 65],
    'taps_group 10': [62, 40],
    'taps_group 100': [72, 50],
    'taps_group 400': [65, 65],
    'taps_group 7': [99, 99],  # A number that the others lack.
  }
  assert (
    rows_lib.value_of('features_above_taps_mean', values)
    == (10 + 5 + 2 + 1) / 4
  )
  assert (
    rows_lib.value_of('features_above_taps_group', values)
    == (-2 + 10 - 2 + 10) / 4
  )
  # Of two tasks the second: less the better kind -2, -2; 5, 1.
  assert rows_lib.value_of('features_above_taps_mostly', values) == 0
  assert rows_lib.value_of('features_above_taps', values) == min(18, 16) / 4
  # Means 55, 65, 65: in between 65, at the ends 65.
  assert rows_lib.value_of('number_kept_in_between', values) == 0
  del values['features 100']
  assert math.isnan(rows_lib.value_of('number_kept_in_between', values))


def test_own_features_are_compared_where_there_are_others():
  nan = math.nan
  values = {'own': [9, 5, 7], 'other t': [nan, 4, 4], 'other u': [nan, 2, nan]}
  assert (
    rows_lib.value_of('own_features_best', values) == ((5 - 3) + (7 - 4)) / 2
  )
  assert math.isnan(rows_lib.value_of('own_features_best', {'own': [9]}))
  assert rows_lib.value_of('own_features_best_mostly', values) == 0.5
  # Where another task's are as good, own ones are still the best.
  tied = {'own': [9, 5, 7], 'other t': [9, 5, 8]}
  assert rows_lib.value_of('own_features_best_mostly', tied) == pytest.approx(
    2 / 3 - 0.5
  )
  # t: 9, 4, 4; u: 9, 2, 7. The own 21 of 3.
  assert rows_lib.value_of('no_source_serves_all', values) == pytest.approx(
    7 - 6
  )


def test_candidates():
  values = {
    '256 16': [50, 50],
    '256 4': [52, 50],
    '256 1': [53, 51],
    '4096 16': [51, 53],
    '4096 4': [58, 45],
    '4096 1': [59, 47],
  }
  assert rows_lib.value_of('more_candidates_help', values) == (9 - 3) / 2
  assert rows_lib.value_of('larger_target_sizes_help', values) == (6 - 4) / 2
  alone = {n: v for n, v in values.items() if n.startswith('256')}
  assert math.isnan(rows_lib.value_of('larger_target_sizes_help', alone))
  assert rows_lib.value_of('all_layers_best', values) == 1  # 2, 1, 1 and 1.5.
