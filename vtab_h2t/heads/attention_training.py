"""Trains heads that attend over tokens, many side by side (`attention`).

They differ in learning rate, weight decay and dropout, and share all else: the
start, the batches, and the draws of jitter and dropout. In one compiled loop
each is what training it alone gives, but for rounding.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import math
from typing import Any, Self, TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.heads import attention
from vtab_h2t.heads import stateless

if TYPE_CHECKING:
  import tensorflow as tf

CLIP = 5.0  # Largest norm of a head's gradient.
LAST_RATE = 1e-6  # Where the cosine ends.
# Deviation of the noise that is added to all tokens of an image, and of which
# share of the images.
JITTER, JITTERED = 0.05, 0.5
_MOMENTUM = 0.1  # What a batch adds to a batch norm's running statistics.
# Arrays of a head's size that a step holds: values, two moments, gradients,
# and what is computed from them; and of activations, with gradients.
_PARAMETER_COPIES, _ACTIVATION_COPIES = 7, 4

_Parameters = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
  """What distinguishes heads that are trained side by side.

  Attributes:
    learning_rate: the initial one.
    weight_decay: decoupled; a step takes it, times the rate, off all
      parameters.
    dropout: share of the attention weights that are dropped, below 1.
  """

  learning_rate: float
  weight_decay: float
  dropout: float


def batch_size(examples: int, batches: int) -> int:
  """Images of a batch where an epoch has so many, of equal size."""
  # A batch norm needs two.
  return min(max(examples // batches, 2), examples)


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
  """Weights by which all classes count alike, float32 `[classes]`."""
  counts = np.bincount(labels, minlength=classes)
  weights = len(labels) / (classes * np.maximum(counts, 1))
  return np.where(counts, weights, 0).astype(np.float32)


def head_bytes(sizes: attention.Sizes, batch: int) -> int:
  """Memory that one head takes while it is trained, in bytes."""
  parameters = sum(math.prod(shape) for shape in sizes.shapes().values())
  tokens, width = sizes.tokens, sizes.width
  activations = batch * (
    tokens * (2 * width + 2 * tokens + 2 * sizes.head) + 4 * width
  )
  return 4 * (_PARAMETER_COPIES * parameters + _ACTIVATION_COPIES * activations)


def train(
  matrix: 'tf.Tensor',
  labels: np.ndarray,
  sizes: attention.Sizes,
  specs: Sequence[Spec],
  *,
  steps: int,
  batches: int,
  seed: tuple[int, ...],
  order_seed: tuple[int, ...],
  memory_bytes: int,
) -> Iterator[attention.Head | None]:
  """Trains heads by AdamW, from one start, with a cosine to `LAST_RATE`.

  Args:
    matrix: tokens side by side, each of unit norm, `[n, sum(widths)]`.
    labels: integers `[n]`.
    sizes: of the heads.
    specs: what they differ in.
    steps: optimisation steps.
    batches: of an epoch, each in an order of its own.
    seed: of the initial parameters.
    order_seed: of the examples' order, jitter and dropout.
    memory_bytes: working memory; as many heads as fit are trained at a time.

  Yields:
    For each spec its head, or None if it is not finite.

  Raises:
    errors.InputError: not even one head fits the memory.
  """
  if not specs:
    return
  size = batch_size(len(labels), batches)
  batch_order = stateless.order(len(labels), size, steps, order_seed)
  own = head_bytes(sizes, size)
  shared = 8 * len(labels) * sizes.tokens * sizes.width
  free = devices.memory(memory_bytes) - shared
  if own > free:
    raise errors.InputError(
      f'an attention head of {sizes.classes} classes on {sizes.tokens} tokens '
      f'of width {sizes.width} needs {(own + shared) / 2**30:.1f} GiB, more '
      f'than the allowed {(free + shared) / 2**30:.1f}; raise --memory_gib'
    )
  chunks = [
    specs[i : i + free // own] for i in range(0, len(specs), free // own)
  ]
  begin = attention.start(sizes, seed)
  weights = balanced(labels, sizes.classes)
  noise = np.random.SeedSequence(order_seed).generate_state(2)

  def run(chunk: Sequence[Spec], device: str) -> list[attention.Head | None]:
    import tensorflow as tf

    state = _State.start(begin, len(chunk))
    found = _compiled(devices.needs_xla(device))(
      sizes.tokens_of(matrix),
      tf.constant(labels, tf.int32),
      tf.constant(weights),
      tf.constant(batch_order),
      tf.constant(noise.astype(np.int32)),
      {
        field.name: tf.constant(
          [getattr(one, field.name) for one in chunk], tf.float32
        )
        for field in dataclasses.fields(Spec)
      },
      state.as_dict(),
    )
    return _heads(sizes, found, len(chunk))

  for part in devices.spread(run, chunks):
    yield from part


@dataclasses.dataclass(frozen=True, eq=False)
class _State:
  """What the loop changes; each tensor has a first axis `G`.

  Attributes:
    values: of the parameters.
    first, second: Adam's moments.
    statistics: the batch norm's running mean and variance.
  """

  values: _Parameters
  first: _Parameters
  second: _Parameters
  statistics: _Parameters

  @classmethod
  def start(cls, parameters: dict[str, np.ndarray], count: int) -> Self:
    import tensorflow as tf

    def repeated(x: np.ndarray) -> 'tf.Tensor':
      return tf.repeat(tf.constant(x)[None], count, axis=0)

    zeros = {k: tf.zeros((count, *v.shape)) for k, v in parameters.items()}
    one = tf.zeros((count, *parameters['query'].shape))
    return cls(
      {k: repeated(v) for k, v in parameters.items()},
      zeros,
      dict(zeros),
      {'mean': one, 'variance': one + 1},
    )

  def as_dict(self) -> dict[str, _Parameters]:
    return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def _heads(
  sizes: attention.Sizes, found: dict[str, _Parameters], count: int
) -> list[attention.Head | None]:
  """Takes heads that were trained side by side apart."""
  arrays = {
    part: {k: v.numpy() for k, v in found[part].items()}
    for part in ('values', 'statistics')
  }
  heads: list[attention.Head | None] = []
  for i in range(count):
    own = {
      part: {k: v[i] for k, v in of.items()} for part, of in arrays.items()
    }
    fine = all(np.isfinite(v).all() for of in own.values() for v in of.values())
    heads.append(
      attention.Head.folded(sizes, own['values'], **own['statistics'])
      if fine
      else None
    )
  return heads


@functools.cache
def _compiled(xla: bool) -> Any:
  """The training loop; `xla` says whether XLA compiles it."""
  import tensorflow as tf

  def loop(
    tokens: 'tf.Tensor',
    labels: 'tf.Tensor',
    class_weights: 'tf.Tensor',
    order: 'tf.Tensor',
    noise: 'tf.Tensor',
    specs: dict[str, 'tf.Tensor'],
    state: dict[str, _Parameters],
  ) -> dict[str, _Parameters]:
    steps = tf.shape(order)[0]
    for t in tf.range(steps):
      chosen = order[t]
      seed = tf.random.experimental.stateless_fold_in(noise, t)
      coin, added, dropped = tf.unstack(
        tf.random.experimental.stateless_split(seed, 3), num=3
      )
      x = _jittered(tf.gather(tokens, chosen), coin, added)
      done = tf.cast(t, tf.float32)
      cosine = 0.5 * (1 + tf.cos(np.pi * done / tf.cast(steps, tf.float32)))
      rates = LAST_RATE + (specs['learning_rate'] - LAST_RATE) * cosine
      state = _step(
        attention.normed(x),
        tf.gather(labels, chosen),
        class_weights,
        _kept(specs['dropout'], tf.shape(x), dropped),
        rates,
        specs['weight_decay'],
        done + 1,
        state,
      )
    return state

  # Traced for each shape: a trace for several rounds otherwise, so that numbers
  # would depend on what was trained before.
  return tf.function(loop, jit_compile=xla or None)


def _jittered(
  x: 'tf.Tensor', coin: 'tf.Tensor', added: 'tf.Tensor'
) -> 'tf.Tensor':
  """Tokens `[B, T, d]` with noise added to those of some images."""
  import tensorflow as tf

  shape = tf.shape(x)
  uniform = tf.random.stateless_uniform([shape[0], 1, 1], coin)
  noise = tf.random.stateless_normal(shape, added, stddev=JITTER)
  return x + tf.where(uniform < JITTERED, noise, 0.0)


def _kept(
  rates: 'tf.Tensor', shape: 'tf.Tensor', seed: 'tf.Tensor'
) -> 'tf.Tensor':
  """What attention weights are multiplied by, `[B, G, M, T]`.

  Args:
    rates: of dropout, `[G]`.
    shape: of the tokens, `[B, T, d]`; there are as many heads as tokens.
    seed: of a draw that all have in common.
  """
  import tensorflow as tf

  uniform = tf.random.stateless_uniform([shape[0], 1, shape[1], shape[1]], seed)
  rates = rates[None, :, None, None]
  return tf.where(uniform >= rates, 1 / (1 - rates), 0.0)


def _step(
  x: 'tf.Tensor',
  labels: 'tf.Tensor',
  class_weights: 'tf.Tensor',
  mask: 'tf.Tensor',
  rates: 'tf.Tensor',
  decays: 'tf.Tensor',
  number: 'tf.Tensor',
  state: dict[str, _Parameters],
) -> dict[str, _Parameters]:
  """One step of AdamW of all heads.

  Args:
    x: normed tokens `[B, T, d]`.
    labels: `[B]`.
    class_weights: `[C]`.
    mask: of the attention weights, `[B, G, M, T]`.
    rates: learning rates `[G]`.
    decays: of the weights, `[G]`.
    number: of the step, from 1, as a float.
    state: a `_State` as a dictionary.

  Returns:
    The next state.
  """
  import tensorflow as tf

  values = state['values']
  with tf.GradientTape() as tape:
    tape.watch(values)
    loss, mean, variance = attention.losses(
      attention.scores(x, values, mask), values, labels, class_weights
    )
    # No head's loss depends on another's parameters.
    total = tf.reduce_sum(loss)
  gradients = tape.gradient(total, values)
  squared = [
    tf.reduce_sum(tf.square(g), axis=list(range(1, len(g.shape))))
    for g in gradients.values()
  ]
  # As torch's clip_grad_norm_, which adds a little to the norm.
  factors = tf.minimum(1.0, CLIP / (tf.sqrt(stateless.total(squared)) + 1e-6))
  count = tf.cast(tf.shape(x)[0], tf.float32)
  found: dict[str, _Parameters] = {
    'values': {},
    'first': {},
    'second': {},
    'statistics': {
      'mean': _moved(state['statistics']['mean'], mean),
      'variance': _moved(
        state['statistics']['variance'],
        variance * count / tf.maximum(count - 1, 1),
      ),
    },
  }
  for name, value in values.items():
    axes = [-1, *[1] * (len(value.shape) - 1)]
    gradient = gradients[name] * tf.reshape(factors, axes)
    change, first, second = stateless.adam(
      gradient, state['first'][name], state['second'][name], number
    )
    rate = tf.reshape(rates, axes)
    decay = tf.reshape(decays, axes)
    found['values'][name] = value * (1 - rate * decay) - rate * change
    found['first'][name], found['second'][name] = first, second
  return found


def _moved(running: 'tf.Tensor', of_batch: 'tf.Tensor') -> 'tf.Tensor':
  return (1 - _MOMENTUM) * running + _MOMENTUM * of_batch
