"""Numbers as text."""

import math

import numpy as np
import pytest

from vtab_h2t.report import numerals


@pytest.mark.parametrize(
  ('low', 'high', 'digits'),
  [
    (-79.84, 142.49, 0),
    (-16.1, 33.9, 0),  # 50 wide.
    (-16.1, 33.8, 1),
    (8.5, 20.5, 1),
    (0.4, 4.1, 1),
    (-1.0, 1.0, 2),  # A correlation.
    (0.08, 0.17, 2),
    (0.75, 0.75, 2),
    (0.004, 2.0, 3),  # Above 0, and seen to be.
    (-60.0, -0.2, 1),
    (0.0, 60.0, 0),  # 0 itself may read as 0.
    (0.00004, 1.0, 4),
  ],
)
def test_the_wider_an_interval_the_fewer_digits(low, high, digits):
  assert numerals.decimals(low, high) == digits
  assert numerals.decimals(-high, -low) == digits


def test_what_floating_point_adds_does_not_decide_how_a_number_is_rounded():
  for value in (9.05 - 1e-14, 9.05, 9.05 + 1e-14):
    assert numerals.number(value, 1) == '9.1'
  assert numerals.number(-1e-12, 1) == '0.0'


def test_accuracies_have_two_digits_only_in_a_narrow_interval():
  assert numerals.decimals(0.5, 2.0, most=1) == 1
  assert numerals.decimals(0.5, 1.4, most=1) == 2
  assert numerals.decimals(0.04, 2.0, most=1) == 2  # It is not 0.


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (91.35, '91.4'),  # In binary it is a little less.
    (np.float64(88.05), '88.1'),
    (-0.25, '-0.3'),
    (-0.04, '0.0'),
    (1234.5, '1,234.5'),
    (math.nan, 'nan'),
    (-math.inf, '-inf'),
  ],
)
def test_halves_are_rounded_away_from_zero(value, text):
  assert numerals.number(value) == text


def test_a_mean_reads_alike_in_any_order_of_its_sum():
  values = [87.1, 95.6, 91.35, 88.05, 3.3]
  for chosen in (values, values[::-1], values[2:] + values[:2]):
    assert numerals.number(sum(chosen) / 5, 2) == '73.08'
    assert numerals.number(float(np.mean(chosen)) - 73.08 + 0.05) == '0.1'


def test_a_sign_stands_before_what_is_not_negative():
  assert numerals.signed(0.05) == '+0.1'
  assert numerals.signed(-1e-12) == '+0.0'
  assert numerals.signed(-2.345, 2) == '-2.35'
