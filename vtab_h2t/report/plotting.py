"""What all figures share: sizes, styles that read in grey, saving."""

from collections.abc import Callable, Sequence
import io
import pathlib
from typing import Any, Literal, TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t import files

if TYPE_CHECKING:
  from matplotlib import artist as artist_lib
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib

# Marker and line style tell curves apart without colour.
STYLES: tuple[dict[str, Any], ...] = (
  {'color': 'C0', 'marker': 'o', 'linestyle': '-'},
  {'color': 'C1', 'marker': 's', 'linestyle': '--'},
  {'color': 'C2', 'marker': '^', 'linestyle': ':'},
  {'color': 'C3', 'marker': 'D', 'linestyle': '-.'},
)
MARKERS = 'os^D'
HATCHES = '', '///', '...', 'xx'
LABELS = {
  'linear': 'Linear',
  'scratch': 'Scratch',
  'finetune': 'fine-tuning',
  'linearized': 'linearized',
  'head2toe': 'Head2Toe',
  'oracle': 'Oracle',
  'control': 'Control',
  'features': 'feature-wise',
  'taps_mean': 'layer-wise',
  'taps_group': 'layer-wise (group)',
}
PERCENT = 'test accuracy (%)'


def mean_over(table: pd.DataFrame) -> str:
  """Says over how many tasks the means of a table are.

  Args:
    table: what `frames.mean_over_tasks` gives.
  """
  count = int(table.tasks.max()) if len(table) else 0
  return f'mean over {count} task{"s" * (count != 1)}'


def figure(
  rows: int, columns: int, width: float = 3.6, height: float = 3.2
) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A figure and its axes, row by row; sizes of one panel in inches."""
  from matplotlib import figure as figure_lib

  drawn = figure_lib.Figure(
    figsize=(width * columns, height * rows), layout='constrained'
  )
  return drawn, list(drawn.subplots(rows, columns, squeeze=False).flat)


def side_by_side(
  widths: Sequence[float], height: float
) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A figure and its panels from left to right; sizes in inches."""
  from matplotlib import figure as figure_lib

  drawn = figure_lib.Figure(figsize=(sum(widths), height), layout='constrained')
  axes = drawn.subplots(1, len(widths), squeeze=False, width_ratios=widths)
  return drawn, list(axes.flat)


_COLUMNS = 5  # Of a figure with a panel for each task.


def by_task(
  tasks: Sequence[str], xlabel: str, ylabel: str
) -> tuple['figure_lib.Figure', list['axes_lib.Axes']]:
  """A figure with a panel for each task; panels without one are hidden.

  Args:
    tasks: their names.
    xlabel: what is under the lowest panel of each column.
    ylabel: what is beside all.
  """
  columns = min(_COLUMNS, len(tasks))
  rows = -(-len(tasks) // columns)
  # No smaller than a figure of one panel, for the words around it.
  drawn, axes = figure(
    rows, columns, max(2.6, 5.0 / columns), max(2.2, 3.6 / rows)
  )
  for ax in axes[len(tasks) :]:
    ax.set_visible(False)
  for i, (ax, task) in enumerate(zip(axes, tasks)):
    ax.set_title(task, fontsize=9)
    ax.tick_params(labelsize=7)
    if i + columns >= len(tasks):
      ax.set_xlabel(xlabel, fontsize=8)
  drawn.supylabel(ylabel, fontsize=10)
  return drawn, axes


def curves(
  ax: 'axes_lib.Axes',
  table: pd.DataFrame,
  kinds: str,
  x: str,
  label: Callable[[Any], str | None],
) -> None:
  """A curve of `percent` over a column for each value of another."""
  for kind, style in zip(table[kinds].unique(), STYLES):
    part = table[table[kinds] == kind].sort_values(x)
    ax.plot(part[x], part.percent, label=label(kind), markersize=4, **style)


def log_scale(
  ax: 'axes_lib.Axes',
  ticks: Sequence[float] | None = None,
  axis: Literal['x', 'y'] = 'x',
) -> None:
  """Makes an axis of what is drawn logarithmic, with few ticks.

  Args:
    ax: axes, with all that will be drawn.
    ticks: where; by default powers of ten, and between those also their twofold
      and fivefold where fewer than three can be seen.
    axis: which.
  """
  ax.set(**{f'{axis}scale': 'log'})
  limits = ax.get_xlim() if axis == 'x' else ax.get_ylim()
  places = _ticks(*limits) if ticks is None else np.array(ticks)
  ax.minorticks_off()
  ax.set(
    **{
      f'{axis}ticks': places,
      f'{axis}ticklabels': [f'{value:g}' for value in places],
    }
  )


def _ticks(low: float, high: float) -> np.ndarray:
  """Places between two numbers for the ticks of a logarithmic axis."""
  powers = 10.0 ** np.arange(
    np.floor(np.log10(low)), np.floor(np.log10(high)) + 1
  )
  if (powers >= low).sum() >= 3:
    return powers[powers >= low]
  places = np.outer(powers, (1, 2, 5)).ravel()
  return places[(places >= low) & (places <= high)]


def legend(ax: 'axes_lib.Axes', size: float | None = None) -> None:
  """A legend, if there is something to tell."""
  if ax.get_legend_handles_labels()[0]:
    ax.legend(fontsize=size)


def legend_above(ax: 'axes_lib.Axes', title: str) -> None:
  """A title and, between it and the axes, a legend, which covers no name."""
  ax.set_title(title, fontsize=10, pad=22)
  if ax.get_legend_handles_labels()[0]:
    ax.legend(
      fontsize=8,
      loc='lower center',
      bbox_to_anchor=(0.5, 1.0),
      ncols=4,
      frameon=False,
    )


def names_below(
  ax: 'axes_lib.Axes',
  names: Sequence[str],
  size: float = 8,
  places: Sequence[float] | None = None,
) -> None:
  """Names under an axis, slanted so that many fit; by default at 0, 1, 2..."""
  ax.set_xticks(
    range(len(names)) if places is None else places,
    names,
    rotation=60,
    ha='right',
    rotation_mode='anchor',
    fontsize=size,
  )


def legend_below(
  drawn: 'figure_lib.Figure',
  *axes: 'axes_lib.Axes',
  columns: int = 4,
  size: float | None = None,
) -> None:
  """One legend for all panels, of what some of them show, under them."""
  handles: dict[str, artist_lib.Artist] = {}
  for ax in axes:
    for handle, label in zip(*ax.get_legend_handles_labels()):
      handles.setdefault(str(label), handle)
  drawn.legend(
    list(handles.values()),
    list(handles),
    loc='outside lower center',
    ncols=columns,
    fontsize=size,
  )


def heatmap_size(table: pd.DataFrame, names: tuple[str, str, str]) -> float:
  """Inches that a matrix needs, so that numbers fit into its cells."""
  return max(4.2, 2.4 + 0.33 * len(_order(table, names)))


def _order(table: pd.DataFrame, names: tuple[str, str, str]) -> list[str]:
  """Tasks of a matrix: those of its columns, then other ones of its rows."""
  rows, columns, _ = names
  return list(dict.fromkeys([*table[columns], *table[rows]]))


def heatmap(
  drawn: 'figure_lib.Figure',
  ax: 'axes_lib.Axes',
  table: pd.DataFrame,
  names: tuple[str, str, str],
  text: Callable[[float], str],
  label: str,
  diverging: bool = False,
) -> None:
  """A matrix of tasks, with its numbers; what is missing is white.

  Args:
    drawn: the figure.
    ax: its axes.
    table: has each value in a line.
    names: of the columns with row, column and value.
    text: of a value.
    label: what values are.
    diverging: whether values are differences, so that colours tell signs.
  """
  rows, columns, values = names
  order = _order(table, names)
  matrix = (
    table.pivot(index=rows, columns=columns, values=values)
    .reindex(index=order, columns=order)
    .to_numpy(float)
  )
  known = matrix[np.isfinite(matrix)]
  low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
  if diverging:
    high = max(abs(low), abs(high)) or 1.0
    low = -high
  image = ax.imshow(
    matrix, cmap='RdBu' if diverging else 'Greys', vmin=low, vmax=high
  )
  # Where the ground is dark numbers are white.
  middle, reach = (0, 0.6 * high) if diverging else (low, (high - low) / 2)
  for (i, j), value in np.ndenumerate(matrix):
    if np.isfinite(value):
      ax.text(
        j,
        i,
        text(value),
        ha='center',
        va='center',
        fontsize=6,
        color='white' if abs(value - middle) > reach else 'black',
      )
  names_below(ax, order, 7)
  ax.set_yticks(range(len(order)), order, fontsize=7)
  drawn.colorbar(image, ax=ax, label=label, shrink=0.8)


def note(drawn: 'figure_lib.Figure', text: str) -> None:
  """Says above a figure where its numbers come from."""
  drawn.suptitle(text, x=0.99, ha='right', fontsize=7, color='0.3')


_COLOURS = 128  # Of a picture of few inks and their mixtures at edges.


def png(drawn: 'figure_lib.Figure', dpi: int) -> bytes:
  """A figure as PNG: the same figure is the same bytes.

  Its colours are a palette, so that it has about a quarter of the bytes.
  """
  from matplotlib.backends import backend_agg
  from PIL import Image

  drawn.set_dpi(dpi)
  canvas = backend_agg.FigureCanvasAgg(drawn)
  canvas.draw()  # Once: savefig draws twice where there is a layout to make.
  pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
  picture = Image.fromarray(pixels).quantize(
    _COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
  )
  buffer = io.BytesIO()
  picture.save(buffer, format='PNG', optimize=True, dpi=(dpi, dpi))
  return buffer.getvalue()


def save(
  drawn: 'figure_lib.Figure', folder: pathlib.Path, name: str
) -> list[pathlib.Path]:
  """Writes a figure as PNG and PDF; returns their paths."""
  paths = [folder / f'{name}.{ending}' for ending in ('png', 'pdf')]
  with files.atomic_write(paths[0], binary=True) as f:
    f.write(png(drawn, 150))
  with files.atomic_write(paths[1], binary=True) as f:
    # Without a date in it the same figure is the same file.
    drawn.savefig(f, format='pdf', dpi=150, metadata={'CreationDate': None})
  return paths
