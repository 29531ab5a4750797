"""Draws the studies' figures from the frames of `report.frames`.

Each function takes frames and returns a matplotlib figure; nothing is computed
here but positions.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib


def figure6(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Single features, or whole taps: mean accuracy by number of features."""
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  plotting.curves(ax, table, 'kind', 'num_features', plotting.LABELS.get)
  ax.set(
    xscale='log',
    xlabel='selected features (mean over tasks)',
    ylabel=f'{plotting.PERCENT}, mean over tasks',
  )
  plotting.legend(ax)
  return drawn


def figure10(table: pd.DataFrame) -> 'figure_lib.Figure':
  """The same for each task."""
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(tasks)
  for ax, task in zip(axes, tasks):
    plotting.curves(
      ax, table[table.task == task], 'kind', 'num_features', plotting.LABELS.get
    )
    plotting.log_scale(ax)
  plotting.legend(axes[0], 6)
  drawn.supxlabel('selected features')
  drawn.supylabel(plotting.PERCENT)
  return drawn


def figure7(
  transfer: pd.DataFrame, scaling: pd.DataFrame
) -> 'figure_lib.Figure':
  """Left: other tasks' features. Right: more candidate features.

  Args:
    transfer: what `frames.transfer` gives.
    scaling: target_size, tap_stride, num_candidates, percent: means over tasks.
  """
  drawn, (left, right) = plotting.figure(1, 2, 6.0, 5.0)
  plotting.heatmap(
    drawn,
    left,
    transfer,
    ('task', 'source', 'loss'),
    '{:.1f}',
    "loss against the task's own features (points)",
  )
  left.set(ylabel='task', xlabel='features selected for')
  _scaling(right, scaling)
  right.set(
    xscale='log',
    xlabel='candidate features',
    ylabel=f'{plotting.PERCENT}, mean over tasks',
  )
  plotting.legend(right)
  return drawn


def _scaling(ax: 'axes_lib.Axes', table: pd.DataFrame) -> None:
  """A curve for each share of the taps."""
  plotting.curves(
    ax,
    table,
    'tap_stride',
    'num_candidates',
    lambda stride: 'all taps' if stride == 1 else f'1/{stride} of taps',
  )


def figure14(table: pd.DataFrame) -> 'figure_lib.Figure':
  """More candidate features, for each task (also Figure 16)."""
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(tasks)
  for ax, task in zip(axes, tasks):
    _scaling(ax, table[table.task == task])
    plotting.log_scale(ax)
  plotting.legend(axes[0], 6)
  drawn.supxlabel('candidate features')
  drawn.supylabel(plotting.PERCENT)
  return drawn


def figure12(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Of which taps the selected features are, for each task (also Figure 15)."""
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(tasks)
  for ax, task in zip(axes, tasks):
    part = table[table.task == task]
    ax.stairs(
      100 * part.share_of_selection,
      np.append(part.depth, part.depth.max() + 1) - 0.5,
      fill=True,
    )
  drawn.supxlabel('tap, from the first to the last')
  drawn.supylabel('share of the selected features (%)')
  return drawn


def figure13(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Fewer training images.

  Args:
    table: method, train_fraction, percent: means over tasks.
  """
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  plotting.curves(ax, table, 'method', 'train_fraction', plotting.LABELS.get)
  ax.set(
    xlabel='share of the training images',
    ylabel=f'{plotting.PERCENT}, mean over tasks',
  )
  plotting.legend(ax)
  return drawn


def scores(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Other relevance scores: score, percent (means over tasks)."""
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  ordered = table.sort_values('percent')
  # Points, as bars that do not start at zero would mislead.
  ax.plot(ordered.percent, ordered.score, 'o', color='C0')
  ax.grid(axis='y', color='0.85')
  for i, value in enumerate(ordered.percent):
    ax.annotate(
      f'{value:.1f}',
      (value, i),
      (6, 0),
      va='center',
      fontsize=8,
      textcoords='offset points',
    )
  ax.margins(x=0.12)
  ax.set_xlabel(f'{plotting.PERCENT}, mean over tasks')
  return drawn
