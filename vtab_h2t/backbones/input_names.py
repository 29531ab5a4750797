"""Names for what a network is fed: levels of pixels, resize and crop."""

import dataclasses
import math

from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing

# What a network's input is: as its weights want it, which for the paper's
# networks is -1 to 1, or 0 to 1, as in VTAB's own script, or as others' are.
USUAL_INPUT, VTAB_INPUT = 'usual', 'vtab'
HALF_INPUT, IMAGENET_INPUT = 'half', 'imagenet'
# Of two names for one scaling, the first is the one that runs are named by.
_SCALINGS = {
  VTAB_INPUT: preprocessing.UNIT,
  HALF_INPUT: preprocessing.HALF,
  IMAGENET_INPUT: preprocessing.IMAGENET,
  'clip': preprocessing.CLIP,
  'unit': preprocessing.UNIT,
  'pixels': preprocessing.PIXELS,
}
INPUT_SCALINGS = (USUAL_INPUT, *_SCALINGS)
# How an image is made square: as the weights want it, or of
# `preprocessing.RESIZES`; and which part of it is seen.
USUAL_RESIZE = USUAL_CROP = 'usual'
WHOLE = 'square'  # As a crop: all of it, squashed.


def scaled_input(
  usual: preprocessing.Input,
  scaling: str = USUAL_INPUT,
  resize: str = USUAL_RESIZE,
  crop: str = USUAL_CROP,
) -> preprocessing.Input:
  """A network's input, but for what is asked for.

  Args:
    usual: what its weights want.
    scaling: of `INPUT_SCALINGS`.
    resize: `USUAL_RESIZE`, or of `preprocessing.RESIZES`.
    crop: `USUAL_CROP`, `WHOLE`, or a number; see `preprocessing.Input`.

  Raises:
    errors.InputError: one of them is unknown.
  """
  if scaling not in INPUT_SCALINGS:
    raise errors.InputError(
      f'unknown input scaling {scaling!r}; choose from '
      f'{", ".join(INPUT_SCALINGS)}'
    )
  levels = _SCALINGS.get(scaling, usual)
  return preprocessing.Input(
    scale=levels.scale,
    offset=levels.offset,
    resize=usual.resize if resize == USUAL_RESIZE else resize,
    crop=usual.crop if crop == USUAL_CROP else crop_of(crop),
  )


def for_photographs(usual: preprocessing.Input) -> preprocessing.Input:
  """A network's usual input for photographs, which are shrunk a lot.

  Bilinear without antialias is what an input has where its weights say nothing
  else. Of a photograph that is ten times larger than what the network sees it
  would read a tenth of the rows, and so the grain; a filter that grows with the
  factor reads all of them. The paper's runs keep what its authors used.

  Args:
    usual: what the weights want.

  Returns:
    The same with `BILINEAR_ANTIALIAS` for `BILINEAR`; another resize is kept.
  """
  if usual.resize != preprocessing.BILINEAR:
    return usual
  return dataclasses.replace(usual, resize=preprocessing.BILINEAR_ANTIALIAS)


def crop_of(text: str) -> float | None:
  """The crop that is written so: `WHOLE`, or a number.

  Raises:
    errors.InputError: it is neither.
  """
  if text == WHOLE:
    return preprocessing.SQUARE
  try:
    crop = float(text)
  except ValueError:
    crop = math.nan
  if not preprocessing.MIN_CROP <= crop <= 1:
    raise errors.InputError(
      f'a crop is {USUAL_CROP}, {WHOLE}, or from {preprocessing.MIN_CROP} '
      f'to 1, not {text!r}'
    )
  return crop


def scaling_of(
  scale: preprocessing.Level, offset: preprocessing.Level
) -> str | None:
  """Which of `INPUT_SCALINGS` feeds a network so; None if none of them does.

  Args:
    scale, offset: the network is fed `pixel * scale + offset`.
  """
  return next(
    (
      name
      for name, fed in _SCALINGS.items()
      if (scale, offset) == (fed.scale, fed.offset)
    ),
    None,
  )
