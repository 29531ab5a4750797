"""What is known of a classifier from images that it was trained without."""

from collections.abc import Sequence
import dataclasses
from typing import Self

import numpy as np

from vtab_h2t.classifier import intervals


@dataclasses.dataclass(frozen=True)
class Accuracy:
  """Correct answers on images that were held out, each once.

  Attributes:
    correct, total: counts.
    low, high: 95 % interval of the share (Wilson), 0 to 1.
  """

  correct: int
  total: int
  low: float
  high: float

  @classmethod
  def of(cls, correct: int, total: int) -> Self:
    """With its interval."""
    low, high = intervals.wilson(correct, total)
    return cls(correct, total, float(low), float(high))

  def __str__(self) -> str:
    return (
      f'{100 * self.correct / self.total:.1f} % of {self.total} (95 % '
      f'interval {100 * self.low:.1f} to {100 * self.high:.1f})'
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
  """What heads of one setting said of images that they were trained without.

  Attributes:
    examples: indices of the images, ascending, int64 `[m]`.
    logits: before any temperature, float32 `[m, C]`.
    folds: in which of the folds each was held out, int64 `[m]`.
  """

  examples: np.ndarray
  logits: np.ndarray
  folds: np.ndarray

  @classmethod
  def joined(cls, several: Sequence[Self]) -> Self:
    """What was said of different images."""
    examples = np.concatenate([s.examples for s in several])
    order = np.argsort(examples)
    return cls(
      examples=examples[order],
      logits=np.concatenate([s.logits for s in several])[order],
      folds=np.concatenate([s.folds for s in several])[order],
    )

  def renamed(self, indices: np.ndarray) -> Self:
    """The same of images that have other indices, `[n]`, one for each before.

    Their order is ascending again.
    """
    named = dataclasses.replace(self, examples=indices[self.examples])
    return self.joined([named])

  def accuracy(self, labels: np.ndarray) -> Accuracy:
    """Of the answers, given the labels `[n]` of all images."""
    right = self.logits.argmax(axis=1) == labels[self.examples]
    return Accuracy.of(int(right.sum()), len(right))


@dataclasses.dataclass(frozen=True)
class CurvePoint:
  """How good the same setting is with fewer images.

  Attributes:
    images: that were trained on; the mean where several heads were trained.
    accuracy: on the same held-out images.
  """

  images: int
  accuracy: Accuracy
