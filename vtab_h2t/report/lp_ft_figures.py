"""Draws LP-FT under shifts from the frames of `report.lp_ft_frames`."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import lp_ft_frames as frames
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

_STYLES = dict(zip(frames.ADAPTATIONS, plotting.STYLES))
_MOST_COLUMNS = 6  # Of panels in a row.


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
  width = max(13.0, 1.5 + 2.4 * len(accuracy))
  drawn = figure_lib.Figure(
    figsize=(width, 4.8 + 2.4 * rows), layout='constrained'
  )
  grid = drawn.add_gridspec(
    2 if rows else 1,
    2,
    width_ratios=[5, 8],
    height_ratios=[4.8, 2.4 * rows][: 2 if rows else 1],
  )
  left, right = (drawn.add_subplot(grid[0, i]) for i in range(2))
  if movement is None or movement.drop(columns=['pair', 'kind']).isna().all(
    axis=None
  ):
    right.set_visible(False)
  else:
    _movement(right, movement)
  if rows:
    below = list(
      drawn.add_subfigure(grid[1, :])
      .subplots(rows, min(len(panels), _MOST_COLUMNS), squeeze=False)
      .flat
    )
    for ax in below[len(panels) :]:
      ax.set_visible(False)
    for i, (ax, (pair, corruption)) in enumerate(zip(below, panels)):
      _severities(ax, severities, pair, corruption)
      if i % _MOST_COLUMNS == 0:
        ax.set_ylabel(plotting.PERCENT, fontsize=8)
  _points(left, accuracy)
  plotting.legend_below(drawn, left, right, columns=5, size=8)
  return drawn


def _panels(severities: pd.DataFrame) -> list[tuple[str, str]]:
  """Pair and corruption of each panel."""
  return list(
    severities[['pair', 'corruption']]
    .drop_duplicates()
    .itertuples(index=False, name=None)
  )


def _points(ax: 'axes_lib.Axes', accuracy: pd.DataFrame) -> None:
  """A point for each pair and adaptation; a pair's are joined from LP on."""
  for adaptation in frames.ADAPTATIONS:
    ax.plot(
      accuracy[f'{adaptation}_id'],
      accuracy[f'{adaptation}_ood'],
      label=frames.LABELS[adaptation],
      **_STYLES[adaptation] | {'linestyle': 'none'},
    )
  for line in accuracy.to_dict('records'):
    ax.plot(
      *(
        [line[f'{a}_{place}'] for a in frames.ADAPTATIONS]
        for place in frames.PLACES
      ),
      color='0.7',
      linewidth=0.8,
      zorder=0,
    )
  ax.set(
    xlabel='accuracy in distribution (%)',
    ylabel='accuracy out of distribution (%)',
  )
  x, y = (accuracy[f'{frames.LP}_{place}'] for place in frames.PLACES)
  plotting.name_points(ax, x, y, accuracy.pair)


def _movement(ax: 'axes_lib.Axes', movement: pd.DataFrame) -> None:
  """How far features moved, by pair, adaptation, and images.

  Points, as a logarithmic axis has no 0 for bars to begin at; those of images
  in distribution are full.
  """
  places = np.arange(len(movement))
  shown = [(a, place) for a in frames.TUNED for place in frames.PLACES]
  for i, (adaptation, place) in enumerate(shown):
    ax.plot(
      places + (i - (len(shown) - 1) / 2) * 0.8 / len(shown),
      movement[f'{adaptation}_{place}'],
      label=f'{frames.LABELS[adaptation]}, {place.upper()} (right)',
      fillstyle='full' if place == frames.ID else 'none',
      **_STYLES[adaptation] | {'linestyle': 'none'},
    )
  for border in places[1:] - 0.5:
    ax.axvline(border, color='0.85', linewidth=0.8)
  ax.set_yscale('log')
  ax.set_ylabel('mean l2 distance of features')
  ax.set_xticks(
    places,
    [pair.replace('.to.', '\nto ') for pair in movement.pair],
    fontsize=8,
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
  ax.set_title(f'{pair}\n{corruption}' if several else corruption, fontsize=9)
  ax.set_xlabel('severity', fontsize=8)
  ax.set_xticks(range(1, 6))
  ax.tick_params(labelsize=7)
