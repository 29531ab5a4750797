"""Draws LP-FT under shifts from the frames of `report.lp_ft_frames`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import lp_ft_frames as frames
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

_STYLES = dict(zip(frames.ADAPTATIONS, plotting.STYLES))
_MOST_COLUMNS = 3  # Of panels of corruptions in a row.
_FILLED = {frames.ID: 'full', frames.OOD: 'none'}
_TITLES = {
  frames.ID: 'in distribution (ID)',
  frames.OOD: 'out of distribution (OOD)',
}


def figure(
  accuracy: pd.DataFrame,
  movement: pd.DataFrame | None = None,
  severities: pd.DataFrame | None = None,
) -> 'figure_lib.Figure':
  """Accuracy in and out of distribution; how far features moved; corruptions.

  Args:
    accuracy: what `lp_ft_frames.accuracy` gives, without the mean.
    movement: what `lp_ft_frames.movement` gives, or None.
    severities: what `lp_ft_frames.severities` gives, or None.
  """
  from matplotlib import figure as figure_lib

  panels = [] if severities is None else _panels(severities)
  rows = -(-len(panels) // _MOST_COLUMNS)
  heights = [4.2, 2.2 * rows] if rows else [4.2]
  width = max(10.0, 3 * (0.8 + 0.5 * len(accuracy)))
  drawn = figure_lib.Figure(
    figsize=(width, sum(heights) + 0.8), layout='constrained'
  )
  grid = drawn.add_gridspec(len(heights), 1, height_ratios=heights)
  above = drawn.add_subfigure(grid[0]).subplots(1, 3)
  for ax, place in zip(above, frames.PLACES):
    _by_pair(ax, accuracy, frames.ADAPTATIONS, [place])
    ax.set_title(_TITLES[place], fontsize=10)
  above[0].set_ylabel(plotting.PERCENT)
  if movement is None or movement.drop(columns=['pair', 'kind']).isna().all(
    axis=None
  ):
    above[2].set_visible(False)
  else:
    _by_pair(above[2], movement, frames.TUNED, frames.PLACES)
    plotting.log_scale(above[2], axis='y')
    above[2].set_ylabel('mean l2 distance of features')
    above[2].set_title('movement (full: ID, hollow: OOD)', fontsize=10)
  if rows:
    part = drawn.add_subfigure(grid[1])
    pairs = list(dict.fromkeys(pair for pair, _ in panels))
    if len(pairs) == 1:  # Else each panel says which it is of.
      part.suptitle(
        f'{_in_words(pairs[0])}, by corruption and how severe it is',
        fontsize=10,
      )
    below = list(
      part.subplots(rows, min(len(panels), _MOST_COLUMNS), squeeze=False).flat
    )
    for ax in below[len(panels) :]:
      ax.set_visible(False)
    for i, (ax, (pair, corruption)) in enumerate(zip(below, panels)):
      _severities(ax, severities, pair, corruption)
      if i % _MOST_COLUMNS == 0:
        ax.set_ylabel(plotting.PERCENT, fontsize=8)
  plotting.legend_below(drawn, *above, size=9)
  return drawn


def _panels(severities: pd.DataFrame) -> list[tuple[str, str]]:
  """Pair and corruption of each panel."""
  return list(
    severities[['pair', 'corruption']]
    .drop_duplicates()
    .itertuples(index=False, name=None)
  )


def _in_words(pair: str) -> str:
  """A pair's name with a space on both sides of its 'to'."""
  return pair.replace('.to.', ' to ')


def _by_pair(
  ax: 'axes_lib.Axes',
  table: pd.DataFrame,
  adaptations: Sequence[str],
  places: Sequence[str],
) -> None:
  """What a frame has of each pair, side by side by adaptation and images.

  Points, as neither axis has a 0 for bars to begin at.

  Args:
    ax: where.
    table: pair, `<adaptation>_<place>`.
    adaptations: of `lp_ft_frames.ADAPTATIONS`.
    places: of `lp_ft_frames.PLACES`; those out of distribution are hollow where
      both are shown.
  """
  pairs = np.arange(len(table))
  shown = [(a, place) for a in adaptations for place in places]
  for i, (adaptation, place) in enumerate(shown):
    values = table[f'{adaptation}_{place}']
    ax.plot(
      pairs + (i - (len(shown) - 1) / 2) * 0.8 / len(shown),
      values,
      label=frames.LABELS[adaptation] if values.notna().any() else None,
      fillstyle=_FILLED[place] if len(places) > 1 else 'full',
      markersize=5,
      **_STYLES[adaptation] | {'linestyle': 'none'},
    )
  for border in pairs[1:] - 0.5:
    ax.axvline(border, color='0.85', linewidth=0.8)
  ax.set_xlim(-0.5, len(table) - 0.5)
  plotting.names_below(
    ax, [pair.replace('.to.', '\nto ') for pair in table.pair], 8
  )


def _severities(
  ax: 'axes_lib.Axes', severities: pd.DataFrame, pair: str, corruption: str
) -> None:
  """Accuracy by severity, a line an adaptation."""
  part = severities[
    (severities.pair == pair) & (severities.corruption == corruption)
  ]
  for adaptation in frames.ADAPTATIONS:
    line = part[part.adaptation == adaptation].sort_values('severity')
    ax.plot(line.severity, line.percent, markersize=4, **_STYLES[adaptation])
  several = severities.pair.nunique() > 1
  ax.set_title(
    f'{_in_words(pair)}\n{corruption}' if several else corruption, fontsize=9
  )
  ax.set_xlabel('severity', fontsize=8)
  ax.set_xticks(range(1, 6))
  ax.tick_params(labelsize=7)
