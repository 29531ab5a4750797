"""Frames that follow from the rows of studies, and of selections.

Accuracies are in percent, differences in points; over seeds the median is
taken, but for Figure 7 (left), of which the paper says that it has averages.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import frames
from vtab_h2t.report import statistics
from vtab_h2t.studies import one_tap as one_tap_lib
from vtab_h2t.studies import relevance

GROUP_1, GROUP_2 = 'group 1', 'group 2'  # Of tasks, by Figure 7's table.
_NEITHER = ('sun397',)


def _over_seeds(
  rows: Sequence[ledger_lib.Row],
  keys: Sequence[str],
  others: Sequence[str] = (),
  how: str = 'median',
) -> pd.DataFrame:
  """One line for each task and value of the keys, in their order.

  Args:
    rows: of a study.
    keys: names of fields.
    others: fields that are taken over seeds as the accuracy is.
    how: 'median' or 'mean'.

  Returns:
    task, group, the keys, percent, the others.
  """
  return (
    statistics.tests(rows)
    .groupby(['task', 'group', *keys], sort=False)[['percent', *others]]
    .agg(how)
    .reset_index()
  )


def one_tap(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """What one additional layer is worth (Figures 4, 8 and 9).

  Returns:
    task, group, tap, depth (0 the first), percent, num_features, `linear` (the
    embedding alone, with the same search), `gain` over it in points, and
    `relative_gain`, the same in percent of `linear`.
  """
  table = _over_seeds(rows, ['tap'], ['num_features'])
  alone = table.tap == one_tap_lib.NO_TAP
  linear = table[alone].set_index('task').percent
  table = table[~alone].reset_index(drop=True)
  table.insert(3, 'depth', table.groupby('task').cumcount())
  table['linear'] = table.task.map(linear).astype(float)
  table['gain'] = table.percent - table.linear
  table['relative_gain'] = (
    100 * table.gain / table.linear.where(table.linear > 0)
  )
  return table


def oracle(taps: pd.DataFrame, validation: pd.DataFrame) -> pd.DataFrame:
  """The best additional layer of each task (Figure 4).

  Args:
    taps: what `one_tap` gives.
    validation: what `chosen_taps` gives.

  Returns:
    task, group, `linear`, `oracle_tap`, `oracle`, `oracle_gain` and
    `oracle_features` (the best by test, so no method could reach it honestly),
    `chosen_tap` and `chosen` (the best by validation; missing where nothing was
    chosen).
  """
  best = taps.loc[taps.groupby('task', sort=False).percent.idxmax()]
  found = best[['task', 'group', 'linear']].reset_index(drop=True)
  for name, column in (
    ('oracle_tap', 'tap'),
    ('oracle', 'percent'),
    ('oracle_gain', 'gain'),
    ('oracle_features', 'num_features'),
  ):
    found[name] = best[column].to_numpy()
  found = found.merge(validation, on='task', how='left')
  percent = taps.set_index(['task', 'tap']).percent
  found['chosen'] = [
    percent.get(key, float('nan')) for key in zip(found.task, found.chosen_tap)
  ]
  return found


def chosen_taps(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """task, `chosen_tap`: the best by validation, ties to the first."""
  table = pd.DataFrame(
    [r for r in rows if r['split'] == 'val' and r['tap'] != one_tap_lib.NO_TAP]
  )
  if table.empty:  # Nothing was chosen.
    return pd.DataFrame({'task': [], 'chosen_tap': []}, dtype=object)
  best = table.loc[table.groupby('task', sort=False).correct.idxmax()]
  return (
    best[['task', 'tap']]
    .rename(columns={'tap': 'chosen_tap'})
    .reset_index(drop=True)
  )


def layer_correlations(taps: pd.DataFrame, affinity: pd.Series) -> pd.DataFrame:
  """Does a layer help tasks of low affinity (Figure 8, right)?

  Args:
    taps: what `one_tap` gives.
    affinity: of each task.

  Returns:
    tap, depth, `tasks` (how many), `spearman` (of affinity and the improvement
    over Linear in percent of Linear) and `spearman_points` (of affinity and the
    improvement in points).
  """
  table = taps.assign(affinity=taps.task.map(affinity)).dropna(
    subset=['affinity', 'relative_gain']
  )
  return pd.DataFrame(
    [
      {
        'tap': tap,
        'depth': depth,
        'tasks': len(part),
        'spearman': statistics.spearman(part.affinity, part.relative_gain),
        'spearman_points': statistics.spearman(part.affinity, part.gain),
      }
      for (depth, tap), part in table.groupby(['depth', 'tap'])
    ],
    columns=['tap', 'depth', 'tasks', 'spearman', 'spearman_points'],
  )


def granularity(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 10: task, group, kind, num_features, percent."""
  return _over_seeds(rows, ['kind', 'num_features'])


def layers(
  rows: Sequence[ledger_lib.Row], task: str, kept: int
) -> pd.DataFrame:
  """Of which layers the selected features are (Figure 6, right).

  Args:
    rows: of the study of granularity.
    task: whose.
    kept: of how many selected features.

  Returns:
    task, kind, tap, depth (0 the first), `kept` and `size` (means over seeds of
    the layer's selected and of its features), `share` (of the selected features
    that the layer has, 0 to 1).
  """
  found = [
    {
      'task': task,
      'kind': row['kind'],
      'tap': tap,
      'depth': depth,
      'kept': chosen,
      'size': size,
      'share': chosen / kept,
    }
    for row in rows
    if row['task'] == task
    and row['split'] == 'test'
    and row['num_features'] == kept
    for depth, (tap, (chosen, size)) in enumerate(
      row['selected_by_tap'].items()
    )
  ]
  return (
    pd.DataFrame(
      found,
      columns=['task', 'kind', 'tap', 'depth', 'kept', 'size', 'share'],
    )
    .groupby(['task', 'kind', 'tap', 'depth'], sort=False)
    .mean()
    .reset_index()
  )


def transfer(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Features that another task selected (Figure 7, left).

  Returns:
    source (the task that selected), task, group, percent (the mean over seeds),
    `change`: points above what the task's own features give, so that it is
    negative where those of another task are worse.
  """
  table = _over_seeds(rows, ['source'], how='mean')
  own = table[table.task == table.source].set_index('task').percent
  table['change'] = table.percent - table.task.map(own)
  return table[['source', 'task', 'group', 'percent', 'change']]


def scaling(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 16.

  Returns:
    task, group, target_size, tap_stride (of so many layers one is used),
    percent, num_candidates.
  """
  return _over_seeds(rows, ['target_size', 'tap_stride'], ['num_candidates'])


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
  return _over_seeds(rows, ['offset'])


def coefficient(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Section 3.3: task, group, coefficient, percent."""
  return _over_seeds(rows, ['coefficient'])


def scores(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """task, group, score, percent."""
  return _over_seeds(rows, ['score'])


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


def units(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Of which blocks Head2Toe's features are (Figures 12 and 15).

  Args:
    rows: of Head2Toe with the settings that it chose.

  Returns:
    task, group, unit (`backbones.backbone.unit_of`), depth (0 the first),
    `share`: of the selected features, 0 to 1, the mean over seeds. A task's
    add up to 1.
  """
  found = []
  for row in rows:
    kept: dict[str, int] = {}
    for tap, (chosen, _) in row['selected_by_tap'].items():
      unit = backbone_lib.unit_of(tap)
      kept[unit] = kept.get(unit, 0) + chosen
    total = sum(kept.values())
    found += [
      {
        'task': row['task'],
        'group': row['group'],
        'unit': unit,
        'depth': depth,
        'share': chosen / total,
      }
      for depth, (unit, chosen) in enumerate(kept.items())
    ]
  return (
    pd.DataFrame(found)
    .groupby(['task', 'group', 'unit', 'depth'], sort=False)
    .mean()
    .reset_index()
  )
