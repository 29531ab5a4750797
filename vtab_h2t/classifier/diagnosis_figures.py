"""The pictures of a diagnosis."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import diagnosis_tables
from vtab_h2t.classifier import explaining
from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import figure as figure_lib
  import pandas as pd

MOST_CLASSES = 30  # That a matrix shows.
_ROOM = 10  # Classes of a matrix whose numbers have a decimal.

_DPI = 110
_SIDE, _QUALITY = 128, 70  # Of small pictures.
_FOR, _AGAINST = (230, 97, 1), (94, 60, 153)  # Orange and violet.
_BEYOND = 0.99  # The share of places that are not of full colour.


def png(drawn: 'figure_lib.Figure') -> str:
  """A figure as a data URI."""
  data = base64.b64encode(plotting.png(drawn, _DPI)).decode()
  return f'data:image/png;base64,{data}'


def jpeg(image: np.ndarray, side: int = _SIDE) -> str:
  """An image, uint8 `[H, W, 3]`, as a small data URI.

  Args:
    image: of any size.
    side: the longer one's pixels, where it is not shorter.
  """
  from PIL import Image

  small = Image.fromarray(image)
  small.thumbnail((side, side), Image.Resampling.LANCZOS)
  buffer = io.BytesIO()
  small.save(buffer, 'JPEG', quality=_QUALITY)
  data = base64.b64encode(buffer.getvalue()).decode()
  return f'data:image/jpeg;base64,{data}'


def confused(found: diagnosis_tables.Tables) -> 'figure_lib.Figure':
  """The matrix; of many classes those that have most mistakes."""
  table = found.confusion
  cells = table.to_numpy()
  wrong = cells.sum(axis=0) + cells.sum(axis=1) - 2 * np.diag(cells)
  shown = np.sort(np.argsort(-wrong, kind='stable')[:MOST_CLASSES])
  total = table.sum(axis=1)
  share = 100 * table.div(total.where(total > 0), axis=0)
  share = share.where(table > 0).iloc[shown, shown]
  # No axis may say 'given' twice.
  lines = share.stack(future_stack=True).rename('percent').reset_index()
  names = ('given', 'predicted', 'percent')
  size = plotting.heatmap_size(lines, names)
  drawn, (ax,) = plotting.figure(1, 1, size + 0.6, size)
  # Where there is room, a share of less than a half is not a 0.
  text = ('{:.1f}' if len(shown) <= _ROOM else '{:.0f}').format
  plotting.heatmap(drawn, ax, lines, names, text, 'of the given class (%)')
  ax.set_xlabel('predicted')
  ax.set_ylabel('given')
  return drawn


def reliability(
  found: diagnosis_tables.Tables, scaled: bool
) -> 'figure_lib.Figure':
  """How often answers are right, by their probability.

  Args:
    found: the diagnosis.
    scaled: with the temperature or before it.
  """
  drawn, (ax,) = plotting.figure(1, 1, 3.4, 3.4)
  table = found.reliability[found.reliability.temperature_scaled == scaled]
  ax.plot((0, 100), (0, 100), color='0.6', linewidth=1)
  _with_interval(ax, table, 100 * table.confidence)
  ax.set_title(
    f'with temperature: error {100 * found.calibration.after:.1f} %'
    if scaled
    else f'as trained: error {100 * found.calibration.before:.1f} %',
    fontsize=10,
  )
  ax.set_xlabel('probability of the answer (%)')
  ax.set_ylabel('right answers (%)')
  ax.set_xlim(0, 102)
  ax.set_ylim(0, 102)
  ax.set_aspect('equal')
  return drawn


def curve(found: diagnosis_tables.Tables) -> 'figure_lib.Figure':
  """Accuracy by the number of images that were trained on."""
  drawn, (ax,) = plotting.figure(1, 1, 4.6, 3.0)
  table = found.learning_curve.sort_values('images')
  _with_interval(ax, table, table.images)
  plotting.log_scale(ax, table.images.tolist())
  ax.margins(x=0.1)
  ax.set_xlabel('images trained on')
  ax.set_ylabel('held-out accuracy (%)')
  return drawn


def taps(found: diagnosis_tables.Tables) -> 'figure_lib.Figure':
  """What is taken from each tap, by depth."""
  table = found.taps
  drawn, (ax,) = plotting.figure(1, 1, max(3.2, 1.2 + 0.2 * len(table)), 3.4)
  ax.bar(range(len(table)), 100 * table.share, color='C0')
  plotting.names_below(ax, table.tap.tolist(), 6)
  ax.set_ylabel('of the squared weights (%)')
  return drawn


def _with_interval(
  ax: 'axes_lib.Axes', table: 'pd.DataFrame', x: 'pd.Series'
) -> None:
  """Accuracies with their intervals, in percent, over x."""
  y = 100 * table.accuracy
  # A share at an end of its interval may be beyond it by rounding.
  reach = [
    np.maximum(y - 100 * table.low, 0),
    np.maximum(100 * table.high - y, 0),
  ]
  ax.errorbar(x, y, reach, capsize=3, markersize=4, **plotting.STYLES[0])


def overlaid(explanation: explaining.Explanation) -> np.ndarray:
  """What the network saw, with what speaks for and against the answer.

  Orange speaks for it, violet against; the stronger, the more of the colour.

  Args:
    explanation: of an answer.

  Returns:
    uint8 `[H, W, 3]`.
  """
  value = explanation.map()
  top = float(np.quantile(np.abs(value), _BEYOND)) or 1.0
  strength = np.clip(np.abs(value) / top, 0, 1)[..., None]
  colour = np.where(value[..., None] > 0, _FOR, _AGAINST)
  grey = explanation.seen.mean(axis=2, keepdims=True) * 0.7 + 76
  mixed = grey + 0.75 * strength * (colour - grey)
  return np.clip(np.round(mixed), 0, 255).astype(np.uint8)
