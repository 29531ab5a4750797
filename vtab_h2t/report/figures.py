"""Draws the paper's figures from the frames of `report.frames`.

Each function takes frames and returns a matplotlib figure; nothing is computed
here but positions.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import plotting
from vtab_h2t.report import statistics
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

LABELS = {
    'linear': 'Linear', 'scratch': 'Scratch', 'finetune': 'fine-tuning',
    'head2toe': 'Head2Toe', 'oracle': 'Oracle', 'control': 'Control',
    'features': 'features', 'taps_mean': 'taps, mean relevance',
    'taps_group': 'taps, group lasso',
}
AFFINITY = 'domain affinity: Linear − Scratch (points)'
PERCENT = 'test accuracy (%)'


def _by_task(ax, tasks) -> None:
  """Task names under an axis."""
  ax.set_xticks(range(len(tasks)), tasks, rotation=60, ha='right',
                rotation_mode='anchor', fontsize=8)


def _panels(tables: Mapping[str, pd.DataFrame], width=6.0):
  """A panel for each backbone, one below the other, titled by its name."""
  drawn, axes = plotting.figure(len(tables), 1, width, 3.8)
  for ax, name in zip(axes, tables):
    ax.set_title(name)
  return drawn, axes


def _legend_below(drawn, ax) -> None:
  drawn.legend(*ax.get_legend_handles_labels(), loc='outside lower center',
               ncols=4)


def figure2(tables: Mapping[str, pd.DataFrame]) -> 'figure_lib.Figure':
  """Linear, Scratch and fine-tuning, tasks in order of affinity.

  Args:
    tables: for each backbone what `frames.by_affinity` gives.
  """
  drawn, axes = _panels(tables)
  for ax, table in zip(axes, tables.values()):
    for method, style in zip(('linear', 'scratch', 'finetune'),
                             plotting.STYLES):
      ax.plot(range(len(table)), table[method], label=LABELS[method], **style)
    _by_task(ax, [f'{t} ({a:+.0f})'
                  for t, a in zip(table.task, table.affinity)])
    ax.set(ylabel=PERCENT, xlabel='task (domain affinity in points)')
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
    for i, (method, hatch) in enumerate((('head2toe', ''),
                                         ('finetune', '///'))):
      ax.bar(x + 0.4 * i - 0.2, table[f'{method}_gain'], 0.4, color=f'C{i}',
             hatch=hatch, edgecolor='black', linewidth=0.5,
             label=LABELS[method])
    ax.axhline(0, color='black', linewidth=0.8)
    _by_task(ax, [f'{t} ({a:+.0f})'
                  for t, a in zip(table.task, table.affinity)])
    ax.set(ylabel='gain over Linear (points)',
           xlabel='task (domain affinity in points)')
  _legend_below(drawn, axes[0])
  return drawn


def _scatter(ax: 'axes_lib.Axes', table, x, y, name='') -> None:
  """Tasks as points, groups by marker, with Spearman's rho; not yet named."""
  groups = [g for g in task_lib.GROUPS if g in set(table.group)]
  for i, (group, marker) in enumerate(zip(groups, plotting.MARKERS)):
    part = table[table.group == group]
    ax.scatter(part[x], part[y], marker=marker, color=f'C{i}', label=group)
  rho = statistics.spearman(table[x], table[y])
  ax.set_title(f'{name}: ' * bool(name) + f'Spearman {rho:+.3f}', fontsize=10)


def _group_bars(ax, table) -> None:
  """Methods side by side for the average and each group."""
  columns = [c for c in table.columns if c != 'method']
  width = 0.8 / len(table)
  for i, row in enumerate(table.to_dict('records')):
    ax.bar(np.arange(len(columns)) + width * (i - (len(table) - 1) / 2),
           [row[c] for c in columns], width, color=f'C{i}',
           hatch=('', '///', '...', 'xx')[i % 4], edgecolor='black',
           linewidth=0.5, label=LABELS.get(row['method'], row['method']))
  ax.set_xticks(range(len(columns)), columns)
  ax.set_ylabel(PERCENT)


def figure4(gains: pd.DataFrame | None, averages: pd.DataFrame
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
    left.set(xlabel=AFFINITY,
             ylabel='gain of the best tap over Linear (points)')
    left.legend(fontsize=8)
  _group_bars(right, averages)
  right.legend(fontsize=8)
  if gains is not None:
    plotting.name_points(left, gains.affinity, gains.oracle_gain, gains.task)
  return drawn


def _curves(ax, table, kinds, x, label) -> None:
  for (kind, part), style in zip(((k, table[table[kinds] == k])
                                  for k in table[kinds].unique()),
                                 plotting.STYLES):
    part = part.sort_values(x)
    ax.plot(part[x], part.percent, label=label(kind), markersize=4, **style)


def _grid(tasks):
  """A panel for each task and what hides the empty ones."""
  columns = min(5, len(tasks))
  rows = -(-len(tasks) // columns)
  # No smaller than a figure of one panel, for the words around it.
  drawn, axes = plotting.figure(rows, columns, max(2.6, 5.0 / columns),
                                max(2.2, 3.6 / rows))
  for ax in axes[len(tasks):]:
    ax.set_visible(False)
  for ax, task in zip(axes, tasks):
    ax.set_title(task, fontsize=9)
    ax.tick_params(labelsize=7)
  return drawn, axes


def figure6(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Single features, or whole taps: mean accuracy by number of features."""
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  _curves(ax, table, 'kind', 'num_features', LABELS.get)
  ax.set(xscale='log', xlabel='selected features (mean over tasks)',
         ylabel=f'{PERCENT}, mean over tasks')
  ax.legend()
  return drawn


def figure10(table: pd.DataFrame) -> 'figure_lib.Figure':
  """The same for each task."""
  tasks = list(table.task.unique())
  drawn, axes = _grid(tasks)
  for ax, task in zip(axes, tasks):
    _curves(ax, table[table.task == task], 'kind', 'num_features', LABELS.get)
    ax.set_xscale('log')
  axes[0].legend(fontsize=6)
  drawn.supxlabel('selected features')
  drawn.supylabel(PERCENT)
  return drawn


def _heatmap(drawn, ax, table, rows, columns, values, fmt, label) -> None:
  order = list(table[rows].unique())
  matrix = table.pivot(index=rows, columns=columns, values=values).loc[
      order, order]
  image = ax.imshow(matrix, cmap='Greys')
  middle = (np.nanmin(matrix) + np.nanmax(matrix)) / 2
  for i, j in np.ndindex(matrix.shape):
    value = matrix.iat[i, j]
    ax.text(j, i, fmt.format(value) if np.isfinite(value) else '', ha='center',
            va='center', fontsize=6, color='white' if value > middle else
            'black')
  ax.set_xticks(range(len(order)), order, rotation=60, ha='right',
                rotation_mode='anchor', fontsize=7)
  ax.set_yticks(range(len(order)), order, fontsize=7)
  drawn.colorbar(image, ax=ax, label=label, shrink=0.8)


def figure7(transfer: pd.DataFrame, scaling: pd.DataFrame
            ) -> 'figure_lib.Figure':
  """Left: other tasks' features. Right: more candidate features.

  Args:
    transfer: what `frames.transfer` gives.
    scaling: target_size, tap_stride, num_candidates, percent: means over tasks.
  """
  drawn, (left, right) = plotting.figure(1, 2, 6.0, 5.0)
  _heatmap(drawn, left, transfer, 'task', 'source', 'loss', '{:.1f}',
           'loss against the task\'s own features (points)')
  left.set(ylabel='task', xlabel='features selected for')
  _scaling(right, scaling)
  right.set_ylabel(f'{PERCENT}, mean over tasks')
  right.legend()
  return drawn


def _scaling(ax, table) -> None:
  _curves(ax, table, 'tap_stride', 'num_candidates',
          lambda stride: 'all taps' if stride == 1 else f'1/{stride} of taps')
  ax.set(xscale='log', xlabel='candidate features')


def figure14(table: pd.DataFrame) -> 'figure_lib.Figure':
  """More candidate features, for each task (also Figure 16)."""
  tasks = list(table.task.unique())
  drawn, axes = _grid(tasks)
  for ax, task in zip(axes, tasks):
    _scaling(ax, table[table.task == task])
    ax.set_xlabel('')
  axes[0].legend(fontsize=6)
  drawn.supxlabel('candidate features')
  drawn.supylabel(PERCENT)
  return drawn


def figure8(table: pd.DataFrame, printed: float | None = None
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
    ax.set_title(f'{ax.get_title()}; the paper prints {printed:+.3f}',
                 fontsize=10)
  ax.set(xlabel=f'domain affinity, {one} (points)',
         ylabel=f'domain affinity, {two} (points)')
  ax.legend(fontsize=8)
  plotting.name_points(ax, table[one], table[two], table.task)
  return drawn


def figure11(gains: Mapping[str, pd.DataFrame],
             overlap: pd.DataFrame | None = None,
             offset: pd.DataFrame | None = None) -> 'figure_lib.Figure':
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
    ax.set(xlabel=AFFINITY,
           ylabel='gain of Head2Toe over fine-tuning (points)')
  axes[0].legend(fontsize=8)
  rest = axes[len(gains):]
  if overlap is not None:
    _heatmap(drawn, rest[0], overlap, 'task', 'other', 'shared', '{:.2f}',
             'share of selected features in common')
    rest[0].set(xlabel='task', ylabel='task')
    rest[0].set_title('on the diagonal: of different seeds', fontsize=10)
    rest = rest[1:]
  if offset is not None:
    rest[0].plot(offset.offset, offset.percent, **plotting.STYLES[0])
    rest[0].set(xlabel='place of the first feature in the ranking',
                ylabel=f'{PERCENT}, mean over tasks')
  for ax, table in zip(axes, gains.values()):
    plotting.name_points(ax, table.affinity, table.head2toe_gain, table.task)
  return drawn


def figure12(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Of which taps the selected features are, for each task (also Figure 15)."""
  tasks = list(table.task.unique())
  drawn, axes = _grid(tasks)
  for ax, task in zip(axes, tasks):
    part = table[table.task == task]
    ax.bar(part.depth, 100 * part.share_of_selection, color='C0')
  drawn.supxlabel('tap, from the first to the last')
  drawn.supylabel('share of the selected features (%)')
  return drawn


def figure13(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Fewer training images.

  Args:
    table: method, train_fraction, percent: means over tasks.
  """
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  _curves(ax, table, 'method', 'train_fraction', LABELS.get)
  ax.set(xlabel='share of the training images',
         ylabel=f'{PERCENT}, mean over tasks')
  ax.legend()
  return drawn


def scores(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Other relevance scores: score, percent (means over tasks)."""
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  ordered = table.sort_values('percent')
  # Points, as bars that do not start at zero would mislead.
  ax.plot(ordered.percent, ordered.score, 'o', color='C0')
  ax.grid(axis='y', color='0.85')
  for i, value in enumerate(ordered.percent):
    ax.annotate(f'{value:.1f}', (value, i), (6, 0), va='center', fontsize=8,
                textcoords='offset points')
  ax.margins(x=0.12)
  ax.set_xlabel(f'{PERCENT}, mean over tasks')
  return drawn
