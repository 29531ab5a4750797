"""From result rows to medians, deviations and means."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math

import numpy as np
import pandas as pd

from vtab_h2t.protocol import accuracy as accuracy_lib
from vtab_h2t.protocol import ledger as ledger_lib

_KEYS = ['suite', 'backbone', 'weights', 'image_size', 'resize', 'taps',
         'cls_pooling', 'normalization', 'grid', 'protocol', 'method', 'task',
         'group']


def summarise(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Test accuracy over seeds.

  Args:
    rows: result rows; those of the validation folds are passed over, and those
      of runs that failed.

  Returns:
    One line for each method and task, in the order of the rows, with
    `accuracy_percent` (the median over seeds), `std_percent` (the sample
    standard deviation; missing with one seed), `seeds` and `total` (test
    images).
  """
  tests = pd.DataFrame([r for r in rows if r['split'] == 'test'
                        and r['correct'] is not None])
  tests['percent'] = [
      100 * accuracy_lib.accuracy(c, t, p)
      for c, t, p in zip(tests.correct, tests.total, tests.protocol)]
  return tests.groupby(_KEYS, sort=False).agg(
      accuracy_percent=('percent', 'median'), std_percent=('percent', 'std'),
      seeds=('seed', 'nunique'), total=('total', 'first')).reset_index()


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


def wide(summary: pd.DataFrame, groups: Sequence[str],
         column: str = 'accuracy_percent') -> pd.DataFrame:
  """One row a method, one column a task, with means.

  Args:
    summary: what `summarise` gives, for one suite, backbone, weights, input,
      taps, class token, normalisation, grid and protocol.
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
  return pd.Series([math.fsum(row) / len(row) for row in table.to_numpy()],
                   table.index, float)


def spearman(one: pd.Series, other: pd.Series) -> float:
  """Spearman's rank correlation; ties have mean ranks."""
  return float(one.rank().corr(other.rank()))


Samples = Mapping[str, Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A statistic and its 95 % interval."""

  value: float
  low: float
  high: float


def bootstrap(samples: Samples, groups: Mapping[str, str],
              statistic: Callable[[Mapping[str, np.ndarray]], float],
              seed: int = 0, replicates: int = 2000) -> Interval:
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
  if not tasks or any(sorted(by_task) != tasks
                      for by_task in samples.values()):
    raise ValueError('conditions must have the same tasks, at least one')
  strata = [[t for t in tasks if groups[t] == g]
            for g in sorted({groups[t] for t in tasks})]
  value = statistic({
      condition: np.array([np.median(by_task[t]) for t in tasks])
      for condition, by_task in samples.items()})
  rng = np.random.default_rng(seed)
  found = []
  for _ in range(replicates):
    drawn = [t for stratum in strata for t in rng.choice(stratum, len(stratum))]
    found.append(statistic({
        condition: np.array([
            np.median(rng.choice(by_task[t], len(by_task[t])))
            for t in drawn])
        for condition, by_task in samples.items()}))
  low, high = np.nanpercentile(found, [2.5, 97.5])
  return Interval(float(value), float(low), float(high))
