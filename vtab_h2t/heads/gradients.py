"""What heads say of a batch, and the gradients that train them.

Sizes are as in `loop`: `S` feature matrices, `G` heads on each, `C` classes,
batches of `B`, and `D_j` features in the j-th block of columns. A kernel is
kept as U, which is W divided by the head's initial learning rate.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtab_h2t.heads import stateless

if TYPE_CHECKING:
  import tensorflow as tf

_TINY = 1e-30  # Squared norms of kernel rows up to this have no gradient.


def logit_gradient(
  xs: Sequence['tf.Tensor'],
  y: 'tf.Tensor',
  weight: 'tf.Tensor',
  kernels: Sequence['tf.Tensor'],
  bias: 'tf.Tensor',
  rates: 'tf.Tensor',
) -> 'tf.Tensor':
  """The loss's gradient for the logits.

  Args:
    xs: a batch `[S, B, D_j]`, in blocks.
    y: its labels, one-hot `[S, B, C]`.
    weight: of its rows, `[B]`.
    kernels: U, `[S, G * C, D_j]`.
    bias: `[S, G, C]`.
    rates: `[S, G]`.

  Returns:
    `[S, B, G, C]`.
  """
  import tensorflow as tf

  said = logits(xs, kernels, bias, rates)
  return (tf.nn.softmax(said) - y[:, :, None]) * weight[:, None, None]


def logits(
  xs: Sequence['tf.Tensor'],
  kernels: Sequence['tf.Tensor'],
  bias: 'tf.Tensor',
  rates: 'tf.Tensor',
) -> 'tf.Tensor':
  """What heads say of a batch; arguments and shape are `logit_gradient`'s."""
  import tensorflow as tf

  products = [
    tf.matmul(x, kernel, transpose_b=True) for x, kernel in zip(xs, kernels)
  ]
  stack, heads, classes = tf.unstack(tf.shape(bias))
  sums = tf.reshape(
    stateless.total(products), [stack, tf.shape(xs[0])[1], heads, classes]
  )
  return (sums + bias[:, None]) * rates[:, None, :, None]


def squared_norms(
  kernels: Sequence['tf.Tensor'], groups: 'tf.Tensor | None', xla: bool
) -> list['tf.Tensor']:
  """Squared norms of the kernel's columns, or of groups of them.

  Args:
    kernels: blocks of columns, `[S, G, C, D_j]`.
    groups: number of each feature's group, `[D]`, or None.
    xla: whether XLA compiles it.

  Returns:
    `[S, G, 1, D_j]` for each block: of the column's group.
  """
  import tensorflow as tf

  squared = [tf.reduce_sum(k * k, axis=2, keepdims=True) for k in kernels]
  if groups is None:
    return squared
  by_feature = tf.transpose(tf.concat(squared, axis=3), [3, 0, 1, 2])
  if xla:  # Which has no sum of sorted segments, and wants a fixed number.
    summed = tf.math.unsorted_segment_sum(
      by_feature, groups, tf.shape(groups)[0]
    )
  else:
    summed = tf.math.segment_sum(by_feature, groups)
  whole = tf.transpose(tf.gather(summed, groups), [1, 2, 3, 0])
  return tf.split(
    whole, [tf.shape(x)[3] for x in squared], axis=3, num=len(squared)
  )


def penalty_gradient(
  penalty: str,
  kernel: 'tf.Tensor',
  squared: 'tf.Tensor | None',
  rates: 'tf.Tensor',
  coefficients: 'tf.Tensor',
) -> 'tf.Tensor':
  """The penalty's gradient at W = lr * U.

  Args:
    penalty: 'l1', 'l2' or 'l21'.
    kernel: a block of U, `[S, G, C, D_j]`.
    squared: its `squared_norms`, for 'l21'.
    rates: lr, `[S, G]`.
    coefficients: `[S, G]`.

  Returns:
    Of the kernel's shape.
  """
  import tensorflow as tf

  coefficients = coefficients[:, :, None, None]
  if penalty == 'l1':
    return coefficients * tf.sign(kernel)
  if penalty == 'l2':
    return (2 * coefficients * rates[:, :, None, None]) * kernel
  # w_i / ||w_i|| is the same for U as for W.
  scale = tf.where(tf.greater(squared, _TINY), tf.math.rsqrt(squared), 0.0)
  return kernel * (coefficients * scale)
