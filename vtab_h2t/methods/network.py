"""A copy of a backbone that is trained together with a head.

The copy is made once and set back to the pretrained weights for every run, and
its compiled steps are kept, because tracing a network costs more than a short
run. Updates are fused operations on each variable with a learning rate of its
own: `lr * scale`. Scaling a gradient instead would do nothing under Adam.
"""

from collections.abc import Callable, Sequence
import dataclasses
import re
from typing import Protocol, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling

if TYPE_CHECKING:
  import tensorflow as tf

SGD, ADAM = 'sgd', 'adam'
COSINE, COSINE_BY_EPOCH, CONSTANT = 'cosine', 'cosine_by_epoch', 'constant'
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # Keras' defaults for Adam.
# Of batch norms' running statistics. Keras' 0.99 would still hold half of the
# pretrained statistics after 70 steps, and a network is tested with them; 0.9
# is the usual value elsewhere.
_MOMENTUM = 0.9
_CHECK_EVERY = 25  # Steps between two looks at the loss.


class DivergedError(Exception):
  """The loss became NaN or infinite; the message says when."""


@dataclasses.dataclass(frozen=True)
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
  """

  optimizer: str = SGD
  batch: int = 128
  schedule: str = COSINE
  frozen_statistics: bool = False
  weight_decay: float = 0.0


class Readout(Protocol):
  """What a head reads: a function of the taps.

  Attributes:
    taps: those it needs.
    size: number of columns.
  """

  taps: tuple[str, ...]
  size: int

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor':
    ...


@dataclasses.dataclass(frozen=True)
class Embedding:
  """The embedding, scaled to unit norm as the released code does, or not."""

  tap: str
  size: int
  unit_norm: bool

  @property
  def taps(self) -> tuple[str, ...]:
    return (self.tap,)

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor':
    import tensorflow as tf
    x = tf.cast(outputs[self.tap], tf.float32)
    return normalization.unit_norm(x) if self.unit_norm else x


@dataclasses.dataclass(frozen=True, eq=False)
class Selected:
  """Some features of a layout, normalised."""

  layout: pooling.Layout
  columns: np.ndarray
  rule: str

  @property
  def size(self) -> int:
    return len(self.columns)

  @property
  def taps(self) -> tuple[str, ...]:
    starts = self.layout.starts
    edges = np.searchsorted(self.columns, starts)
    return tuple(b.tap for i, b in enumerate(self.layout.blocks)
                 if edges[i] < edges[i + 1])

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor':
    import tensorflow as tf
    # Blocks without a selected column are not read: any tensor will do.
    blocks = [tf.cast(b(outputs[b.tap]), tf.float32) if b.tap in self.taps
              else None for b in self.layout.blocks]
    return normalization.design_matrix(
        blocks, self.layout, columns=self.columns, rule=self.rule)


class RunState(Protocol):
  """Where a run that is cut off goes on; see `checkpoint`."""

  def load(self, trainer: 'Trainer') -> int:
    """Sets the trainer to the last state; returns the steps done, or 0."""

  def save(self, trainer: 'Trainer', steps: int) -> None:
    """May keep the state after so many steps."""

  def remove(self) -> None:
    """The run has ended."""


def glorot(sizes: Sequence[int], seed: Sequence[int]
           ) -> list[tuple[np.ndarray, np.ndarray]]:
  """A head of dense layers: Glorot-uniform kernels, zero biases.

  Args:
    sizes: of its input, of hidden layers, and of its output.
    seed: of the kernels.

  Returns:
    For each layer the kernel `[out, in]` and the bias `[out]`.
  """
  rng = np.random.default_rng(list(seed))
  layers = []
  for fan_in, fan_out in zip(sizes, sizes[1:]):
    limit = np.sqrt(6 / (fan_in + fan_out))
    kernel = rng.uniform(-limit, limit, (fan_out, fan_in))
    layers.append((kernel.astype(np.float32), np.zeros(fan_out, np.float32)))
  return layers


def apply_head(x: 'tf.Tensor', layers) -> 'tf.Tensor':
  """Logits of dense layers with ReLU between them."""
  import tensorflow as tf
  for i, (kernel, bias) in enumerate(layers):
    x = tf.matmul(tf.nn.relu(x) if i else x, kernel, transpose_b=True) + bias
  return x


class Network:
  """A trainable copy of a backbone.

  Attributes:
    backbone: what it is a copy of.
    variables: its trainable variables, in the order of its layers.
    is_norm: for each, whether it belongs to a batch norm.
    layers: for each, the name of its layer.
    strategy: over which devices batches are split.
  """

  def __init__(self, backbone: backbone_lib.Backbone,
               strategy: 'tf.distribute.Strategy | None' = None,
               policy: str | None = None):
    """Copies a backbone.

    Args:
      backbone: what to copy.
      strategy: over which devices batches are split; all GPUs by default.
      policy: Keras' dtype policy; by default mixed_bfloat16 where there is a
        GPU, else float32.

    Raises:
      errors.InputError: its weights cannot be trained.
    """
    import keras
    import tensorflow as tf
    gpus = tf.config.list_logical_devices('GPU')
    policy = policy or ('mixed_bfloat16' if gpus else 'float32')

    def copy(layer):
      return type(layer).from_config(layer.get_config() | (
          {} if isinstance(layer, keras.layers.InputLayer)
          else {'dtype': policy}))

    self.backbone = backbone
    self.strategy = strategy or (
        tf.distribute.MirroredStrategy() if len(gpus) > 1
        else tf.distribute.get_strategy())
    with self.strategy.scope():
      self._model = keras.models.clone_model(
          backbone.model, clone_function=copy)
    for layer in self._model.layers:  # The model's own flag is on already.
      layer.trainable = True
      if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = _MOMENTUM
    self._pretrained = backbone.model.get_weights()
    self._model.set_weights(self._pretrained)
    self.variables, self.is_norm, self.layers = [], [], []
    for layer in self._model.layers:
      for variable in layer.trainable_variables:
        self.variables.append(variable.value)
        self.is_norm.append(
            isinstance(layer, keras.layers.BatchNormalization))
        self.layers.append(layer.name)
    if not self.variables:
      raise errors.InputError(
          f'the weights of {backbone.name} are a SavedModel\'s signature, '
          'which cannot be trained; give weights that are read into variables')
    self._trainers = {}

  def reset(self) -> None:
    """Sets the pretrained weights."""
    self._model.set_weights(self._pretrained)

  def randomise(self, seed: int) -> None:
    """Sets random weights: nothing of the pretrained ones is left."""
    rng = np.random.default_rng(seed)
    constants = {'gamma': 1, 'moving_variance': 1, 'beta': 0, 'bias': 0,
                 'moving_mean': 0}
    for layer in self._model.layers:
      for weight in layer.weights:
        shape = tuple(weight.shape)
        if weight.name in constants:
          value = np.full(shape, constants[weight.name])
        elif weight.name == 'kernel':
          value = rng.normal(
              0, np.sqrt(2 / backbone_lib.fan_in(layer, weight)), shape)
        else:  # A ViT's token and position embeddings.
          value = rng.normal(0, 0.02, shape)
        weight.assign(value.astype(np.float32))

  def state(self) -> list[np.ndarray]:
    """All weights, batch norms' statistics too."""
    return self._model.get_weights()

  def restore(self, state: Sequence[np.ndarray]) -> None:
    self._model.set_weights(state)

  def block(self, name: str) -> tuple[int, ...]:
    """Numbers of the variables of one of the backbone's blocks."""
    pattern = re.compile(self.backbone.blocks[name])
    return tuple(i for i, layer in enumerate(self.layers)
                 if pattern.match(layer))

  def trainer(self, readout: Readout, sizes: Sequence[int],
              trained: Sequence[int], recipe: Recipe) -> 'Trainer':
    """The compiled steps for a readout, head and choice of variables.

    Args:
      readout: what the head reads.
      sizes: of the head's input, hidden layers and output.
      trained: numbers of the variables that change; the head always does.
      recipe: how to train.
    """
    key = readout, tuple(sizes), tuple(trained), recipe
    if key not in self._trainers:
      if len(self._trainers) >= 4:  # Compiled steps hold memory.
        del self._trainers[next(iter(self._trainers))]
      self._trainers[key] = Trainer(self, self._model, *key)
    return self._trainers[key]


class Trainer:
  """A network, what its head reads, the head, and their compiled steps."""

  def __init__(self, network, model, readout, sizes, trained, recipe):
    import keras
    import tensorflow as tf
    self.network = network
    self._recipe = recipe
    self._readout = readout
    self._part = keras.Model(
        model.inputs, {tap: model.output[tap] for tap in readout.taps})
    self._strategy = network.strategy
    with self._strategy.scope():
      self._layers = [(tf.Variable(k), tf.Variable(b))
                      for k, b in glorot(sizes, (0,))]
      head = [v for layer in self._layers for v in layer]
      self._variables = [network.variables[i] for i in trained] + head
      self._slots = [
          [tf.Variable(tf.zeros(v.shape)) for _ in range(
              2 if recipe.optimizer == ADAM else 1)] for v in self._variables]
    self.trained = tuple(trained)
    self._compiled = tf.function(
        self._step_in_graph if self._replicas == 1 else self._step_on_replicas,
        reduce_retracing=True)
    self._gradients = tf.function(self._gradients_in_graph,
                                  reduce_retracing=True)
    self._forward = tf.function(
        lambda x: readout(self._part(x, training=False)),
        reduce_retracing=True)

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
    return [v.numpy() for v in self._variables]

  @property
  def head(self) -> list[tuple[np.ndarray, np.ndarray]]:
    """The head's kernels and biases."""
    return [(k.numpy(), b.numpy()) for k, b in self._layers]

  def start(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Sets the head, and forgets what the optimizer knew."""
    for (kernel, bias), (k, b) in zip(self._layers, layers, strict=True):
      kernel.assign(k)
      bias.assign(b)
    self.forget()

  def forget(self) -> None:
    """Sets the optimizer's moments to zero."""
    import tensorflow as tf
    for slot in (s for slots in self._slots for s in slots):
      slot.assign(tf.zeros(slot.shape))

  def _loss_and_gradients(self, x, y):
    import tensorflow as tf
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(self._variables)
      taps = self._part(x, training=not self._recipe.frozen_statistics)
      logits = apply_head(self._readout(taps), self._layers)
      loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
          labels=y, logits=logits))
    gradients = tape.gradient(
        loss, self._variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return loss, gradients

  def _gradients_in_graph(self, x, y):
    return self._loss_and_gradients(x, y)[1]

  def _step(self, x, y, lr, scales, number) -> 'tf.Tensor':
    """One step on a batch, split over the replicas; returns its loss."""
    if self._replicas == 1:
      return self._compiled(x, y, lr, scales, number)
    parts = [np.arange(len(x))[i::self._replicas]
             for i in range(self._replicas)]
    each = lambda make: (
        self._strategy.experimental_distribute_values_from_function(
            lambda context: make(parts[context.replica_id_in_sync_group])))
    return self._compiled(
        each(lambda rows: x[rows]), each(lambda rows: y[rows]), lr, scales,
        number, each(lambda rows: np.float32(len(rows) / len(x))))

  def _step_on_replicas(self, x, y, lr, scales, number, share):
    import tensorflow as tf
    losses = self._strategy.run(
        self._step_in_graph, args=(x, y, lr, scales, number, share))
    return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

  def _step_in_graph(self, x, y, lr, scales, number, share=None):
    import tensorflow as tf
    loss, gradients = self._loss_and_gradients(x, y)
    if share is not None:  # Of the whole batch; the mean is over all of it.
      loss *= share
      gradients = tf.distribute.get_replica_context().all_reduce(
          tf.distribute.ReduceOp.SUM, [g * share for g in gradients])
    scales = tf.unstack(scales, len(self._variables))
    for variable, slots, gradient, scale in zip(
        self._variables, self._slots, gradients, scales):
      if self._recipe.weight_decay:
        gradient += self._recipe.weight_decay * variable
      if self._recipe.optimizer == ADAM:
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=slots[0].handle, v=slots[1].handle,
            beta1_power=_BETA_1 ** number, beta2_power=_BETA_2 ** number,
            lr=lr * scale, beta1=_BETA_1, beta2=_BETA_2, epsilon=_EPSILON,
            grad=gradient)
      else:
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=slots[0].handle, lr=lr * scale,
            grad=gradient, momentum=0.9)
    return loss

  def gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Gradients of the loss on a batch, for each variable and the head's."""
    return [g.numpy() for g in self._gradients(x, y)]

  def run(self, inputs: np.ndarray, labels: np.ndarray, rows: np.ndarray,
          learning_rate: float, steps: int, seed: Sequence[int],
          scales: Callable[[int, 'Trainer'], np.ndarray] | None = None,
          checkpoint: 'RunState | None' = None) -> None:
    """Trains.

    Args:
      inputs: the network's inputs, float32 `[n, H, W, 3]`.
      labels: int64 `[n]`.
      rows: which of them to train on.
      learning_rate: the initial one.
      steps: number of steps.
      seed: of the order of the images.
      scales: called at the start of each epoch with its number and this; gives
        the factor of each variable's learning rate. Adam then starts anew.
      checkpoint: where a run that is cut off goes on.

    Raises:
      DivergedError: the loss is not finite.
    """
    batch = min(self._recipe.batch, len(rows))
    epoch_steps = max(1, len(rows) // batch)
    epochs = -(-steps // epoch_steps)
    factors = np.ones(self.num_scales, np.float32)
    first = checkpoint.load(self) if checkpoint else 0
    since_reset, losses = first, []
    for number in range(first, steps):
      epoch, within = divmod(number, epoch_steps)
      if within == 0:
        order = order_of(rows, seed, epoch)
        if scales is not None:
          factors = scales(epoch, self)
          self.forget()
          since_reset = 0
      elif number == first:
        order = order_of(rows, seed, epoch)
      progress = {COSINE: number / steps, COSINE_BY_EPOCH: epoch / epochs,
                  CONSTANT: 0.0}[self._recipe.schedule]
      chosen = order[within * batch:(within + 1) * batch]
      since_reset += 1
      losses.append(self._step(
          inputs[chosen], labels[chosen],
          np.float32(learning_rate * (1 + np.cos(np.pi * progress)) / 2),
          factors, np.float32(since_reset)))
      epoch_ends = within == epoch_steps - 1
      if (len(losses) == _CHECK_EVERY or epoch_ends or number == steps - 1):
        if not np.isfinite(losses).all():
          raise DivergedError(
              f'the loss was not finite by step {number + 1} of {steps}')
        losses = []
      if checkpoint and epoch_ends and number < steps - 1:
        checkpoint.save(self, number + 1)
    if checkpoint:
      checkpoint.remove()

  def state(self) -> list[np.ndarray]:
    """All that a run changes: weights, head, the optimizer's moments."""
    own = [v for layer in self._layers for v in layer] + [
        s for slots in self._slots for s in slots]
    return [*self.network.state(), *(v.numpy() for v in own)]

  def restore(self, state: Sequence[np.ndarray]) -> None:
    """Sets what `state` gave."""
    own = [v for layer in self._layers for v in layer] + [
        s for slots in self._slots for s in slots]
    self.network.restore(state[:-len(own)])
    for variable, value in zip(own, state[-len(own):], strict=True):
      variable.assign(value)

  def embed(self, inputs: np.ndarray, batch: int = 64) -> np.ndarray:
    """What the head reads, in inference mode, `[n, size]`."""
    return np.concatenate([self._forward(inputs[i:i + batch]).numpy()
                           for i in range(0, len(inputs), batch)])

  def predict(self, inputs: 'np.ndarray | tf.Tensor') -> np.ndarray:
    """Predicted classes of a batch, in inference mode."""
    import tensorflow as tf
    return tf.argmax(
        apply_head(self._forward(inputs), self._layers), axis=1).numpy()


def order_of(rows: np.ndarray, seed: Sequence[int], epoch: int) -> np.ndarray:
  """Rows in the order of an epoch."""
  return np.random.default_rng([*seed, epoch]).permutation(rows)
