"""The numbers behind each figure, as tidy frames, from result rows.

`accuracies` is what both sources have in common: measured rows and the paper's
Table 1 give it, and Figures 2, 3, 8 and 11 (left) follow from it alone. The
others follow from the rows of studies (`vtab_h2t.studies`). Accuracies are in
percent, differences in points; over seeds the median is taken.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import statistics
from vtab_h2t.studies import relevance

MEAN = 'mean'


def published_accuracies(backbone: str) -> pd.DataFrame:
  """The paper's Table 1 for a backbone: method, task, group, percent."""
  table = published.table('table1_accuracy')
  table = table[(table.backbone == backbone) & (table.task != MEAN)]
  return table.rename(columns={'accuracy_percent': 'percent'})[
    ['method', 'task', 'group', 'percent']
  ].reset_index(drop=True)


def accuracies(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Measured: method, task, group, percent."""
  summary = statistics.summarise(rows)
  return summary.rename(columns={'accuracy_percent': 'percent'})[
    ['method', 'task', 'group', 'percent']
  ]


def by_affinity(table: pd.DataFrame) -> pd.DataFrame:
  """One line a task, from the lowest to the highest domain affinity.

  Args:
    table: method, task, group, percent, with linear and scratch.

  Returns:
    task, group, affinity, and a column for each method. Tasks that lack Linear
    or Scratch are left out.
  """
  wide = table.pivot(
    index=['task', 'group'], columns='method', values='percent'
  )
  for method in ('linear', 'scratch'):
    if method not in wide:
      wide[method] = np.nan
  wide.insert(0, 'affinity', wide.linear - wide.scratch)
  wide.columns.name = None
  wide = wide[wide.affinity.notna()]
  return wide.sort_values('affinity', kind='stable').reset_index()


def gains(
  table: pd.DataFrame, over: str, methods: Sequence[str]
) -> pd.DataFrame:
  """Points that methods gain over another, beside affinity.

  Args:
    table: what `by_affinity` gives.
    over: the method to compare with.
    methods: those compared.

  Returns:
    task, group, affinity, and for each method `<method>_gain`.
  """
  found = table[['task', 'group', 'affinity']].copy()
  for method in methods:
    found[f'{method}_gain'] = table[method] - table[over]
  return found


def affinities(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """Domain affinity of each task under several backbones (Figure 8, left).

  Args:
    tables: for each backbone's name what `by_affinity` gives.

  Returns:
    task, group, and a column for each backbone; tasks that one of them lacks
    are left out.
  """
  parts = [
    t.set_index(['task', 'group']).affinity.rename(name)
    for name, t in tables.items()
  ]
  return pd.concat(parts, axis=1, join='inner').reset_index()


def _median(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
  """Medians over seeds for each value of the keys, in their order."""
  return (
    table.groupby(list(keys), sort=False)
    .agg(percent=('percent', 'median'), num_features=('num_features', 'median'))
    .reset_index()
  )


def one_tap(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 4: task, group, tap, depth (0 the first tap), percent."""
  table = _median(statistics.tests(rows), ['task', 'group', 'tap'])
  table.insert(3, 'depth', table.groupby('task').cumcount())
  return table


def oracle(taps: pd.DataFrame, validation: pd.DataFrame) -> pd.DataFrame:
  """Figure 4: the best tap of each task.

  Args:
    taps: what `one_tap` gives.
    validation: what `chosen_taps` gives.

  Returns:
    task, group, `oracle_tap` and `oracle` (the best by test, so no method
    could reach it honestly), `chosen_tap` and `chosen` (the best by
    validation; missing where nothing was chosen).
  """
  best = taps.loc[taps.groupby('task', sort=False).percent.idxmax()]
  found = best[['task', 'group']].reset_index(drop=True)
  found['oracle_tap'] = best.tap.to_numpy()
  found['oracle'] = best.percent.to_numpy()
  found = found.merge(validation, on='task', how='left')
  percent = taps.set_index(['task', 'tap']).percent
  found['chosen'] = [
    percent.get(key, float('nan')) for key in zip(found.task, found.chosen_tap)
  ]
  return found


def chosen_taps(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """task, `chosen_tap`: the best by validation, ties to the first."""
  table = pd.DataFrame([r for r in rows if r['split'] == 'val'])
  if table.empty:  # Nothing was chosen.
    return pd.DataFrame({'task': [], 'chosen_tap': []}, dtype=object)
  best = table.loc[table.groupby('task', sort=False).correct.idxmax()]
  return (
    best[['task', 'tap']]
    .rename(columns={'tap': 'chosen_tap'})
    .reset_index(drop=True)
  )


def group_means(
  columns: Mapping[str, pd.Series], groups: pd.Series
) -> pd.DataFrame:
  """Means over all tasks and over each group's.

  Args:
    columns: for each method accuracies by task.
    groups: each task's group.

  Returns:
    method, average, and a column for each group.
  """
  found = []
  for method, values in columns.items():
    means = values.groupby(groups).mean()
    found.append({'method': method, 'average': values.mean(), **means})
  return pd.DataFrame(found)


def granularity(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 10: task, group, kind, step, num_features, percent.

  `step` is the fraction kept or the number of taps.
  """
  table = statistics.tests(rows)
  table['step'] = table.fraction.where(
    table.kind == 'features', table.get('num_taps')
  )
  return _median(table, ['task', 'group', 'kind', 'step'])


def mean_over_tasks(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
  """Means of the numeric columns over tasks, in the order of the keys."""
  return (
    table.drop(columns=['task', 'group'])
    .groupby(list(keys), sort=False)
    .mean(numeric_only=True)
    .reset_index()
  )


def transfer(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 7, left: task, group, source, percent, loss.

  `loss` is in points against the task's own selection.
  """
  table = _median(statistics.tests(rows), ['task', 'group', 'source'])
  own = table[table.task == table.source].set_index('task').percent
  table['loss'] = table.task.map(own) - table.percent
  return table


def scaling(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figures 14 and 16: task, group, target_size, tap_stride, num_candidates,
  percent.
  """
  table = statistics.tests(rows)
  return _median(
    table, ['task', 'group', 'target_size', 'tap_stride', 'num_candidates']
  )


def offset(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 11, right: task, group, offset, percent."""
  return _median(statistics.tests(rows), ['task', 'group', 'offset'])


def scores(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """task, group, score, percent."""
  return _median(statistics.tests(rows), ['task', 'group', 'score'])


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


def depth(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figures 12 and 15: what is selected of each tap.

  Returns:
    task, group, tap, depth (0 the first), `share_of_selection` and
    `share_of_tap`, 0 to 1, means over seeds.
  """
  result = []
  for row in rows:
    total = sum(kept for kept, _ in row['selected_by_tap'].values())
    for i, (tap, (kept, size)) in enumerate(row['selected_by_tap'].items()):
      result.append(
        {
          'task': row['task'],
          'group': row['group'],
          'tap': tap,
          'depth': i,
          'share_of_selection': kept / total,
          'share_of_tap': kept / size,
        }
      )
  return (
    pd.DataFrame(result)
    .groupby(['task', 'group', 'tap', 'depth'], sort=False)
    .mean()
    .reset_index()
  )


def reduced(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 13: method, task, group, train_fraction (1: all), percent."""
  table = statistics.tests(
    {'train_fraction': 1.0} | r
    for r in rows
    if r['method'] in ('linear', 'head2toe')
  )
  found = (
    table.groupby(['method', 'task', 'group', 'train_fraction'], sort=False)
    .percent.median()
    .reset_index()
  )
  return found.sort_values('train_fraction', kind='stable')
