"""SGD with momentum as one fused operation for each variable.

The rate scales the velocity, as in torch,

  v <- mu v + g,   w <- w - rate v

and not what is added to it, as in Keras, which differs where rates change.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import tensorflow as tf

MOMENTUM = 0.9


def apply(
  variable: 'tf.Variable',
  velocity: 'tf.Variable',
  gradient: 'tf.Tensor',
  rate: 'tf.Tensor | float',
) -> None:
  """Updates a variable and its velocity.

  Args:
    variable: float32, of any shape.
    velocity: of that shape.
    gradient: of that shape.
    rate: learning rate, a scalar.
  """
  import tensorflow as tf

  tf.raw_ops.ResourceApplyMomentum(
    var=variable.handle,
    accum=velocity.handle,
    lr=rate,
    grad=gradient,
    momentum=MOMENTUM,
  )
