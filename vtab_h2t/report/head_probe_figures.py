"""Draws head probing from the frames of `report.head_probe_frames`."""

from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import head_probe_frames as frames
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import figure as figure_lib

_LINES = {frames.TRAIN: '-', frames.TEST: '--'}
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
  drawn, axes = plotting.figure(len(heads), len(_PANELS), 2.9, 2.6)
  for i, ax in enumerate(axes):
    hidden = heads[i // len(_PANELS)]
    measure = list(_PANELS)[i % len(_PANELS)]
    for task, style in zip(tasks, _cycled(len(tasks))):
      for images, line in _LINES.items():
        if measure == 'percent' and images == frames.TRAIN:
          continue  # Nearly all right, whatever tau is.
        part = table[
          (table.hidden == hidden)
          & (table.task == task)
          & (table.images == images)
        ].sort_values('energy', kind='stable')
        missed = part[~part.reached]
        part = part[part.reached]
        ax.scatter(
          missed.energy,
          missed[measure],
          s=16 if images == frames.TRAIN else 49,
          color=style['color'],
          marker='x',
          linewidths=0.8,
        )
        ax.plot(
          part.energy,
          part[measure],
          label=f'{task}, {images} images',
          # Rings around dots, as both may lie at the same place.
          markersize=4 if images == frames.TRAIN else 7,
          **style | {'linestyle': line},
          fillstyle='full' if images == frames.TRAIN else 'none',
        )
    ax.set_title(f'{_PANELS[measure]}, {frames.head_name(hidden)}', fontsize=8)
    ax.set_xlabel('average initial energy', fontsize=8)
    ax.tick_params(labelsize=7)
  plotting.legend_below(drawn, axes[0], columns=max(2, len(tasks)), size=8)
  return drawn


def _cycled(count: int) -> list[dict[str, Any]]:
  """As many styles as there are tasks."""
  return [plotting.STYLES[i % len(plotting.STYLES)] for i in range(count)]
