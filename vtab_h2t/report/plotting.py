"""What all figures share: sizes, styles that read in grey, saving."""

from collections.abc import Sequence
import pathlib
from typing import TYPE_CHECKING

from vtab_h2t import files

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

# Marker and line style tell curves apart without colour.
STYLES = ({'color': 'C0', 'marker': 'o', 'linestyle': '-'},
          {'color': 'C1', 'marker': 's', 'linestyle': '--'},
          {'color': 'C2', 'marker': '^', 'linestyle': ':'},
          {'color': 'C3', 'marker': 'D', 'linestyle': '-.'})
MARKERS = 'os^D'


def figure(rows: int, columns: int, width: float = 3.6, height: float = 3.2
           ) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A figure and its axes, row by row; sizes of one panel in inches."""
  from matplotlib import figure as figure_lib
  drawn = figure_lib.Figure(figsize=(width * columns, height * rows),
                            layout='constrained')
  return drawn, list(drawn.subplots(rows, columns, squeeze=False).flat)


def name_points(ax: 'axes_lib.Axes', x: Sequence[float], y: Sequence[float],
                names: Sequence[str]) -> None:
  """Writes names beside points so that few meet, as the last of a figure."""
  import adjustText
  ax.margins(0.2, 0.15)
  # Places are those of the final layout, which is only known once it is drawn.
  ax.figure.draw_without_rendering()
  texts = [ax.text(*one, fontsize=6) for one in zip(x, y, names)]
  legend = ax.get_legend()
  # A number of iterations, as time would make figures differ.
  adjustText.adjust_text(
      texts, list(x), list(y), ax=ax, iter_lim=200, expand=(1.2, 1.6),
      objects=[legend] if legend else None, arrowprops={
          'arrowstyle': '-', 'color': '0.6', 'linewidth': 0.5})


def note(drawn: 'figure_lib.Figure', text: str) -> None:
  """Says above a figure where its numbers come from."""
  drawn.suptitle(text, x=0.99, ha='right', fontsize=7, color='0.3')


def save(drawn: 'figure_lib.Figure', folder: pathlib.Path, name: str
         ) -> list[pathlib.Path]:
  """Writes a figure as PNG and PDF; returns their paths."""
  paths = []
  for ending in ('png', 'pdf'):
    paths.append(folder / f'{name}.{ending}')
    # Without a date in it the same figure is the same file.
    metadata = {'CreationDate': None} if ending == 'pdf' else None
    with files.atomic_write(paths[-1], binary=True) as f:
      drawn.savefig(f, format=ending, dpi=150, metadata=metadata)
  return paths
