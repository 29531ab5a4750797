"""Draws what layers are worth, and of which layers features are selected.

Panels of Figures 4, 6 and 8, and Figures 9, 12 and 15, from the frames of
`report.tap_frames`; nothing is computed here but positions.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.report import plotting
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
  _ends(ax, list(table.tap))


def _ends(ax: 'axes_lib.Axes', names: list[str]) -> None:
  """Names places, of many the first and the last alone."""
  last = len(names) - 1
  places = range(len(names)) if len(names) < 4 else (0, last)
  ax.set_xticks(places, [names[i] for i in places], fontsize=7)
  if len(names) >= 4:
    left, right = ax.get_xticklabels()
    left.set_horizontalalignment('left')
    right.set_horizontalalignment('right')
  ax.set_xlim(-0.6, last + 0.6)


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


def correlations(ax: 'axes_lib.Axes', table: pd.DataFrame) -> None:
  """Layers by whom they help (Figure 8, right).

  Args:
    ax: axes.
    table: what `tap_frames.layer_correlations` gives.
  """
  ax.bar(table.depth, table.spearman, color='C0')
  ax.axhline(0, color='black', linewidth=0.8)
  ax.set_xticks(table.depth, table.tap, rotation=90, fontsize=6)
  ax.set_xlim(-1, table.depth.max() + 1)
  ax.set(
    ylim=(-1, 1),
    xlabel='additional layer, from the first to the last',
    ylabel='Spearman of improvement (%) and affinity',
  )


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
    _ends(ax, list(part.unit))
    ax.set_ylim(0, max(np.nextafter(0, 1), 1.08 * part.share.max()))
  return drawn
