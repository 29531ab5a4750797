"""Sections 3.1 and 3.3: the statistics of the claims."""

import pytest

from tests.report import rows as rows_lib


def test_coefficients_are_compared_by_their_means():
  coefficients = {'0.0': [10, 20], '1e-05': [50, 60], '0.001': [50.5, 60.3]}
  assert rows_lib.value_of(
    'robust_to_the_coefficient', coefficients
  ) == pytest.approx(0.6)
  assert rows_lib.value_of(
    'some_coefficient_is_needed', coefficients
  ) == pytest.approx(40.2)
