"""Draws the studies' figures from the frames of `report.study_frames`.

Each function takes frames and returns a matplotlib figure; nothing is computed
here but positions.
"""

from collections.abc import Mapping
from typing import Literal, TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import numerals
from vtab_h2t.report import plotting
from vtab_h2t.report import run_names
from vtab_h2t.report import study_frames
from vtab_h2t.report import tap_figures
from vtab_h2t.studies import granularity

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib
  from matplotlib import lines as lines_lib

# Figures 7, 14 and 16: the share of layers by line, the group by colour.
_Line = Literal['-', '--', ':']
_LINES: dict[int, _Line] = {16: '-', 4: '--', 1: ':'}
_COLOURS = {
  study_frames.GROUP_1: ('red', 'o'),
  study_frames.GROUP_2: ('blue', 's'),
}


def _mean_percent(table: pd.DataFrame) -> str:
  """What an axis says of means over tasks."""
  return f'{plotting.PERCENT}, {plotting.mean_over(table)}'


def figure6(
  table: pd.DataFrame,
  layers: pd.DataFrame | None = None,
  oracle: pd.DataFrame | None = None,
) -> 'figure_lib.Figure':
  """Left: features or whole layers; right: of which layers they are.

  Args:
    table: kind, num_features, percent, tasks: means over so many tasks.
    layers: what `tap_frames.layers` gives, or None.
    oracle: percent, num_features: means over the same tasks; or None.
  """
  widths = [5.0]
  if layers is not None:
    widths.append(max(5.0, 1.5 + 0.25 * layers.tap.nunique()))
  drawn, (ax, *rest) = plotting.side_by_side(widths, 4.2)
  _by_number(ax, table, oracle, plotting.LABELS)
  ax.set(xlabel='selected features', ylabel=_mean_percent(table))
  plotting.legend(ax, 8)
  if layers is not None:
    tap_figures.distribution(rest[0], layers)
  return drawn


# What Figure 6 compares, for those who do not know the paper's words.
_IN_WORDS = {
  granularity.FEATURES: 'features one by one (Head2Toe)',
  granularity.TAPS_MEAN: 'whole layers, by mean relevance',
  granularity.TAPS_GROUP: 'whole layers, by group lasso',
  'oracle': 'Oracle: embedding and the best layer of each task\n'
  '(looks at the test images)',
}


def figure6_curves(
  table: pd.DataFrame, oracle: pd.DataFrame | None = None
) -> 'figure_lib.Figure':
  """The left part of `figure6` in plain words, to be read in a narrow column.

  Args:
    table: as of `figure6`.
    oracle: as of `figure6`.
  """
  drawn, (ax,) = plotting.figure(1, 1, 6.4, 4.6)
  _by_number(ax, table, oracle, _IN_WORDS)
  ax.set(xlabel='number of features kept', ylabel=_mean_percent(table))
  plotting.legend_below(drawn, ax, columns=1)
  return drawn


def _by_number(
  ax: 'axes_lib.Axes',
  table: pd.DataFrame,
  oracle: pd.DataFrame | None,
  labels: Mapping[str, str],
) -> None:
  """Mean accuracy by how many features are kept, and the Oracle's."""
  plotting.curves(ax, table, 'kind', 'num_features', labels.get)
  if oracle is not None:
    ax.plot(
      oracle.num_features,
      oracle.percent,
      '*',
      color='black',
      markersize=10,
      label=labels['oracle'],
    )
  plotting.log_scale(ax)


def figure10(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Features or whole layers, for each task."""
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(tasks, 'selected features', plotting.PERCENT)
  for ax, task in zip(axes, tasks):
    plotting.curves(
      ax, table[table.task == task], 'kind', 'num_features', plotting.LABELS.get
    )
    plotting.log_scale(ax)
  plotting.legend_below(drawn, axes[0])
  return drawn


_CHANGE = 'source', 'task', 'change'


def figure7(
  transfer: pd.DataFrame, scaling: pd.DataFrame, groups: pd.DataFrame
) -> 'figure_lib.Figure':
  """Left: other tasks' features. Right: more candidate features.

  Args:
    transfer: what `study_frames.transfer` gives.
    scaling: what `study_frames.scaling_by_set` gives.
    groups: what `study_frames.task_sets` gives.
  """
  size = plotting.heatmap_size(transfer, _CHANGE)
  drawn, (left, right, aside) = plotting.side_by_side(
    (size, 5.0, 1.4), max(4.6, 0.85 * size)
  )
  plotting.heatmap(
    drawn,
    left,
    transfer,
    _CHANGE,
    numerals.signed,
    "change against the task's own features (points)",
    diverging=True,
  )
  left.set(ylabel='features selected with', xlabel='used for')
  _scaling_of_groups(right, aside, scaling, groups)
  return drawn


def figure14(
  scaling: pd.DataFrame, groups: pd.DataFrame
) -> 'figure_lib.Figure':
  """More candidate features of a ViT; of `figure7` the right part."""
  drawn, (ax, aside) = plotting.side_by_side((5.0, 1.4), 4.2)
  _scaling_of_groups(ax, aside, scaling, groups)
  return drawn


def _scaling_of_groups(
  ax: 'axes_lib.Axes',
  aside: 'axes_lib.Axes',
  table: pd.DataFrame,
  groups: pd.DataFrame,
) -> None:
  """Curves of both groups by target size, and beside them whose they are."""
  for (name, stride), part in table.groupby(['set', 'tap_stride']):
    colour, marker = _COLOURS[name]
    ax.plot(
      part.target_size,
      part.percent,
      color=colour,
      marker=marker,
      markersize=4,
      linestyle=_LINES[stride],
    )
  handles = [
    _handle(_COLOURS[name][0], '-', name, _COLOURS[name][1])
    for name in _COLOURS
    if name in set(table.set)
  ] + [
    _handle('black', line, _share(stride))
    for stride, line in _LINES.items()
    if stride in set(table.tap_stride)
  ]
  if handles:
    ax.legend(  # Above the axes, where it covers no curve.
      handles=handles,
      fontsize=7,
      loc='lower center',
      bbox_to_anchor=(0.5, 1.0),
      ncols=len(handles),
      frameon=False,
      handletextpad=0.4,
      columnspacing=0.8,
    )
  ax.set(
    xlabel='target size T of each layer',
    ylabel=f'{plotting.PERCENT},\nmean over the tasks of a group',
  )
  plotting.log_scale(ax, sorted(set(table.target_size)))
  aside.set_axis_off()
  lines = 2 + len(groups)
  y = 1.0
  for name, (colour, _) in _COLOURS.items():
    names = list(groups.task[groups.set == name])
    for i, text in enumerate([name, *names] if names else ()):
      aside.text(
        0,
        y,
        text,
        color=colour,
        va='top',
        fontsize=7,
        fontweight='normal' if i else 'bold',
        transform=aside.transAxes,
      )
      y -= min(0.05, 0.9 / lines)
    y -= min(0.05, 0.9 / lines)


def _handle(
  colour: str, line: _Line, label: str, marker: str | None = None
) -> 'lines_lib.Line2D':
  """What a legend shows of a curve."""
  from matplotlib import lines

  return lines.Line2D(
    [],
    [],
    color=colour,
    linestyle=line,
    marker=marker,
    markersize=4,
    label=label,
  )


def _share(stride: int) -> str:
  """How many of the layers are used."""
  return 'all layers' if stride == 1 else f'1/{stride} of the layers'


def figure16(table: pd.DataFrame) -> 'figure_lib.Figure':
  """More candidate features, for each task.

  Args:
    table: what `study_frames.scaling` gives.
  """
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(
    tasks, 'target size T of each layer', plotting.PERCENT
  )
  for ax, task in zip(axes, tasks):
    of_task = table[table.task == task]
    for stride, line in _LINES.items():
      part = of_task[of_task.tap_stride == stride].sort_values('target_size')
      if len(part):
        ax.plot(
          part.target_size,
          part.percent,
          color='C0',
          marker='o',
          markersize=3,
          linestyle=line,
          label=_share(stride),
        )
    plotting.log_scale(ax, sorted(set(of_task.target_size)))
  plotting.legend_below(drawn, axes[0])
  return drawn


def figure13(mean: pd.DataFrame, table: pd.DataFrame) -> 'figure_lib.Figure':
  """Fewer training images: the mean over tasks, then each task.

  Args:
    mean: method, train_fraction, percent, tasks: means over so many tasks.
    table: what `frames.reduced` gives.
  """
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(
    [plotting.mean_over(mean), *tasks],
    'fraction of the training images',
    plotting.PERCENT,
  )
  for ax, part in zip(axes, [mean, *(table[table.task == t] for t in tasks)]):
    plotting.curves(ax, part, 'method', 'train_fraction', plotting.LABELS.get)
    ax.set_xlim(0, 1.05)
  plotting.legend_below(drawn, axes[0])
  return drawn


def coefficient(table: pd.DataFrame) -> 'figure_lib.Figure':
  """The group lasso's coefficient.

  Args:
    table: coefficient, percent, tasks: means over so many tasks.
  """
  drawn, (ax,) = plotting.figure(1, 1, 5.0, 3.6)
  ordered = table.sort_values('coefficient')
  # Places of equal distance, as 0 has none on a logarithmic axis.
  ax.plot(np.arange(len(ordered)), ordered.percent, **plotting.STYLES[0])
  ax.set_xticks(
    range(len(ordered)), [f'{value:g}' for value in ordered.coefficient]
  )
  ax.set(xlabel='coefficient of the group lasso', ylabel=_mean_percent(table))
  return drawn


def scores(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Other relevance scores.

  Args:
    table: score, percent, tasks: means over so many tasks.
  """
  drawn, (ax,) = plotting.figure(1, 1, 6.4, 3.6)
  ordered = table.sort_values('percent')
  # Points, as bars that do not start at zero would mislead.
  names = [run_names.SCORES[score] for score in ordered.score]
  ax.plot(ordered.percent, names, 'o', color='C0')
  ax.grid(axis='y', color='0.85')
  for i, value in enumerate(ordered.percent):
    ax.annotate(
      numerals.number(value),
      (value, i),
      (6, 0),
      va='center',
      fontsize=8,
      textcoords='offset points',
    )
  ax.margins(x=0.16)
  ax.set_xlabel(_mean_percent(table))
  return drawn
