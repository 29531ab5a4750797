"""Draws the domain-affinity plots: Figures 2, 3, 8 and 11.

Each function takes frames and returns a matplotlib figure; nothing is computed
here but positions.
"""

from collections.abc import Mapping
import functools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import frames
from vtab_h2t.report import numerals
from vtab_h2t.report import plotting
from vtab_h2t.report import point_names
from vtab_h2t.report import run_names
from vtab_h2t.report import scatter
from vtab_h2t.report import tap_figures

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

_ASCENDING = 'tasks by domain affinity (in brackets, points)'


def _with_affinity(name: str, affinity: float) -> str:
  """A task or group, in brackets its affinity as precise as Table 1 is."""
  return f'{name} ({numerals.signed(affinity)})'


def _title(key: str) -> str:
  """Whose numbers a panel has, in words.

  Args:
    key: of the tables of `making_figures.affinity`.
  """
  network = run_names.network(key.removesuffix(frames.PUBLISHED))
  return network + ', as published' * key.endswith(frames.PUBLISHED)


def _panels(
  tables: Mapping[str, pd.DataFrame],
) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A panel for each backbone, one below the other, titled by its name."""
  drawn, axes = plotting.figure(len(tables), 1, 7.0, 4.3)
  for ax, name in zip(axes, tables):
    ax.set_title(_title(name))
  return drawn, axes


_SIZE = 9  # In points, of names and numbers, for columns 480 pixels wide.
_SHORT = 0.01  # Of the longest bar: in a shorter one no colour can be seen.


def figure2(tables: Mapping[str, pd.DataFrame]) -> 'figure_lib.Figure':
  """What Head2Toe gains over Linear, tasks by affinity.

  Each bar has its number. One that is too short for its colour to be seen ends
  in a point of its group's colour and marker.

  Args:
    tables: for each backbone what `frames.gains` gives over Linear.
  """
  # Of few tasks the figure is narrow, so that its words are large in a column.
  most = max(map(len, tables.values()))
  drawn, axes = plotting.figure(len(tables), 1, max(5.4, 0.37 * most), 4.4)
  for ax, (name, table) in zip(axes, tables.items()):
    ax.set_title(_title(name))
    reach = table.head2toe_gain.abs().max()
    for i, group in scatter.groups(table):
      where = np.flatnonzero(table.group == group)
      gains = table.head2toe_gain.to_numpy()[where]
      ax.bar(
        where,
        gains,
        0.8,
        color=f'C{i}',
        hatch=plotting.HATCHES[i % len(plotting.HATCHES)],
        edgecolor='black',
        linewidth=0.5,
        label=group,
      )
      for place, gain in zip(where, gains):
        if np.isfinite(gain):
          _end(
            ax, float(place), gain, i if abs(gain) <= _SHORT * reach else None
          )
    ax.axhline(0, color='black', linewidth=0.8)
    ax.margins(y=0.1)
    plotting.names_below(
      ax,
      [_with_affinity(*of) for of in zip(table.task, table.affinity)],
      _SIZE,
    )
    ax.set(ylabel='Head2Toe − Linear (points)', xlabel=_ASCENDING)
  plotting.legend_below(drawn, *axes)
  return drawn


def _end(
  ax: 'axes_lib.Axes', place: float, gain: float, group: int | None
) -> None:
  """Writes a bar's number at its end, and draws the point of a group there."""
  if group is not None:
    ax.plot(
      place,
      gain,
      plotting.MARKERS[group % len(plotting.MARKERS)],
      color=f'C{group}',
      markeredgecolor='black',
      markeredgewidth=0.5,
      markersize=6,
      zorder=3,  # Above the line at 0.
      clip_on=False,
    )
  text = numerals.number(gain)
  below = text.startswith('-')
  away = 2 if group is None else 5
  ax.annotate(
    text,
    (place, gain),
    (0, -away if below else away),
    textcoords='offset points',
    ha='center',
    va='top' if below else 'bottom',
    fontsize=_SIZE,
  )


def figure3(tables: Mapping[str, pd.DataFrame]) -> 'figure_lib.Figure':
  """Linear, fine-tuning and Scratch: tasks and groups by affinity.

  Args:
    tables: for each backbone what `frames.with_groups` gives.
  """
  drawn, axes = _panels(tables)
  for ax, table in zip(axes, tables.values()):
    is_task = (table.kind == frames.TASK).to_numpy()
    # A gap between tasks and groups.
    places = np.arange(len(table)) + ~is_task
    for method, style in zip(
      ('linear', 'finetune', 'scratch'), plotting.STYLES
    ):
      for part, label in (
        (is_task, plotting.LABELS[method]),
        (~is_task, None),
      ):
        ax.plot(places[part], table[method][part], label=label, **style)
    ax.axvline(is_task.sum(), color='0.6', linewidth=0.8)
    plotting.names_below(
      ax,
      [_with_affinity(*of) for of in zip(table.name, table.affinity)],
      places=places.tolist(),
    )
    for text in ax.get_xticklabels()[is_task.sum() :]:
      text.set_fontweight('bold')
    ax.set(ylabel=plotting.PERCENT, xlabel=f'{_ASCENDING}, then groups')
  plotting.legend_below(drawn, axes[0])
  return drawn


def figure8(
  table: pd.DataFrame,
  layers: pd.DataFrame | None = None,
  printed: float | None = None,
) -> 'figure_lib.Figure':
  """Left: affinity under two backbones; right: whom each layer helps.

  Args:
    table: task, group, and the two backbones' columns.
    layers: what `tap_frames.layer_correlations` gives of the first, or None.
    printed: Spearman's rho that the paper gives for the left part.
  """
  one, two = [c for c in table.columns if c not in ('task', 'group')]
  if layers is None:
    drawn, (ax,) = plotting.figure(1, 1, 5.0, 4.4)
  else:
    drawn, (ax, right) = plotting.side_by_side(
      (5.0, max(4.0, 1.5 + 0.13 * len(layers))), 4.6
    )
    tap_figures.correlations(right, layers, run_names.network(one))
  scatter.draw(
    ax,
    table,
    one,
    two,
    more='' if printed is None else f'; the paper prints {printed:+.3f}',
  )
  ax.set(
    xlabel=f'domain affinity (points)\n{run_names.network(one)}',
    ylabel=f'{run_names.network(two)}\ndomain affinity (points)',
  )
  point_names.write(ax, table[one], table[two], table.task)
  return drawn


_OVERLAP = 'task', 'other', 'shared'


def figure11(
  gains: Mapping[str, pd.DataFrame],
  overlap: pd.DataFrame | None = None,
  offset: pd.DataFrame | None = None,
) -> 'figure_lib.Figure':
  """Left: gain over fine-tuning; centre: overlap; right: ranking.

  Args:
    gains: for each backbone task, group, affinity, `head2toe_gain` over
      fine-tuning; a panel each.
    overlap: what `study_frames.overlap` gives, or None.
    offset: offset, percent, tasks: means over so many tasks; or None.
  """
  widths, height = [5.0] * len(gains), 4.2
  if overlap is not None:
    widths.append(plotting.heatmap_size(overlap, _OVERLAP))
    height = max(height, 0.8 * widths[-1])
  if offset is not None:
    widths.append(4.2)
  drawn, axes = plotting.side_by_side(widths, height)
  for ax, (name, table) in zip(axes, gains.items()):
    scatter.draw(ax, table, 'affinity', 'head2toe_gain', _title(name))
    ax.axhline(0, color='black', linewidth=0.8)
    ax.set(
      xlabel=scatter.AFFINITY,
      ylabel='gain of Head2Toe over fine-tuning (points)',
    )
  rest = axes[len(gains) :]
  if overlap is not None:
    plotting.heatmap(
      drawn,
      rest[0],
      overlap,
      _OVERLAP,
      functools.partial(numerals.number, digits=2),
      'share of the selected features in common',
    )
    rest[0].set(xlabel='task', ylabel='task')
    rest[0].set_title('on the diagonal: of different seeds', fontsize=10)
    rest = rest[1:]
  if offset is not None:
    rest[0].plot(offset.offset, offset.percent, **plotting.STYLES[0])
    rest[0].locator_params(axis='x', nbins=5)  # Numbers have five digits.
    if len(offset) > 1:
      each = offset.offset.iloc[1] - offset.offset.iloc[0]
      rest[0].set_title(
        f'{each:,} features each, from this place on', fontsize=10
      )
    # The words beside the matrix are not this panel's.
    drawn.set_layout_engine('constrained', w_pad=0.2)
    rest[0].set(
      xlabel='place in the ranking of the first feature',
      ylabel=f'{plotting.PERCENT}, {plotting.mean_over(offset)}',
    )
  for ax, table in zip(axes, gains.values()):
    point_names.write(ax, table.affinity, table.head2toe_gain, table.task)
  return drawn
