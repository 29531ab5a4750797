"""Where every method of a run stands beside Head2Toe, ties included."""

from collections.abc import Iterable, Mapping, Sequence
import functools
import math

import numpy as np
import pandas as pd

from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import bootstrap
from vtab_h2t.report import budgets
from vtab_h2t.report import jobs
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics

REFERENCE = 'head2toe'
BETTER, WORSE, TIE = 'better', 'worse', 'tie'
UNEQUAL, UNKNOWN, FEW = 'no verdict', 'no interval', 'too few tasks'
ENOUGH = 3  # Tasks of which methods that are not told apart are said to tie.
# Those whose training changes the network, so that a budget is what limits it.
TRAINED = tuple(
  m
  for m in methods.METHODS
  if m not in methods.FROZEN and m not in methods.SUCCESSORS
)
_COLUMNS = ['method', 'tasks', 'points', 'low', 'high', 'reading', 'why']


@functools.cache
def of_run(results: results_lib.Results) -> pd.DataFrame:
  """`table` of a run's rows."""
  return table(results.of(jobs.ACCURACY), results.run.space)


def table(
  rows: Iterable[ledger_lib.Row], space: space_lib.Space | None = None
) -> pd.DataFrame:
  """Every other method of Table 1 against Head2Toe.

  Args:
    rows: of one run.
    space: what gives the budgets; None where they are known to be equal.

  Returns:
    A line for each method that has a task in common with Head2Toe, with

    `tasks`: on how many both were measured.
    `points`, `low`, `high`: how much better than Head2Toe it is on average,
      and the 95 % interval over tasks and seeds; the interval is missing where
      there are too few tasks for one.
    `reading`: of `BETTER`, `WORSE` (the interval is on one side of 0), `TIE`
      (it contains 0), `FEW` (it does, and there are less than `ENOUGH` tasks),
      `UNEQUAL` and `UNKNOWN` (there is no interval).
    `why`: which budgets differ, if some do.
  """
  rows = [r for r in rows if r['split'] == 'test' and r['correct'] is not None]
  if not any(r['method'] == REFERENCE for r in rows):
    return pd.DataFrame(columns=_COLUMNS)
  tests = statistics.tests(rows)
  groups = dict(zip(tests.task, tests.group))
  samples = {
    str(method): statistics.by_task(of_method)
    for method, of_method in tests.groupby('method', sort=False)
  }
  lines = []
  for method, by_task in samples.items():
    tasks = [t for t in samples[REFERENCE] if t in by_task]
    if method != REFERENCE and tasks:
      lines.append(
        {'method': method, 'tasks': len(tasks)}
        | _beside(samples, {t: groups[t] for t in tasks}, method, space)
      )
  return pd.DataFrame(lines, columns=_COLUMNS)


def fewer_tasks(found: pd.DataFrame) -> pd.Series:
  """Of a `table`: 'on 4 of 10 tasks', or '' of methods that lack none."""
  most = found.tasks.max()
  return found.tasks.map(
    lambda n: f'on {n} of {most} tasks' if n < most else ''
  )


def _beside(
  samples: Mapping[str, Mapping[str, np.ndarray]],
  groups: Mapping[str, str],
  method: str,
  space: space_lib.Space | None,
) -> dict[str, float | str]:
  """The difference of one method, and how it is to be read."""
  one, other = ({t: samples[m][t] for t in groups} for m in (method, REFERENCE))
  found = bootstrap.difference(one, other, groups)
  why = ''
  if space is not None and method in TRAINED:
    why = budgets.differing((REFERENCE, method), space, groups)
  if why:
    reading = UNEQUAL
  elif math.isnan(found.low):
    reading = UNKNOWN
  else:
    alike = TIE if len(groups) >= ENOUGH else FEW
    reading = BETTER if found.low > 0 else WORSE if found.high < 0 else alike
  return {
    'points': found.value,
    'low': found.low,
    'high': found.high,
    'reading': reading,
    'why': why,
  }


def of_jobs(
  results: results_lib.Results, one: str, other: str
) -> bootstrap.Interval:
  """How much better Head2Toe is in one job of a run than in another.

  Args:
    results: of a run in which both have the same tasks.
    one, other: the jobs.

  Raises:
    ValueError: they have different tasks.
  """
  rows = {
    job: [
      r
      for r in results.of(job)
      if r['method'] == REFERENCE and r['split'] == 'test'
    ]
    for job in (one, other)
  }
  of_one, of_other = (
    statistics.by_task(statistics.tests(some)) if some else {}
    for some in rows.values()
  )
  groups = {r['task']: r['group'] for r in rows[one]}
  return bootstrap.difference(of_one, of_other, groups)


def read_as(found: pd.DataFrame, reading: str) -> Sequence[dict[str, float]]:
  """The lines of a table with one reading."""
  return found[found.reading == reading].to_dict('records')
