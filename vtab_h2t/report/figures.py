"""Draws the domain-affinity plots from the frames of `report.frames`.

Each function takes frames and returns a matplotlib figure; nothing is computed
here but positions.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import plotting
from vtab_h2t.report import statistics
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

AFFINITY = 'domain affinity: Linear − Scratch (points)'


def _name_tasks(ax: 'axes_lib.Axes', tasks: Sequence[str]) -> None:
  """Task names under an axis."""
  ax.set_xticks(
    range(len(tasks)),
    tasks,
    rotation=60,
    ha='right',
    rotation_mode='anchor',
    fontsize=8,
  )


def _panels(
  tables: Mapping[str, pd.DataFrame],
) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A panel for each backbone, one below the other, titled by its name."""
  drawn, axes = plotting.figure(len(tables), 1, 6.0, 3.8)
  for ax, name in zip(axes, tables):
    ax.set_title(name)
  return drawn, axes


def _legend_below(drawn: 'figure_lib.Figure', ax: 'axes_lib.Axes') -> None:
  drawn.legend(
    *ax.get_legend_handles_labels(), loc='outside lower center', ncols=4
  )


def figure2(tables: Mapping[str, pd.DataFrame]) -> 'figure_lib.Figure':
  """Linear, Scratch and fine-tuning, tasks in order of affinity.

  Args:
    tables: for each backbone what `frames.by_affinity` gives.
  """
  drawn, axes = _panels(tables)
  for ax, table in zip(axes, tables.values()):
    for method, style in zip(
      ('linear', 'scratch', 'finetune'), plotting.STYLES
    ):
      ax.plot(
        range(len(table)), table[method], label=plotting.LABELS[method], **style
      )
    _name_tasks(
      ax, [f'{t} ({a:+.0f})' for t, a in zip(table.task, table.affinity)]
    )
    ax.set(ylabel=plotting.PERCENT, xlabel='task (domain affinity in points)')
  _legend_below(drawn, axes[0])
  return drawn


def figure3(tables: Mapping[str, pd.DataFrame]) -> 'figure_lib.Figure':
  """What Head2Toe and fine-tuning gain over Linear, by affinity.

  Args:
    tables: for each backbone what `frames.gains` gives.
  """
  drawn, axes = _panels(tables)
  for ax, table in zip(axes, tables.values()):
    x = np.arange(len(table))
    for i, (method, hatch) in enumerate(
      (('head2toe', ''), ('finetune', '///'))
    ):
      ax.bar(
        x + 0.4 * i - 0.2,
        table[f'{method}_gain'],
        0.4,
        color=f'C{i}',
        hatch=hatch,
        edgecolor='black',
        linewidth=0.5,
        label=plotting.LABELS[method],
      )
    ax.axhline(0, color='black', linewidth=0.8)
    _name_tasks(
      ax, [f'{t} ({a:+.0f})' for t, a in zip(table.task, table.affinity)]
    )
    ax.set(
      ylabel='gain over Linear (points)',
      xlabel='task (domain affinity in points)',
    )
  _legend_below(drawn, axes[0])
  return drawn


def _scatter(
  ax: 'axes_lib.Axes', table: pd.DataFrame, x: str, y: str, name: str = ''
) -> None:
  """Tasks as points, groups by marker, with Spearman's rho; not yet named."""
  groups = [g for g in task_lib.GROUPS if g in set(table.group)]
  for i, (group, marker) in enumerate(zip(groups, plotting.MARKERS)):
    part = table[table.group == group]
    ax.scatter(part[x], part[y], marker=marker, color=f'C{i}', label=group)
  rho = statistics.spearman(table[x], table[y])
  ax.set_title(f'{name}: ' * bool(name) + f'Spearman {rho:+.3f}', fontsize=10)


def _group_bars(ax: 'axes_lib.Axes', table: pd.DataFrame) -> None:
  """Methods side by side for the average and each group."""
  columns = [c for c in table.columns if c != 'method']
  width = 0.8 / len(table)
  for i, row in enumerate(table.to_dict('records')):
    ax.bar(
      np.arange(len(columns)) + width * (i - (len(table) - 1) / 2),
      [row[c] for c in columns],
      width,
      color=f'C{i}',
      hatch=('', '///', '...', 'xx')[i % 4],
      edgecolor='black',
      linewidth=0.5,
      label=plotting.LABELS.get(row['method'], row['method']),
    )
  ax.set_xticks(range(len(columns)), columns)
  ax.set_ylabel(plotting.PERCENT)


def figure4(
  gains: pd.DataFrame | None, averages: pd.DataFrame
) -> 'figure_lib.Figure':
  """Oracle: what the best additional tap gains; Control: a second network.

  Args:
    gains: task, group, affinity, `oracle_gain`; None where only averages are
      known (the paper's).
    averages: what `frames.group_means` gives.
  """
  if gains is None:
    drawn, (right,) = plotting.figure(1, 1, 5.0, 3.6)
  else:
    drawn, (left, right) = plotting.figure(1, 2, 5.0, 3.6)
    _scatter(left, gains, 'affinity', 'oracle_gain')
    left.axhline(0, color='black', linewidth=0.8)
    left.set(
      xlabel=AFFINITY, ylabel='gain of the best tap over Linear (points)'
    )
    plotting.legend(left, 8)
  _group_bars(right, averages)
  plotting.legend(right, 8)
  if gains is not None:
    plotting.name_points(left, gains.affinity, gains.oracle_gain, gains.task)
  return drawn


def figure8(
  table: pd.DataFrame, printed: float | None = None
) -> 'figure_lib.Figure':
  """Domain affinity under two backbones.

  Args:
    table: task, group, and the two backbones' columns.
    printed: Spearman's rho that the paper gives for it.
  """
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 4.4)
  one, two = [c for c in table.columns if c not in ('task', 'group')]
  _scatter(ax, table, one, two)
  if printed is not None:
    ax.set_title(
      f'{ax.get_title()}; the paper prints {printed:+.3f}', fontsize=10
    )
  ax.set(
    xlabel=f'domain affinity, {one} (points)',
    ylabel=f'domain affinity, {two} (points)',
  )
  plotting.legend(ax, 8)
  plotting.name_points(ax, table[one], table[two], table.task)
  return drawn


def figure11(
  gains: Mapping[str, pd.DataFrame],
  overlap: pd.DataFrame | None = None,
  offset: pd.DataFrame | None = None,
) -> 'figure_lib.Figure':
  """Left: gain over fine-tuning; middle: overlap; right: ranking.

  Args:
    gains: for each backbone task, group, affinity, `head2toe_gain` over
      fine-tuning; a panel each.
    overlap: what `frames.overlap` gives, or None.
    offset: offset, percent: means over tasks, or None.
  """
  count = len(gains) + (overlap is not None) + (offset is not None)
  drawn, axes = plotting.figure(1, count, 5.0, 4.2)
  for ax, (name, table) in zip(axes, gains.items()):
    _scatter(ax, table, 'affinity', 'head2toe_gain', name)
    ax.axhline(0, color='black', linewidth=0.8)
    ax.set(xlabel=AFFINITY, ylabel='gain of Head2Toe over fine-tuning (points)')
  plotting.legend(axes[0], 8)
  rest = axes[len(gains) :]
  if overlap is not None:
    plotting.heatmap(
      drawn,
      rest[0],
      overlap,
      ('task', 'other', 'shared'),
      '{:.2f}',
      'share of selected features in common',
    )
    rest[0].set(xlabel='task', ylabel='task')
    rest[0].set_title('on the diagonal: of different seeds', fontsize=10)
    rest = rest[1:]
  if offset is not None:
    rest[0].plot(offset.offset, offset.percent, **plotting.STYLES[0])
    rest[0].set(
      xlabel='place of the first feature in the ranking',
      ylabel=f'{plotting.PERCENT}, mean over tasks',
    )
  for ax, table in zip(axes, gains.values()):
    plotting.name_points(ax, table.affinity, table.head2toe_gain, table.task)
  return drawn
