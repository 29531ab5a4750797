"""Trains a network and its head in compiled steps.

What is trained is the network, or its first-order Taylor expansion in all the
weights that change: then the network stays as it is, and the variables that
steps update are the displacements of its weights.

Updates are fused operations on each variable with a learning rate of its own:
`lr * scale`. Scaling a gradient instead would do nothing under Adam.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import finite
from vtab_h2t.heads import adam
from vtab_h2t.heads import initial
from vtab_h2t.training import checkpoint as checkpoint_lib
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import linearized
from vtab_h2t.training import readout as readout_lib

if TYPE_CHECKING:
  import keras
  import tensorflow as tf


SGD, ADAM = 'sgd', 'adam'
COSINE, COSINE_BY_EPOCH, CONSTANT = 'cosine', 'cosine_by_epoch', 'constant'
_CHECK_EVERY = 25  # Steps between two looks at losses and weights.


class DivergedError(Exception):
  """The loss or a weight became NaN or infinite; the message says when."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
  """How a network is trained, besides learning rate and steps.

  Attributes:
    optimizer: 'sgd' (momentum 0.9) or 'adam'.
    batch: images in a step.
    schedule: of the learning rate: 'cosine' to 0 by step, 'cosine_by_epoch',
      or 'constant'.
    frozen_statistics: whether batch norms use their running statistics and
      leave them alone (their scale and offset are trained all the same), else
      those of the batch.
    weight_decay: times half the squared weights, added to the loss (not
      decoupled).
    epsilon: Adam's; that of the library that the source used.
    linearized: whether the network's Taylor expansion is trained in its place.
  """

  optimizer: str = SGD
  batch: int = 128
  schedule: str = COSINE
  frozen_statistics: bool = False
  weight_decay: float = 0.0
  epsilon: adam.Epsilon = adam.KERAS
  linearized: bool = False

  def __post_init__(self) -> None:
    if self.linearized and not self.frozen_statistics:
      raise ValueError(
        'a linearized network needs frozen statistics: with those of a batch, '
        'its logits are not a function of one image'
      )
    if self.linearized and self.weight_decay:
      raise ValueError('a linearized network is trained without weight decay')

  def factor(self, number: int, steps: int, in_epoch: int) -> float:
    """What a step's learning rate is to the initial one.

    Args:
      number: of the step, from 0.
      steps: of the whole schedule.
      in_epoch: steps of an epoch.
    """
    progress = {
      COSINE: number / steps,
      COSINE_BY_EPOCH: number // in_epoch / -(-steps // in_epoch),
      CONSTANT: 0.0,
    }[self.schedule]
    return float(1 + np.cos(np.pi * progress)) / 2


class Trainer:
  """A network, what its head reads, the head, and their compiled steps.

  Attributes:
    recipe: how it is trained.
    trained: numbers of the network's variables that change.
  """

  def __init__(
    self,
    model: 'keras.Model',
    variables: Sequence['tf.Variable'],
    strategy: 'tf.distribute.Strategy',
    readout: readout_lib.Readout,
    sizes: Sequence[int],
    trained: Sequence[int],
    recipe: Recipe,
  ) -> None:
    """Initialises; see `network.Network.trainer`, which keeps them.

    Args:
      model: the network's Keras model.
      variables: its trainable variables.
      strategy: over which devices batches are split.
      readout: what the head reads.
      sizes: of the head's input, hidden layers and output.
      trained: numbers of the variables that change.
      recipe: how to train.
    """
    import keras
    import tensorflow as tf

    self._model = model
    self.recipe = recipe
    self._readout = readout
    self._part = keras.Model(
      model.inputs, {tap: model.output[tap] for tap in readout.taps}
    )
    self._strategy = strategy
    with self._strategy.scope():
      self._layers = [
        (tf.Variable(k), tf.Variable(b)) for k, b in initial.layers(sizes, (0,))
      ]
      head = [v for layer in self._layers for v in layer]
      self._weights = [variables[i] for i in trained] + head
      self._displacement = (
        [tf.Variable(tf.zeros(v.shape)) for v in self._weights]
        if recipe.linearized
        else []
      )
      self._variables = self._displacement or self._weights
      self._slots = [
        [
          tf.Variable(tf.zeros(v.shape))
          for _ in range(2 if recipe.optimizer == ADAM else 1)
        ]
        for v in self._variables
      ]
    self.trained = tuple(trained)
    # Of any number of images: the last batch of an epoch needs no trace of its
    # own.
    images = tf.TensorSpec(self._part.inputs[0].shape, tf.float32)
    labels = tf.TensorSpec([None], tf.int64)
    scalar = tf.TensorSpec([], tf.float32)
    scales = tf.TensorSpec([len(self._variables)], tf.float32)
    if self._replicas == 1:
      self._compiled = tf.function(
        self._step_in_graph,
        input_signature=[images, labels, scalar, scales, scalar],
      )
    else:
      self._compiled = tf.function(
        self._step_on_replicas, reduce_retracing=True
      )
    self._gradients = tf.function(
      self._gradients_in_graph, input_signature=[images, labels]
    )
    self._forward = tf.function(
      lambda x: readout(self._part(x, training=False)), input_signature=[images]
    )
    self._classes = tf.function(
      lambda x: tf.argmax(self._logits_in_graph(x, training=False), axis=1),
      input_signature=[images],
    )
    self._right = tf.function(
      lambda x, y: tf.math.count_nonzero(tf.equal(self._classes(x), y)),
      input_signature=[images, labels],
    )
    self._is_finite = tf.function(
      lambda: finite.sums_are(
        [*(w.value for w in self._model.weights), *head, *self._displacement]
      ),
      input_signature=[],
    )

  @property
  def _replicas(self) -> int:
    return self._strategy.num_replicas_in_sync

  @property
  def num_scales(self) -> int:
    """How many variables there are: the trained ones, then the head's."""
    return len(self._variables)

  @property
  def values(self) -> list[np.ndarray]:
    """Their values, in that order."""
    return [self._value(i) for i in range(self.num_scales)]

  @property
  def head(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """The head's kernels and biases."""
    numbers = range(len(self.trained), self.num_scales)
    return [
      (self._value(kernel), self._value(bias))
      for kernel, bias in zip(numbers[::2], numbers[1::2])
    ]

  def _value(self, number: int) -> np.ndarray:
    """The value of a variable, its displacement added."""
    value = self._weights[number].numpy()
    if self.recipe.linearized:
      value = value + self._displacement[number].numpy()
    return value

  def start(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Sets the head, and forgets what the optimizer knew.

    A linearized network is expanded here: no weight has moved yet.
    """
    import tensorflow as tf

    for (kernel, bias), (k, b) in zip(self._layers, layers, strict=True):
      kernel.assign(k)
      bias.assign(b)
    for moved in self._displacement:
      moved.assign(tf.zeros(moved.shape))
    self.forget()

  def forget(self) -> None:
    """Sets the optimizer's moments to zero."""
    import tensorflow as tf

    for slot in (s for slots in self._slots for s in slots):
      slot.assign(tf.zeros(slot.shape))

  def _logits_in_graph(self, x: 'tf.Tensor', training: bool) -> 'tf.Tensor':
    """Logits `[n, classes]`, of the network or of its Taylor expansion."""

    def of_network() -> 'tf.Tensor':
      taps = self._part(x, training=training)
      return readout_lib.apply_head(self._readout(taps), self._layers)

    if self.recipe.linearized:
      return linearized.expanded(of_network, self._weights, self._displacement)
    return of_network()

  def _loss_and_gradients(
    self, x: 'tf.Tensor', y: 'tf.Tensor'
  ) -> tuple['tf.Tensor', list['tf.Tensor']]:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(self._weights)
      logits = self._logits_in_graph(
        x, training=not self.recipe.frozen_statistics
      )
      loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
      )
    gradients = tape.gradient(
      loss, self._weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return loss, gradients

  def _gradients_in_graph(
    self, x: 'tf.Tensor', y: 'tf.Tensor'
  ) -> list['tf.Tensor']:
    return self._loss_and_gradients(x, y)[1]

  def _step(
    self,
    x: np.ndarray,
    y: np.ndarray,
    lr: np.float32,
    scales: np.ndarray,
    number: np.float32,
  ) -> 'tf.Tensor':
    """One step on a batch, split over the replicas; returns its loss.

    Args:
      x: inputs, float32 `[n, H, W, 3]`.
      y: labels, `[n]`.
      lr: learning rate.
      scales: factor of it for each variable, `[num_scales]`.
      number: of the step since the optimizer's moments were zero.
    """
    if self._replicas == 1:
      return self._compiled(x, y, lr, scales, number)
    parts = [
      np.arange(len(x))[i :: self._replicas] for i in range(self._replicas)
    ]
    shares = [np.float32(len(part) / len(x)) for part in parts]
    # A batch of fewer images than replicas: a mean over none would be NaN, and
    # what has no share does not count.
    parts = [part if len(part) else parts[0] for part in parts]

    def each(
      values: Sequence[np.ndarray | np.float32],
    ) -> 'tf.distribute.DistributedValues':
      return self._strategy.experimental_distribute_values_from_function(
        lambda context: values[context.replica_id_in_sync_group]
      )

    return self._compiled(
      each([x[part] for part in parts]),
      each([y[part] for part in parts]),
      lr,
      scales,
      number,
      each(shares),
    )

  def _step_on_replicas(
    self,
    x: 'tf.distribute.DistributedValues',
    y: 'tf.distribute.DistributedValues',
    lr: 'tf.Tensor',
    scales: 'tf.Tensor',
    number: 'tf.Tensor',
    share: 'tf.distribute.DistributedValues',
  ) -> 'tf.Tensor':
    import tensorflow as tf

    losses = self._strategy.run(
      self._step_in_graph, args=(x, y, lr, scales, number, share)
    )
    return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

  def _step_in_graph(
    self,
    x: 'tf.Tensor',
    y: 'tf.Tensor',
    lr: 'tf.Tensor',
    scales: 'tf.Tensor',
    number: 'tf.Tensor',
    share: 'tf.Tensor | None' = None,
  ) -> 'tf.Tensor':
    """As `_step`; with a share of the batch, the loss times that share."""
    import tensorflow as tf

    loss, gradients = self._loss_and_gradients(x, y)
    if share is not None:  # Of the whole batch; the mean is over all of it.
      loss *= share
      gradients = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, [g * share for g in gradients]
      )
    rates = tf.unstack(lr * scales, len(self._variables))
    for variable, slots, gradient, rate in zip(
      self._variables, self._slots, gradients, rates
    ):
      if self.recipe.weight_decay:
        gradient += self.recipe.weight_decay * variable
      if self.recipe.optimizer == ADAM:
        m, v = slots
        adam.apply(variable, m, v, gradient, rate, number, self.recipe.epsilon)
      else:
        # The rate scales the velocity, as in torch and in VTAB's own script.
        tf.raw_ops.ResourceApplyMomentum(
          var=variable.handle,
          accum=slots[0].handle,
          lr=rate,
          grad=gradient,
          momentum=0.9,
        )
    return loss

  def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Gradients of the loss on a batch, for each variable and the head's."""
    return [g.numpy() for g in self._gradients(x, y)]

  def correct(self, x: 'tf.Tensor', y: 'tf.Tensor') -> int:
    """Correct answers on a batch, in inference mode.

    Args:
      x: inputs, float32 `[n, H, W, 3]`.
      y: labels, int64 `[n]`.
    """
    return int(self._right(x, y))

  def run(
    self,
    inputs: np.ndarray,
    labels: np.ndarray,
    examples: np.ndarray,
    learning_rate: float,
    steps: int,
    seed: Sequence[int],
    scales: Callable[[int, 'Trainer'], np.ndarray | None] | None = None,
    checkpoint: checkpoint_lib.Checkpoint | None = None,
    stop: int | None = None,
    judge: judge_lib.Judge | None = None,
    tell: Callable[[int, int], None] | None = None,
  ) -> None:
    """Trains.

    An epoch goes once over the examples; its last batch has what is left.

    Args:
      inputs: the network's inputs, float32 `[n, H, W, 3]`.
      labels: int64 `[n]`.
      examples: which of them to train on.
      learning_rate: the initial one.
      steps: number of steps, at whose end the schedule ends.
      seed: of the order of the images.
      scales: called at the start of each epoch with its number and this; gives
        the factor of each variable's learning rate, and Adam starts anew; or
        None, where the factors stay as they are and Adam goes on (not with a
        checkpoint, which does not keep the factors).
      checkpoint: where a run that is cut off goes on.
      stop: the number of epochs after which to stop, on the same schedule; by
        default all steps are taken.
      judge: called before the first step and after each epoch.
      tell: called after each epoch with the steps so far, and all of them.

    Raises:
      DivergedError: the loss or a weight is not finite.
    """
    in_epoch = epoch_steps(len(examples), self.recipe.batch)
    end = steps if stop is None else min(steps, stop * in_epoch)
    done = self._resume(checkpoint, judge)
    factors, zero = np.ones(self.num_scales, np.float32), 0
    for epoch in range(done // in_epoch, -(-end // in_epoch)):
      numbers = range(epoch * in_epoch, min((epoch + 1) * in_epoch, end))
      changed = scales(epoch, self) if scales is not None else None
      if changed is not None:
        factors, zero = changed, numbers.start
        self.forget()
      losses = []
      order = batches(examples, self.recipe.batch, seed, epoch)
      for number, chosen in zip(numbers, order, strict=False):
        factor = self.recipe.factor(number, steps, in_epoch)
        losses.append(
          self._step(
            inputs[chosen],
            labels[chosen],
            np.float32(learning_rate * factor),
            factors,
            np.float32(number + 1 - zero),
          )
        )
        if len(losses) == _CHECK_EVERY or number == numbers[-1]:
          self._check(losses, f'by step {number + 1} of {steps}')
          losses = []
      if judge is not None:
        judge(self)
      if tell is not None:
        tell(numbers.stop, end)
      if checkpoint and numbers.stop < end:
        checkpoint.save(self, numbers.stop, judge.counts if judge else [])
    if checkpoint:
      checkpoint.remove()

  def _resume(
    self,
    checkpoint: checkpoint_lib.Checkpoint | None,
    judge: judge_lib.Judge | None,
  ) -> int:
    """Goes on where a run was cut off; returns how many steps were done."""
    done, counts = checkpoint.load(self) if checkpoint else (0, [])
    if judge is not None:
      judge.counts[:] = counts
      if not done:
        judge(self)
    return done

  def _check(self, losses: Sequence['tf.Tensor'], when: str) -> None:
    """Raises DivergedError if a loss, or a weight by now, is not finite."""
    # The loss alone does not tell: a fused ReLU makes 0 of NaN.
    if finite.first_fault({'loss': losses}) or not self._is_finite():
      raise DivergedError(f'the loss or a weight was not finite {when}')

  def state(self) -> list[np.ndarray]:
    """All that a run changes: weights, head, the optimizer's moments."""
    return [*self._model.get_weights(), *(v.numpy() for v in self._own())]

  def restore(self, state: Sequence[np.ndarray]) -> None:
    """Sets what `state` gave."""
    own = self._own()
    self._model.set_weights(state[: -len(own)])
    for variable, value in zip(own, state[-len(own) :], strict=True):
      variable.assign(value)

  def _own(self) -> list['tf.Variable']:
    """The variables of a state that are not the network's."""
    return [
      *(v for layer in self._layers for v in layer),
      *self._displacement,
      *(s for slots in self._slots for s in slots),
    ]

  def embed(self, inputs: np.ndarray, batch: int = 64) -> np.ndarray:
    """What the head reads, in inference mode, `[n, size]`.

    Of a linearized network, as it is where it is expanded.
    """
    return np.concatenate(
      [
        self._forward(inputs[i : i + batch]).numpy()
        for i in range(0, len(inputs), batch)
      ]
    )

  def predict(self, inputs: 'np.ndarray | tf.Tensor') -> np.ndarray:
    """Predicted classes of a batch, in inference mode."""
    return self._classes(inputs).numpy()


def epoch_steps(examples: int, batch: int) -> int:
  """Steps of an epoch, as `batches` cuts it."""
  return len(_cuts(examples, batch)) + 1


def batches(
  examples: np.ndarray, batch: int, seed: Sequence[int], epoch: int
) -> list[np.ndarray]:
  """Examples in an epoch's order, in batches; the last has what is left.

  Where that would be one image, whose batch norms have no variance, the last
  batch has one more.
  """
  order = np.random.default_rng([*seed, epoch]).permutation(examples)
  return np.split(order, _cuts(len(order), batch))


def _cuts(examples: int, batch: int) -> range:
  """Where an epoch's examples are cut into batches."""
  return range(batch, max(examples - 1, 1) if batch > 1 else examples, batch)
