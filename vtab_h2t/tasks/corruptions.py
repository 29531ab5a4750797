"""Six of ImageNet-C's corruptions at five severities, for 64-pixel images.

After Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations" (ICLR 2019). The constants are those that
its authors publish for Tiny ImageNet-C and for ImageNet at 64 pixels
(github.com/hendrycks/robustness, commit 8190fe3; the two scripts agree). An
image is divided by 255, changed, clipped to 0 to 1, multiplied by 255 and cut
off to whole numbers, in this order, as there. Two things differ: ImageNet-C's
files are then saved as JPEG of quality 85, ours are not; and the noise of an
image depends on nothing but its id and the severity, so that it is the same in
whatever set and order the image is corrupted.
"""

from collections.abc import Callable, Sequence
import io
import re

import numpy as np

from vtab_h2t import errors
from vtab_h2t.tasks import labelled

SIZE = labelled.SIZE  # Sides in pixels of the images that the constants suit.
SEVERITIES = (1, 2, 3, 4, 5)
_CHUNK = 64  # Images that are held as floats at a time.

# By severity, from 1 to 5.
_NOISE = (0.04, 0.08, 0.12, 0.15, 0.18)  # Standard deviation.
# Radius of the disc, and the standard deviation of what smooths its edge.
_BLUR = ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1))
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # Share of the contrast that is left.
_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # Added to the value in HSV.
_PIXELATE = (0.9, 0.8, 0.7, 0.6, 0.5)  # Share of the side that is left.
_JPEG = (65, 58, 50, 40, 25)  # Quality.


def defocus_kernel(radius: float, alias: float) -> np.ndarray:
  """A disc with a smoothed edge.

  Args:
    radius: of the disc in pixels, at most 8; below 1 it is one pixel.
    alias: standard deviation in pixels of the Gaussian of 3x3 pixels that
      smooths it.

  Returns:
    float64 weights `[side, side]` that add up to 1; `side` is odd and as small
    as it can be.
  """
  from scipy import ndimage

  reach = int(radius) + 1
  steps = np.arange(-reach, reach + 1)
  disc = (steps[:, None] ** 2 + steps**2 <= radius**2).astype(float)
  bell = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias**2))
  bell /= bell.sum()
  return ndimage.correlate(
    disc / disc.sum(), np.outer(bell, bell), mode='constant'
  )


def _noise(x: np.ndarray, severity: int, ids: Sequence[str]) -> np.ndarray:
  drawn = [
    labelled.generator(i, 'noise', severity).normal(size=x.shape[1:])
    for i in ids
  ]
  return x + _NOISE[severity - 1] * np.stack(drawn)


def _blur(x: np.ndarray, severity: int, ids: Sequence[str]) -> np.ndarray:
  del ids
  from scipy import ndimage

  kernel = defocus_kernel(*_BLUR[severity - 1])
  # SciPy's `mirror` does not repeat the pixel at the edge.
  return ndimage.correlate(x, kernel[None, :, :, None], mode='mirror')


def _contrast(x: np.ndarray, severity: int, ids: Sequence[str]) -> np.ndarray:
  del ids
  means = x.mean(axis=(1, 2), keepdims=True)
  return (x - means) * _CONTRAST[severity - 1] + means


def _brightness(x: np.ndarray, severity: int, ids: Sequence[str]) -> np.ndarray:
  del ids
  from skimage import color

  # By scikit-image as there: many sums are whole numbers, and what rounding
  # leaves of them decides where they are cut off.
  hsv = color.rgb2hsv(x)
  hsv[..., 2] = np.clip(hsv[..., 2] + _BRIGHTNESS[severity - 1], 0, 1)
  return color.hsv2rgb(hsv)


def _pixelate(images: np.ndarray, severity: int) -> np.ndarray:
  from PIL import Image

  side, box = int(SIZE * _PIXELATE[severity - 1]), Image.Resampling.BOX
  return np.stack(
    [
      np.asarray(
        Image.fromarray(image)
        .resize((side, side), box)
        .resize((SIZE, SIZE), box)
      )
      for image in images
    ]
  )


def _jpeg(images: np.ndarray, severity: int) -> np.ndarray:
  from PIL import Image

  found = []
  for image in images:
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'JPEG', quality=_JPEG[severity - 1])
    with Image.open(file) as decoded:
      found.append(np.asarray(decoded))
  return np.stack(found)


# On floats, 0 to 1, `[n, SIZE, SIZE, 3]`; the others are on uint8.
_ON_FLOATS: dict[
  str, Callable[[np.ndarray, int, Sequence[str]], np.ndarray]
] = {
  'noise': _noise,
  'blur': _blur,
  'contrast': _contrast,
  'brightness': _brightness,
}
_ON_BYTES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
  'pixelate': _pixelate,
  'jpeg': _jpeg,
}
NAMES = (*_ON_FLOATS, *_ON_BYTES)
# A corruption and its severity: 'noise1' to 'jpeg5'.
SHIFTS = tuple(f'{name}{s}' for name in NAMES for s in SEVERITIES)


def check(name: str, severity: int) -> None:
  """Raises InputError if there is no such corruption or severity."""
  if name not in NAMES:
    raise errors.InputError(
      f'unknown corruption {name!r}; choose from {", ".join(NAMES)}'
    )
  if severity not in SEVERITIES:
    raise errors.InputError(
      f'corruption {name} has no severity {severity}; choose from '
      f'{", ".join(map(str, SEVERITIES))}'
    )


def parse(shift: str) -> tuple[str, int] | None:
  """The corruption and the severity that a shift's name has.

  Args:
    shift: as in `SHIFTS`.

  Returns:
    None if its name does not begin with a corruption's.

  Raises:
    errors.InputError: a corruption without a severity, or with a wrong one.
  """
  found = re.fullmatch(rf'({"|".join(NAMES)})(-?\d+)?', shift)
  if found is None:
    return None
  name, severity = found.groups()
  if severity is None:
    raise errors.InputError(
      f'corruption {name} lacks a severity; write {name}1 to '
      f'{name}{SEVERITIES[-1]}'
    )
  check(name, int(severity))
  return name, int(severity)


def corrupt(
  images: np.ndarray, name: str, severity: int, ids: Sequence[str]
) -> np.ndarray:
  """Corrupted images; equal arguments give equal images.

  Args:
    images: uint8 `[n, SIZE, SIZE, 3]`.
    name: one of `NAMES`.
    severity: 1 to 5.
    ids: the images' names `[n]`, on which their noise depends.

  Returns:
    uint8 of the same shape; the images given stay as they are.

  Raises:
    errors.InputError: unknown name, or severity out of range.
    ValueError: images of another form.
  """
  check(name, severity)
  if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3):
    raise ValueError(f'not 64-pixel images: {images.dtype} {images.shape}')
  if len(ids) != len(images):
    raise ValueError(f'{len(images)} images, but {len(ids)} ids')
  if not len(images):
    return images.copy()
  if name in _ON_BYTES:
    return _ON_BYTES[name](images, severity)
  found = np.empty_like(images)
  for start in range(0, len(images), _CHUNK):
    part = slice(start, start + _CHUNK)
    x = _ON_FLOATS[name](images[part] / 255.0, severity, ids[part])
    found[part] = (np.clip(x, 0, 1) * 255).astype(np.uint8)
  return found
