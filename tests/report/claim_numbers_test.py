import math

import pytest

from vtab_h2t.report import claim_numbers


@pytest.mark.parametrize(
  'measured, low, high, digits',
  [
    (math.nan, math.nan, math.nan, 2),
    (12.3, math.nan, math.nan, 2),
    (0.0, math.nan, math.nan, 2),
    (-0.004, math.nan, math.nan, 3),  # Its sign decides.
    (5.0, -30.0, 40.0, 0),
    (5.0, 2.0, 8.0, 1),
    (0.5, 0.003, 1.0, 3),
  ],
)
def test_as_many_digits_as_say_something(measured, low, high, digits):
  line = {'id': 'other', 'measured': measured, 'low': low, 'high': high}
  assert claim_numbers.digits(line) == digits


def test_what_is_published_with_one_digit_has_no_more_in_a_wide_interval():
  (one,) = list(
    dict.fromkeys(i for i, d in claim_numbers._DIGITS.items() if d == 1)
  )[:1]
  line = {'id': one, 'measured': 3.0, 'low': 2.5, 'high': 3.9}
  assert claim_numbers.digits(line) == 1
  assert claim_numbers.digits({**line, 'id': 'other'}) == 2
