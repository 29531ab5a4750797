"""The abstract and sections 1 and 2: the statistics of the claims."""

import pytest

from tests.report import rows as rows_lib


@pytest.mark.parametrize(
  'overhead, value', [(18, 2), (18.85, 1.15), (15, -1), (0, -16)]
)
def test_the_search_for_the_fraction_adds_18_percent_and_not_less(
  overhead, value
):
  assert rows_lib.value_of(
    'selection_overhead_18_percent', {'overhead': [overhead] * 2}
  ) == pytest.approx(value)


def test_matching_has_a_margin_of_a_point():
  values = {'head2toe': [60, 60], 'finetune': [60.5, 61]}
  assert rows_lib.value_of(
    'head2toe_matches_finetune', values
  ) == pytest.approx(0.25)
