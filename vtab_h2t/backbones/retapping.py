"""Other places to tap a network at (Head2Toe, Table 6).

Head2Toe taps after batch norm and activation. Two of these variants go back
along the graph from each tap that is a ReLU's output: before the ReLU, or
before the batch norm that it follows. A tap that has moved is called
`<tap>.<kind>`.

Taps that no ReLU gives stay as they are: the embedding and the logits, of
ResNet-50 the root's pooling, and of EfficientNet-Lites the blocks' outputs. So
49 of ResNet-50's 52 taps move, and of EfficientNet-Lite0's 51 and Lite2's 66
taps 33 and 43. Where no tap moves (a SavedModel's signature, whose layers are
out of reach, or a ViT, which has no ReLU), there is no variant.
"""

import dataclasses
from typing import TYPE_CHECKING

from vtab_h2t import errors
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
    errors.InputError: none of its taps can be moved.
  """
  import keras

  outputs = {tap: backbone.model.output[tap] for tap in backbone.taps}
  if kind == WITH_INPUT:
    # A layer of its own, because a model's output cannot be its input.
    image = keras.layers.Activation('linear', name='input_tap')(
      backbone.model.inputs[0]
    )
    outputs = {'input': image} | outputs
  else:
    check(backbone, kind)
    before = _before(backbone, kind)
    outputs = {
      f'{tap}.{kind}' if tap in before else tap: before.get(tap, x)
      for tap, x in outputs.items()
    }
  model = keras.Model(backbone.model.inputs, outputs, name=backbone.model.name)
  model.trainable = False
  return dataclasses.replace(
    backbone, model=model, taps=tuple(outputs), tap_set=kind
  )


def check(backbone: backbone_lib.Backbone, kind: str) -> None:
  """Raises InputError if a kind of taps would be the usual ones.

  Args:
    backbone: with its usual taps.
    kind: of `KINDS`.
  """
  if kind != WITH_INPUT and not _before(backbone, kind):
    if backbone.is_trainable:
      fault = 'no tap of it is the output of a ReLU' + (
        ' after a batch norm' if kind == PRE_NORMALIZATION else ''
      )
      remedy = 'choose other taps'
    else:
      fault = "its taps are endpoints of a SavedModel's signature" + (
        f' ({backbone.misfit})' if backbone.misfit else ''
      )
      remedy = 'choose other taps, or weights that are read into variables'
    raise errors.InputError(
      f'the taps of {backbone.name} cannot be moved to {kind}, as in Table 6: '
      f'{fault}; {remedy}'
    )


def unmoved(backbone: backbone_lib.Backbone, kind: str) -> tuple[str, ...]:
  """The taps that stay where they are.

  Args:
    backbone: with its usual taps.
    kind: of `KINDS`.
  """
  moved = () if kind == WITH_INPUT else _before(backbone, kind)
  return tuple(tap for tap in backbone.taps if tap not in moved)


def _before(
  backbone: backbone_lib.Backbone, kind: str
) -> dict[str, 'keras.KerasTensor']:
  """What stands before the taps that move, by their names."""
  import keras

  if kind not in (PRE_ACTIVATION, PRE_NORMALIZATION):
    raise ValueError(f'unknown kind of taps {kind!r}; choose from {KINDS}')
  found = {}
  for tap in backbone.taps:
    relu = _layer(backbone.model.output[tap])
    if not isinstance(relu, keras.layers.ReLU):
      continue
    norm = _layer(relu.input)
    if kind == PRE_ACTIVATION:
      found[tap] = relu.input
    elif isinstance(norm, keras.layers.BatchNormalization):
      found[tap] = norm.input
  return found


def _layer(x: 'keras.KerasTensor') -> 'keras.Operation':
  """What computed a tensor."""
  return x._keras_history.operation  # pylint: disable=protected-access
