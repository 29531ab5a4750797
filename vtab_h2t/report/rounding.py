"""What the order of additions changed in one run, which its rows cannot say.

A run is of one arithmetic. `python -m benchmarks.rounding` measured the main
run's five methods also with additions in another order, by the same processor
and by another.
"""

import dataclasses
import os
import pathlib

import pandas as pd

from vtab_h2t import errors
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import judging
from vtab_h2t.report import numerals

METHODS = claim_lib.FROZEN  # Of which it was measured, and what they are.
AMONG = 'Linear, the three +All and Head2Toe'
# What had come out worse than Head2Toe, and is then a tie, with the claims that
# are then undecided.
TIES = 'all_l2', 'all_l1', 'all_l21'
UNDECIDED = (
  *(f'head2toe_above_{method}' for method in TIES),
  'head2toe_best_of_frozen',
)
OTHERWISE = 'with additions in another order'
# Over what the ranges are.
OVER = (
  "two processors with two orders of additions each, the main run's among them"
)
WHERE = 'benchmarks/README.md'
# For below a table of verdicts.
NOTE = (
  f'Undecided {OTHERWISE}: on the same processor, and on another ({WHERE}, '
  '"What rounding alone does").'
)
RUN = 'embedded-lite0-64px'
_SECTION = '#what-rounding-alone-does'
_ROOT = pathlib.Path(__file__).parents[2]
# `python -m benchmarks.summary --ranges` writes it.
_RANGES = pathlib.Path(__file__).with_name('arithmetics.csv')


def is_known(run: run_lib.Run) -> bool:
  """Whether it was measured of a run: of the main run's settings alone.

  Whatever it is called: a run with these settings is usually called so.
  """
  return dataclasses.replace(run, chosen_name=None).name == RUN


def ranges() -> pd.DataFrame:
  """Accuracies over all arithmetics that were tried, of the main run's cells.

  Returns:
    method, task, lowest, highest: in percent, the medians of three seeds.

  Raises:
    errors.InputError: the file is not there.
  """
  if not _RANGES.exists():
    raise errors.InputError(
      f'the file {_RANGES} is missing; install the package again'
    )
  return pd.read_csv(_RANGES)


def most() -> float:
  """By how many points the accuracy of a task moved at most."""
  table = ranges()
  return (table.highest - table.lowest).max()


def told(lowest: float, highest: float) -> str:
  """A range of accuracies, as '58.6 to 64.6', or '44.0' if both are so."""
  ends = numerals.number(lowest), numerals.number(highest)
  return ' to '.join(dict.fromkeys(ends))


def by_task(cells: pd.DataFrame) -> pd.DataFrame:
  """The ranges of those cells of a run's Table 1 that were measured so.

  Args:
    cells: method and task of each, in the order to show them.

  Returns:
    method and a column for each task: texts, as `told` gives them; '' where
    it was not measured.
  """
  table = cells[['method', 'task']].merge(ranges())
  table['told'] = [
    told(*pair) for pair in zip(table.lowest, table.highest, strict=True)
  ]
  wide = table.pivot(index='method', columns='task', values='told').reindex(
    index=table.method.unique(), columns=table.task.unique()
  )
  wide.columns.name = None
  return wide.fillna('').reset_index()


def moves(run: run_lib.Run, claim: str, verdict: str) -> bool:
  """Whether a verdict of a run is another with additions in another order.

  Args:
    run: the run.
    claim: id of the claim.
    verdict: what its rows say, in the words of `judging`.
  """
  return verdict == judging.HOLDS and claim in UNDECIDED and is_known(run)


def linked(text: str, place: pathlib.Path, section: str = _SECTION) -> str:
  """A text whose word for the measurement is a link, as Markdown.

  Args:
    text: that may contain `WHERE`.
    place: the folder of the page; where it is outside of this project's
      checkout, the text stays as it is.
    section: of the linked page, as the end of an address.
  """
  page = _ROOT / WHERE
  if not page.exists() or not place.resolve().is_relative_to(_ROOT):
    return text
  path = pathlib.Path(os.path.relpath(page, place.resolve())).as_posix()
  return text.replace(WHERE, f'[{WHERE}]({path}{section})')
