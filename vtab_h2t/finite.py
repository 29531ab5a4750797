"""Finds what is NaN or infinite."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import numpy as np
  import tensorflow as tf


def sums_are(values: Iterable['tf.Tensor']) -> 'tf.Tensor':
  """Whether the sums of some tensors are finite: a cheap test, in graphs too.

  Never true where a value is not finite; false also where only a sum
  overflows, so that `first_fault` has to decide.

  Returns:
    A boolean scalar.
  """
  import tensorflow as tf

  sums = tf.stack([tf.reduce_sum(value) for value in values])
  return tf.reduce_all(tf.math.is_finite(sums))


def first_fault(
  arrays: Mapping[str, 'np.ndarray | tf.Tensor | Sequence[tf.Tensor]'],
) -> tuple[str, int] | None:
  """The first array, in order, that has a NaN or an infinity.

  Tensors are looked at on their device.

  Args:
    arrays: name to an array `[n, ...]`, or to `n` scalars.

  Returns:
    Its name, and the first of its `n` rows that has one; None if all values
    are finite.
  """
  import tensorflow as tf

  for name, value in arrays.items():
    finite = tf.math.is_finite(value)
    rows = tf.reduce_all(finite, axis=range(1, finite.shape.rank)).numpy()
    if not rows.all():
      return name, int(rows.argmin())
  return None
