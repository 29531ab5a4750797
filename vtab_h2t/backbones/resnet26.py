"""The small residual network of He et al. (2016a, section 4.2), for CIFAR.

A convolution of 3x3 kernels and three stages of 16, 32 and 64 channels, with
four basic blocks of two such convolutions each, batch norm after each
convolution and ReLU after each addition; then the mean over positions, the
embedding. A classifier, the 26th layer with weights, is added by what trains
it. Where a block changes the shape, its shortcut is a 1x1 convolution with
batch norm (He et al.'s option B).

It is of the kind of the ResNet-26 that Lee et al. (2023) fine-tune surgically,
with the same depth, stages and channels, not the same network: the one that
those who replicated the paper use has blocks that begin with batch norm and
ReLU, a last batch norm after all stages, and shortcuts without weights.

Strides: the second and the third stage halve the map, as in the paper. Of
images larger than the paper's 32 pixels, the stem and the first stage halve it
as well, so that a step on 64 pixels costs less than one on 32. Maps of the
stages are then a quarter, an eighth and a sixteenth of the image's side,
rounded up: 16, 8 and 4 of 64 pixels. Up to 32 pixels they are the whole, a half
and a quarter: 32, 16 and 8 of 32.

There are no pretrained weights: it is trained from random ones.
"""

from typing import TYPE_CHECKING

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing

if TYPE_CHECKING:
  import keras

NAME = 'resnet26'
_CHANNELS, _UNITS = (16, 32, 64), 4
_PAPERS_SIZE = 32  # Side of CIFAR's images.
_EPSILON, _MOMENTUM = 1e-5, 0.9
# Parts for surgical fine-tuning: patterns of layer names.
_BLOCKS = {'block1': 'stem_|block1_', 'block2': 'block2_', 'block3': 'block3_'}


def build(image_size: int) -> tuple['keras.Model', tuple[str, ...]]:
  """Builds the network with all its taps.

  Args:
    image_size: side of the square input, in pixels.

  Returns:
    The functional model (dict of outputs) and the tap names ordered by depth:
    each residual block's output, after ReLU, and the embedding `[B, 64]`.
  """
  import keras
  from keras import layers

  def conv_bn(
    x: keras.KerasTensor, name: str, channels: int, kernel: int, stride: int
  ) -> keras.KerasTensor:
    x = layers.Conv2D(
      channels,
      kernel,
      stride,
      padding='same',
      use_bias=False,
      name=f'{name}_conv',
    )(x)
    return layers.BatchNormalization(
      momentum=_MOMENTUM, epsilon=_EPSILON, name=f'{name}_bn'
    )(x)

  taps = {}
  first = 2 if image_size > _PAPERS_SIZE else 1
  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = conv_bn(inputs, 'stem', _CHANNELS[0], 3, first)
  x = layers.ReLU(name='stem_relu')(x)
  for stage, channels in enumerate(_CHANNELS, start=1):
    for unit in range(1, _UNITS + 1):
      name = f'block{stage}_unit{unit}'
      stride = 1 if unit > 1 else first if stage == 1 else 2
      shortcut = x
      if stride > 1 or x.shape[-1] != channels:
        shortcut = conv_bn(x, f'{name}_shortcut', channels, 1, stride)
      x = conv_bn(x, f'{name}_part1', channels, 3, stride)
      x = layers.ReLU(name=f'{name}_relu')(x)
      x = conv_bn(x, f'{name}_part2', channels, 3, 1)
      x = layers.Add(name=f'{name}_add')([shortcut, x])
      output = f'{name}_output'
      x = taps[output] = layers.ReLU(name=output)(x)
  taps['embedding'] = layers.GlobalAveragePooling2D(name='embedding')(x)
  model = keras.Model(inputs, taps, name=NAME)
  model.trainable = False
  return model, tuple(taps)


def resnet26(
  weights: str,  # noqa: ARG001  # 'random' is all there is.
  image_size: int,
  tap_set: str,
) -> backbone_lib.Backbone:
  """The network with random weights of seed 0.

  Args:
    weights: 'random'.
    image_size: side of the square input, in pixels.
    tap_set: 'all'.
  """
  model, taps = build(image_size)
  return backbone_lib.Backbone(
    name=NAME,
    model=model,
    taps=taps,
    embedding='embedding',
    image_size=image_size,
    # As `HALF`, but for the offset's type, which ids of stored runs go by.
    input=preprocessing.Input(scale=1 / 127.5, offset=-1),
    weights_sha256=backbone_lib.randomise(model, 0),
    tap_set=tap_set,
    blocks=_BLOCKS,
  )
