"""The first-order Taylor expansion of a function of weights (section 3.1)."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import tensorflow as tf


def expanded(
  compute: Callable[[], 'tf.Tensor'],
  weights: Sequence['tf.Variable'],
  displacement: Sequence['tf.Variable'],
) -> 'tf.Tensor':
  """What a function would give at displaced weights, if it were linear.

  The expansion's derivative by the displacement is the function's by the
  weights, where they are. So the term that the displacement adds counts as a
  constant in reverse mode, and a gradient that is asked for with respect to the
  weights is that for the displacement.

  Args:
    compute: the function; it reads the weights, and forward-mode
      differentiation goes through it.
    weights: where it is expanded.
    displacement: from there, a tensor for each of the weights.

  Returns:
    The function's value and the product of its Jacobian with the displacement,
    added; of its value's shape.
  """
  import tensorflow as tf

  with tf.autodiff.ForwardAccumulator(
    list(weights), [tf.convert_to_tensor(d) for d in displacement]
  ) as accumulator:
    value = compute()
  return value + tf.stop_gradient(accumulator.jvp(value))
