"""Other places to tap a network at (Head2Toe, Table 6).

Head2Toe taps after batch norm and activation. These variants go back along the
graph from each tap that is a ReLU's output, and name the tap `<tap>.<kind>`;
taps that are not stay as they are, the embedding among them.
"""

import dataclasses
from typing import TYPE_CHECKING

from vtab_h2t.backbones import backbone as backbone_lib

if TYPE_CHECKING:
  import keras

PRE_ACTIVATION = 'pre_activation'  # What the ReLU is given.
PRE_NORMALIZATION = 'pre_normalization'  # What the batch norm before it is.
WITH_INPUT = 'with_input'  # All taps, and the pooled input image.
KINDS = (PRE_NORMALIZATION, PRE_ACTIVATION, WITH_INPUT)


def retap(backbone: backbone_lib.Backbone, kind: str) -> backbone_lib.Backbone:
  """The same network, tapped elsewhere.

  Args:
    backbone: with its usual taps.
    kind: of `KINDS`.

  Raises:
    ValueError: an unknown kind.
  """
  import keras

  outputs = {tap: backbone.model.output[tap] for tap in backbone.taps}
  if kind == WITH_INPUT:
    # A layer of its own, because a model's output cannot be its input.
    image = keras.layers.Activation('linear', name='input_tap')(
      backbone.model.inputs[0]
    )
    outputs = {'input': image} | outputs
  elif kind in KINDS:
    outputs = dict(_before(tap, x, kind) for tap, x in outputs.items())
  else:
    raise ValueError(f'unknown kind of taps {kind!r}; choose from {KINDS}')
  model = keras.Model(backbone.model.inputs, outputs, name=backbone.model.name)
  model.trainable = False
  return dataclasses.replace(
    backbone, model=model, taps=tuple(outputs), tap_set=kind
  )


def _before(
  tap: str, x: 'keras.KerasTensor', kind: str
) -> tuple[str, 'keras.KerasTensor']:
  import keras

  layer = _layer(x)
  if not isinstance(layer, keras.layers.ReLU):
    return tap, x
  x = layer.input
  if kind == PRE_NORMALIZATION and isinstance(
    _layer(x), keras.layers.BatchNormalization
  ):
    x = _layer(x).input
  return f'{tap}.{kind}', x


def _layer(x: 'keras.KerasTensor') -> 'keras.Operation':
  """What computed a tensor."""
  return x._keras_history.operation  # pylint: disable=protected-access
