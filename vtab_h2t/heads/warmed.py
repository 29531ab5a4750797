"""A linear head as visual query tuning trains it.

Adam, with weight decay in the gradient of all but the bias; a learning rate
that rises from 0 through some epochs and then falls to 0 by a cosine, the same
throughout an epoch; a kernel from a normal distribution with a deviation of
`sqrt(2 / C)`, and a bias of -log(99), with which each class has one chance in a
hundred at the start.
"""

from collections.abc import Sequence
import functools
import math
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t.heads import initial
from vtab_h2t.heads import stateless
from vtab_h2t.heads import sweep

if TYPE_CHECKING:
  import tensorflow as tf

_BIAS = -math.log(99)
_TINY = 1e-30  # Squared norms of kernel columns up to this have no gradient.


def factors(epochs: int, warmup: int, in_epoch: int) -> np.ndarray:
  """What each step's learning rate is to the whole one, float32 `[steps]`.

  Args:
    epochs: of the training.
    warmup: through how many it rises; it is 0 in the first.
    in_epoch: steps of an epoch.
  """
  epoch = np.arange(epochs)
  falls = (epoch - warmup) / max(1, epochs - warmup)
  found = np.where(
    epoch < warmup,
    epoch / max(1, warmup),
    (1 + np.cos(np.pi * falls)) / 2,
  )
  return np.repeat(found, in_epoch).astype(np.float32)


def start(
  features: int, classes: int, seed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
  """A kernel `[classes, features]` and a bias `[classes]`, float32."""
  deviation = math.sqrt(2 / classes)
  return (
    initial.kernel(seed, features, classes, deviation),
    np.full(classes, _BIAS, np.float32),
  )


def train(
  matrix: 'np.ndarray | tf.Tensor',
  labels: np.ndarray,
  classes: int,
  rates: np.ndarray,
  order: np.ndarray,
  *,
  weight_decay: float,
  penalty: float,
  seed: Sequence[int],
) -> sweep.Head | None:
  """Trains one head.

  Args:
    matrix: features, float32 `[n, D]`.
    labels: integers `[n]`.
    classes: number of classes.
    rates: learning rate of each step, `[steps]`.
    order: examples of each step, `[steps, B]`.
    weight_decay: times the kernel, is added to its gradient.
    penalty: coefficient of the sum of the norms of the kernel's columns, which
      is added to the mean of a batch's cross-entropies.
    seed: of the kernel.

  Returns:
    The head, or None if it is not finite.
  """
  import tensorflow as tf

  kernel, bias = start(matrix.shape[1], classes, seed)
  kernel, bias = _compiled()(
    tf.convert_to_tensor(matrix),
    tf.one_hot(labels, classes),
    tf.constant(rates),
    tf.constant(order),
    tf.constant(weight_decay, tf.float32),
    tf.constant(penalty, tf.float32),
    tf.constant(kernel),
    tf.constant(bias),
  )
  fine = bool(
    tf.reduce_all(tf.math.is_finite(kernel))
    and tf.reduce_all(tf.math.is_finite(bias))
  )
  return sweep.Head(kernel, bias) if fine else None


@functools.cache
def _compiled() -> Any:
  """The training loop."""
  import tensorflow as tf

  def loop(
    matrix: 'tf.Tensor',
    labels: 'tf.Tensor',
    rates: 'tf.Tensor',
    order: 'tf.Tensor',
    weight_decay: 'tf.Tensor',
    penalty: 'tf.Tensor',
    kernel: 'tf.Tensor',
    bias: 'tf.Tensor',
  ) -> tuple['tf.Tensor', 'tf.Tensor']:
    m_kernel, v_kernel = tf.zeros_like(kernel), tf.zeros_like(kernel)
    m_bias, v_bias = tf.zeros_like(bias), tf.zeros_like(bias)
    for t in tf.range(tf.shape(order)[0]):
      x = tf.gather(matrix, order[t])
      logits = tf.matmul(x, kernel, transpose_b=True) + bias
      error = tf.nn.softmax(logits) - tf.gather(labels, order[t])
      error /= tf.cast(tf.shape(x)[0], tf.float32)
      squared = tf.reduce_sum(tf.square(kernel), axis=0)
      shrink = tf.where(squared > _TINY, penalty * tf.math.rsqrt(squared), 0.0)
      number = tf.cast(t, tf.float32) + 1
      change, m_kernel, v_kernel = stateless.adam(
        tf.matmul(error, x, transpose_a=True)
        + (weight_decay + shrink) * kernel,
        m_kernel,
        v_kernel,
        number,
      )
      kernel -= rates[t] * change
      change, m_bias, v_bias = stateless.adam(
        tf.reduce_sum(error, axis=0), m_bias, v_bias, number
      )
      bias -= rates[t] * change
    return kernel, bias

  return tf.function(loop, reduce_retracing=True)
