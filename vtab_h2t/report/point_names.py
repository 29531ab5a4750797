"""Writes names beside the points of a scatter plot, so that none meet."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vtab_h2t.report import plotting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib
  from matplotlib import text as text_lib

Box = np.ndarray  # Its lower left and its upper right corner, `[2, 2]`.

# All lengths are in points, a 72nd of an inch.
_SIZE = 8
_MARKER = 4.0  # From the middle of a marker to what may stand beside it.
_FREE = 1.5  # Around a name.
_STEP = 5.0
_STEPS = 14  # A name is no further away than so many steps.
_ORDERS = 50  # In which names choose their places.
_NEAR = 4.0  # From a name that is further away a line leads to its point.
_SAME = 1.5  # Points that are no further apart are at one place.
_LED = {'arrowstyle': '-', 'color': '0.5', 'linewidth': 0.6, 'shrinkA': 0.0}
# Where a name stands, seen from its point, in the order of preference.
_SIDES = (
  *((1, 0), (-1, 0), (0, 1), (0, -1)),
  *((1, 1), (1, -1), (-1, 1), (-1, -1)),
  *((1, 0.5), (1, -0.5), (-1, 0.5), (-1, -0.5)),
  *((0.5, 1), (0.5, -1), (-0.5, 1), (-0.5, -1)),
)


def write(
  ax: 'axes_lib.Axes', x: pd.Series, y: pd.Series, names: pd.Series
) -> None:
  """Writes names, as the last of a figure; a point that is missing has none.

  A name is near its point and nearer to it than to others, and meets no point,
  no other name, no line of the axes and no line that leads from another name to
  its point. Names that find no such place are pushed apart as far as it goes.

  Args:
    ax: the axes, in which all points and lines are drawn.
    x, y: where the points are.
    names: as many.

  Raises:
    ValueError: the axes are of no figure.
  """
  ax.margins(0.2, 0.15)
  known = [one for one in zip(x, y, names) if np.isfinite(one[:2]).all()]
  if not known:
    return
  # Places are those of the final layout, which is only known once it is drawn.
  drawn = ax.get_figure(root=True)
  if drawn is None:
    raise ValueError('the axes are of no figure')
  if not drawn.get_suptitle():
    plotting.note(drawn, ' ')  # What will be said there takes room, too.
  drawn.draw_without_rendering()
  unit = drawn.dpi / 72
  texts = [
    ax.text(*one, fontsize=_SIZE, ha='center', va='center') for one in known
  ]
  points = ax.transData.transform([one[:2] for one in known]) / unit
  boxes = _boxes(
    points,
    [np.array(text.get_window_extent().size) / unit for text in texts],
    np.concatenate(
      [
        np.empty((0, 2)),
        *(
          _along(line.get_transform().transform(line.get_xydata()) / unit)
          for line in ax.lines
        ),
      ]
    ),
    ax.get_window_extent().get_points() / unit,
  )
  to_data = ax.transData.inverted().transform
  for i, box in boxes.items():
    texts[i].set_position(tuple(to_data(box.mean(axis=0) * unit)))
    nearest = np.clip(points[i], *box)
    if np.abs(nearest - points[i]).max() > _MARKER + _NEAR:
      ax.annotate(
        '',
        known[i][:2],
        tuple(to_data(nearest * unit)),
        arrowprops=_LED | {'shrinkB': _MARKER - 1},
      )
  if len(boxes) < len(texts):
    _push_apart(
      ax,
      [text for i, text in enumerate(texts) if i not in boxes],
      [texts[i] for i in boxes],
      known,
    )


def _along(line: np.ndarray) -> np.ndarray:
  """Points on a line that goes from corner to corner, at most one apart."""
  parts = [
    np.linspace(a, b, 2 + int(np.abs(b - a).max()))
    for a, b in itertools.pairwise(line)
  ]
  return np.concatenate([np.empty((0, 2)), *parts])


@dataclasses.dataclass(frozen=True, eq=False)
class _Place:
  """Where a name may stand.

  Attributes:
    box: of the name and what stays free around it.
    point: whose name it is, `[2]`.
    cost: how far away it is, and of equal ones which is less usual.
  """

  box: Box
  point: np.ndarray
  cost: float

  @functools.cached_property
  def leading(self) -> np.ndarray:
    """Points on the line that leads from it to its point's marker, `[n, 2]`."""
    line = _along(np.array([np.clip(self.point, *self.box), self.point]))
    # Up to the marker, as other points may have the same place.
    return line[np.abs(line - self.point).max(axis=1) > _MARKER]


def _boxes(
  points: np.ndarray, sizes: Sequence[np.ndarray], lines: np.ndarray, whole: Box
) -> dict[int, Box]:
  """Where names stand.

  One after the other takes the nearest place that those before it left. This is
  done in several orders, the same for the same number of names.

  Args:
    points: the middles of all markers, `[n, 2]`.
    sizes: width and height of each name.
    lines: points on what else is drawn, `[m, 2]`.
    whole: the box of the axes.

  Returns:
    The box of each name, of the order in which most found a place, and of equal
    ones that in which places are nearest.
  """
  choices = [
    list(_places(i, points, size, lines, whole)) for i, size in enumerate(sizes)
  ]

  @functools.cache  # The orders ask for the same places again and again.
  def meet(i: int, choice: int, j: int, other: int) -> bool:
    return _meet(choices[i][choice], choices[j][other])

  # First, who can choose least is first.
  order = sorted(range(len(points)), key=lambda i: len(choices[i]))
  rng = np.random.default_rng(0)
  best: dict[int, _Place] = {}
  least = np.inf, np.inf
  for _ in range(_ORDERS):
    found = {
      i: choices[i][choice]
      for i, choice in _one_by_one(order, choices, meet).items()
    }
    missing = len(points) - len(found)
    cost = missing, sum(place.cost for place in found.values())
    if cost < least:
      best, least = found, cost
    order = rng.permutation(len(points)).tolist()
  return {i: place.box for i, place in best.items()}


def _one_by_one(
  order: Sequence[int],
  choices: Sequence[Sequence[_Place]],
  meet: Callable[[int, int, int, int], bool],
) -> dict[int, int]:
  """Which is the first of each name's choices that meets no earlier name."""
  found: dict[int, int] = {}
  for i in order:
    for choice in range(len(choices[i])):
      if not any(meet(i, choice, *other) for other in found.items()):
        found[i] = choice
        break
  return found


def _meet(one: _Place, other: _Place) -> bool:
  """Whether two names, or the lines that lead from them, meet."""
  return (
    bool(
      (one.box[0] < other.box[1]).all() and (other.box[0] < one.box[1]).all()
    )
    or bool(_are_near(one.box[None], other.leading, 0.0)[0])
    or bool(_are_near(other.box[None], one.leading, 0.0)[0])
    or _near(one.leading, other.leading)
  )


def _places(
  i: int, points: np.ndarray, size: np.ndarray, lines: np.ndarray, whole: Box
) -> Iterator[_Place]:
  """Places of a name that meet no point and no line, the nearest first.

  Nor is there one at which another point is nearer, so that nobody takes it for
  that one's name.

  Args:
    i: which of the points.
    points, lines, whole: as of `_boxes`.
    size: width and height of the name.
  """
  half = size / 2 + _FREE
  others = np.delete(points, i, 0)
  # Where points meet nobody can tell which of them is nearer.
  others_apart = others[~_meets_marker(others, points[i])]
  away = np.repeat(_MARKER + _STEP * np.arange(_STEPS), len(_SIDES))[:, None]
  side = np.tile(_SIDES, (_STEPS, 1))
  middles = points[i] + side * (half + away + 0.01)
  boxes = np.stack([middles - half, middles + half], axis=1)
  apart = np.minimum(away + 2, _MARKER + _NEAR)
  free = (
    (boxes[:, 0] >= whole[0]).all(axis=1)
    & (boxes[:, 1] <= whole[1]).all(axis=1)
    & ~_are_near(boxes, others, _MARKER)
    & ~_are_near(boxes, others_apart, apart[:, None])
    & ~_are_near(boxes, lines, 0.0)
  )
  starts = np.clip(points[i], boxes[:, 0], boxes[:, 1])
  ends = np.broadcast_to(points[i], starts.shape)
  lines_boxes = np.sort(np.stack([starts, ends], axis=1), axis=1)
  may_meet = _are_near(lines_boxes, others, _SAME)
  for k in np.flatnonzero(free):
    cost = float(away[k, 0]) + 0.2 * int(k % len(_SIDES))
    place = _Place(boxes[k], points[i], cost)
    if not (may_meet[k] and _near(place.leading, others)):
      yield place


def _meets_marker(points: np.ndarray, point: np.ndarray) -> np.ndarray:
  """Which markers meet that of a point."""
  return (np.abs(points - point) < 2 * _MARKER).all(axis=1)


def _near(some: np.ndarray, others: np.ndarray) -> bool:
  """Whether one of some points is at the same place as one of others."""
  return bool((np.abs(some[:, None] - others) < _SAME).all(axis=-1).any())


def _are_near(
  boxes: np.ndarray, points: np.ndarray, margin: np.ndarray | float
) -> np.ndarray:
  """Which boxes have one of some points in them, or as near as a margin."""
  low, high = boxes[:, :1] - margin, boxes[:, 1:] + margin
  return np.any(np.all((points > low) & (points < high), axis=2), axis=1)


def _push_apart(
  ax: 'axes_lib.Axes',
  crowded: Sequence['text_lib.Text'],
  placed: Sequence['text_lib.Text'],
  known: Sequence[tuple[float, float, str]],
) -> None:
  """Moves names away from each other, from placed ones and from points."""
  import adjustText

  adjustText.adjust_text(
    list(crowded),
    [one[0] for one in known],
    [one[1] for one in known],
    objects=[
      text.get_window_extent().transformed(ax.transData.inverted())
      for text in placed
    ]
    or None,
    ax=ax,
    # A number of iterations, as time would make figures differ.
    iter_lim=200,
    expand=(1.2, 1.6),
    arrowprops=dict(_LED),
  )
