"""The abstract and sections 1 and 2: the statistics of the claims."""

import pytest

from tests.report import rows as rows_lib


def test_matching_has_a_margin_of_a_point():
  values = {'head2toe': [60, 60], 'finetune': [60.5, 61]}
  assert rows_lib.value_of(
    'head2toe_matches_finetune', values
  ) == pytest.approx(0.25)
