"""From result rows to medians, deviations and means."""

from collections.abc import Iterable, Mapping, Sequence
import math
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.protocol import accuracy as accuracy_lib
from vtab_h2t.protocol import ledger as ledger_lib

# Of means and their differences, so that those that are equal but for the order
# of additions are printed alike: 15.65 as 15.7, and not as 15.6, too.
DIGITS = 9
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


def by_task(table: pd.DataFrame) -> dict[str, np.ndarray]:
  """Accuracies of one method in percent, by task and seed.

  Args:
    table: of what `tests` gives, the lines of the method.

  Returns:
    From task to `[seeds]`, in the order of the rows.
  """
  return {
    str(task): part.percent.to_numpy()
    for task, part in table.groupby('task', sort=False)
  }


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
    standard deviation; missing with one seed), `range_points` (the best seed
    less the worst; missing likewise), `seeds` and `total` (test images).

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
      range_points=('percent', _range),
      seeds=('seed', 'nunique'),
      total=('total', 'first'),
    )
    .reset_index()
  )


def _range(values: pd.Series) -> float:
  """The largest less the smallest; NaN of one."""
  return values.max() - values.min() if len(values) > 1 else math.nan


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
      is left out. Ranks are those before pairing.

  Returns:
    The correlation; NaN of less than two pairs, and where ranks are constant.
  """
  ranks = one.rank().align(other.rank(), join='inner')
  return float(_of_ranks(*(r.to_numpy(float) for r in ranks)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """`spearman` along the last axis of arrays that are paired by place.

  Args:
    one, other: `[..., n]`, which are broadcast against each other.

  Returns:
    `[...]`.
  """
  return _of_ranks(_ranks(one), _ranks(other))


def _ranks(values: np.ndarray) -> np.ndarray:
  """Ranks from 1, `[..., n]`: ties have their mean, NaN does not count."""
  below, up_to = (
    compare(values[..., None, :], values[..., None]).sum(axis=-1)
    for compare in (np.less, np.less_equal)
  )
  return np.where(np.isnan(values), np.nan, (below + up_to + 1) / 2)


def _of_ranks(one: np.ndarray, other: np.ndarray) -> np.ndarray:
  """Pearson's correlation `[...]` of ranks `[..., n]`, where both are there."""
  one, other = np.broadcast_arrays(one, other)
  known = ~(np.isnan(one) | np.isnan(other))
  count = known.sum(axis=-1, keepdims=True)
  centred = []
  for ranks in (one, other):
    ranks = np.where(known, ranks, 0)
    mean = ranks.sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    centred.append(np.where(known, ranks - mean, 0))
  one, other = centred
  spread = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
  product = (one * other).sum(axis=-1)
  # Ranks are halves of whole numbers, so what is not constant spreads.
  rho = product / np.where(spread > 1e-9, spread, np.nan)
  return np.clip(rho, -1, 1)
