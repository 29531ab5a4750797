"""A small ray caster for the rendered tasks: boxes, ellipsoids, cylinders.

Every primitive is an affine image of a unit one, so a ray is taken into the
unit frame, met there in closed form, and its parameter means the same outside.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

CUBE, SPHERE, CYLINDER = 'cube', 'sphere', 'cylinder'


@dataclasses.dataclass(frozen=True)
class Solid:
  """One primitive.

  Attributes:
    kind: `CUBE` ([-1, 1]^3), `SPHERE` (radius 1) or `CYLINDER` (radius 1,
      z from -1 to 1), before scaling.
    centre: `[3]`.
    half_size: `[3]` scales along the solid's own axes.
    rotation: `[3, 3]`, columns are the solid's axes.
    albedo: `[3]` RGB, 0 to 1.
  """

  kind: str
  centre: np.ndarray
  half_size: np.ndarray
  rotation: np.ndarray
  albedo: np.ndarray


@dataclasses.dataclass(frozen=True)
class Camera:
  """A pinhole camera.

  Attributes:
    position: `[3]`.
    axes: `[3, 3]`, rows are right, up and forward.
    half_width: half the image's side at depth 1.
    size: pixels a side.
  """

  position: np.ndarray
  axes: np.ndarray
  half_width: float
  size: int

  def rays(self) -> np.ndarray:
    """Unit directions `[size * size, 3]`, row by row from the top left."""
    at = ((np.arange(self.size) + 0.5) / self.size * 2 - 1) * self.half_width
    u, v = np.meshgrid(at, -at)
    local = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1)
    local /= np.linalg.norm(local, axis=1, keepdims=True)
    return local @ self.axes


def rotation_z(angle: float) -> np.ndarray:
  """Matrix that turns by an angle in radians about the z axis."""
  c, s = np.cos(angle), np.sin(angle)
  return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
  """Camera axes (rows right, up, forward) with the world's z upwards."""
  forward = (target - position) / np.linalg.norm(target - position)
  right = np.cross(forward, [0.0, 0.0, 1.0])
  right /= np.linalg.norm(right)
  return np.stack([right, np.cross(right, forward), forward])


# Of a unit solid with rays from `o` `[3]` along `d` `[n, 3]`: their parameters
# `[n]` (inf where they miss) and outward normals `[n, 3]`.
_Meeting = tuple[np.ndarray, np.ndarray]


def _meet_sphere(o: np.ndarray, d: np.ndarray) -> _Meeting:
  a, b = (d * d).sum(1), (o * d).sum(1)
  root = b * b - a * ((o * o).sum() - 1)
  t = (-b - np.sqrt(np.maximum(root, 0))) / a
  return np.where(root > 0, t, np.inf), o + t[:, None] * d


def _meet_cube(o: np.ndarray, d: np.ndarray) -> _Meeting:
  with np.errstate(divide='ignore', invalid='ignore'):
    one, two = (-1 - o) / d, (1 - o) / d
  near, far = np.minimum(one, two), np.maximum(one, two)
  axis, t = near.argmax(1), near.max(1)
  normal = np.zeros_like(d)
  rows = np.arange(len(d))
  normal[rows, axis] = -np.sign(d[rows, axis])
  return np.where(t < far.min(1), t, np.inf), normal


def _meet_cylinder(o: np.ndarray, d: np.ndarray) -> _Meeting:
  a = np.maximum((d[:, :2] ** 2).sum(1), 1e-12)
  b, c = d[:, :2] @ o[:2], (o[:2] ** 2).sum() - 1
  root = b * b - a * c
  side = (-b - np.sqrt(np.maximum(root, 0))) / a
  on_side = (root > 0) & (np.abs(o[2] + side * d[:, 2]) <= 1)
  with np.errstate(divide='ignore', invalid='ignore'):
    cap = (-np.sign(d[:, 2]) - o[2]) / d[:, 2]
    at = o[:2] + cap[:, None] * d[:, :2]
    on_cap = (at**2).sum(1) <= 1
  t = np.where(on_side, side, np.where(on_cap, cap, np.inf))
  normal = np.zeros_like(d)
  hit = o[:2] + np.where(on_side, side, 0)[:, None] * d[:, :2]
  normal[:, :2] = np.where(on_side[:, None], hit, 0)
  normal[:, 2] = np.where(on_side, 0, -np.sign(d[:, 2]))
  return t, normal


_MEET = {CUBE: _meet_cube, SPHERE: _meet_sphere, CYLINDER: _meet_cylinder}


def cast(
  camera: Camera, solids: Sequence[Solid]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Finds what each pixel sees.

  Returns:
    For the `n = size * size` pixels: distance `[n]` (inf where nothing is hit),
    index of the solid `[n]` (-1 where none), and unit normal `[n, 3]`.
  """
  rays = camera.rays()
  distance = np.full(len(rays), np.inf)
  index = np.full(len(rays), -1)
  normals = np.zeros_like(rays)
  for i, solid in enumerate(solids):
    offset = solid.centre - camera.position
    reach = np.linalg.norm(solid.half_size)  # Of a sphere around it.
    along = rays @ offset
    some = np.flatnonzero(along**2 >= offset @ offset - reach**2)
    into = solid.rotation / solid.half_size
    t, local = _MEET[solid.kind](-offset @ into, rays[some] @ into)
    nearer = (t > 0) & (t < distance[some])
    some = some[nearer]
    distance[some], index[some] = t[nearer], i
    normal = local[nearer] @ into.T
    normals[some] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
  return distance, index, normals


def shade(
  camera: Camera,
  solids: Sequence[Solid],
  background: np.ndarray,
  light: np.ndarray,
  ambient: float,
) -> tuple[np.ndarray, np.ndarray]:
  """Lambertian shading without shadows.

  Args:
    camera: the camera.
    solids: the scene.
    background: RGB `[n, 3]`, 0 to 1, seen where nothing is hit.
    light: unit vector `[3]` towards the light.
    ambient: share of the albedo, 0 to 1, that is seen without light.

  Returns:
    uint8 image `[size, size, 3]` and the mask `[size, size]` of hit pixels.
  """
  _, index, normals = cast(camera, solids)
  hit = index >= 0
  albedo = np.stack([s.albedo for s in solids])[index[hit]]
  level = ambient + (1 - ambient) * np.maximum(normals[hit] @ light, 0)
  colour = background.copy()
  colour[hit] = albedo * level[:, None]
  shape = (camera.size, camera.size)
  image = np.round(255 * np.clip(colour, 0, 1)).astype(np.uint8)
  return image.reshape(*shape, 3), hit.reshape(shape)
