"""From result rows to medians, deviations and means."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.protocol import accuracy as accuracy_lib
from vtab_h2t.protocol import ledger as ledger_lib

_KEYS = ['run', 'suite', 'backbone', 'protocol', 'method', 'task', 'group']


def tests(rows: Iterable[ledger_lib.Row]) -> pd.DataFrame:
  """Test rows with their accuracy.

  Args:
    rows: result rows; those of the validation folds are passed over, and those
      of trainings that failed.

  Returns:
    The rows with `percent`, 0 to 100, by the protocol that each row names.
  """
  table = pd.DataFrame(
    [r for r in rows if r['split'] == 'test' and r['correct'] is not None]
  )
  table['percent'] = [percent(r) for r in table.to_dict('records')]
  return table


def percent(row: Mapping[str, Any]) -> float:
  """Accuracy of a row in percent, by the protocol that it names."""
  return 100 * accuracy_lib.accuracy(
    row['correct'], row['total'], row['protocol']
  )


def summarise(rows: Iterable[ledger_lib.Row]) -> pd.DataFrame:
  """Test accuracy over seeds.

  Args:
    rows: as of `tests`, all of one run.

  Returns:
    One line for each method and task, in the order of the rows, with
    `accuracy_percent` (the median over seeds), `std_percent` (the sample
    standard deviation; missing with one seed), `seeds` and `total` (test
    images).

  Raises:
    ValueError: the rows are of several runs.
  """
  table = tests(rows)
  if table.run.nunique() > 1:
    raise ValueError(f'rows of several runs: {", ".join(table.run.unique())}')
  return (
    table.groupby(_KEYS, sort=False)
    .agg(
      accuracy_percent=('percent', 'median'),
      std_percent=('percent', 'std'),
      seeds=('seed', 'nunique'),
      total=('total', 'first'),
    )
    .reset_index()
  )


def compared(summary: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
  """The lines of a summary of the tasks that all of some methods have."""
  having = [set(summary.task[summary.method == m]) for m in methods]
  return summary[summary.task.isin(set.intersection(*having))]


def domain_affinity(table: pd.DataFrame) -> pd.Series:
  """How much the pretrained embedding is worth on each task (section 2).

  Args:
    table: what `wide` gives.

  Returns:
    Linear less Scratch in points, by column of the table; empty if one of them
    was not measured.
  """
  if not {'linear', 'scratch'} <= set(table.index):
    return pd.Series(dtype=float)
  return table.loc['linear'] - table.loc['scratch']


def wide(
  summary: pd.DataFrame, groups: Sequence[str], column: str = 'accuracy_percent'
) -> pd.DataFrame:
  """One row a method, one column a task, with means.

  Args:
    summary: what `summarise` gives.
    groups: the order of the groups.
    column: which of its columns.

  Returns:
    A frame with columns (group, task): the tasks of each group followed by
    (group, 'mean'), and last ('all', 'mean'). A method's mean is missing where
    one of its tasks is.
  """
  table = summary.pivot(index='method', columns='task', values=column)
  table = table.reindex(summary.method.unique())
  result = {}
  for group in groups:
    names = list(summary.task[summary.group == group].unique())
    if names:
      for name in names:
        result[group, name] = table[name]
      result[group, 'mean'] = _row_means(table[names])
  result['all', 'mean'] = _row_means(table)
  return pd.DataFrame(result)


def _row_means(table: pd.DataFrame) -> pd.Series:
  """Means of rows, the same for any order of columns; NaN if a value is."""
  return pd.Series(
    [math.fsum(row) / len(row) for row in table.to_numpy()], table.index, float
  )


def spearman(one: pd.Series, other: pd.Series) -> float:
  """Spearman's rank correlation; ties have mean ranks.

  Args:
    one, other: values; they are paired by index, where either is NaN the pair
      is left out.

  Returns:
    The correlation; NaN of less than two pairs, and where ranks are constant.
  """
  if one.index.equals(other.index):
    ranks = [_ranks(s.to_numpy(float)) for s in (one, other)]
  else:  # Ranks are those before pairing.
    ranks = [
      s.to_numpy(float) for s in one.rank().align(other.rank(), join='inner')
    ]
  return _of_ranks(*ranks)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
  """`spearman` of arrays `[n]`, which are paired by place."""
  return _of_ranks(_ranks(one), _ranks(other))


def rank_correlations(one: np.ndarray, others: np.ndarray) -> list[float]:
  """`rank_correlation` of one array `[n]` with each row of others `[m, n]`."""
  ranks = _ranks(one)
  below, up_to = (
    compare(others[:, None, :], others[:, :, None]).sum(axis=-1)
    for compare in (np.less, np.less_equal)
  )
  of_rows = (below + up_to + 1) / 2
  of_rows[np.isnan(others)] = np.nan
  return [_of_ranks(ranks, row) for row in of_rows]


def _ranks(values: np.ndarray) -> np.ndarray:
  """Ranks from 1, `[n]`: ties have their mean, NaN stays and does not count."""
  ordered = np.sort(values)  # NaN last.
  below = np.searchsorted(ordered, values, 'left')
  ranks = (below + np.searchsorted(ordered, values, 'right') + 1) / 2
  ranks[np.isnan(values)] = np.nan
  return ranks


def _of_ranks(one: np.ndarray, other: np.ndarray) -> float:
  """The correlation of ranks `[n]`, where both are there."""
  missing = np.isnan(one) | np.isnan(other)
  if missing.any():
    one, other = one[~missing], other[~missing]
  return _correlation(one, other)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
  """Pearson's, of `[n]` and `[n]`: the steps of pandas without its checks."""
  if len(one) < 2:
    return math.nan
  one, other = (v - v.sum() / len(v) for v in (one, other))
  scales = np.abs(one).max(), np.abs(other).max()
  if not all(scales):
    return math.nan
  one, other = one / scales[0], other / scales[1]
  free = len(one) - 1
  deviations = [math.sqrt(v.dot(v) / free) for v in (one, other)]
  rho = one.dot(other) / free / deviations[0] / deviations[1]
  return max(-1.0, min(1.0, float(rho)))


Samples = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A statistic and its 95 % interval."""

  value: float
  low: float
  high: float


def bootstrap(
  samples: Samples,
  groups: Mapping[str, str],
  statistic: Callable[[Mapping[str, np.ndarray]], float],
  seed: int = 0,
  replicates: int = 2000,
) -> Interval:
  """A stratified percentile bootstrap over tasks and seeds.

  In each replicate the tasks of each group are drawn with replacement, and for
  each of them the seeds of each condition.

  Args:
    samples: condition to task to the accuracies of its seeds `[s]`; every
      condition has the same tasks.
    groups: each task's group; the strata.
    statistic: of condition to accuracies `[tasks]`, medians over seeds.
    seed: of the draws.
    replicates: how many.

  Raises:
    ValueError: the conditions have different tasks, or none.
  """
  tasks = sorted(next(iter(samples.values()), ()))
  if not tasks or any(sorted(by_task) != tasks for by_task in samples.values()):
    raise ValueError('conditions must have the same tasks, at least one')
  value = statistic(
    {
      condition: np.array([np.median(by_task[t]) for t in tasks])
      for condition, by_task in samples.items()
    }
  )
  medians = _replicates(
    samples,
    sorted(tasks, key=lambda t: (groups[t], t)),
    groups,
    np.random.default_rng(seed),
    replicates,
  )
  found = [
    statistic(dict(zip(samples, of_conditions))) for of_conditions in medians
  ]
  if np.isnan(found).all():
    return Interval(float(value), math.nan, math.nan)
  low, high = np.nanpercentile(found, [2.5, 97.5])
  return Interval(float(value), float(low), float(high))


def _replicates(
  samples: Samples,
  tasks: Sequence[str],
  groups: Mapping[str, str],
  rng: np.random.Generator,
  replicates: int,
) -> np.ndarray:
  """Medians over drawn seeds of drawn tasks, `[replicates, conditions, tasks]`.

  Only the drawing is done replicate by replicate: how many seeds are drawn
  hangs on the tasks that were. All medians are taken at once.

  Args:
    samples: condition to task to `[s]`.
    tasks: in the order of their groups.
    groups: each task's group.
    rng: draws for a replicate first the tasks of each group, then the seeds of
      each condition and drawn task, as `rng.choice` would one by one.
    replicates: how many.
  """
  values = [
    np.asarray(by_task[t]) for by_task in samples.values() for t in tasks
  ]
  seeds = np.array([len(v) for v in values]).reshape(len(samples), len(tasks))
  starts = (np.cumsum(seeds) - seeds.ravel()).reshape(seeds.shape)
  strata = [groups[t] for t in tasks]
  sizes = np.array([strata.count(g) for g in strata])
  firsts = np.array([strata.index(g) for g in strata])
  drawn_tasks, drawn_seeds = [], []
  for _ in range(replicates):
    drawn = firsts + rng.integers(0, sizes)
    stretches = seeds[:, drawn].ravel()
    drawn_tasks.append(drawn)
    drawn_seeds.append(rng.integers(0, stretches.repeat(stretches)))
  # [conditions, replicates, tasks] to the order of drawing.
  counts, origins = (
    a[:, drawn_tasks].transpose(1, 0, 2) for a in (seeds, starts)
  )
  drawn_values = np.concatenate(values)[
    origins.ravel().repeat(counts.ravel()) + np.concatenate(drawn_seeds)
  ]
  return _medians(drawn_values, counts.ravel()).reshape(counts.shape)


def _medians(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """Medians `[n]` of consecutive stretches of `values`, `counts` `[n]` long."""
  starts = np.cumsum(counts) - counts
  result = np.empty(len(counts))
  for count in np.unique(counts):
    where = np.flatnonzero(counts == count)
    result[where] = np.median(
      values[starts[where, None] + np.arange(count)], axis=1
    )
  return result
