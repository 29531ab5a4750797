"""Draws what layers are worth, and of which layers features are selected.

Figures 4, 9, 12 and 15, and panels of Figures 6 and 8, from the frames of
`report.tap_frames`; nothing is computed here but positions.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.report import numerals
from vtab_h2t.report import plotting
from vtab_h2t.report import point_names
from vtab_h2t.report import run_names
from vtab_h2t.report import scatter
from vtab_h2t.studies import granularity

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib


def by_layer(ax: 'axes_lib.Axes', table: pd.DataFrame) -> None:
  """Accuracy by additional layer, and Linear's as a line (Figures 4 and 9).

  Args:
    ax: axes.
    table: of `tap_frames.one_tap`, one task's.
  """
  ax.plot(
    table.depth,
    table.percent,
    label='one layer more',
    markersize=3,
    **plotting.STYLES[0],
  )
  ax.axhline(
    table.linear.iloc[0], color='black', linestyle='--', label='Linear'
  )
  _ends(ax, dict(zip(table.depth, table.tap)))


def _ends(ax: 'axes_lib.Axes', names: Mapping[int, str]) -> None:
  """Names places, of many the first and the last alone."""
  first, last = min(names), max(names)
  places = list(names) if len(names) < 4 else [first, last]
  ax.set_xticks(places, [names[i] for i in places], fontsize=7)
  if len(names) >= 4:
    left, right = ax.get_xticklabels()
    left.set_horizontalalignment('left')
    right.set_horizontalalignment('right')
  ax.set_xlim(-0.6, last + 0.6)


def _group_bars(
  ax: 'axes_lib.Axes', table: pd.DataFrame, digits: int, control: str = ''
) -> None:
  """Methods side by side for the average and each group, in percent.

  Args:
    ax: axes.
    table: what `frames.group_means` gives.
    digits: of the numbers on the bars.
    control: the network that the Control reads, where it is known.
  """
  labels = dict(plotting.LABELS)
  if control:
    labels['control'] += f': {control}'
  columns = [c for c in table.columns if c != 'method']
  width = 0.8 / len(table)
  for i, row in enumerate(table.to_dict('records')):
    bars = ax.bar(
      np.arange(len(columns)) + width * (i - (len(table) - 1) / 2),
      [row[c] for c in columns],
      width,
      color=f'C{i}',
      hatch=plotting.HATCHES[i % len(plotting.HATCHES)],
      edgecolor='black',
      linewidth=0.5,
      label=labels.get(row['method'], row['method']),
    )
    ax.bar_label(bars, fmt=f'%.{digits}f', fontsize=6)
  ax.set_xticks(range(len(columns)), columns)
  ax.set(ylabel=plotting.PERCENT, ylim=(0, 100), yticks=range(0, 101, 20))
  # Numbers stand where its line would be.
  ax.spines[['top', 'right']].set_visible(False)
  ax.legend(
    fontsize=8,
    loc='lower center',
    bbox_to_anchor=(0.5, 1.04),  # Numbers on bars of 100 % stand below it.
    ncols=len(table),
    frameon=False,
  )


def figure4(
  averages: pd.DataFrame,
  gains: pd.DataFrame | None = None,
  taps: pd.DataFrame | None = None,
  control: pd.DataFrame | None = None,
) -> 'figure_lib.Figure':
  """Left: the Oracle's gain; right: two tasks by layer; averages.

  Args:
    averages: what `frames.group_means` gives.
    gains: task, group, affinity, `oracle_gain`, `shown`; None where only
      averages are known (the paper's).
    taps: what `tap_frames.one_tap` gives, with `gains`.
    control: the Control's network, in the column `backbone`; None where it is
      not known.
  """
  if gains is None or taps is None:
    drawn, (right,) = plotting.figure(1, 1, 5.0, 3.6)
    _group_bars(right, averages, digits=2)  # As they are printed.
    return drawn
  from matplotlib import figure as figure_lib

  drawn = figure_lib.Figure(figsize=(12.0, 6.0), layout='constrained')
  # Names stand beside points on the left, so that it needs most.
  grid = drawn.add_gridspec(2, 4, width_ratios=(1.2, 1.2, 1, 1))
  left, right = (
    drawn.add_subplot(grid[p]) for p in (np.s_[:, :2], np.s_[1, 2:])
  )
  scatter.draw(left, gains, 'affinity', 'oracle_gain')
  left.axhline(0, color='black', linewidth=0.8)
  left.set(
    xlabel=scatter.AFFINITY,
    ylabel='gain of the best layer over Linear (points)',
  )
  shown = gains[gains.shown]
  for place, row in enumerate(shown.itertuples()):
    ax = drawn.add_subplot(
      grid[0, 2:] if len(shown) == 1 else grid[0, 2 + place]
    )
    by_layer(ax, taps[taps.task == row.task])
    ax.set_title(
      f'{row.task} (affinity {numerals.signed(row.affinity)})', fontsize=9
    )
    ax.set_xlabel('additional layer', fontsize=8)
    if not place:
      ax.set_ylabel(plotting.PERCENT)
      plotting.legend(ax, 7)
  _group_bars(
    right,
    averages,
    digits=1,
    control=''
    if control is None
    else run_names.network(control.backbone.item()),
  )
  point_names.write(left, gains.affinity, gains.oracle_gain, gains.task)
  return drawn


def figure9(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Accuracy by additional layer, a panel for each task.

  Args:
    table: what `tap_frames.one_tap` gives.
  """
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(
    tasks, 'additional layer, first to last', plotting.PERCENT
  )
  for ax, task in zip(axes, tasks):
    by_layer(ax, table[table.task == task])
  plotting.legend_below(drawn, axes[0])
  return drawn


def correlations(
  ax: 'axes_lib.Axes', table: pd.DataFrame, network: str
) -> None:
  """Layers by whom they help (Figure 8, right).

  Args:
    ax: axes.
    table: what `tap_frames.layer_correlations` gives.
    network: whose layers and affinities they are.
  """
  ax.bar(table.depth, table.spearman, color='C0')
  ax.axhline(0, color='black', linewidth=0.8)
  ax.set_xticks(table.depth, table.tap, rotation=90, fontsize=6)
  ax.set_xlim(-1, table.depth.max() + 1)
  ax.set(
    ylim=(-1, 1),
    xlabel='additional layer, from the first to the last',
    ylabel='Spearman of improvement (%) and affinity',
    title=f'{network} ({_range(table.tasks)} tasks)',
  )


def _range(numbers: 'pd.Series[int]') -> str:
  """Of numbers that are mostly alike."""
  least, most = numbers.min(), numbers.max()
  return f'{most}' if least == most else f'{least} to {most}'


def distribution(ax: 'axes_lib.Axes', table: pd.DataFrame) -> None:
  """Layers of selected features and layers (Figure 6, right).

  Args:
    ax: axes.
    table: what `tap_frames.layers` gives.
  """
  taps = list(table.tap[table.kind == granularity.FEATURES])
  # Of each unit there is one, so that the unit's name, which is shorter, does.
  names = [backbone_lib.unit_of(tap) for tap in taps]
  kinds = granularity.FEATURES, granularity.TAPS_MEAN
  for i, (kind, hatch) in enumerate(zip(kinds, ('', '///'))):
    part = table[table.kind == kind]
    ax.bar(
      part.depth + 0.4 * i - 0.2,
      part.share,
      0.4,
      color=f'C{i}',
      hatch=hatch,
      edgecolor='black',
      linewidth=0.5,
      label=plotting.LABELS[kind],
    )
  ax.set_xticks(range(len(taps)), names, rotation=90, fontsize=9)
  ax.set_xlim(-1, len(taps))
  kept = table.kept[table.kind == granularity.FEATURES].sum()
  ax.set(
    xlabel='layer, from the first to the last',
    ylabel=f'share of the {kept:.0f} selected features',
    title=table.task.iloc[0],
  )
  plotting.legend(ax, 8)


def figure12(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Of which blocks features are, a panel for each task (also Figure 15).

  Args:
    table: what `tap_frames.units` gives.
  """
  tasks = list(table.task.unique())
  drawn, axes = plotting.by_task(
    tasks, 'block, first to last', 'share of the selected features'
  )
  for ax, task in zip(axes, tasks):
    part = table[table.task == task]
    ax.bar(part.depth, part.share, 0.9, color='C0')
    _ends(ax, dict(enumerate(part.unit)))
    ax.set_ylim(0, max(np.nextafter(0, 1), 1.08 * part.share.max()))
  return drawn
