"""Draws surgical fine-tuning from the frames of `report.surgical_frames`."""

from typing import TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import companion_rows
from vtab_h2t.report import plotting
from vtab_h2t.report import run_names
from vtab_h2t.report import surgical_rows

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib


def figure(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Accuracy by tuned block for each kind of shift.

  A row for each network and number of labelled images, as more images may be
  measured on fewer targets. Points are the blocks and the last layer, a solid
  line is full fine-tuning, a dotted one the network as it was.

  Args:
    table: what `surgical_frames.figure_frames` gives.
  """
  rows = list(
    table[['network', 'shots']].drop_duplicates().itertuples(index=False)
  )
  kinds = [k for k in companion_rows.KINDS if k in set(table.kind)]
  drawn, axes = plotting.figure(len(rows), len(kinds), 3.0, 2.9)
  for i, ax in enumerate(axes):
    (network, shots), kind = rows[i // len(kinds)], kinds[i % len(kinds)]
    of_row = table[(table.network == network) & (table.shots == shots)]
    part = of_row[of_row.kind == kind].set_index('tuned')
    if part.empty:
      ax.set_visible(False)
      continue
    _panel(ax, part, _names(of_row))
    count = int(part.tasks.max())
    ax.set_title(
      f'{companion_rows.KINDS[kind]} ({count} target{"s" * (count != 1)})\n'
      f'{run_names.network(network)}, {shots} images a class',
      fontsize=8,
    )
    ax.set_ylabel(plotting.PERCENT if i % len(kinds) == 0 else '', fontsize=9)
    ax.tick_params(axis='y', labelsize=8)
  plotting.legend_below(drawn, *axes, columns=3, size=8)
  return drawn


def _names(of_row: pd.DataFrame) -> list[str]:
  """A network's blocks and the last layer, in the order of the frame."""
  lines = surgical_rows.NONE, surgical_rows.ALL
  found = [t for t in of_row.tuned.unique() if t not in lines]
  return sorted(found, key=lambda t: t == surgical_rows.LAST)


def _panel(ax: 'axes_lib.Axes', part: pd.DataFrame, names: list[str]) -> None:
  """The points and lines of one kind of shift, network and number of images.

  Args:
    ax: where.
    part: percent and error by what is tuned.
    names: of the points.
  """
  points = part.reindex(names)
  ax.errorbar(
    range(len(names)),
    points.percent,
    yerr=points.error,
    linestyle='none',
    marker='o',
    elinewidth=0.8,
    capsize=2,
    label='one block or the last layer',
  )
  ax.set_xlim(-0.5, len(names) - 0.5)
  for tuned, style, label in (
    (surgical_rows.ALL, '-', 'all layers'),
    (surgical_rows.NONE, ':', 'nothing tuned'),
  ):
    if tuned in part.index:
      ax.axhline(
        part.percent[tuned], color='black', linestyle=style, label=label
      )
  plotting.names_below(ax, names)
