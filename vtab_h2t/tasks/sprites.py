"""White shapes on black, after dSprites (Matthey et al., 2017).

The factors are dSprites': 3 shapes, 6 scales, 40 orientations, 32 x 32
positions, and the labels VTAB's: the horizontal position, and the orientation,
each in 16 classes. The pixels come from this file's own renderer; dSprites'
own would differ in outline and edges.

Orientations are `linspace(0, 2 pi, 40)`, so the first and the last look alike
and belong to different classes (a ceiling of 97.5% for `sprites_ori` at best).
A square looks nearly alike every quarter turn and an ellipse every half turn:
who cannot tell those few degrees apart reaches (1 + 1/2 + 1/4) / 3 = 58%.
"""

import functools

import numpy as np

from vtab_h2t.tasks import labels as labels_lib
from vtab_h2t.tasks import task as task_lib

SIZE = 64  # Pixels, as in dSprites.
SHAPES = ('square', 'ellipse', 'heart')
SCALES = np.linspace(0.5, 1.0, 6)
ORIENTATIONS = np.linspace(0.0, 2 * np.pi, 40)
POSITIONS = np.linspace(0.0, 1.0, 32)
_FACTORS = (
  len(SHAPES),
  len(SCALES),
  len(ORIENTATIONS),
  len(POSITIONS),
  len(POSITIONS),
)
_TRAIN, _TEST = 1000, 1000
_MARGIN, _RADIUS = 16, 10.5  # Pixels: of the centre; of a shape at scale 1.
_SUBPIXELS = 3  # Samples a side of each pixel, for soft edges.


def inside(shape: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """Whether points in a shape's own frame (radius about 1, y up) are in it."""
  name = SHAPES[shape]
  if name == 'square':
    return np.maximum(np.abs(x), np.abs(y)) <= 0.8
  if name == 'ellipse':
    return x**2 + (y / 0.5) ** 2 <= 1
  x, y = x * 1.2, y * 1.2 + 0.1
  return (x**2 + y**2 - 1) ** 3 - x**2 * y**3 <= 0


def render(factors: np.ndarray) -> np.ndarray:
  """One image.

  Args:
    factors: (shape, scale, orientation, x, y) indices.

  Returns:
    uint8 `[SIZE, SIZE, 3]`.
  """
  shape, scale, orientation, x, y = factors
  span = SIZE - 2 * _MARGIN
  samples = (np.arange(SIZE * _SUBPIXELS) + 0.5) / _SUBPIXELS
  dx = samples[None, :] - (_MARGIN + span * POSITIONS[x])
  dy = (_MARGIN + span * POSITIONS[y]) - samples[:, None]
  radius = _RADIUS * SCALES[scale]
  cos, sin = (
    np.cos(ORIENTATIONS[orientation]),
    np.sin(ORIENTATIONS[orientation]),
  )
  u, v = (cos * dx + sin * dy) / radius, (cos * dy - sin * dx) / radius
  mask = inside(shape, u, v).reshape(SIZE, _SUBPIXELS, SIZE, _SUBPIXELS)
  grey = np.round(255 * mask.mean(axis=(1, 3))).astype(np.uint8)
  return np.repeat(grey[..., None], 3, axis=-1)


@functools.lru_cache(maxsize=1)  # Both tasks label the same images.
def _images(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Numbers of factor combinations, the factors, and their images."""
  numbers = np.random.default_rng(seed).choice(
    np.prod(_FACTORS), _TRAIN + _TEST, replace=False
  )
  factors = np.stack(np.unravel_index(numbers, _FACTORS), axis=1)
  return numbers, factors, np.stack([render(f) for f in factors])


def load(label: str, seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """Distinct factor combinations; `label` is 'location' or 'orientation'."""
  numbers, factors, images = _images(seed)
  labels = (
    labels_lib.location(factors[:, 3])
    if label == 'location'
    else labels_lib.orientation(factors[:, 2])
  )
  train, test = (
    task_lib.array_split(
      'sprites', images[part], labels[part], numbers[part].tolist()
    )
    for part in (slice(_TRAIN), slice(_TRAIN, None))
  )
  return train, test
