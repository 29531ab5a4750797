"""Shaded toys on a turntable, after SmallNORB (LeCun et al., 2004).

The factors are SmallNORB's: 5 categories of 10 instances, 9 elevations (30 to
70 degrees), 18 azimuths (every 20 degrees), 6 lights; train shows five
instances of each category, test the other five, and the labels are VTAB's:
azimuth (18) and elevation (9). The toys are built from boxes, ellipsoids and
cylinders. All have a front and a back, so no symmetry bounds the accuracy; a
toy's left and right sides are mirror images, told apart by where the front is.
"""

from collections.abc import Sequence
import functools

import numpy as np

from vtab_h2t.tasks import raycast
from vtab_h2t.tasks import task as task_lib

SIZE = 96  # Pixels, as in SmallNORB.
CATEGORIES = ('animal', 'figure', 'airplane', 'truck', 'car')
INSTANCES = 10  # 0 to 4 are for train, 5 to 9 for test.
ELEVATIONS = np.deg2rad(np.arange(30, 71, 5))
AZIMUTHS = np.deg2rad(np.arange(0, 360, 20))
_LIGHTS = np.array(
  [
    [1, 0, 1],
    [-1, 0, 1],
    [0, 1, 1],
    [0, -1, 1],
    [0.3, 0.3, 1],
    [0.9, 0.9, 0.5],
  ],
  float,
)
_TRAIN, _TEST = 1000, 1000
_DISTANCE, _HALF_WIDTH = 6.0, 0.24


def _part(
  kind: str, centre: Sequence[float], half_size: Sequence[float], albedo: float
) -> raycast.Solid:
  return raycast.Solid(
    kind,
    np.array(centre, float),
    np.array(half_size, float),
    np.eye(3),
    np.full(3, albedo),
  )


def toy(category: int, instance: int) -> list[raycast.Solid]:
  """The parts of a toy whose front is towards +x, within about radius 1."""
  rng = np.random.default_rng([category, instance])
  long, wide, high = rng.uniform(0.8, 1.2, 3)
  tone = rng.uniform(0.55, 0.9)
  box, ball, tube = raycast.CUBE, raycast.SPHERE, raycast.CYLINDER
  name = CATEGORIES[category]
  if name == 'animal':
    leg = 0.25 * high
    parts = [
      (ball, (0, 0, 0), (0.6 * long, 0.25 * wide, 0.25 * high)),
      (ball, (0.65 * long, 0, 0.28 * high), (0.22, 0.16 * wide, 0.18)),
      (box, (-0.65 * long, 0, 0.1), (0.12, 0.04, 0.04)),
    ]
    parts += [
      (tube, (x * long, y * wide, -0.2 - leg), (0.08, 0.08, leg))
      for x in (0.4, -0.4)
      for y in (0.14, -0.14)
    ]
  elif name == 'figure':
    parts = [
      (box, (0, 0, 0), (0.16 * long, 0.28 * wide, 0.32 * high)),
      (ball, (0.05, 0, 0.32 * high + 0.2), (0.18, 0.16, 0.2)),
      (box, (0.3 * long, 0.3 * wide, 0.15), (0.3 * long, 0.07, 0.07)),
      (box, (0.0, -0.34 * wide, -0.1), (0.07, 0.07, 0.3 * high)),
    ]
    parts += [
      (tube, (0, y * wide, -0.32 * high - 0.28), (0.09, 0.09, 0.3))
      for y in (0.14, -0.14)
    ]
  elif name == 'airplane':
    parts = [
      (ball, (0, 0, 0), (0.9 * long, 0.14 * wide, 0.14 * high)),
      (box, (0.15 * long, 0, 0), (0.17 * long, 0.8 * wide, 0.03)),
      (box, (-0.75 * long, 0, 0.05), (0.1, 0.32 * wide, 0.03)),
      (box, (-0.78 * long, 0, 0.2 * high), (0.1, 0.03, 0.18 * high)),
    ]
  else:
    truck = name == 'truck'
    body = 0.5 * long if truck else 0.85 * long
    tall = (0.34 if truck else 0.17) * high
    parts = [
      (box, (-0.3 * long if truck else 0, 0, tall), (body, 0.32 * wide, tall)),
      (
        box,
        (0.5 * long, 0, 0.24)
        if truck
        else (-0.15 * long, 0, 0.34 * high + 0.13),
        (0.25 * long, 0.3 * wide, 0.24)
        if truck
        else (0.42 * long, 0.27 * wide, 0.14),
      ),
    ]
    parts += [
      (ball, (x * long, y * wide, -0.05), (0.16, 0.06, 0.16))
      for x in (0.5, -0.5)
      for y in (0.32, -0.32)
    ]
  return [_part(*p, tone * rng.uniform(0.75, 1.1)) for p in parts]


def render(
  category: int, instance: int, elevation: int, azimuth: int, light: int
) -> np.ndarray:
  """uint8 `[SIZE, SIZE, 3]` image of a toy; arguments are factor indices."""
  e, a = ELEVATIONS[elevation], AZIMUTHS[azimuth]
  position = _DISTANCE * np.array(
    [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
  )
  axes = raycast.look_at(position, np.zeros(3))
  camera = raycast.Camera(position, axes, _HALF_WIDTH, SIZE)
  # Lights stand still with respect to the camera, as in SmallNORB.
  direction = _LIGHTS[light] / np.linalg.norm(_LIGHTS[light])
  towards = direction @ np.stack([axes[0], -axes[2], axes[1]])
  background = np.full((SIZE * SIZE, 3), 0.5)
  image, _ = raycast.shade(
    camera, toy(category, instance), background, towards, 0.25
  )
  return image


# Of each half of the instances: how many values each factor has.
_FACTORS = (
  len(CATEGORIES),
  INSTANCES // 2,
  len(ELEVATIONS),
  len(AZIMUTHS),
  len(_LIGHTS),
)
VIEWS_OF_CATEGORY = int(np.prod(_FACTORS[1:]))  # A half of its instances has.


def views(
  numbers: np.ndarray, first_instance: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """Renders views.

  Args:
    numbers: `[n]`, each below `len(CATEGORIES) * VIEWS_OF_CATEGORY`; those of a
      category follow each other.
    first_instance: 0 or 5, of the half that they show.

  Returns:
    uint8 images `[n, SIZE, SIZE, 3]`, and labels `[n]` by kind: category,
    azimuth, elevation.
  """
  factors = np.stack(np.unravel_index(numbers, _FACTORS), axis=1)
  factors[:, 1] += first_instance
  return np.stack([render(*f) for f in factors]), {
    'category': factors[:, 0],
    'azimuth': factors[:, 3],
    'elevation': factors[:, 2],
  }


@functools.lru_cache(maxsize=1)  # All tasks label the same images.
def _views(
  seed: int,
) -> list[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
  """Of train and of test: images, labels by kind, and views' numbers."""
  rng = np.random.default_rng(seed)
  parts = []
  for first, count in ((0, _TRAIN), (INSTANCES // 2, _TEST)):
    numbers = rng.choice(np.prod(_FACTORS), count, replace=False)
    parts.append((*views(numbers, first), numbers))
  return parts


def load(label: str, seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """1000 train and 1000 test views; `label` is a kind of `views`."""
  train, test = (
    task_lib.array_split(
      f'solids/{name}', images, labels[label], numbers.tolist()
    )
    for name, (images, labels, numbers) in zip(('train', 'test'), _views(seed))
  )
  return train, test
