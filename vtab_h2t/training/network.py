"""A copy of a backbone that is trained together with a head.

The copy is made once and set back to the pretrained weights for every run, and
its compiled steps are kept, because tracing a network costs more than a short
run.
"""

from collections.abc import Hashable, Sequence
import re
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

if TYPE_CHECKING:
  import tensorflow as tf

# Of batch norms' running statistics. Keras' 0.99 would still hold half of the
# pretrained statistics after 70 steps, and a network is tested with them; 0.9
# is the usual value elsewhere.
_MOMENTUM = 0.9


class Network:
  """A trainable copy of a backbone.

  Attributes:
    backbone: what it is a copy of.
    variables: its trainable variables, in the order of its layers.
    is_norm: for each, whether it belongs to a batch norm.
    layers: for each, the name of its layer.
    strategy: over which devices batches are split.
  """

  def __init__(
    self,
    backbone: backbone_lib.Backbone,
    strategy: 'tf.distribute.Strategy | None' = None,
    policy: str | None = None,
  ) -> None:
    """Copies a backbone.

    Args:
      backbone: what to copy.
      strategy: over which devices batches are split; by default that of
        `devices`.
      policy: Keras' dtype policy; by default mixed_bfloat16 where there is a
        GPU, else float32.

    Raises:
      errors.InputError: its weights cannot be trained.
    """
    import keras
    import tensorflow as tf

    gpus = tf.config.list_logical_devices('GPU')
    policy = policy or ('mixed_bfloat16' if gpus else 'float32')

    def copy(layer: keras.Layer) -> keras.Layer:
      return type(layer).from_config(
        layer.get_config()
        | (
          {}
          if isinstance(layer, keras.layers.InputLayer)
          else {'dtype': policy}
        )
      )

    self.backbone = backbone
    self.strategy = strategy or devices.strategy()
    with self.strategy.scope():
      self._model = keras.models.clone_model(
        backbone.model, clone_function=copy
      )
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
        self.is_norm.append(isinstance(layer, keras.layers.BatchNormalization))
        self.layers.append(layer.name)
    if not self.variables:
      raise errors.InputError(
        f"the weights of {backbone.name} are a SavedModel's signature, "
        'which cannot be trained; give weights that are read into variables'
      )
    self._trainers: dict[Hashable, trainer_lib.Trainer] = {}

  def reset(self) -> None:
    """Sets the pretrained weights."""
    self._model.set_weights(self._pretrained)

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
      if len(self._trainers) >= 4:  # Compiled steps hold memory.
        del self._trainers[next(iter(self._trainers))]
      self._trainers[key] = trainer_lib.Trainer(
        self._model, self.variables, self.strategy, *key
      )
    return self._trainers[key]
