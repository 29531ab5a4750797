"""Counts what a network has right while it is trained."""

from typing import Protocol, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf

_BATCH = 64


class Classifier(Protocol):
  """What counts correct answers on a batch; see `trainer.Trainer`."""

  def correct(self, x: 'tf.Tensor', y: 'tf.Tensor') -> int: ...


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
