"""The compiled loop that trains stacks of heads; see `sweep`.

Sizes: `S` feature matrices in a stack, `G` heads on each, `C` classes, `D`
features, of which the j-th block of columns has `D_j`; `K` batches of `B`.
"""

from collections.abc import Callable, Sequence
import functools
from typing import NamedTuple, Self, TYPE_CHECKING

import numpy as np

from vtab_h2t.heads import adam
from vtab_h2t.heads import gradients
from vtab_h2t.heads import momentum

if TYPE_CHECKING:
  import tensorflow as tf

# Optimisers: Adam with Keras' defaults, or SGD with momentum as torch has it;
# and how many moments of a variable each holds.
ADAM, MOMENTUM = 'adam', 'momentum'
_MOMENTS = {ADAM: 2, MOMENTUM: 1}
OPTIMIZERS = tuple(_MOMENTS)


class Constants(NamedTuple):
  """What the loop reads of one stack.

  Attributes:
    features: `[K, S, B, D_j]` of each block of columns.
    labels: one-hot, `[K, S, B, C]`.
    rates: initial learning rates, `[S, G]`.
    coefficients: of the penalty, `[S, G]`.
    groups: number of each feature's group, ascending, `[D]`; None where each
      feature is one.
  """

  features: list['tf.Tensor']
  labels: 'tf.Tensor'
  rates: 'tf.Tensor'
  coefficients: 'tf.Tensor'
  groups: 'tf.Tensor | None'


class Slots(NamedTuple):
  """A variable, and the optimiser's moments of it."""

  value: 'tf.Variable'
  moments: list['tf.Variable']

  @classmethod
  def start(cls, value: np.ndarray, optimizer: str = ADAM) -> Self:
    """A variable of this value, and moments of zero."""
    import tensorflow as tf

    # Shapes are left open so that one trace serves all.
    open_shape = tf.TensorShape([None] * value.ndim)

    def variable(start: 'np.ndarray | tf.Tensor') -> 'tf.Variable':
      return tf.Variable(start, shape=open_shape, trainable=False)

    return cls(
      variable(value),
      [variable(tf.zeros(value.shape)) for _ in range(_MOMENTS[optimizer])],
    )

  def step(
    self,
    optimizer: str,
    gradient: 'tf.Tensor',
    rate: 'tf.Tensor',
    number: 'tf.Tensor',
  ) -> None:
    """Updates the variable and its moments.

    Args:
      optimizer: that of `start`.
      gradient: of the variable's shape.
      rate: a scalar.
      number: of the step, from 1, as a float.
    """
    if optimizer == ADAM:
      first, second = self.moments
      adam.apply(self.value, first, second, gradient, rate, number)
    else:
      (velocity,) = self.moments
      momentum.apply(self.value, velocity, gradient, rate)


class Variables(NamedTuple):
  """What the loop changes of one stack.

  Attributes:
    blocks: the kernel U, `[S, G * C, D_j]` of each block of columns.
    bias: `[S, G, C]`.
  """

  blocks: list[Slots]
  bias: Slots


class Steps(NamedTuple):
  """Which steps of a schedule are done.

  Attributes:
    batches: numbers of the batches that are taken in turn, `[K]`.
    first: how many steps were done before.
    count: how many are done now.
    horizon: after how many of all the learning rate is 0.
  """

  batches: 'tf.Tensor'
  first: 'tf.Tensor'
  count: 'tf.Tensor'
  horizon: 'tf.Tensor'

  @classmethod
  def of(
    cls, batches: np.ndarray, first: int, count: int, horizon: int
  ) -> Self:
    """As tensors, so that one trace serves all."""
    import tensorflow as tf

    return cls(
      tf.constant(batches, tf.int32),
      *(tf.constant(n, tf.int32) for n in (first, count, horizon)),
    )


# Stacks' constants and variables, weights of the rows of batches `[K, B]`, and
# the steps.
_Loop = Callable[
  [Sequence[Constants], Sequence[Variables], 'tf.Tensor', Steps], None
]


@functools.cache
def compiled(
  penalty: str | None, xla: bool = False, optimizer: str = ADAM
) -> _Loop:
  """The training loop for one of `sweep.PENALTIES`.

  Args:
    penalty: which.
    xla: whether XLA compiles it, for devices that need it.
    optimizer: of `OPTIMIZERS`.
  """
  import tensorflow as tf

  def loop(
    constants: Sequence[Constants],
    variables: Sequence[Variables],
    weights: 'tf.Tensor',
    steps: Steps,
  ) -> None:
    num_batches = tf.shape(steps.batches)[0]
    horizon = tf.cast(steps.horizon, tf.float32)
    for t in tf.range(steps.count):
      done = tf.cast(steps.first + t, tf.float32)
      rate = 0.5 * (1 + tf.cos(np.pi * done / horizon))
      for one_constants, one_variables in zip(constants, variables):
        _step(
          penalty,
          one_constants,
          one_variables,
          weights,
          steps.batches[t % num_batches],
          rate,
          done + 1,
          xla,
          optimizer,
        )

  return tf.function(loop, reduce_retracing=True, jit_compile=xla or None)


@functools.cache
def compiled_logits(
  xla: bool = False,
) -> Callable[[list['tf.Tensor'], Variables, 'tf.Tensor'], 'tf.Tensor']:
  """What a stack's heads say of batches, while they are trained.

  Args:
    xla: as in `compiled`.

  Returns:
    A function of the features, `[K, S, B, D_j]` of each block of columns, the
    variables and the initial learning rates `[S, G]`, that gives float32
    `[K, S, B, G, C]`.
  """
  import tensorflow as tf

  def logits(
    features: list['tf.Tensor'], variables: Variables, rates: 'tf.Tensor'
  ) -> 'tf.Tensor':
    kernels = [tf.identity(block.value) for block in variables.blocks]
    bias = tf.identity(variables.bias.value)

    def of_batch(xs: list['tf.Tensor']) -> 'tf.Tensor':
      return gradients.logits(xs, kernels, bias, rates)

    # Batch by batch: a product of [K, S, ...] with [S, ...], whose K has to be
    # broadcast, was seen to give wrong numbers with oneDNN (TensorFlow 2.21).
    return tf.map_fn(of_batch, features, fn_output_signature=tf.float32)

  return tf.function(logits, reduce_retracing=True, jit_compile=xla or None)


def _step(
  penalty: str | None,
  constants: Constants,
  variables: Variables,
  weights: 'tf.Tensor',
  batch: 'tf.Tensor',
  rate: 'tf.Tensor',
  number: 'tf.Tensor',
  xla: bool,
  optimizer: str,
) -> None:
  """One step of one stack.

  Args:
    penalty: as in `compiled`.
    constants, variables: the stack's.
    weights: of the rows of batches, `[K, B]`.
    batch: number of the batch.
    rate: of U, which is the learning rate's share of the initial one.
    number: of the step, from 1, as a float.
    xla, optimizer: as in `compiled`.
  """
  import tensorflow as tf

  xs = [x[batch] for x in constants.features]
  weight = weights[batch]
  flat = [tf.identity(block.value) for block in variables.blocks]
  bias = tf.identity(variables.bias.value)
  error = gradients.logit_gradient(
    xs, constants.labels[batch], weight, flat, bias, constants.rates
  )
  stack, heads, classes = tf.unstack(tf.shape(bias))
  flat_error = tf.reshape(error, [stack, tf.shape(weight)[0], heads * classes])
  kernels = [
    tf.reshape(k, [stack, heads, classes, tf.shape(k)[2]]) for k in flat
  ]
  squared = [None] * len(kernels)
  if penalty == 'l21':
    squared = gradients.squared_norms(kernels, constants.groups, xla)
  for block, x, kernel, norms in zip(variables.blocks, xs, kernels, squared):
    gradient = tf.matmul(flat_error, x, transpose_a=True)
    if penalty is not None:
      extra = gradients.penalty_gradient(
        penalty,
        kernel,
        norms,
        constants.rates,
        constants.coefficients * tf.reduce_sum(weight),
      )
      gradient += tf.reshape(extra, tf.shape(gradient))
    block.step(optimizer, gradient, rate, number)
  variables.bias.step(optimizer, tf.reduce_sum(error, axis=1), rate, number)
