"""ResNet-50 v2 (He et al., 2016b) as a functional Keras model.

The graph and its layers' names are those of `keras.applications.ResNet50V2`;
inputs are `pixel / 127.5 - 1`. Some details vary between published weights: a
stage's stride is in its last unit (keras.applications, TF-Slim) or in its first
(Head2Toe's own network, timm's `resnetv2_50`), the root's pooling is padded by
one on all sides, with zeros (keras.applications) or with what is never largest
(timm), or as TensorFlow's SAME (TF-Slim), and convolutions that no batch norm
follows have biases (keras.applications, TF-Slim) or not (google-research/s4l,
timm).

Taps (Head2Toe, Appendix C), 52 in all: after root pooling; in each of 16 units
the activation before its first convolution and those after its first and second
batch norm; before and after the final pooling; the logits. Figure 6's 20 are
the root, each unit's first, and the last three.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import math

import keras
from keras import layers
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import reading
from vtab_h2t.backbones import resnet_v2_names
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import tensors as tensors_lib

_WIDTHS = (64, 128, 256, 512)
_UNITS = resnet_v2_names.UNITS
FIGURE6 = 'figure6'
TAP_SETS = (backbone_lib.ALL_TAPS, FIGURE6)
# Lee et al.'s grouping of a ResNet-50.
BLOCKS = {
  'block1': 'conv[12]_',
  'block2': 'conv3_',
  'block3': 'conv4_',
  'block4': '(conv5|post)_',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
  """What differs between published ResNet-50 v2s.

  Attributes:
    stride_in_first: whether the first unit of a stage has its stride; else the
      last one of the stage before.
    same_root_pooling: whether the root's pooling is padded as SAME.
    root_padding: what the root's pooling is padded with, if not as SAME; the
      root has no ReLU, so that zeros may be larger than all that they pad.
    epsilon: of batch norm.
    biases: whether convolutions that no batch norm follows have biases.
    classes: of the logits.
  """

  stride_in_first: bool = False
  same_root_pooling: bool = False
  root_padding: float = 0.0
  epsilon: float = 1.001e-5
  biases: bool = True
  classes: int = 1000


KERAS = Variant()
SLIM = Variant(same_root_pooling=True, epsilon=1e-5)
# Of google-research/s4l: the signature and the endpoints of Head2Toe's own
# network are called as its are.
PAPER = Variant(stride_in_first=True, epsilon=1e-3, biases=False)
# timm's resnetv2_50, whose weights 'a1h_in1k' are of ImageNet.
TIMM = Variant(
  stride_in_first=True, root_padding=-math.inf, epsilon=1e-5, biases=False
)


def _stride(stage: int, unit: int, variant: Variant) -> int:
  if variant.stride_in_first:
    return 2 if unit == 0 and stage > 0 else 1
  return 2 if unit == _UNITS[stage] - 1 and stage < len(_UNITS) - 1 else 1


def build(
  image_size: int,
  variant: Variant = KERAS,
  tap_set: str = backbone_lib.ALL_TAPS,
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds a model with its taps, randomly initialised.

  Args:
    image_size: side of the square input in pixels, at least 32.
    variant: which of the published networks.
    tap_set: of `TAP_SETS`.

  Returns:
    The functional model (dict of outputs) and the tap names, by depth.

  Raises:
    errors.InputError: the image size is too small.
  """
  if image_size < 32:
    raise errors.InputError(
      f'resnet50 needs an image size of at least 32, not {image_size}'
    )

  def norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=variant.epsilon, name=f'{name}_bn')(x)
    return layers.ReLU(name=f'{name}_relu')(x)

  taps = {}
  inputs = keras.Input((image_size, image_size, 3), name='image')
  x = layers.ZeroPadding2D(3, name='conv1_pad')(inputs)
  biases = variant.biases
  x = layers.Conv2D(64, 7, 2, use_bias=biases, name='conv1_conv')(x)
  if variant.same_root_pooling:
    x = layers.MaxPooling2D(3, 2, 'same', name='pool1_pool')(x)
  else:
    if variant.root_padding == 0:
      x = layers.ZeroPadding2D(1, name='pool1_pad')(x)
    else:
      sides = ((0, 0), (1, 1), (1, 1), (0, 0))
      x = keras.ops.pad(x, sides, constant_values=variant.root_padding)
    x = layers.MaxPooling2D(3, 2, name='pool1_pool')(x)
  taps['root'] = x
  for stage, (width, units) in enumerate(zip(_WIDTHS, _UNITS)):
    for unit in range(units):
      name = f'conv{stage + 2}_block{unit + 1}'
      tap = f'block{stage + 1}_unit{unit + 1}_layer'
      stride = _stride(stage, unit, variant)
      y = taps[f'{tap}0'] = norm_relu(x, f'{name}_preact')
      if unit == 0:
        x = layers.Conv2D(
          4 * width, 1, stride, use_bias=biases, name=f'{name}_0_conv'
        )(y)
      elif stride > 1:
        x = layers.MaxPooling2D(1, stride, name=f'{name}_0_pool')(x)
      y = layers.Conv2D(width, 1, use_bias=False, name=f'{name}_1_conv')(y)
      y = taps[f'{tap}1'] = norm_relu(y, f'{name}_1')
      y = layers.ZeroPadding2D(1, name=f'{name}_2_pad')(y)
      y = layers.Conv2D(
        width, 3, stride, use_bias=False, name=f'{name}_2_conv'
      )(y)
      y = taps[f'{tap}2'] = norm_relu(y, f'{name}_2')
      y = layers.Conv2D(4 * width, 1, use_bias=biases, name=f'{name}_3_conv')(y)
      x = layers.Add(name=f'{name}_out')([x, y])
  x = taps['pre_pool'] = norm_relu(x, 'post')
  x = taps['pre_logits'] = layers.GlobalAveragePooling2D(name='avg_pool')(x)
  taps['logits'] = layers.Dense(variant.classes, name='predictions')(x)
  taps = {t: taps[t] for t in tap_names(tap_set)}
  model = keras.Model(inputs, taps, name='resnet50')
  model.trainable = False
  return model, tuple(taps)


def tap_names(tap_set: str) -> tuple[str, ...]:
  """The taps of a set, by depth."""
  parts = (0,) if tap_set == FIGURE6 else (0, 1, 2)
  units = [
    f'block{stage + 1}_unit{unit + 1}_layer{part}'
    for stage, units in enumerate(_UNITS)
    for unit in range(units)
    for part in parts
  ]
  return ('root', *units, 'pre_pool', 'pre_logits', 'logits')


def load(
  model: keras.Model, tensors: Mapping[str, np.ndarray], name: str
) -> None:
  """Loads the arrays of a file of keras.applications, from `tensors.read`.

  Raises:
    errors.InputError: a tensor is missing, left over, or of another shape.
  """
  importing.load(model, resnet_v2_names.same(model), tensors, name)


def _from_timm(
  tensors: Mapping[str, np.ndarray], name: str, image_size: int, tap_set: str
) -> tuple[keras.Model, tuple[str, ...]]:
  """Builds the network that timm's tensors are of, with them as its weights.

  Args:
    tensors: of `resnetv2_50`, by any prefix and timm's names.
    name: of the file, for messages.
    image_size: side of the input in pixels.
    tap_set: of `TAP_SETS`.

  Raises:
    errors.InputError: they are of another network, or incomplete.
  """
  tensors = resnet_v2_names.without_timms_extras(tensors, name)
  head = tensors.get('head.fc.bias')
  variant = dataclasses.replace(
    TIMM, classes=1000 if head is None else head.size
  )
  model, taps = build(image_size, variant, tap_set)
  importing.load(model, resnet_v2_names.timm(model), tensors, name)
  return model, taps


# Taps that Head2Toe's SavedModel has under another name.
_ENDPOINTS = {'root': 'after_root', 'pre_pool': 'pre_logits_pre_pooling'}
# tensorflow/models' pads the root's pooling as TF-Slim's, but has no biases.
_OFFICIAL = dataclasses.replace(SLIM, biases=False)
# Where batch norm has another epsilon than its code's default.
_TUNED = dataclasses.replace(PAPER, epsilon=1e-5)


def _schemes(image_size: int, tap_set: str) -> list[reading.Scheme]:
  """Whose variables can be read, with the details of the network of each."""

  def builds(
    variants: Sequence[Variant],
    arrays: reading.Arrays,
    shapes: Mapping[str, tuple[int, ...]],
  ) -> list[reading.Build]:
    del arrays
    # A stage's input is as large as the one's before, or half.
    stride_in_first = shapes['block2_unit1_layer0'][0] == shapes['root'][0]
    return [
      functools.partial(
        _model,
        image_size,
        dataclasses.replace(
          variant, stride_in_first=stride_in_first, classes=shapes['logits'][0]
        ),
        tap_set,
      )
      for variant in variants
    ]

  names = resnet_v2_names
  return [
    reading.Scheme(
      anchor=anchor, plan=plan, variants=functools.partial(builds, variants)
    )
    for anchor, plan, variants in (
      (names.S4L_ANCHOR, names.s4l, (PAPER, _TUNED)),
      (
        names.NUMBERED_ANCHOR,
        functools.partial(names.numbered, head='conv2d_53'),
        (PAPER, _TUNED),
      ),
      (
        names.NUMBERED_ANCHOR,
        functools.partial(names.numbered, head='dense'),
        (_OFFICIAL,),
      ),
      (names.SLIM_ANCHOR, names.slim, (SLIM,)),
      (names.KERAS_ANCHOR, names.same, (KERAS,)),
    )
  ]


def _model(image_size: int, variant: Variant, tap_set: str) -> keras.Model:
  return build(image_size, variant, tap_set)[0]


def load_slim(
  model: keras.Model, tensors: Mapping[str, np.ndarray], name: str
) -> None:
  """Loads TF-Slim's variables, by their names from 'resnet_v2_50/' on.

  Raises:
    errors.InputError: a variable is missing, left over, or of another shape.
  """
  importing.load(model, resnet_v2_names.slim(model), tensors, name)


def _from_saved_model(
  weights: str, image_size: int, tap_set: str
) -> backbone_lib.Backbone:
  """Of `resnet50`'s SavedModels."""
  folder = saved_model.fetch(weights)
  taps = tap_names(tap_set)
  variables = saved_variables.read(folder)
  slim = variables.under(resnet_v2_names.SLIM_ANCHOR)
  if slim is None or saved_model.has_endpoints(
    folder, (_ENDPOINTS.get(tap, tap) for tap in taps)
  ):
    return reading.read(
      functools.partial(
        saved_model.backbone,
        'resnet50',
        folder,
        _ENDPOINTS,
        taps,
        'pre_logits',
        image_size,
        preprocessing.HALF,
        tap_set,
      ),
      variables,
      weights,
      _schemes(image_size, tap_set),
      BLOCKS,
    )
  # TF-Hub's has no endpoints to compare with.
  model, taps = build(image_size, SLIM, tap_set)
  load_slim(model, slim, weights)
  return _backbone(model, taps, image_size, saved_model.sha256(folder), tap_set)


def _backbone(
  model: keras.Model,
  taps: tuple[str, ...],
  image_size: int,
  sha256: str,
  tap_set: str,
) -> backbone_lib.Backbone:
  return backbone_lib.Backbone(
    name='resnet50',
    model=model,
    taps=taps,
    embedding='pre_logits',
    image_size=image_size,
    input=preprocessing.HALF,
    weights_sha256=sha256,
    tap_set=tap_set,
    blocks=BLOCKS,
  )


def resnet50(
  weights: str, image_size: int, tap_set: str = backbone_lib.ALL_TAPS
) -> backbone_lib.Backbone:
  """A ResNet-50 v2.

  Args:
    weights: 'random' (keras.applications' graph); a file that `tensors.read`
      reads, of keras.applications or of timm's `resnetv2_50`; or a SavedModel,
      see `saved_model.fetch`: of TF-Slim's variables
      (google/imagenet/resnet_v2_50, the classification version), which are
      copied, or with the endpoints of Head2Toe's own, see `reading.read`.
    image_size: side of the input in pixels.
    tap_set: of `TAP_SETS`.

  Raises:
    errors.InputError: the weights cannot be read or do not fit.
  """
  if saved_model.is_location(weights):
    return _from_saved_model(weights, image_size, tap_set)
  if weights != 'random':
    stored = tensors_lib.read(weights)
    if resnet_v2_names.is_timms(stored.arrays):
      model, taps = _from_timm(stored.arrays, weights, image_size, tap_set)
    else:
      model, taps = build(image_size, KERAS, tap_set)
      load(model, stored.arrays, weights)
    sha256 = stored.sha256
  else:
    model, taps = build(image_size, KERAS, tap_set)
    sha256 = backbone_lib.randomise(model, 0)
  return _backbone(model, taps, image_size, sha256, tap_set)
