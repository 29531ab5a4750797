"""Adam as one fused operation for each variable, with Keras' defaults.

Keras and torch add epsilon at different places. With the step `t` and the
moments `m` and `v`, corrected for their start at zero as
`m_hat = m / (1 - beta_1^t)` and `v_hat = v / (1 - beta_2^t)`, the update is

  Keras   lr * sqrt(1 - beta_2^t) * m_hat / (sqrt(v) + epsilon)
  torch   lr * m_hat / (sqrt(v_hat) + epsilon)

so that torch's epsilon does what `epsilon * sqrt(1 - beta_2^t)` does in Keras'
place; the factor is 0.03 at the first step.
"""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import tensorflow as tf

BETA_1, BETA_2 = 0.9, 0.999


@dataclasses.dataclass(frozen=True, kw_only=True)
class Epsilon:
  """What is added to the root of the squares' mean.

  Attributes:
    value: how much.
    corrected: whether the root is that of the corrected mean, as in torch.
  """

  value: float
  corrected: bool


KERAS = Epsilon(value=1e-7, corrected=False)
TORCH = Epsilon(value=1e-8, corrected=True)


def apply(
  variable: 'tf.Variable',
  m: 'tf.Variable',
  v: 'tf.Variable',
  gradient: 'tf.Tensor',
  rate: 'tf.Tensor | float',
  number: 'tf.Tensor | float',
  epsilon: Epsilon = KERAS,
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
    epsilon: whose.
  """
  import tensorflow as tf

  beta_2_power = tf.pow(BETA_2, number)
  added = epsilon.value
  if epsilon.corrected:  # The operation's own is Keras'.
    added *= tf.sqrt(1 - beta_2_power)
  tf.raw_ops.ResourceApplyAdam(
    var=variable.handle,
    m=m.handle,
    v=v.handle,
    beta1_power=tf.pow(BETA_1, number),
    beta2_power=beta_2_power,
    lr=rate,
    beta1=BETA_1,
    beta2=BETA_2,
    epsilon=added,
    grad=gradient,
    use_locking=False,
    use_nesterov=False,
  )
