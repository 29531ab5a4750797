"""How other code names the weights of a ResNet-50 v2.

Each function gives, for the weights of a model of `resnet_v2.build`, the
variables that hold them elsewhere, as `importing.load` takes it.
"""

from collections.abc import Mapping
import functools
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import tensors as tensors_lib

if TYPE_CHECKING:
  import keras

UNITS = (3, 4, 6, 3)

# The first variable of each, which tells its names apart from others'.
KERAS_ANCHOR = 'conv1_conv/kernel'
SLIM_ANCHOR = 'resnet_v2_50/conv1/weights'
S4L_ANCHOR = 'root_block/conv2d/kernel'
NUMBERED_ANCHOR = 'conv2d_52/kernel'
TIMM_ANCHOR = 'stages.0.blocks.0.conv1.weight'


def same(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """keras.applications: as here."""
  return {w.path: importing.Tensor(w.path) for w in model.weights}


# The scopes in a unit, by the suffixes of the layers here.
_SLIM_UNIT = {
  '_preact_bn': 'preact',
  '_0_conv': 'shortcut',
  '_1_conv': 'conv1',
  '_1_bn': 'conv1/BatchNorm',
  '_2_conv': 'conv2',
  '_2_bn': 'conv2/BatchNorm',
  '_3_conv': 'conv3',
}
_SLIM_TOP = {
  'conv1_conv': 'conv1',
  'post_bn': 'postnorm',
  'predictions': 'logits',
}
_SLIM_WEIGHTS = {'kernel': 'weights', 'bias': 'biases'}


def slim(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """TF-Slim: 'resnet_v2_50/block1/unit_1/bottleneck_v2/conv1/weights'."""
  scopes = {
    layer: f'resnet_v2_50/{scope}'
    for layer, scope in _scopes(
      _SLIM_TOP, _SLIM_UNIT, 'block{}/unit_{}/bottleneck_v2/{}'
    ).items()
  }
  return _plan(model, scopes, _SLIM_WEIGHTS)


_S4L_UNIT = {
  '_preact_bn': 'batch_normalization',
  '_0_conv': 'proj/conv2d',
  '_1_conv': 'a/conv2d',
  '_1_bn': 'b/batch_normalization',
  '_2_conv': 'b/conv2d',
  '_2_bn': 'c/batch_normalization',
  '_3_conv': 'c/conv2d',
}
_S4L_TOP = {
  'conv1_conv': 'root_block/conv2d',
  'post_bn': 'batch_normalization',
  'predictions': 'head/conv2d',
}


def s4l(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """google-research/s4l: 'block1/unit1/a/conv2d/kernel'."""
  return _plan(model, _scopes(_S4L_TOP, _S4L_UNIT, 'block{}/unit{}/{}'))


def numbered(model: 'keras.Model', head: str) -> dict[str, importing.Tensor]:
  """TensorFlow 1's layers in the order of their creation: 'conv2d_7/kernel'.

  Args:
    model: ours.
    head: the layer of the logits: 'conv2d_53' in
      google/revisiting-self-supervised, 'dense' in tensorflow/models.
  """
  convs, norms = ['conv1_conv'], list[str]()
  for stage, units in enumerate(UNITS):
    for unit in range(units):
      for suffix in _S4L_UNIT:
        if suffix == '_0_conv' and unit > 0:
          continue  # Only the first unit of a stage has a shortcut's.
        some = norms if suffix.endswith('_bn') else convs
        some.append(f'conv{stage + 2}_block{unit + 1}{suffix}')
  norms.append('post_bn')
  scopes = {'predictions': head}
  for kind, some in (('conv2d', convs), ('batch_normalization', norms)):
    for number, layer in enumerate(some):
      scopes[layer] = f'{kind}_{number}' if number else kind
  return _plan(model, scopes)


_TIMM_UNIT = {
  '_preact_bn': 'norm1',
  '_0_conv': 'downsample.conv',
  '_1_conv': 'conv1',
  '_1_bn': 'norm2',
  '_2_conv': 'conv2',
  '_2_bn': 'norm3',
  '_3_conv': 'conv3',
}
_TIMM_TOP = {
  'conv1_conv': 'stem.conv',
  'post_bn': 'norm',
  'predictions': 'head.fc',
}
_TIMM_WEIGHTS = {
  'kernel': 'weight',
  'gamma': 'weight',
  'beta': 'bias',
  'moving_mean': 'running_mean',
  'moving_variance': 'running_var',
}


def is_timms(tensors: Mapping[str, object]) -> bool:
  """Whether tensors have the names of timm's `resnetv2`."""
  return any(
    name == TIMM_ANCHOR or name.endswith(f'.{TIMM_ANCHOR}') for name in tensors
  )


def without_timms_extras(
  tensors: Mapping[str, np.ndarray], file: str
) -> dict[str, np.ndarray]:
  """timm's tensors without prefix and without batch norm's counts of batches.

  Args:
    tensors: by the names that the file has.
    file: where they are from, for messages.

  Raises:
    errors.InputError: they are of a network whose details are others.
  """
  known = tensors_lib.without_prefix(tensors, [TIMM_ANCHOR], file)
  known |= {name: name for name in set(tensors) - set(known.values())}
  found = {
    name: tensors[full]
    for name, full in known.items()
    if not name.endswith('num_batches_tracked')
  }
  for fault, what in (
    (
      'stages.0.blocks.0.norm1.running_mean' not in found,
      'group norm in place of batch norm, as BiT',
    ),
    ('stem.conv1.weight' in found, 'a stem of three convolutions'),
    (
      'stages.0.blocks.0.conv3.weight' not in found,
      'units of two convolutions',
    ),
  ):
    if fault:
      raise errors.InputError(
        f"{file} is a network of timm's resnetv2 with {what}; of these only "
        'resnetv2_50 is read'
      )
  return found


def timm(model: 'keras.Model') -> dict[str, importing.Tensor]:
  """timm: 'stages.0.blocks.0.conv1.weight', with torch's order of axes."""
  plan = {}
  # Torch counts stages and units from 0.
  scopes = dict(_TIMM_TOP) | {
    f'conv{stage + 2}_block{unit + 1}{suffix}': f'stages.{stage}.blocks.{unit}.'
    f'{scope}'
    for stage, units in enumerate(UNITS)
    for unit in range(units)
    for suffix, scope in _TIMM_UNIT.items()
  }
  for weight in model.weights:
    layer, kind = weight.path.split('/')
    convert = {'predictions/kernel': _of_timms_head}.get(
      weight.path, _of_torch if kind == 'kernel' else np.asarray
    )
    plan[weight.path] = importing.Tensor(
      f'{scopes[layer]}.{_TIMM_WEIGHTS.get(kind, kind)}', convert
    )
  return plan


def _of_torch(value: np.ndarray) -> np.ndarray:
  """A kernel `[out, in, h, w]` as `[h, w, in, out]`."""
  return value.transpose(2, 3, 1, 0)


def _of_timms_head(value: np.ndarray) -> np.ndarray:
  """A convolution of 1x1 kernels as a matrix `[in, out]`."""
  return np.squeeze(_of_torch(value), (0, 1))


def _scopes(
  top: Mapping[str, str], unit_scopes: Mapping[str, str], form: str
) -> dict[str, str]:
  """Layer to the scope of its variables.

  Args:
    top: of layers outside of units.
    unit_scopes: of those in a unit, by their suffixes.
    form: of a unit's: takes the block, the unit and the scope in it.
  """
  return dict(top) | {
    f'conv{stage + 1}_block{unit}{suffix}': form.format(stage, unit, scope)
    for stage, units in enumerate(UNITS, 1)
    for unit in range(1, units + 1)
    for suffix, scope in unit_scopes.items()
  }


def _plan(
  model: 'keras.Model',
  scopes: Mapping[str, str],
  kinds: Mapping[str, str] = {},
) -> dict[str, importing.Tensor]:
  """A plan, given the scope of each layer and other names of its weights."""
  plan = {}
  for weight in model.weights:
    layer, kind = weight.path.split('/')
    name = f'{scopes[layer]}/{kinds.get(kind, kind)}'
    plan[weight.path] = (
      importing.Tensor(name, functools.partial(_logits, tuple(weight.shape)))
      if layer == 'predictions'
      else importing.Tensor(name)
    )
  return plan


def _logits(shape: tuple[int, ...], value: np.ndarray) -> np.ndarray:
  """Of a convolution or of one more class, the background, which is first."""
  value = value.reshape(-1, value.shape[-1])
  return value[:, value.shape[-1] == shape[-1] + 1 :].reshape(shape)
