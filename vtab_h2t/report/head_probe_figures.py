"""Draws head probing from the frames of `report.head_probe_frames`."""

from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import head_probe_frames as frames
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

_LINES = {frames.TRAIN: '-', frames.TEST: '--'}
_MISSED = 'common loss not reached'
_PANELS = {
  'l2': 'l2 distance / norm before',
  'cos': 'cosine distance',
  'dot': 'dot product / norm before$^2$',
  'norm': 'norm / norm before',
  'percent': 'test accuracy (%)',
}


def figure(table: pd.DataFrame) -> 'figure_lib.Figure':
  """Each measure against the energy; a row a head, a line a task and images.

  What did not reach the common training loss is a cross beside the lines.

  Args:
    table: what `head_probe_frames.figure` gives.
  """
  heads = sorted(table.hidden.unique())
  tasks = list(table.task.unique())
  drawn, axes = plotting.figure(len(heads), len(_PANELS), 2.3, 2.4)
  for i, ax in enumerate(axes):
    hidden = heads[i // len(_PANELS)]
    measure = list(_PANELS)[i % len(_PANELS)]
    # Lines first, so that the legend has each task's one after the other.
    for draw in (_line, _crosses):
      for task, style in zip(tasks, _cycled(len(tasks))):
        for images in _LINES:
          if measure == 'percent' and images == frames.TRAIN:
            continue  # Nearly all right, whatever tau is.
          part = table[
            (table.hidden == hidden)
            & (table.task == task)
            & (table.images == images)
          ].sort_values('energy', kind='stable')
          draw(ax, part, measure, task, images, style)
    ax.set_title(_PANELS[measure], fontsize=9)
    if measure == next(iter(_PANELS)):
      ax.set_ylabel(frames.head_name(hidden), fontsize=9)
    ax.set_xlabel('average initial energy', fontsize=8)
    ax.tick_params(labelsize=7)
  plotting.legend_below(drawn, *axes, columns=max(2, len(tasks)), size=9)
  return drawn


def _line(
  ax: 'axes_lib.Axes',
  part: pd.DataFrame,
  measure: str,
  task: str,
  images: str,
  style: dict[str, Any],
) -> None:
  """The line of a task's images; the legend is told of it if it is there."""
  joined = part[part.reached]
  if len(joined):
    ax.plot(
      joined.energy,
      joined[measure],
      label=f'{task}, {images} images',
      # Rings around dots, as both may lie at the same place.
      markersize=4 if images == frames.TRAIN else 7,
      **style | {'linestyle': _LINES[images]},
      fillstyle='full' if images == frames.TRAIN else 'none',
    )


def _crosses(
  ax: 'axes_lib.Axes',
  part: pd.DataFrame,
  measure: str,
  task: str,
  images: str,
  style: dict[str, Any],
) -> None:
  """What is not on `_line`; the legend is told of the larger crosses."""
  missed = part[~part.reached]
  if len(missed):
    large = images == frames.TEST
    ax.scatter(
      missed.energy,
      missed[measure],
      s=49 if large else 16,
      color=style['color'],
      marker='x',
      linewidths=0.8,
      label=f'{task}, {_MISSED}' if large else None,
    )


def _cycled(count: int) -> list[dict[str, Any]]:
  """As many styles as there are tasks."""
  return [plotting.STYLES[i % len(plotting.STYLES)] for i in range(count)]
