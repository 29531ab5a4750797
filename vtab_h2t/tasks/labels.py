"""VTAB's label rules (Zhai et al., 2019; task_adaptation's code).

Each is a function of raw annotations, and so serves VTAB's own data and the
embedded tasks alike.
"""

import numpy as np

# Lower edges of the distance classes; a distance belongs to the last edge that
# is below it.
CLEVR_DISTANCES = np.array([0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0])
KITTI_DISTANCES = np.array([-100.0, 8.0, 20.0, 999.0])
MIN_OBJECTS = 3  # In a CLEVR scene.
_VEHICLES = 3  # KITTI's object types below it: car, van, truck.
_NO_VEHICLE = 1000.0  # Metres.


def _last_below(edges: np.ndarray, distance: float) -> int:
  return int(np.flatnonzero(edges < distance)[-1])


def location(position: int | np.ndarray) -> np.ndarray:
  """dSprites' position 0 to 31 in 16 classes."""
  return np.floor_divide(np.asarray(position, float), 2.0).astype(np.int64)


def orientation(number: int | np.ndarray) -> np.ndarray:
  """dSprites' orientation 0 to 39 in 16 classes."""
  return np.floor_divide(np.asarray(number, float), 2.5).astype(np.int64)


def count_all(num_objects: int) -> int:
  """CLEVR's number of objects, 3 to 10, in 8 classes."""
  return num_objects - MIN_OBJECTS


def closest_object_distance(depths: np.ndarray) -> int:
  """CLEVR's depth of the nearest object in 6 classes.

  Args:
    depths: of each object, `[n]`: the third of its pixel coordinates.
  """
  return _last_below(CLEVR_DISTANCES, np.min(depths))


def closest_vehicle_distance(types: np.ndarray, depths: np.ndarray) -> int:
  """KITTI's nearest car, van or truck: up to 8 m, to 20 m, farther, none.

  Args:
    types: class of each object, `[n]`.
    depths: z of each object's location in metres, `[n]`.
  """
  vehicles = np.asarray(depths)[np.asarray(types) < _VEHICLES]
  return _last_below(KITTI_DISTANCES, np.min([*vehicles, _NO_VEHICLE]))
