"""How many answers are right."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf


def correct(outputs: 'np.ndarray | tf.Tensor', labels: np.ndarray) -> int:
  """Counts the correct answers.

  Args:
    outputs: logits `[n, C]`, of which the first largest is the answer, or the
      answers `[n]` themselves.
    labels: integers `[n]`.

  Raises:
    ValueError: not one output for each label.
  """
  answers = np.asarray(outputs)
  if answers.ndim == 2:
    answers = answers.argmax(axis=1)
  if answers.shape != np.shape(labels):
    raise ValueError(
      f'outputs of shape {np.shape(outputs)} do not fit labels '
      f'of shape {np.shape(labels)}'
    )
  return int((answers == np.asarray(labels)).sum())
