"""A copy of a backbone that is trained together with a head.

The copy is made once and set back to the pretrained weights for every run, and
its compiled steps are kept, because tracing a network costs more than a short
run.
"""

from collections.abc import Callable, Hashable, Sequence
import functools
import re
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

if TYPE_CHECKING:
  import keras
  import tensorflow as tf

# Of batch norms' running statistics. Keras' 0.99 would still hold half of the
# pretrained statistics after 70 steps, and a network is tested with them; 0.9
# is the usual value elsewhere.
_MOMENTUM = 0.9
_BATCH = 64  # Images that are embedded together.
# Trainers whose compiled steps are kept; each holds memory. Surgical
# fine-tuning of three blocks in both modes of batch norms has twelve.
_KEPT = 12


class Network:
  """A trainable copy of a backbone.

  Attributes:
    backbone: what it is a copy of.
    variables: its trainable variables, in the order of its layers.
    is_norm: for each, whether it belongs to a batch norm.
    output_axes: for each, the axes that are the first one in torch's layout.
    layers: for each, the name of its layer.
    strategy: over which devices batches are split.
  """

  def __init__(
    self,
    backbone: backbone_lib.Backbone,
    strategy: 'tf.distribute.Strategy | None' = None,
  ) -> None:
    """Copies a backbone.

    Args:
      backbone: what to copy.
      strategy: over which devices batches are split; by default that of
        `devices`.

    Raises:
      errors.InputError: its weights cannot be trained, or a device runs only
        what XLA compiles.
    """
    import keras

    # Imports Keras, for which a program's --help should not wait.
    from vtab_h2t.training import layers

    backbone.check_trainable()
    if any(devices.needs_xla(name) for name in devices.names()):
      raise errors.InputError(
        'networks are not trained on TPUs, only frozen ones are read there; '
        'leave out the methods that train the network, or use a GPU or CPU'
      )
    self.backbone = backbone
    self.strategy = strategy or devices.strategy()
    with self.strategy.scope():
      self._model = layers.copy_of(
        backbone.model,
        backbone.precision,
        all('CPU' in name for name in devices.names()),
      )
    for layer in self._model.layers:  # The model's own flag is on already.
      layer.trainable = True
      if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = _MOMENTUM
    self._pretrained = backbone.model.get_weights()
    self._model.set_weights(self._pretrained)
    self.variables, self.is_norm, self.layers = [], [], []
    self.output_axes: list[tuple[int, ...]] = []
    for layer in self._model.layers:
      for variable in layer.trainable_variables:
        self.variables.append(variable.value)
        self.is_norm.append(isinstance(layer, keras.layers.BatchNormalization))
        self.output_axes.append(_output_axes(layer, variable))
        self.layers.append(layer.name)
    self._trainers: dict[Hashable, trainer_lib.Trainer] = {}

  def reset(self) -> None:
    """Sets the pretrained weights."""
    self.load(self._pretrained)

  def load(self, state: Sequence[np.ndarray]) -> None:
    """Sets all weights, as `state` gave them."""
    self._model.set_weights(state)

  def embed(self, inputs: 'np.ndarray | tf.Tensor') -> np.ndarray:
    """The embedding in inference mode, float32 `[n, E]`.

    All embeddings that are compared with each other are computed by this one
    function: of a network that did not move they are equal to the last bit.

    Args:
      inputs: the network's inputs, float32 `[n, H, W, 3]`.
    """
    return np.concatenate(
      [
        self._embedding(inputs[i : i + _BATCH]).numpy()
        for i in range(0, len(inputs), _BATCH)
      ]
    )

  @functools.cached_property
  def _embedding(self) -> 'Callable[[np.ndarray | tf.Tensor], tf.Tensor]':
    import keras
    import tensorflow as tf

    model = keras.Model(
      self._model.inputs, self._model.output[self.backbone.embedding]
    )
    return tf.function(
      lambda x: tf.cast(model(x, training=False), tf.float32),
      input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.float32)],
    )

  def randomise(self, seed: int) -> None:
    """Sets random weights: nothing of the pretrained ones is left."""
    rng = np.random.default_rng(seed)
    constants = {
      'gamma': 1,
      'moving_variance': 1,
      'beta': 0,
      'bias': 0,
      'moving_mean': 0,
    }
    for layer in self._model.layers:
      for weight in layer.weights:
        shape = tuple(weight.shape)
        if weight.name in constants:
          value = np.full(shape, constants[weight.name])
        elif weight.name == 'kernel':
          value = rng.normal(
            0, np.sqrt(2 / backbone_lib.fan_in(layer, weight)), shape
          )
        else:  # A ViT's token and position embeddings.
          value = rng.normal(0, 0.02, shape)
        weight.assign(value.astype(np.float32))

  def state(self) -> list[np.ndarray]:
    """All weights, batch norms' statistics too."""
    return self._model.get_weights()

  def block(self, name: str) -> tuple[int, ...]:
    """Numbers of the variables of one of the backbone's blocks."""
    pattern = re.compile(self.backbone.blocks[name])
    return tuple(
      i for i, layer in enumerate(self.layers) if pattern.match(layer)
    )

  def trainer(
    self,
    readout: readout_lib.Readout,
    sizes: Sequence[int],
    trained: Sequence[int],
    recipe: trainer_lib.Recipe,
  ) -> trainer_lib.Trainer:
    """The compiled steps for a readout, head and choice of variables.

    Args:
      readout: what the head reads.
      sizes: of the head's input, hidden layers and output.
      trained: numbers of the variables that change; the head always does.
      recipe: how to train.
    """
    key = readout, tuple(sizes), tuple(trained), recipe
    if key not in self._trainers:
      if len(self._trainers) >= _KEPT:
        del self._trainers[next(iter(self._trainers))]
      self._trainers[key] = trainer_lib.Trainer(
        self._model, self.variables, self.strategy, *key
      )
    return self._trainers[key]


def _output_axes(
  layer: 'keras.Layer', variable: 'keras.Variable'
) -> tuple[int, ...]:
  """The axes of a variable that are the first one in torch's layout.

  Of a kernel these are its outputs: torch has `[out, in, ...]`, for a depthwise
  convolution `[C * multiplier, 1, kh, kw]`, and for attention's projections
  `[heads * size, in]`. All else has the same axes in both.
  """
  import keras

  rank, is_kernel = len(variable.shape), variable.name.endswith('kernel')
  is_depthwise = is_kernel and (
    variable.name == 'depthwise_kernel'
    or isinstance(
      layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    )
  )
  is_projection = isinstance(layer, keras.layers.MultiHeadAttention) and (
    'attention_output' not in variable.path
  )
  if is_depthwise or is_projection:
    return rank - 2, rank - 1
  return (rank - 1 if is_kernel else 0,)
