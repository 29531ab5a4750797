"""An adapted model as one Keras model of Keras' own layers.

Its input are batches of images of any one size, pixels 0 to 255; its output are
class probabilities. It needs nothing of this package, so a `.keras` file or a
SavedModel of it loads wherever Keras or TensorFlow does.
"""

import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.classifier import artefact
from vtab_h2t.features import normalization

if TYPE_CHECKING:
  import keras

KERAS, SAVED_MODEL = 'model.keras', 'saved_model'


def standalone(model: artefact.Model) -> 'keras.Model':
  """The model from raw pixels to probabilities.

  Args:
    model: an adapted model.

  Returns:
    A functional model, float32 `[B, H, W, 3]` to `[B, C]`.

  Raises:
    errors.InputError: the backbone is a SavedModel's signature, which is no
      layer of Keras'.
  """
  import keras
  from keras import layers
  from keras import ops

  backbone, readout = model.backbone, model.readout
  foreign = [
    layer
    for layer in backbone.model.layers
    if not type(layer).__module__.startswith('keras.')
  ]
  if foreign:
    raise errors.InputError(
      f"{backbone.name} has a layer {foreign[0].name} that is not Keras' "
      'own, so it cannot be exported'
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
    unit = layers.UnitNormalization(name=f'unit_{i:03d}')
    if readout.rule == normalization.ONCE:
      y = unit(y)
    if len(columns) < block.size:
      y = ops.take(y, columns.tolist(), axis=1)
    if readout.rule == normalization.SELECTED:
      y = unit(y)
    parts.append(y)
  x = layers.Concatenate(name='selected')(parts) if parts[1:] else parts[0]
  head = layers.Dense(len(model.classes), activation='softmax', name='head')
  whole = keras.Model(images, head(x), name='head2toe')
  head.set_weights([model.kernel.T, model.bias])
  return whole


def export(
  model: artefact.Model, folder: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Writes `model.keras`, a SavedModel and the class names.

  Args:
    model: an adapted model.
    folder: where to; it appears whole, and must not be there yet.

  Returns:
    The paths.

  Raises:
    errors.InputError: as `standalone` raises, or the folder is there already.
  """
  import tensorflow as tf

  folder = pathlib.Path(folder)
  if folder.exists():
    raise errors.InputError(f'{folder} is there already; choose another --out')
  whole = standalone(model)
  with files.atomic_directory(folder) as temporary:
    whole.save(temporary / KERAS)
    whole.export(
      str(temporary / SAVED_MODEL),
      verbose=False,
      input_signature=[
        tf.TensorSpec((None, None, None, 3), tf.float32, name='image')
      ],
    )
    (temporary / 'classes.txt').write_text(
      ''.join(f'{name}\n' for name in model.classes), 'utf-8'
    )
  return [folder / name for name in (KERAS, SAVED_MODEL, 'classes.txt')]
