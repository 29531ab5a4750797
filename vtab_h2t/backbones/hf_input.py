"""What Hugging Face's `preprocessor_config.json` says of a network's input.

transformers writes it into the folder of the weights. It resizes with Pillow.
"""

import math
from typing import Any

from vtab_h2t import errors
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import preprocessing

PREPROCESSOR = 'preprocessor_config.json'
# Pillow's numbers of filters, which transformers resizes with.
_RESAMPLES = {
  2: preprocessing.BILINEAR_ANTIALIAS,
  3: preprocessing.BICUBIC_ANTIALIAS,
}
# From so many pixels on, ConvNeXt's preprocessing, which ResNets have, squashes
# images and does not crop them.
_UNCROPPED = 384


def found(
  file: str, model_types: tuple[str, ...], usual: preprocessing.Input
) -> tuple[str, ...]:
  """Names of the configurations beside a weights file that are read.

  Args:
    file: the path of the weights.
    model_types: as of `hf_config.beside`; without any, none are read.
    usual: as of `fed`.

  Raises:
    errors.InputError: as `hf_config.beside` and `fed` raise.
  """
  if not model_types:
    return ()
  read = {
    hf_config.CONFIG: hf_config.beside(file, model_types),
    PREPROCESSOR: fed(file, usual),
  }
  return tuple(name for name, value in read.items() if value is not None)


def fed(file: str, usual: preprocessing.Input) -> preprocessing.Input | None:
  """What the `preprocessor_config.json` beside a weights file says.

  Args:
    file: the path of the weights.
    usual: where it says nothing.

  Returns:
    How images become the network's input; None if there is no such file.

  Raises:
    errors.InputError: it cannot be read, or says what is not done here.
  """
  config = hf_config.read(file, PREPROCESSOR)
  if config is None or not {
    'image_processor_type',
    'feature_extractor_type',
    'image_mean',
  } & set(config.values):
    return None
  values = config.values
  factor = values.get('rescale_factor', 1 / 255)
  if not config.is_true('do_rescale', True) or not (
    type(factor) is float and math.isclose(factor, 1 / 255, rel_tol=1e-6)
  ):
    config.fail('pixels are not scaled by 1 / 255 first, as they are here')
  if not config.is_true('do_resize', True):
    config.fail('images are not resized, as they are here')
  mean: Any = 0
  std: Any = 1
  if config.is_true('do_normalize', True):
    mean = values.get('image_mean', usual.mean)
    std = values.get('image_std', usual.std)
  resample = values.get('resample')
  if resample is not None and resample not in list(_RESAMPLES):
    config.fail(
      f'resample {hf_config.shown(resample)} is neither 2 (bilinear) nor 3 '
      '(bicubic)'
    )
  resize = usual.resize if resample is None else _RESAMPLES[resample]
  crop = _crop(config)
  try:
    return preprocessing.Input.of(mean=mean, std=std, resize=resize, crop=crop)
  except errors.InputError as e:
    config.fail(importing.one_line(e))


def _crop(config: hf_config.Config) -> float | None:
  """The part of the shorter side that is seen; None where images are squashed.

  Raises:
    errors.InputError: sizes are missing, or no sizes.
  """
  if 'crop_pct' in config.values:
    side = _side(config, 'size')
    crop: Any = config.values['crop_pct']
    return preprocessing.SQUARE if side >= _UNCROPPED else crop
  if not config.is_true('do_center_crop', False):
    return preprocessing.SQUARE
  seen, side = _side(config, 'crop_size'), _side(config, 'size')
  if seen > side:
    config.fail(f'crop_size {seen} is more than size {side}')
  return seen / side


def _side(config: hf_config.Config, name: str) -> int:
  """A size in pixels: a number, the shortest edge, or two equal sides."""
  value = config.values.get(name)
  sides = [value]
  if isinstance(value, dict):
    keys = ('shortest_edge', 'height', 'width')
    sides = [value[key] for key in keys if key in value]
  for side in sides:
    if type(side) is int and side > 0 and sides == [side] * len(sides):
      return side
  return config.fail(f'{name} {hf_config.shown(value)} is no side in pixels')
