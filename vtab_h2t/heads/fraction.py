"""Which features count: scores of a group-lasso head, and the best fraction."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf

# The paper's text lists eight; its Table 2 also selects 0.2.
FRACTIONS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def relevance_scores(kernel: 'tf.Tensor') -> np.ndarray:
  """Relevance s_i = ||w_i||_2 of each feature (Head2Toe, equation 3).

  Args:
    kernel: `[C, D]`, transposed as heads hold it.

  Returns:
    float32 `[D]`, at least 0.
  """
  import tensorflow as tf

  return tf.norm(kernel, axis=0).numpy()


def num_kept(num_features: int, fraction: float) -> int:
  """How many features a fraction keeps: truncated, at least 1.

  Raises:
    ValueError: the fraction is not above 0 and at most 1.
  """
  if not 0 < fraction <= 1:
    raise ValueError(f'fraction must be above 0 and at most 1, not {fraction}')
  return max(1, int(num_features * fraction))


def select(scores: np.ndarray, fraction: float) -> np.ndarray:
  """Ascending indices of the best fraction of features; see `highest`."""
  return highest(scores, num_kept(len(scores), fraction))


def highest(scores: np.ndarray, count: int) -> np.ndarray:
  """Ascending indices of the `count` features with the highest scores.

  Equal scores are taken in column order, so the result is one function of the
  scores.
  """
  return np.sort(np.argsort(-scores, kind='stable')[:count])
