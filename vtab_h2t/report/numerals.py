"""Numbers as text: how many digits they have, and how they are rounded."""

from collections.abc import Iterable
import decimal
import math

_SURE = 9  # Digits after the point that sums of accuracies still have.
# Digits after the point of a number with an interval: none if that is so wide,
# one if it is wider than a share or a correlation can be, two otherwise.
_WIDE, _NARROW = 50, 2
_MOST_AFTER_POINT = 4  # Where less would make an end of the interval 0.


def number(value: float, digits: int = 1) -> str:
  """With a fixed number of digits after the point, and never '-0.0'.

  What floating point adds far behind the point does not decide how a number is
  rounded, so that one number reads alike wherever it comes from. Halves are
  rounded away from 0.

  Args:
    value: any number; one that is not finite reads 'nan', 'inf' or '-inf'.
    digits: after the point.
  """
  return _number(value, f'z,.{digits}f', digits)


def signed(value: float, digits: int = 1) -> str:
  """As `number`, with the sign of numbers that are not negative, too."""
  return _number(value, f'+z,.{digits}f', digits)


def _number(value: float, form: str, digits: int) -> str:
  if not math.isfinite(value):
    return f'{value:{form}}'
  sure = decimal.Decimal(repr(round(float(value), _SURE)))
  last = decimal.Decimal(1).scaleb(-digits)
  return f'{sure.quantize(last, decimal.ROUND_HALF_UP):{form}}'


def decimals(low: float, high: float, most: int = 2) -> int:
  """How many digits after the point say something in an interval.

  The wider it is, the less they say. But an end that is not 0 does not read as
  0, as on which side of 0 it is decides.

  Args:
    low: its lower end, not missing.
    high: its upper end, not missing.
    most: of an interval that is not narrower than 1.
  """
  width = high - low
  digits = 0 if width >= _WIDE else 1 if width > _NARROW else 2
  if width >= 1:
    digits = min(digits, most)
  return told_from_zero((low, high), digits)


def told_from_zero(values: Iterable[float], digits: int) -> int:
  """So many digits, or more, until no number but 0 reads as 0."""
  values = list(values)
  while digits < _MOST_AFTER_POINT and any(
    value != 0 and round(value, digits) == 0 for value in values
  ):
    digits += 1
  return digits
