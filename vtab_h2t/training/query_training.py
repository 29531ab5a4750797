"""Trains queries, and a linear head on what they read, many side by side.

The loss is the mean of a batch's cross-entropies; the head starts, and both
are trained, as `heads.warmed` describes, the queries with weight decay too.
Each number of a query is dropped for an image with a chance of 0.1 while they
are trained. What is trained side by side differs in learning rate and weight
decay and shares all else: start, batches, and the draws of what is dropped.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.heads import stateless
from vtab_h2t.heads import warmed
from vtab_h2t.training import queries as queries_lib

if TYPE_CHECKING:
  import tensorflow as tf

DROPOUT = 0.1
# Arrays of the parameters' size that a step holds.
_COPIES = 6

_Parameters = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
  """What distinguishes queries that are trained side by side.

  Attributes:
    learning_rate: the largest one.
    weight_decay: in the gradient of all but the head's bias.
  """

  learning_rate: float
  weight_decay: float


def train(
  network: queries_lib.QueryNetwork,
  contexts: queries_lib.Contexts,
  examples: np.ndarray,
  labels: np.ndarray,
  classes: int,
  specs: Sequence[Spec],
  number: int,
  factors: np.ndarray,
  order: np.ndarray,
  *,
  seed: tuple[int, ...],
  noise_seed: tuple[int, ...],
  memory_bytes: int,
) -> list[np.ndarray | None]:
  """Trains queries.

  Args:
    network: what they read.
    contexts: of the images.
    examples: numbers of the images to train on, `[n]`.
    labels: theirs, integers `[n]`.
    classes: number of classes.
    specs: what they differ in.
    number: of queries of a block.
    factors: of the learning rate in each step, `[steps]`.
    order: which of the examples each step has, `[steps, B]`.
    seed: of the start.
    noise_seed: of what is dropped.
    memory_bytes: working memory besides the contexts'; as many as fit are
      trained at a time.

  Returns:
    For each spec float32 `[L, q, d]`, or None if they, or the head, are not
    finite.

  Raises:
    errors.InputError: not even one fits the memory.
  """
  batch = order.shape[1]
  features = network.features(number)
  own = 4 * _COPIES * features * (classes + 1) + network.query_bytes(
    batch, number
  )
  free = devices.memory(memory_bytes) - network.context_bytes(batch)
  if own > free:
    raise errors.InputError(
      f'{number} queries a block and their head need '
      f'{(own + network.context_bytes(batch)) / 2**30:.1f} GiB, more than the '
      f'allowed {devices.memory(memory_bytes) / 2**30:.1f}; raise --memory_gib '
      'or try fewer queries'
    )
  if classes not in network.steps:
    network.steps[classes] = _compiled(network, classes)
  step = network.steps[classes]
  noise = np.random.SeedSequence(noise_seed).generate_state(2)
  found: list[np.ndarray | None] = []
  for first in range(0, len(specs), free // own):
    found += _train(
      step,
      contexts,
      examples,
      labels,
      specs[first : first + free // own],
      (network.start(number, seed), *warmed.start(features, classes, seed)),
      factors,
      order,
      noise.astype(np.int32),
    )
  return found


def _train(
  step: Callable[..., dict[str, _Parameters]],
  contexts: queries_lib.Contexts,
  examples: np.ndarray,
  labels: np.ndarray,
  specs: Sequence[Spec],
  begin: Sequence[np.ndarray],
  factors: np.ndarray,
  order: np.ndarray,
  noise: np.ndarray,
) -> list[np.ndarray | None]:
  """Trains what fits the memory at a time."""
  import tensorflow as tf

  values = {
    name: tf.repeat(tf.constant(x)[None], len(specs), axis=0)
    for name, x in zip(('queries', 'kernel', 'bias'), begin, strict=True)
  }
  zeros = {name: tf.zeros_like(x) for name, x in values.items()}
  state: dict[str, _Parameters] = {
    'values': values,
    'first': zeros,
    'second': dict(zeros),
  }
  rates, decays = (
    tf.constant([getattr(s, field) for s in specs], tf.float32)
    for field in ('learning_rate', 'weight_decay')
  )
  for t, (factor, rows) in enumerate(zip(factors, order, strict=True)):
    state = step(
      contexts(examples[rows]),
      tf.constant(labels[rows], tf.int32),
      rates * factor,
      decays,
      tf.constant(t),
      tf.constant(noise),
      tf.constant(DROPOUT),
      state,
    )
  arrays = {name: x.numpy() for name, x in state['values'].items()}
  return [
    arrays['queries'][i]
    if all(np.isfinite(x[i]).all() for x in arrays.values())
    else None
    for i in range(len(specs))
  ]


def _compiled(
  network: queries_lib.QueryNetwork, classes: int
) -> Callable[..., dict[str, _Parameters]]:
  """One step."""
  import tensorflow as tf

  def step(
    context: queries_lib.Context,
    labels: 'tf.Tensor',
    rates: 'tf.Tensor',
    decays: 'tf.Tensor',
    number: 'tf.Tensor',
    noise: 'tf.Tensor',
    dropped: 'tf.Tensor',
    state: dict[str, _Parameters],
  ) -> dict[str, _Parameters]:
    values = state['values']
    shape = tf.shape(values['queries'])[1:]
    uniform = tf.random.stateless_uniform(
      tf.concat([tf.shape(labels), shape], axis=0),
      tf.random.experimental.stateless_fold_in(noise, number),
    )
    masks = tf.where(uniform >= dropped, 1 / (1 - dropped), 0.0)
    one_hot = tf.one_hot(labels, classes)[:, None]
    with tf.GradientTape() as tape:
      tape.watch(values)
      x = network.read(context, values['queries'], masks)
      logits = tf.einsum('bgd,gcd->bgc', x, values['kernel']) + values['bias']
      logs = tf.nn.log_softmax(logits)
      # No set's loss depends on another's parameters.
      loss = tf.reduce_sum(tf.reduce_mean(-one_hot * logs, axis=0))
    gradients = tape.gradient(loss, values)
    found: dict[str, _Parameters] = {'values': {}, 'first': {}, 'second': {}}
    for name, value in values.items():
      axes = [-1, *[1] * (len(value.shape) - 1)]
      gradient = gradients[name]
      if name != 'bias':
        gradient += tf.reshape(decays, axes) * value
      change, first, second = stateless.adam(
        gradient,
        state['first'][name],
        state['second'][name],
        tf.cast(number, tf.float32) + 1,
      )
      found['values'][name] = value - tf.reshape(rates, axes) * change
      found['first'][name], found['second'][name] = first, second
    return found

  # Traced for each shape, as in `heads.attention_training`.
  return tf.function(step)


class Predictor:
  """Queries and a head on some of what they read.

  Attributes:
    queries: `[L, q, d]`.
    columns: ascending indices of the features that the head reads.
  """

  def __init__(
    self,
    network: queries_lib.QueryNetwork,
    queries: np.ndarray,
    columns: np.ndarray,
    kernel: 'tf.Tensor',
    bias: 'tf.Tensor',
  ) -> None:
    import tensorflow as tf

    self._network = network
    self.queries, self.columns = queries, columns
    self._head = kernel, bias
    self._logits = tf.function(self.logits)

  def logits(self, images: 'tf.Tensor') -> 'tf.Tensor':
    """Logits `[B, C]` of images as the network wants them."""
    import tensorflow as tf

    context = self._network.context(images)
    x = self._network.read(context, tf.constant(self.queries[None]))[:, 0]
    kernel, bias = self._head
    x = tf.gather(x, self.columns, axis=1)
    return tf.matmul(x, kernel, transpose_b=True) + bias

  def predict(self, images: 'tf.Tensor') -> np.ndarray:
    """Classes `[B]` of images as the network wants them."""
    return self._logits(images).numpy().argmax(axis=1)
