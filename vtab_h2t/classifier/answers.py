"""What is written of each image that was classified."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

REVIEW, ERROR = 'review', 'error'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
  """How answers are written.

  Attributes:
    classes: names, in the order of probabilities.
    top: how many classes are named, the likeliest first; None: all of them, in
      their order.
    min_confidence: a person should look at images whose likeliest class has a
      lower probability, 0 to 1; None: this is not said.
    has_errors: whether images that cannot be read have a line, too.
  """

  classes: Sequence[str]
  top: int | None = None
  min_confidence: float | None = None
  has_errors: bool = False

  def header(self) -> list[str]:
    """The columns of a CSV."""
    names = ['path', 'class']
    if self.min_confidence is not None:
      names.append(REVIEW)
    if self.has_errors:
      names.append(ERROR)
    if self.top is None:
      return [*names, *self.classes]
    names.append('probability')
    for i in range(2, self._count + 1):
      names += [f'class_{i}', f'probability_{i}']
    return names

  def is_unsure(self, probabilities: np.ndarray) -> bool:
    """Whether a person should look at an image.

    Args:
      probabilities: `[C]`.
    """
    return (
      self.min_confidence is not None
      and float(probabilities.max()) < self.min_confidence
    )

  def cells(self, path: str, probabilities: np.ndarray) -> list[str]:
    """The line of an image in a CSV.

    Args:
      path: of the image.
      probabilities: `[C]`.
    """
    cells = [path, self.classes[int(probabilities.argmax())]]
    if self.min_confidence is not None:
      cells.append('yes' if self.is_unsure(probabilities) else '')
    if self.has_errors:
      cells.append('')
    if self.top is None:
      return [*cells, *(f'{p:.6f}' for p in probabilities)]
    named = [
      (self.classes[i], f'{probabilities[i]:.6f}')
      for i in self._order(probabilities)
    ]
    cells.append(named[0][1])
    return cells + [cell for pair in named[1:] for cell in pair]

  def error_cells(self, path: str, why: str) -> list[str]:
    """The line of an image that cannot be read."""
    given = {'path': path, ERROR: why}
    # A class may have the name of a column, all of which come first.
    first = self.header()[: 3 + (self.min_confidence is not None)]
    cells = [given.get(name, '') for name in first]
    return cells + [''] * (len(self.header()) - len(cells))

  def fields(self, path: str, probabilities: np.ndarray) -> dict[str, Any]:
    """The JSON object of an image.

    Args:
      path: of the image.
      probabilities: `[C]`.
    """
    found: dict[str, Any] = {
      'path': path,
      'class': self.classes[int(probabilities.argmax())],
    }
    if self.min_confidence is not None:
      found[REVIEW] = self.is_unsure(probabilities)
    found['probabilities'] = {
      self.classes[i]: round(float(probabilities[i]), 6)
      for i in self._order(probabilities)
    }
    return found

  @property
  def _count(self) -> int:
    """How many classes are named."""
    return min(self.top or len(self.classes), len(self.classes))

  def _order(self, probabilities: np.ndarray) -> list[int]:
    """The classes that are named; of equal ones the first comes first."""
    if self.top is None:
      return list(range(len(self.classes)))
    order = np.argsort(-probabilities, kind='stable')
    return [int(i) for i in order[: self._count]]
