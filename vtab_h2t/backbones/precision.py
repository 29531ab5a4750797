"""The same network, computing in another precision.

`MIXED_BFLOAT16` is Keras' policy of that name: weights are float32, layers
compute in bfloat16, which has the range of float32 and 8 of its 24 bits. Batch
norms compute in float32, and convolutions and products of matrices add up in
it where the device does.
"""

import dataclasses
from typing import TYPE_CHECKING

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib

if TYPE_CHECKING:
  import keras


def compute_in(
  backbone: backbone_lib.Backbone, precision: str
) -> backbone_lib.Backbone:
  """A backbone that computes in a precision.

  Args:
    backbone: the network.
    precision: of `backbone.PRECISIONS`. For the backbone's own, it is returned
      as it is; for another, a copy with the same weights.

  Raises:
    errors.InputError: it calls a SavedModel's signature, whose precision is in
      its graph.
  """
  if precision == backbone.precision:
    return backbone
  import keras

  from vtab_h2t.backbones import saved_model

  def copy(layer: 'keras.Operation') -> 'keras.Operation':
    if isinstance(layer, saved_model.Endpoints):
      raise errors.InputError(
        f"the weights of {backbone.name} are a SavedModel's signature, which "
        f'cannot compute in {precision}; leave out --precision, or give '
        'weights that are read into variables'
      )
    config = layer.get_config()
    # Inputs stay as they are, and operations have no precision of their own.
    if isinstance(layer, keras.Layer) and not isinstance(
      layer, keras.layers.InputLayer
    ):
      config['dtype'] = precision
    return type(layer).from_config(config)

  model = keras.models.clone_model(
    backbone.model, clone_function=copy, recursive=True
  )
  model.set_weights(backbone.model.get_weights())
  model.trainable = False
  return dataclasses.replace(backbone, model=model, precision=precision)
