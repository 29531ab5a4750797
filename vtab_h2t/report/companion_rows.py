"""What the rows of the companion papers' studies have in common."""

from collections.abc import Callable, Iterable, Sequence
import functools
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics
from vtab_h2t.studies import head_probe_energy
from vtab_h2t.studies import lp_ft_shift
from vtab_h2t.studies import surgical_shift
from vtab_h2t.tasks import shifted

SUITE = shifted.SUITE
# Kinds of shift, as the groups of its tasks are called, and what they are.
KINDS = {
  'input': 'input shift',
  'feature': 'feature shift',
  'output': 'output shift',
  'none': 'no shift',
}
LP_FT = lp_ft_shift.LpFtShift.name
SURGICAL = surgical_shift.SurgicalShift.name
HEAD_PROBE = head_probe_energy.HeadProbeEnergy.name
SURGICAL_SMALL = jobs.SURGICAL_SMALL
JOBS = LP_FT, SURGICAL, SURGICAL_SMALL, HEAD_PROBE

Rows = Sequence[claim_lib.Row]
_WORDS = {
  'epochs': 'epochs',
  'batch': 'images a step',
  'steps': 'steps',
  'learning_rate': 'as learning rate',
}


def remembered(
  function: Callable[[Rows], pd.DataFrame],
) -> Callable[[Rows], pd.DataFrame]:
  """Keeps what a function gave of the last rows, as many claims ask for it.

  The frame must not be changed by those who get it.
  """
  last: list[Any] = [(), None]

  @functools.wraps(function)
  def remembering(rows: Rows) -> pd.DataFrame:
    is_new = last[1] is None or len(rows) != len(last[0])
    if is_new or any(a is not b for a, b in zip(rows, last[0])):
      last[:] = list(rows), function(rows)
    return last[1]

  return remembering


def tests(rows: Rows) -> pd.DataFrame:
  """Test rows with `percent`; without rows a frame without columns."""
  if not any(claim_lib.is_test(r) for r in rows):
    return pd.DataFrame()
  return statistics.tests(dict(r) for r in rows)


def seed_counts(table: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
  """How many seeds each value of the keys has."""
  return table.groupby(list(keys), sort=False).seed.nunique()


def found(
  table: pd.DataFrame, unit: str, columns: Iterable[str]
) -> claim_lib.Found:
  """Columns of a table as a claim's conditions.

  Args:
    table: has a line for each unit and seed.
    unit: the column that names the units.
    columns: their names are the conditions; what is missing is left out.
  """
  result: claim_lib.Found = {}
  for column in columns:
    for name, value in zip(table[unit], table[column]):
      if not np.isnan(value):
        result.setdefault(column, {}).setdefault(name, []).append(float(value))
  return result


def differing(
  side: str,
  fields: Sequence[str],
  tried: Sequence[str] = (),
  unit: Callable[[claim_lib.Row], Any] = claim_lib.task_of,
  of: Callable[[claim_lib.Row], bool] = bool,
) -> Callable[[Rows], str]:
  """What tells which budgets differ, for `Claim.differing`.

  Args:
    side: the field that tells the sides of a comparison apart.
    fields: that must have the same values on all sides, in test rows; a side
      whose rows lack one, as a probe does epochs, is not compared.
    tried: the same of validation rows, which have all that was tried.
    unit: within which rows are compared.
    of: which rows are compared; all by default.
  """

  def words(rows: Rows) -> str:
    values: dict[tuple[Any, str], dict[Any, set[Any]]] = {}
    for row in rows:
      if not of(row):
        continue
      for field in tried if row['split'] == 'val' else fields:
        if field in row:
          key = unit(row), f'{row["split"]} {field}'
          by_side = values.setdefault(key, {})
          by_side.setdefault(row[side], set()).add(row[field])
    texts: dict[str, None] = {}
    for (_, name), by_side in values.items():
      distinct: dict[tuple[Any, ...], Any] = {}
      for one, some in by_side.items():
        distinct.setdefault(tuple(sorted(some)), one)
      if len(distinct) > 1:
        parts = ' against '.join(
          f'{" or ".join(f"{v:g}" for v in some)} ({one})'
          for some, one in distinct.items()
        )
        texts[f'{parts} {_WORDS[name.split()[1]]}'] = None
    return '; '.join(texts)

  return words
