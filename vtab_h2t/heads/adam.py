"""Adam with Keras' defaults, as one fused operation for each variable."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def apply(
  variable: 'tf.Variable',
  m: 'tf.Variable',
  v: 'tf.Variable',
  gradient: 'tf.Tensor',
  rate: 'tf.Tensor | float',
  number: 'tf.Tensor | float',
) -> None:
  """Updates a variable and its moments.

  Args:
    variable: float32, of any shape.
    m: the gradients' running mean, of that shape.
    v: that of their squares.
    gradient: of that shape.
    rate: learning rate, a scalar.
    number: the how-many-th update since the moments were zero, a float scalar,
      1 for the first.
  """
  import tensorflow as tf

  tf.raw_ops.ResourceApplyAdam(
    var=variable.handle,
    m=m.handle,
    v=v.handle,
    beta1_power=tf.pow(BETA_1, number),
    beta2_power=tf.pow(BETA_2, number),
    lr=rate,
    beta1=BETA_1,
    beta2=BETA_2,
    epsilon=EPSILON,
    grad=gradient,
    use_locking=False,
    use_nesterov=False,
  )
