"""How precisely the numbers of claims are printed."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vtab_h2t.report import claims
from vtab_h2t.report import companion_claims
from vtab_h2t.report import numerals

_DIGITS = {c.id: c.digits for c in (*claims.CLAIMS, *companion_claims.CLAIMS)}
_MOST = 2


def digits(line: Mapping[str, Any]) -> int:
  """How many a claim's numbers have after the point.

  As many as its interval lets say something, if it has one, and where that is
  not narrow no more than what is published. Without an interval as many as are
  published, but a number that is not 0 does not read as 0.

  Args:
    line: of a table of claims.
  """
  most = min(_MOST, _DIGITS.get(line['id'], _MOST))
  if pd.isna(line['measured']):
    return most
  if pd.isna(line['low']):
    return numerals.told_from_zero([line['measured']], most)
  return numerals.decimals(line['low'], line['high'], most)
