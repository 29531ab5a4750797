import numpy as np
import pytest

from vtab_h2t.tasks import raycast


def _camera(size=101, distance=5.0, half_width=0.3):
  position = np.array([0.0, -distance, 0.0])
  return raycast.Camera(
    position, raycast.look_at(position, np.zeros(3)), half_width, size
  )


def _solid(kind, half_size=(1, 1, 1), centre=(0, 0, 0), angle=0.0):
  return raycast.Solid(
    kind,
    np.array(centre, float),
    np.array(half_size, float),
    raycast.rotation_z(angle),
    np.ones(3),
  )


@pytest.mark.parametrize(
  'kind', [raycast.SPHERE, raycast.CUBE, raycast.CYLINDER]
)
def test_centre_ray_meets_the_front(kind):
  distance, index, normals = raycast.cast(_camera(), [_solid(kind)])
  middle = len(distance) // 2
  assert distance[middle] == pytest.approx(4.0)
  assert index[middle] == 0
  np.testing.assert_allclose(normals[middle], [0, -1, 0], atol=1e-9)
  assert index[0] == -1 and np.isinf(distance[0])


@pytest.mark.parametrize(
  'kind', [raycast.SPHERE, raycast.CUBE, raycast.CYLINDER]
)
def test_hits_lie_on_the_surface_with_unit_normals_towards_the_camera(kind):
  solid = _solid(kind, (0.9, 0.5, 0.7), (0.1, 0.2, -0.1), 0.7)
  camera = _camera()
  distance, index, normals = raycast.cast(camera, [solid])
  hit = index == 0
  assert 100 < hit.sum() < len(hit)
  points = camera.position + distance[hit, None] * camera.rays()[hit]
  local = (points - solid.centre) @ solid.rotation / solid.half_size
  radius = {
    raycast.SPHERE: lambda p: np.linalg.norm(p, axis=1),
    raycast.CUBE: lambda p: np.abs(p).max(1),
    raycast.CYLINDER: lambda p: np.maximum(
      np.hypot(p[:, 0], p[:, 1]), np.abs(p[:, 2])
    ),
  }[kind](local)
  np.testing.assert_allclose(radius, 1, atol=1e-6)
  np.testing.assert_allclose(np.linalg.norm(normals[hit], axis=1), 1, atol=1e-9)
  assert ((normals[hit] * camera.rays()[hit]).sum(1) < 1e-6).all()


def test_area_of_a_sphere_in_the_image():
  camera = _camera(size=301)
  _, index, _ = raycast.cast(camera, [_solid(raycast.SPHERE)])
  # Its outline is a circle of tan(asin(1 / 5)) at depth 1.
  wanted = np.pi * (1 / np.sqrt(24)) ** 2 / 0.6**2
  assert (index == 0).mean() == pytest.approx(wanted, rel=0.01)


def test_nearer_solid_hides_the_other():
  far, near = (_solid(raycast.CUBE, centre=(0, y, 0)) for y in (3, 0))
  for solids, front in (([far, near], 1), ([near, far], 0)):
    _, index, _ = raycast.cast(_camera(), solids)
    assert index[len(index) // 2] == front
