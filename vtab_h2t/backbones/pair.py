"""Two networks' embeddings side by side: the Control of Figure 4.

Where a tap of the same network adds to its embedding, so might a second
network's embedding; the Control says how much of the gain that explains.
"""

import dataclasses

from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib

CONTROL = 'control'  # The tap with the second network's embedding.


def pair(
  first: backbone_lib.Backbone, second: backbone_lib.Backbone
) -> backbone_lib.Backbone:
  """The first network's embedding and, as the one other tap, the second's.

  Args:
    first: whose input protocol images go through.
    second: of the same image size, resize, crop and precision; its input is the
      first's, with another scale and offset.

  Raises:
    ValueError: the sizes, the ways to resize, the crops or the precisions
      differ.
  """
  import keras

  fed = dataclasses.replace(
    first.input, scale=second.input.scale, offset=second.input.offset
  )
  if (first.image_size, fed) != (second.image_size, second.input):
    raise ValueError(f'{first.name} and {second.name} want other images')
  if first.precision != second.precision:
    raise ValueError(f'{first.name} and {second.name} differ in precision')
  inputs = keras.Input((first.image_size, first.image_size, 3), name='image')
  rescaled = keras.layers.Rescaling(*fed.after(first.input))(inputs)
  tap = first.embedding
  embedders = [
    keras.Model(b.model.inputs, b.model.output[b.embedding])
    for b in (first, second)
  ]
  outputs = {tap: embedders[0](inputs), CONTROL: embedders[1](rescaled)}
  model = keras.Model(inputs, outputs)
  model.trainable = False
  return backbone_lib.Backbone(
    name=f'{first.name}+{second.name}',
    model=model,
    taps=tuple(outputs),
    embedding=tap,
    image_size=first.image_size,
    input=first.input,
    precision=first.precision,
    weights_sha256=files.fingerprint(
      [first.weights_sha256, second.weights_sha256]
    ),
  )
