"""What loops use that hold their state in tensors: Adam, orders, and sums.

Each tensor has a first axis for what is trained side by side, or none.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


def adam(
  gradient: 'tf.Tensor',
  first: 'tf.Tensor',
  second: 'tf.Tensor',
  number: 'tf.Tensor',
) -> tuple['tf.Tensor', 'tf.Tensor', 'tf.Tensor']:
  """One update by Adam, with torch's epsilon (see `heads.adam`).

  Args:
    gradient: of any shape.
    first, second: its moments before.
    number: of the update, from 1, as a float.

  Returns:
    What, times the learning rate, is taken off the value; and the moments.
  """
  import tensorflow as tf

  first = _BETA_1 * first + (1 - _BETA_1) * gradient
  second = _BETA_2 * second + (1 - _BETA_2) * tf.square(gradient)
  root = tf.sqrt(second / (1 - tf.pow(_BETA_2, number))) + _EPSILON
  return first / (1 - tf.pow(_BETA_1, number)) / root, first, second


def order(
  examples: int, size: int, steps: int, seed: tuple[int, ...]
) -> np.ndarray:
  """Examples of each step, int32 `[steps, size]`.

  Each epoch goes over the examples in an order that it draws anew, in batches
  of equal size; those that fill none are left out of it.

  Args:
    examples: how many there are.
    size: of a batch, at most so many.
    steps: how many batches are wanted.
    seed: of the orders.
  """
  rng = np.random.default_rng(seed)
  number = examples // size
  epochs = [
    rng.permutation(examples)[: number * size].reshape(number, size)
    for _ in range(-(-steps // number))
  ]
  return np.concatenate(epochs)[:steps].astype(np.int32)


def total(parts: Sequence['tf.Tensor']) -> 'tf.Tensor':
  """The sum of tensors of one shape, in their order.

  `tf.add_n`, to which TensorFlow also turns a chain of additions in a graph,
  begins with whichever of them it may overwrite, so that of three or more the
  last digit depends on what else is computed at the moment.

  Args:
    parts: at least one.
  """
  import tensorflow as tf

  if len(parts) == 1:
    return parts[0]
  return tf.reduce_sum(tf.stack(parts), axis=0)
