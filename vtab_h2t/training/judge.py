"""Counts what a network has right while it is trained."""

from collections.abc import Sequence
from typing import Protocol, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf

_BATCH = 64


class Classifier(Protocol):
  """What counts correct answers on a batch; see `trainer.Trainer`."""

  def correct(self, x: 'tf.Tensor', y: 'tf.Tensor') -> int: ...

  def state(self) -> list[np.ndarray]: ...

  def restore(self, state: Sequence[np.ndarray]) -> None: ...


class Judge:
  """Some examples, and how many of them were right each time it was called.

  Attributes:
    counts: the correct answers, in the order of the calls.
  """

  def __init__(
    self, inputs: np.ndarray, labels: np.ndarray, examples: np.ndarray
  ) -> None:
    """Initialises; the examples are copied once, to where they are used.

    Args:
      inputs: a network's inputs, float32 `[n, H, W, 3]`.
      labels: int64 `[n]`.
      examples: which of them to judge on.
    """
    import tensorflow as tf

    self._batches = [
      (tf.constant(inputs[part]), tf.constant(labels[part]))
      for part in np.split(examples, range(_BATCH, len(examples), _BATCH))
    ]
    self.counts: list[int] = []

  def __call__(self, classifier: Classifier) -> None:
    """Adds the count of a network as it is now."""
    self.counts.append(sum(classifier.correct(x, y) for x, y in self._batches))


class Keeper(Judge):
  """Keeps the state that had most right, of those after an epoch.

  What was counted before the first step is not eligible, and of equal counts
  the first stays: so the released code of LP-FT and of surgical fine-tuning
  choose their epoch.

  Attributes:
    best: the epoch of the state that is kept, from 1; 0 if there is none.
  """

  def __init__(
    self, inputs: np.ndarray, labels: np.ndarray, examples: np.ndarray
  ) -> None:
    super().__init__(inputs, labels, examples)
    self.best = 0
    self._state: list[np.ndarray] = []

  def __call__(self, classifier: Classifier) -> None:
    super().__call__(classifier)
    epoch = len(self.counts) - 1
    if epoch and (not self.best or self.counts[-1] > self.counts[self.best]):
      self.best, self._state = epoch, classifier.state()

  @property
  def correct(self) -> int:
    """How many the kept state has right; -1 if there is none."""
    return self.counts[self.best] if self.best else -1

  def restore(self, classifier: Classifier) -> None:
    """Gives a classifier the state that is kept."""
    classifier.restore(self._state)
