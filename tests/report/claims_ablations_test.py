"""Appendices I and J: the statistics of the claims."""

import math

import pytest

from tests.report import rows as rows_lib


def test_places_are_ordered_by_their_number():
  # 10 comes after 9; the first task falls, the second rises, the third is flat.
  places = {'9': [3, 1, 2], '10': [2, 2, 2], '100': [1, 3, 2]}
  assert rows_lib.value_of('ranking_matters', places) == pytest.approx(
    0
  )  # Of -1 and 1.
  assert (
    rows_lib.value_of('ranking_matters', {'0': [9], '20': [5], '3': [7]}) == 1
  )
  assert math.isnan(rows_lib.value_of('ranking_matters', {'0': [9]}))
  # Means 9, 6, 7: the last step rises by 1.
  assert (
    rows_lib.value_of('ranking_monotone', {'0': [9], '3': [6], '20': [7]}) == -1
  )
