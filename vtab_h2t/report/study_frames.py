"""Frames that follow from the rows of studies of selections.

Accuracies are in percent, differences in points; over seeds the median is
taken, but for Figure 7 (left), of which the paper says that it has averages.
"""

from collections.abc import Sequence
import math

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import bootstrap
from vtab_h2t.report import frames
from vtab_h2t.report import statistics
from vtab_h2t.studies import relevance

GROUP_1, GROUP_2 = 'group 1', 'group 2'  # Of tasks, by Figure 7's table.
_NEITHER = ('sun397',)
_HEAD2TOES_SCORE = 'l2'  # Equation 3.


def granularity(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 10: task, group, kind, num_features, percent."""
  return frames.over_seeds(rows, ['kind', 'num_features'])


def transfer(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Features that another task selected (Figure 7, left).

  Returns:
    source (the task that selected), task, group, percent (the mean over seeds),
    `change`: points above what the task's own features give, so that it is
    negative where those of another task are worse.
  """
  table = frames.over_seeds(rows, ['source'], how='mean')
  own = table[table.task == table.source].set_index('task').percent
  table['change'] = table.percent - table.task.map(own)
  return table[['source', 'task', 'group', 'percent', 'change']]


def scaling(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 16.

  Returns:
    task, group, target_size, tap_stride (of so many layers one is used),
    percent, num_candidates.
  """
  return frames.over_seeds(
    rows, ['target_size', 'tap_stride'], ['num_candidates']
  )


def task_sets(table: pd.DataFrame, of_vtab: bool) -> pd.DataFrame:
  """The two groups of tasks of Figures 7 and 14.

  For tasks of VTAB-1k they are the paper's, which printed them beside the
  figure; SUN397 is in neither. Any other task is of the first group if its
  accuracy with most layers is higher at the largest target size than at the
  smallest, and of the second if not: like the paper's groups these are found by
  looking at what is drawn, and describe it.

  Args:
    table: what `scaling` gives.
    of_vtab: whether the tasks are VTAB-1k's.

  Returns:
    task, `set` (`GROUP_1` or `GROUP_2`), `source` ('paper' or 'measured').
  """
  printed = published.table('figure7_groups').set_index('task').set
  most = table[table.tap_stride == table.tap_stride.min()]
  ends = most.sort_values('target_size', kind='stable').groupby(
    'task', sort=False
  )
  rises = ends.percent.last() > ends.percent.first()
  found = []
  for task in table.task.unique():
    if of_vtab and task in _NEITHER:
      continue
    if of_vtab and task in printed.index:
      found.append((task, printed[task], 'paper'))
    elif task in rises.index:
      found.append((task, GROUP_1 if rises[task] else GROUP_2, 'measured'))
  return pd.DataFrame(found, columns=['task', 'set', 'source'])


def scaling_by_set(table: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
  """Means over the tasks of each group (Figures 7 right and 14).

  Args:
    table: what `scaling` gives.
    sets: what `task_sets` gives.

  Returns:
    set, target_size, tap_stride, percent, num_candidates, `tasks`: over how
    many; those that have every target size with every share of layers.
  """
  keys = ['target_size', 'tap_stride']
  whole = frames.whole_tasks(table, keys)
  whole = whole.merge(sets[['task', 'set']], on='task')
  return (
    whole.groupby(['set', *keys])
    .agg(
      percent=('percent', 'mean'),
      num_candidates=('num_candidates', 'mean'),
      tasks=('task', 'nunique'),
    )
    .reset_index()
  )


def offset(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 11, right: task, group, offset, percent."""
  return frames.over_seeds(rows, ['offset'])


def coefficient(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Section 3.3: task, group, coefficient, percent."""
  return frames.over_seeds(rows, ['coefficient'])


def scores(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """task, group, score, percent."""
  return frames.over_seeds(rows, ['score'])


def mean_scores(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Scores beside Head2Toe's, which is the l2 norm.

  Returns:
    score, percent, tasks (means over so many tasks, those that have all of
    them), above_l2: how much better than the l2 norm, in points, with low and
    high, its 95 % interval over tasks and seeds. Of the l2 norm itself these
    are missing.
  """
  table, tests = scores(rows), statistics.tests(rows)
  means = frames.mean_over_tasks(table, ['score'])
  whole = frames.whole_tasks(table, ['score'])
  groups = dict(zip(whole.task, whole.group))
  samples = {
    score: statistics.by_task(of_score[of_score.task.isin(groups)])
    for score, of_score in tests.groupby('score', sort=False)
  }
  none = bootstrap.Interval(math.nan, math.nan, math.nan)
  found = [
    none
    if score == _HEAD2TOES_SCORE
    else bootstrap.difference(samples[score], samples[_HEAD2TOES_SCORE], groups)
    for score in means.score
  ]
  return means.assign(
    above_l2=[one.value for one in found],
    low=[one.low for one in found],
    high=[one.high for one in found],
  )


def overlap(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 11, middle: how much two tasks' selections have in common.

  Returns:
    task, other, shared: the share of the selected features that both have, 0
    to 1, the mean over pairs of seeds; for a task with itself, over pairs of
    different ones. `chance` is what two random selections share.
  """
  columns = {
    (r['task'], r['seed']): relevance.unpack(r['selected']) for r in rows
  }
  chance = {
    r['task']: len(columns[r['task'], r['seed']]) / r['num_features']
    for r in rows
  }
  names = list(dict.fromkeys(task for task, _ in columns))
  result = []
  for one in names:
    for other in names:
      shares = [
        len(np.intersect1d(a, b, assume_unique=True)) / len(a)
        for (task_a, seed_a), a in columns.items()
        if task_a == one
        for (task_b, seed_b), b in columns.items()
        if task_b == other and (one != other or seed_a != seed_b)
      ]
      result.append(
        {
          'task': one,
          'other': other,
          'shared': np.mean(shares) if shares else np.nan,
          'chance': chance[one],
        }
      )
  return pd.DataFrame(result)
