import numpy as np
import pytest

from vtab_h2t.tasks import labels


def test_location_halves_the_position():
  assert labels.location(np.arange(32)).tolist() == [i // 2 for i in range(32)]


def test_orientation_has_three_and_two_by_turns():
  classes = labels.orientation(np.arange(40))
  assert classes[[0, 2, 3, 4, 5, 7, 8, 39]].tolist() == [
    0,
    0,
    1,
    1,
    2,
    2,
    3,
    15,
  ]
  assert np.bincount(classes).tolist() == [3, 2] * 8


def test_count_starts_at_three_objects():
  assert [labels.count_all(n) for n in range(3, 11)] == list(range(8))


@pytest.mark.parametrize(
  'depths, label',
  [
    ([7.0, 12.0], 0),
    ([8.0], 0),
    ([8.1, 20.0], 1),
    ([9.0, 8.6], 2),
    ([9.4], 3),
    ([9.9, 9.51], 4),
    ([10.1, 10.2, 50.0], 5),
  ],
)
def test_object_distance_is_the_last_edge_below_the_nearest(depths, label):
  assert labels.closest_object_distance(np.array(depths)) == label


@pytest.mark.parametrize(
  'types, depths, label',
  [
    ([], [], 3),  # An empty scene.
    ([3, 4, 7], [1.0, 2.0, 3.0], 3),  # Pedestrians are no vehicles.
    ([0], [8.0], 0),
    ([0], [8.01], 1),
    ([1, 2], [30.0, 20.0], 1),
    ([2, 3], [20.5, 1.0], 2),
    ([0], [-3.0], 0),
    ([0], [500.0], 2),
  ],
)
def test_vehicle_distance(types, depths, label):
  assert (
    labels.closest_vehicle_distance(np.array(types), np.array(depths)) == label
  )
