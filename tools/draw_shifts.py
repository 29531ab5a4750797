"""Draws sample images of every shift, for docs/embedded_suite.md.

  python -m tools.draw_shifts [FILE]

FILE is docs/shifted_tasks.png by default. A row of the upper part is a shift:
on the left images of what is learned first, on the right of what is judged
then, above each its class, or its label where the shift is one of labels. In
the lower part a row is a corruption: of a photograph from severity 1 to 5, of a
digit at severities 1, 3 and 5.
"""

import argparse
from collections.abc import Sequence
import io
import pathlib
from typing import TYPE_CHECKING

from matplotlib import figure as figure_lib
import numpy as np
from PIL import Image
from PIL import ImageOps

from tools import house
from vtab_h2t import files
from vtab_h2t.tasks import bases
from vtab_h2t.tasks import corruptions
from vtab_h2t.tasks import shifted
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib

DEFAULT = house.ROOT / 'docs' / 'shifted_tasks.png'
_SHOWN = 4  # Images of each side.
# Pictures whose licence no package states: they are used, but not given away.
_UNLICENSED = {'moon', 'motorcycle'}
_OTHERS = ('instances', 'photographs', 'odd', 'flipped', 'permuted', 'reversed')
# A row each: the task, and what of it is shown on the right.
SHIFTS = (
  ('digits.to.mnist_5k', 'mnist_5k'),
  ('shapes_count.noise5', 'test'),
  *((name, 'test') for name in shifted.TARGETS if name.endswith(_OTHERS)),
  ('photo_patches.same', 'test'),
)
# Bases that show the corruptions, and the class of the image; severities, 0 for
# the clean image.
_CORRUPTED = (
  ('photo_patches', 4, (0, *corruptions.SEVERITIES)),
  ('mnist_5k', 2, (1, 3, 5)),
)
_BITS = 5  # Of each channel in the file; more would double its size.
_PIXELS_PER_INCH = 100
_CELL = 0.68  # Inches.


def _first(split: task_lib.Split) -> dict[int, int]:
  """The first example of each label that may be printed."""
  found: dict[int, int] = {}
  for row, (name, label) in enumerate(zip(split.ids, split.labels)):
    if not _UNLICENSED & set(name.split('/')):
      found.setdefault(int(label), row)
  return found


def sides(
  name: str, right: str
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
  """Images and labels of what is learned first, and of what is judged then.

  Args:
    name: a pair's or a target's.
    right: 'test', or a further test set.
  """
  task = shifted.task(name)
  splits = (
    (task.source or task).train,
    task.test if right == 'test' else task.further_tests[right],
  )
  rows = [_first(split) for split in splits]
  common = sorted(set(rows[0]) & set(rows[1]))
  spread = np.linspace(0, len(common) - 1, _SHOWN).astype(int)
  labels = np.array([common[i] for i in spread])
  images = []
  for split, first in zip(splits, rows):
    order = [first[label] for label in labels]
    some = list(split.images().take(max(order) + 1).as_numpy_iterator())
    images.append(np.stack([some[r] for r in order]))
  return (images[0], labels), (images[1], labels)


def _put(ax: 'axes_lib.Axes', image: np.ndarray, title: str = '') -> None:
  ax.imshow(image, interpolation='nearest')
  ax.set_title(title, fontsize=5.5, pad=1.5)


def _title(name: str, label: int) -> str:
  """What stands above an image of a task."""
  base, _, shift = name.partition('.')
  if shift in (shifted.FLIPPED, shifted.PERMUTED):
    return f'label {label}'
  return bases.BASES[base].classes[label]


def _draw_corruptions(rows: np.ndarray) -> None:
  """Fills axes `[corruptions, columns]`."""
  column = 0
  for base, label, severities in _CORRUPTED:
    clean = bases.own(base, 'test')
    some = clean.rows(np.flatnonzero(clean.labels == label))
    liveliest = some.images.std(axis=(1, 2, 3)).argmax()
    one = some.rows(np.array([liveliest]))
    for severity in severities:
      for row, name in zip(rows[:, column], corruptions.NAMES):
        image = one.images[0]
        if severity:
          (image,) = corruptions.corrupt(one.images, name, severity, one.ids)
        _put(row, image, f'severity {severity}' if severity else 'clean')
      column += 1
  for row, name in zip(rows, corruptions.NAMES):
    _name(row[0], name)


def draw() -> figure_lib.Figure:
  """The figure."""
  rows, columns = len(SHIFTS) + len(corruptions.NAMES), 2 * _SHOWN + 1
  drawn = figure_lib.Figure(
    figsize=(_CELL * (columns + 2), _CELL * 1.22 * rows), dpi=_PIXELS_PER_INCH
  )
  axes = drawn.subplots(
    rows,
    columns,
    gridspec_kw={
      'wspace': 0.06,
      'hspace': 0.3,
      'left': 2 / (columns + 2),
      'right': 0.995,
      'top': 0.97,
      'bottom': 0.005,
    },
  )
  for ax in axes.flat:
    ax.axis('off')
  for row, (name, right) in zip(axes, SHIFTS):
    for start, (images, labels) in zip((0, _SHOWN + 1), sides(name, right)):
      for ax, image, label in zip(row[start:], images, labels):
        _put(ax, image, _title(name, int(label)))
    _name(row[0], name)
  _draw_corruptions(axes[len(SHIFTS) :])
  for column, text in ((0, 'learned first'), (_SHOWN + 1, 'judged then')):
    axes[0, column].annotate(
      text,
      (0, 1.32),
      xycoords='axes fraction',
      fontsize=8,
      fontweight='bold',
    )
  return drawn


def _name(ax: 'axes_lib.Axes', text: str) -> None:
  """Writes a row's name on its left."""
  ax.annotate(
    text.replace('.', '\n.', 1),
    (-0.1, 0.5),
    xycoords='axes fraction',
    fontsize=6.5,
    ha='right',
    va='center',
  )


def main(argv: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description='Draws every shift.')
  parser.add_argument('file', nargs='?', default=DEFAULT, type=pathlib.Path)
  file = parser.parse_args(argv).file
  drawn = io.BytesIO()
  draw().savefig(drawn, format='png')
  with Image.open(drawn) as image, files.atomic_write(file, binary=True) as f:
    coarse = ImageOps.posterize(image.convert('RGB'), _BITS)
    ImageOps.autocontrast(coarse).save(f, 'PNG', optimize=True)
  print(file)


if __name__ == '__main__':
  main()
