"""An adapted model as one Keras model, from pixels to probabilities."""

from collections.abc import Iterator
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.classifier import artefact
from vtab_h2t.features import normalization

if TYPE_CHECKING:
  import keras

_TINY = 1e-24  # As in `normalization`.


def build(model: artefact.Model) -> 'keras.Model':
  """What an exported file holds.

  Args:
    model: an adapted model, whose temperature becomes a part of the head.

  Returns:
    A functional model, from float32 `[B, H, W, 3]`, pixels 0 to 255 of any
    height and width, to float32 `[B, C]`. Its layers are Keras' own, but for
    those of the backbone that `foreign` tells of.

  Raises:
    errors.InputError: the backbone is a SavedModel's signature.
  """
  import keras
  from keras import layers
  from keras import ops

  from vtab_h2t.backbones import saved_model

  backbone, readout = model.backbone, model.readout
  if any(
    isinstance(layer, saved_model.Endpoints) for layer in backbone.model.layers
  ):
    raise errors.InputError(
      f"{backbone.name} is a SavedModel's signature, which cannot be exported; "
      'adapt a network of the registry'
    )
  images = keras.Input((None, None, 3), name='image')
  x = backbone.input.symbolic(images, backbone.image_size)
  part = keras.Model(
    backbone.model.inputs,
    {t: backbone.model.output[t] for t in readout.taps},
    name='backbone',
  )
  taps = part(x)
  parts, starts = [], readout.layout.starts
  for i, block in enumerate(readout.layout.blocks):
    first, last = np.searchsorted(readout.columns, starts[i : i + 2])
    if first == last:
      continue
    columns = readout.columns[first:last] - starts[i]
    y = block(taps[block.tap])
    if readout.rule == normalization.ONCE:
      y = _unit_norm(y)
    if len(columns) < block.size:
      y = ops.take(y, columns.tolist(), axis=1)
    if readout.rule == normalization.SELECTED:
      y = _unit_norm(y)
    parts.append(y)
  x = layers.Concatenate(name='selected')(parts) if parts[1:] else parts[0]
  head = layers.Dense(len(model.classes), activation='softmax', name='head')
  whole = keras.Model(images, head(x), name='head2toe')
  kernel, bias = model.tempered()
  head.set_weights([kernel.T, bias])
  return whole


def _unit_norm(x: 'keras.KerasTensor') -> 'keras.KerasTensor':
  """As `normalization.unit_norm`.

  Keras' own layer takes the inverse root of 0 first and then the smaller of it
  and a large number, and LiteRT makes NaN of that.
  """
  from keras import ops

  squared = ops.sum(ops.square(x), axis=1, keepdims=True)
  return x * ops.rsqrt(ops.where(squared > _TINY, squared, 1.0))


def foreign(backbone: backbone_lib.Backbone) -> str | None:
  """Name of the first layer that Keras alone cannot read, if there is one.

  It is of a class of somebody else's, has a function or another part that is,
  or is a Lambda, whose code Keras does not read.
  """
  from keras import layers

  return next(
    (
      layer.name
      for layer in _all_layers(backbone.model)
      if not type(layer).__module__.startswith('keras.')
      or isinstance(layer, layers.Lambda)
      or _has_foreign(layer.get_config())
    ),
    None,
  )


def _all_layers(model: 'keras.Model') -> Iterator['keras.Layer']:
  """Those of models within, too."""
  for layer in model.layers:
    if hasattr(layer, 'layers'):
      yield from _all_layers(layer)
    else:
      yield layer


def _has_foreign(config: Any) -> bool:
  """Whether a part of a layer's configuration is not of Keras."""
  if isinstance(config, dict):
    module = config.get('module')
    return (isinstance(module, str) and not module.startswith('keras')) or any(
      map(_has_foreign, config.values())
    )
  return isinstance(config, list | tuple) and any(map(_has_foreign, config))
