import numpy as np

from vtab_h2t.tasks import labels
from vtab_h2t.tasks import shapes


def test_area_gives_neither_label_away():
  rng = np.random.default_rng(1)
  counts, distances, areas = [], [], []
  for i in range(480):
    count, label = 3 + i % 8, i // 8 % 6
    _, depths, mask = shapes.scene(rng, count, label)
    assert len(depths) == count
    assert labels.closest_object_distance(depths) == label
    counts.append(count)
    distances.append(label)
    areas.append(mask.mean())
  # 480 independent pairs correlate within 0.12 in 99 of 100 draws.
  assert abs(np.corrcoef(counts, areas)[0, 1]) < 0.15
  assert abs(np.corrcoef(distances, areas)[0, 1]) < 0.15
  assert min(areas) > 0.02 and max(areas) < 0.15


def test_objects_can_be_counted_in_the_image():
  """The mask has a part for each object, fewer where some touch."""
  from skimage import measure

  rng = np.random.default_rng(2)
  parts = []
  for _ in range(40):
    _, _, mask = shapes.scene(rng, 5, 2)
    parts.append(measure.label(mask, connectivity=2).max())
  assert max(parts) == 5 and np.mean(parts) > 3.5


def test_scenes_of_given_numbers_of_objects():
  images = shapes.counted(np.array([3, 10]), np.random.default_rng(4))
  rng = np.random.default_rng(4)
  for image, count in zip(images, (3, 10)):
    wanted, depths, _ = shapes.scene(rng, count, int(rng.integers(6)))
    np.testing.assert_array_equal(image, wanted)
    assert len(depths) == count
