"""What a claim of the paper is, and the parts that claims are made of.

A claim has a statistic that is above 0 if the claim is right, of values by task
under some conditions; mostly accuracies in percent, medians over seeds. Where
the paper says "matches", "robust" or "near zero", a margin is needed, which the
paper does not give. The margins here are this project's and were fixed before
anything was judged: `POINT` for accuracies, `RANK` for rank correlations.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any

import numpy as np

from vtab_h2t.report import bootstrap
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics

Accuracies = bootstrap.Accuracies
Statistic = bootstrap.Statistic
Row = Mapping[str, Any]
Condition = Callable[[Row], str | None]
# Condition to task to the values of its seeds.
Found = dict[str, dict[str, list[float]]]
Gather = Callable[[Sequence[Row]], Found]

RESNET50, VIT_B16 = 'resnet50', 'vit_b16'
BOTH = RESNET50, VIT_B16
POINT = 1.0  # Of accuracy.
RANK = 0.2  # Of a rank correlation.
# In place of jobs: what `measured_cost` gives as rows, and what the search for
# the fraction adds.
COST, SEARCH = 'cost', 'search'
LOWER, UPPER = 'lower', 'upper'
STRUCTURED, NATURAL, SPECIALIZED = 'structured', 'natural', 'specialized'
ALL_FEATURES = 'all_l2', 'all_l1', 'all_l21'
FROZEN = ('linear', *ALL_FEATURES, 'head2toe')


def _no_rows(rows: Sequence[Row]) -> Found:
  del rows
  return {}


def _unknown(a: Accuracies) -> np.ndarray:
  del a
  return np.array(math.nan)


def _nothing(backbone: str) -> float | None:
  del backbone
  return None


def task_of(row: Row) -> str:
  """What a claim's interval is over, if it says nothing else."""
  return row['task']


def _no_difference(rows: Sequence[Row]) -> str:
  del rows
  return ''


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
  """A statement.

  Attributes:
    id: short name.
    sentence: what the paper says, in other words.
    where: in the paper.
    of: the backbones that it says it of.
    text: the statistic in words; the claim is that it is above 0.
    jobs: whose rows it is tested on.
    gather: from all rows of these jobs to values by condition and task.
    statistic: of the values under the conditions.
    needs: conditions that must be there; 'NAME *' for some that begin so and
      are not needed by their whole name.
    partial: whether the conditions that it does not need may lack tasks.
    half: `LOWER` or `UPPER`, the half of the tasks by domain affinity that it
      is about; a task in the middle is in neither. '' for all tasks.
    groups: whose tasks it is about; none for all. If they are several,
      conditions 'is NAME' say with 1 which tasks are a group's.
    stratified: whether tasks are drawn within their groups. If few tasks are in
      many groups, there would be no interval.
    sides: methods whose training budgets must be equal.
    equal_chosen: whether the chosen budgets of a cost row must be equal.
    differing: from the rows of the tasks that it is judged on to which budgets
      differ, in words; '' if none does.
    bounds: what the statistic cannot leave.
    least_error: from the statistic and the number of tasks to the least that
      its standard error can be; None where draws of tasks tell it.
    digits: of its published values, after the point.
    printed: the statistic from numbers in the paper's text, by backbone.
    printed_as: what the text has in its place; '' where it has that number.
    averages: the statistic by backbone from averages that the paper prints,
      where it does not print the tasks'; or None.
    stated: what a companion paper states in numbers, of its own networks and
      data sets.
    source: which of its tables the statistic can be computed from.
    follows: that the statistic is not measured, and what it follows from; ''
      if it is measured.
    untested: why it is not tested; '' if it is.
  """

  id: str
  sentence: str
  where: str
  of: tuple[str, ...] = BOTH
  text: str
  jobs: tuple[str, ...] = (jobs.ACCURACY,)
  gather: Gather = _no_rows
  statistic: Statistic = _unknown
  needs: tuple[str, ...] = ()
  partial: bool = False
  half: str = ''
  groups: tuple[str, ...] = ()
  stratified: bool = True
  sides: tuple[str, ...] = ()
  equal_chosen: bool = False
  differing: Callable[[Sequence[Row]], str] = _no_difference
  bounds: tuple[float, float] = (-math.inf, math.inf)
  least_error: Callable[[float, int], float] | None = None
  digits: int = 1
  printed: Mapping[str, float] = dataclasses.field(default_factory=dict)
  printed_as: str = ''
  averages: Callable[[str], float | None] = _nothing
  stated: str = ''
  source: str = 'Table 1'
  follows: str = ''
  untested: str = ''


def is_test(row: Row) -> bool:
  """Whether it is a test row of a training that succeeded."""
  return row['split'] == 'test' and row['correct'] is not None


def by_row(
  condition: Condition, value: Callable[[Row], float] = statistics.percent
) -> Gather:
  """Values of single test rows, under the condition that each belongs to."""

  def gather(rows: Sequence[Row]) -> Found:
    found: Found = {}
    for row in rows:
      name = condition(row) if is_test(row) else None
      if name is not None:
        by_task = found.setdefault(name, {})
        by_task.setdefault(row['task'], []).append(value(row))
    return found

  return gather


def together(*gathers: Gather) -> Gather:
  """What several give, of the same rows."""

  def gather(rows: Sequence[Row]) -> Found:
    found: Found = {}
    for one in gathers:
      found |= one(rows)
    return found

  return gather


def methods(*names: str) -> Gather:
  """Accuracies of methods in the run itself, by their ids."""
  return by_row(
    lambda row: (
      row['method']
      if row['job'] == jobs.ACCURACY and row['method'] in names
      else None
    )
  )


def study(name: str, *fields: str) -> Gather:
  """Accuracies of a study in the run itself, by the values of its fields."""
  return by_row(
    lambda row: (
      ' '.join(str(row[f]) for f in fields)
      if row['method'] == name and row['job'] == name
      else None
    )
  )


def variant(job: str, method: str = 'head2toe') -> Gather:
  """Of a method in the run ('original') and in one derived ('variant')."""
  return by_row(
    lambda row: (
      {jobs.ACCURACY: 'original', job: 'variant'}.get(row['job'])
      if row['method'] == method
      else None
    )
  )


def mean(values: np.ndarray) -> np.ndarray:
  """Over tasks, `[..., n]` to `[...]`; NaN of none, others pass NaN over."""
  known = ~np.isnan(values)
  count = known.sum(axis=-1)
  total = np.where(known, values, 0).sum(axis=-1)
  return total / np.where(count > 0, count, np.nan)


def share(flags: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
  """Of the tasks, or of those where a value is known: 0 to 1."""
  values = np.asarray(flags, float)
  return mean(values if of is None else np.where(np.isnan(of), np.nan, values))


def above(one: str, other: str, add: float = 0) -> Statistic:
  """Mean of one condition less another, and a margin."""
  return lambda a: mean(a[one] - a[other]) + add


def mostly(one: str, other: str) -> Statistic:
  """Share of the tasks where one condition is above another, less a half."""
  return lambda a: share(a[one] > a[other]) - 0.5


def best_of(ours: str) -> Statistic:
  """Mean of a condition less the largest mean of all others."""
  return lambda a: (
    mean(a[ours])
    - np.max([mean(v) for name, v in a.items() if name != ours], axis=0)
  )


def nothing(a: Accuracies) -> np.ndarray:
  """NaN, `[...]`: what is compared is not there."""
  return np.full(next(iter(a.values())).shape[:-1], np.nan)


def affinity(a: Accuracies) -> np.ndarray:
  """Domain affinity (section 2) in points, `[..., tasks]`."""
  return a['linear'] - a['scratch']


def numbered(a: Accuracies, prefix: str = '') -> list[tuple[float, np.ndarray]]:
  """Conditions named by a number, in its order."""
  return sorted(
    (
      (float(name.removeprefix(prefix)), values)
      for name, values in a.items()
      if name.startswith(prefix)
    ),
    key=lambda pair: pair[0],
  )


# Of ranks of something other than tasks, or a mean of such.
RANKS: dict[str, Any] = {'bounds': (-1.0, 1.0), 'digits': 3}
# Of ranks of tasks.
CORRELATION: dict[str, Any] = {
  **RANKS,
  'least_error': bootstrap.correlation_error,
}
# Of tasks, less a half.
SHARE: dict[str, Any] = {
  'bounds': (-0.5, 0.5),
  'digits': 2,
  'least_error': bootstrap.share_error,
}


def untestable(
  name: str, sentence: str, where: str, why: str, **fields: Any
) -> Claim:
  """A claim that stands in the list without a test."""
  return Claim(
    id=name,
    sentence=sentence,
    where=where,
    text='none',
    untested=why,
    **fields,
  )


def only(values: np.ndarray, a: Accuracies, group: str) -> np.ndarray:
  """Values `[..., n]`, NaN but for the tasks of a group of `Claim.groups`."""
  return np.where(a[f'is {group}'] > 0, values, np.nan)
