"""How other code names the weights of a ResNet-50 v2.

Each function gives, for the weights of a model of `resnet_v2.build`, the
variables that hold them elsewhere, as `importing.load` takes it.
"""

from collections.abc import Mapping
import functools
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.backbones import importing

if TYPE_CHECKING:
  import keras

UNITS = (3, 4, 6, 3)

# The first variable of each, which tells its names apart from others'.
KERAS_ANCHOR = 'conv1_conv/kernel'
SLIM_ANCHOR = 'resnet_v2_50/conv1/weights'
S4L_ANCHOR = 'root_block/conv2d/kernel'
NUMBERED_ANCHOR = 'conv2d_52/kernel'


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
