"""Frames that tell what layers are worth, and of which features are selected.

Accuracies are in percent, differences in points; over seeds the median is
taken.
"""

from collections.abc import Sequence

import pandas as pd

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import frames
from vtab_h2t.report import statistics
from vtab_h2t.studies import one_tap as one_tap_lib


def one_tap(rows: Sequence[ledger_lib.Row]) -> pd.DataFrame:
  """What one additional layer is worth (Figures 4, 8 and 9).

  A tap whose training failed on a task has no line of it, and the others keep
  their depth.

  Returns:
    task, group, tap, depth (0 the first), percent, num_features, `linear` (the
    embedding alone, with the same search), `gain` over it in points, and
    `relative_gain`, the same in percent of `linear`.
  """
  table = frames.over_seeds(rows, ['tap'], ['num_features'])
  alone = table.tap == one_tap_lib.NO_TAP
  linear = table[alone].set_index('task').percent
  table = table[~alone].reset_index(drop=True)
  taps = dict.fromkeys(r['tap'] for r in rows if r['tap'] != one_tap_lib.NO_TAP)
  depth = {tap: number for number, tap in enumerate(taps)}
  table.insert(3, 'depth', table.tap.map(depth).astype(int))
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
