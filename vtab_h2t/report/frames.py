"""Frames that follow from the accuracies of methods.

`accuracies` is what both sources have in common: measured rows and the paper's
Table 1 give it, and Figures 2, 3, 8 (left) and 11 (left) follow from it alone.
What follows from the rows of studies is in `study_frames` and `tap_frames`.
Accuracies are in percent, differences in points; over seeds the median is
taken.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vtab_h2t import published
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import statistics

MEAN = 'mean'
PUBLISHED = '_published'  # After a backbone's name: the paper's numbers of it.


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
    task, group, affinity, and for each method `<method>_gain`, of the tasks
    that have all of them.
  """
  found = table[['task', 'group', 'affinity']].copy()
  for method in methods:
    found[f'{method}_gain'] = table[method] - table[over]
  return found.dropna().reset_index(drop=True)


TASK, GROUP = 'task', 'group'


def with_groups(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
  """Tasks and the groups of the benchmark by affinity (Figure 3).

  Args:
    table: what `by_affinity` gives.
    methods: those shown.

  Returns:
    `kind` (`TASK` or `GROUP`), `name`, `group`, affinity, and a column for each
    method. First the tasks, then the groups, each from the lowest affinity to
    the highest; a group has the means over its tasks that have all methods.
  """
  values = ['affinity', *methods]
  tasks = table[['task', 'group', *values]].rename(columns={'task': 'name'})
  tasks.insert(0, 'kind', TASK)
  groups = (
    table.dropna(subset=values)
    .groupby('group', sort=False)[values]
    .mean()
    .reset_index()
    .sort_values('affinity', kind='stable')
  )
  groups.insert(0, 'kind', GROUP)
  groups.insert(1, 'name', groups.group)
  return pd.concat([tasks, groups], ignore_index=True)


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


def comparison(
  rows: Sequence[ledger_lib.Row], methods: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
  """Some methods side by side, on the tasks that all of them have.

  Args:
    rows: of a run.
    methods: those compared.

  Returns:
    task, group, and a column for each method; and what `group_means` gives.
  """
  table = accuracies(rows)
  wide = (
    table.pivot(index=['task', 'group'], columns='method', values='percent')
    .reindex(
      index=pd.MultiIndex.from_frame(
        table[['task', 'group']].drop_duplicates()
      ),
      columns=list(methods),
    )
    .dropna()
  )
  wide.columns.name = None
  wide = wide.reset_index()
  by_task = wide.set_index('task')
  return wide, group_means({m: by_task[m] for m in methods}, by_task.group)


def over_seeds(
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


def whole_tasks(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
  """The lines of the tasks that have every value of the keys that any has.

  Args:
    table: has a line for each task and value of the keys.
    keys: names of columns.
  """
  wanted = len(table[list(keys)].drop_duplicates())
  return table[table.groupby('task').task.transform('size') == wanted]


def mean_over_tasks(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
  """Means over the tasks that have every value of the keys.

  Args:
    table: has a line for each task and value of the keys.
    keys: names of columns.

  Returns:
    The keys in their order, means of the numeric columns, and `tasks`: over how
    many.
  """
  whole = whole_tasks(table, keys)
  return (
    whole.drop(columns=['task', 'group'])
    .groupby(list(keys), sort=False)
    .mean(numeric_only=True)
    .reset_index()
    .assign(tasks=whole.task.nunique())
  )


def reduced(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """Figure 13: method, task, group, train_fraction (1: all), percent.

  Methods are those that were measured with fewer images and with all, tasks
  those that have all of these with all fractions.
  """
  few, whole = (
    {r['method'] for r in rows if ('train_fraction' in r) == is_part}
    for is_part in (True, False)
  )
  methods = few & whole
  table = statistics.tests(
    {'train_fraction': 1.0} | r for r in rows if r['method'] in methods
  )
  found = (
    table.groupby(['method', 'task', 'group', 'train_fraction'], sort=False)
    .percent.median()
    .reset_index()
    .sort_values('train_fraction', kind='stable')
  )
  return whole_tasks(found, ['method', 'train_fraction']).reset_index(drop=True)
