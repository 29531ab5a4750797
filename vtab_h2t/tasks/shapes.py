"""Coloured solids on a plane, after CLEVR (Johnson et al., 2017).

Labels are VTAB's: the number of objects (3 to 10, 8 classes) and the depth of
the nearest one in 6 classes. Count, depth of the nearest and total area in the
image are drawn independently: the area of a scene is shared out among its
objects, so neither gives another away. Sizes are drawn in the image, so an
object's size does not tell its depth; where it stands on the plane does.
"""

import functools

import numpy as np

from vtab_h2t.tasks import labels as labels_lib
from vtab_h2t.tasks import raycast
from vtab_h2t.tasks import task as task_lib

SIZE = 96  # Pixels.
MIN_OBJECTS, MAX_OBJECTS = labels_lib.MIN_OBJECTS, 10
_EDGES = labels_lib.CLEVR_DISTANCES
_NEAREST, _FARTHEST_NEAREST, _FARTHEST = 7.0, 13.0, 16.0  # Depths.
_AREA = (0.04, 0.10)  # Share of the image that all objects cover together.
_HALF_WIDTH = 0.33
_HEIGHT, _PITCH = 4.5, np.deg2rad(25)
_TRAIN, _TEST = 1000, 1000
_COLOURS = (
  np.array(
    [
      [87, 87, 87],
      [173, 35, 35],
      [42, 75, 215],
      [29, 105, 20],
      [129, 74, 25],
      [129, 38, 192],
      [41, 208, 208],
      [255, 238, 51],
    ]
  )
  / 255
)

# Scale that gives each kind the mean projected area of a unit sphere: by
# Cauchy's formula that area is a quarter of a convex body's surface.
_KINDS = (
  (raycast.SPHERE, 1.0),
  (raycast.CUBE, np.sqrt(np.pi / 6)),
  (raycast.CYLINDER, np.sqrt(2 / 3)),
)


def _camera() -> raycast.Camera:
  c, s = np.cos(_PITCH), np.sin(_PITCH)
  axes = np.array([[1.0, 0.0, 0.0], [0.0, s, c], [0.0, c, -s]])
  return raycast.Camera(np.array([0.0, 0.0, _HEIGHT]), axes, _HALF_WIDTH, SIZE)


def _place(
  rng: np.random.Generator, num_objects: int, label: int, area: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
  """Depths, image positions and radii of objects, or None if they collide."""
  low = max(_NEAREST, _EDGES[label])
  nearest = rng.uniform(low, min(_FARTHEST_NEAREST, _EDGES[label + 1]))
  depths = np.concatenate(
    [[nearest], rng.uniform(nearest, _FARTHEST, num_objects - 1)]
  )
  share = rng.uniform(0.5, 1.5, num_objects)
  radii = np.sqrt(area * share / share.sum() / np.pi)
  right = rng.uniform(-1, 1, num_objects) * (_HALF_WIDTH - radii)
  # Standing on the plane: the centre is one radius above it.
  height = _HEIGHT - radii * depths
  ahead = (depths - height * np.sin(_PITCH)) / np.cos(_PITCH)
  up = (ahead * np.sin(_PITCH) - height * np.cos(_PITCH)) / depths
  apart = np.hypot(right[:, None] - right, up[:, None] - up)
  touching = apart < 0.9 * (radii[:, None] + radii)
  if touching[np.triu_indices(num_objects, 1)].any():
    return None
  centres = np.stack([right * depths, ahead, radii * depths], axis=1)
  return depths, centres, radii * depths


def scene(
  rng: np.random.Generator, num_objects: int, label: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Draws and renders one scene.

  Args:
    rng: randomness.
    num_objects: 3 to 10.
    label: the class of the nearest object's depth, 0 to 5.

  Returns:
    uint8 image `[SIZE, SIZE, 3]`, the depths `[num_objects]` of the objects'
    centres, and the mask `[SIZE, SIZE]` of pixels that show an object.
  """
  # The area is drawn once: drawing it again for scenes that collide would make
  # crowded scenes small.
  area = rng.uniform(*_AREA) * (2 * _HALF_WIDTH) ** 2
  placed = None
  while placed is None:
    placed = _place(rng, num_objects, label, area)
  depths, centres, radii = placed
  solids = []
  for centre, radius in zip(centres, radii):
    kind, scale = _KINDS[rng.integers(len(_KINDS))]
    solids.append(
      raycast.Solid(
        kind,
        np.array([*centre[:2], radius * scale]),
        np.full(3, radius * scale),
        raycast.rotation_z(rng.uniform(0, np.pi)),
        _COLOURS[rng.integers(len(_COLOURS))],
      )
    )
  camera = _camera()
  # The plane darkens with distance and ends at the horizon.
  rise = camera.rays()[:, 2]
  background = np.repeat(
    np.where(rise < 0, 0.55 + 0.35 * np.sqrt(np.maximum(-rise, 0)), 0.5)[
      :, None
    ],
    3,
    axis=1,
  )
  light = np.array([rng.uniform(-0.6, 0.6), -0.5, 0.9])
  image, mask = raycast.shade(
    camera, solids, background, light / np.linalg.norm(light), 0.3
  )
  return image, depths, mask


def counted(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Renders scenes of given numbers of objects; depths are drawn.

  Args:
    counts: `[n]`, each from `MIN_OBJECTS` to `MAX_OBJECTS`.
    rng: randomness.

  Returns:
    uint8 images `[n, SIZE, SIZE, 3]`.
  """
  return np.stack(
    [scene(rng, int(n), int(rng.integers(len(_EDGES) - 1)))[0] for n in counts]
  )


@functools.lru_cache(maxsize=1)  # Both tasks label the same images.
def _scenes(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """Images, and their labels by kind."""
  rng = np.random.default_rng(seed)
  images, counts, distances = [], [], []
  for _ in range(_TRAIN + _TEST):
    num_objects = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    image, depths, _ = scene(
      rng, num_objects, int(rng.integers(len(_EDGES) - 1))
    )
    images.append(image)
    counts.append(labels_lib.count_all(len(depths)))
    distances.append(labels_lib.closest_object_distance(depths))
  return np.stack(images), {
    'count': np.array(counts),
    'distance': np.array(distances),
  }


def load(label: str, seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """1000 train and 1000 test scenes; `label` is 'count' or 'distance'."""
  images, labels = _scenes(seed)
  train, test = (
    task_lib.array_split(
      'shapes', images[part], labels[label][part], range(len(images))[part]
    )
    for part in (slice(_TRAIN), slice(_TRAIN, None))
  )
  return train, test
