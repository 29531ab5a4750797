"""ResNets v1 (He et al., 2016a) of any depth and width, as torchvision's.

torchvision's and timm's `resnet18` to `resnet152`, their wide ones, and Hugging
Face's `ResNetModel`. Batch norm follows convolutions, and ReLU the addition. A
stage's stride is in the 3x3 convolution of its first unit (v1.5);
keras.applications and the paper have it in the 1x1 convolution before, and so
has Hugging Face's if the configuration beside the weights says it. Maps are
padded by half a kernel on all sides, also where the stride is 2; TensorFlow's
SAME would shift them by a pixel.

Taps, 51 of a ResNet-50: the root's pooling; in each unit what each ReLU gives,
`_layer1` and of bottlenecks `_layer2` within it, `_output` after the addition;
the mean over positions, which is the embedding; the logits, if there are any.
"""

from collections.abc import Mapping
import dataclasses

import keras
from keras import layers
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import tensors as tensors_lib

NAME = 'resnet_v1'
_INPUT = preprocessing.IMAGENET
_EPSILON, _MOMENTUM = 1e-5, 0.9  # torch's: its momentum is 1 - ours.
_SMALLEST = 32  # Pixels: what five changes of resolution leave one position of.


def build(
  image_size: int, network: resnet_v1_names.Architecture
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds a network with all its taps, randomly initialised.

  Args:
    image_size: side of the square input in pixels, at least 32.
    network: which one.

  Returns:
    The functional model (dict of outputs) and the tap names, by depth.

  Raises:
    errors.InputError: the image size is too small.
  """
  if image_size < _SMALLEST:
    raise errors.InputError(
      f'{NAME} needs an image size of at least {_SMALLEST}, not {image_size}'
    )

  def conv_bn(
    x: keras.KerasTensor, name: str, filters: int, kernel: int, stride: int
  ) -> keras.KerasTensor:
    padding = 'same'
    if stride > 1 and kernel > 1:
      x = layers.ZeroPadding2D(kernel // 2, name=f'{name}_pad')(x)
      padding = 'valid'
    x = layers.Conv2D(
      filters, kernel, stride, padding, use_bias=False, name=f'{name}_conv'
    )(x)
    return layers.BatchNormalization(
      momentum=_MOMENTUM, epsilon=_EPSILON, name=f'{name}_bn'
    )(x)

  taps = {}
  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = conv_bn(inputs, 'stem', network.stem, 7, 2)
  x = layers.ReLU(name='stem_relu')(x)
  # Zeros are never larger than what ReLU gives, so that they may pad it.
  x = layers.ZeroPadding2D(1, name='root_pad')(x)
  x = taps['root'] = layers.MaxPooling2D(3, 2, name='root')(x)
  # Number of the convolution.
  strided = 2 if network.bottleneck and not network.stride_first else 1
  for i, stage in enumerate(network.stages):
    for unit in range(stage.units):
      name = f'block{i + 1}_unit{unit + 1}'
      stride = 2 if i > 0 and unit == 0 else 1
      shortcut = x
      if network.has_shortcut(i, unit):
        shortcut = conv_bn(x, f'{name}_shortcut', stage.output, 1, stride)
      for number, kernel in zip(network.convolutions, network.kernels):
        is_last = number == network.convolutions[-1]
        x = conv_bn(
          x,
          f'{name}_part{number}',
          stage.output if is_last else stage.width,
          kernel,
          stride if number == strided else 1,
        )
        if not is_last:
          tap = f'{name}_layer{number}'
          x = taps[tap] = layers.ReLU(name=tap)(x)
      x = layers.Add(name=f'{name}_add')([shortcut, x])
      x = taps[f'{name}_output'] = layers.ReLU(name=f'{name}_output')(x)
  x = taps['pre_logits'] = layers.GlobalAveragePooling2D(name='pre_logits')(x)
  if network.classes:
    taps['logits'] = layers.Dense(network.classes, name='logits')(x)
  model = keras.Model(inputs, taps, name=NAME)
  model.trainable = False
  return model, tuple(taps)


def blocks(network: resnet_v1_names.Architecture) -> dict[str, str]:
  """Parts for surgical fine-tuning: patterns of layer names."""
  stages = range(1, len(network.stages) + 1)
  return {'stem': 'stem_'} | {f'block{i}': f'block{i}_' for i in stages}


def read(
  tensors: Mapping[str, np.ndarray], file: str, image_size: int
) -> tuple[keras.Model, tuple[str, ...], resnet_v1_names.Architecture]:
  """Builds the network that tensors are of, with them as its weights.

  Args:
    tensors: by the names of torchvision, timm or Hugging Face.
    file: where they are from, for messages; if they have Hugging Face's names,
      its path, as the configuration beside it is read.
    image_size: side of the square input in pixels.

  Returns:
    As `build`, and which network it is.

  Raises:
    errors.InputError: they are of another network, or incomplete, or
      contradict the configuration.
  """
  is_hugging_faces = resnet_v1_names.is_hugging_faces(tensors)
  tensors = resnet_v1_names.torchvision(tensors, file)
  found = {name: value.shape for name, value in tensors.items()}
  network = resnet_v1_names.architecture(found, file)
  # Before it is built: a network of what a damaged file says may be huge.
  importing.check_shapes(resnet_v1_names.shapes(network), found, file)
  if is_hugging_faces:
    network = hf_config.of_resnet(file, network)
  model, taps = build(image_size, network)
  importing.load(model, resnet_v1_names.plan(network), tensors, file)
  return model, taps, network


def resnet_v1(
  weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """A ResNet v1.

  Args:
    weights: 'random', a ResNet-50; or a file that `tensors.read` reads, of any
      size, with the names of torchvision, timm or Hugging Face.
    image_size: side of the square input in pixels.
    tap_set: 'all'.

  Raises:
    errors.InputError: the weights cannot be read or do not fit.
  """
  fed = None
  if weights == 'random':
    network = resnet_v1_names.of_depth(50)
    model, taps = build(image_size, network)
    sha256 = backbone_lib.randomise(model, 0)
  else:
    stored = tensors_lib.read(weights)
    model, taps, network = read(stored.arrays, weights, image_size)
    told = dataclasses.replace(network, stride_first=False)
    sha256 = hf_config.sha256(stored.sha256, told, network)
    if resnet_v1_names.is_hugging_faces(stored.arrays):
      fed = hf_input.fed(weights, _INPUT)
  return backbone_lib.Backbone(
    name=NAME,
    model=model,
    taps=taps,
    embedding='pre_logits',
    image_size=image_size,
    input=fed or _INPUT,
    weights_sha256=sha256,
    tap_set=tap_set,
    blocks=blocks(network),
  )
