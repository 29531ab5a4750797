import numpy as np
import pytest

from vtab_h2t.classifier import neighbours


def _data(count, seed=0, width=16):
  rng = np.random.default_rng(seed)
  centres = rng.normal(0, 1, (12, width))
  rows = centres[rng.integers(0, 12, count)] + rng.normal(
    0, 0.5, (count, width)
  )
  return rows.astype(np.float32), rng.integers(0, 3, count)


def _brute(rows, labels):
  """Similarities `[n, n]` by a plain computation, -inf to itself."""
  unit = rows.astype(float)
  unit /= np.linalg.norm(unit, axis=1, keepdims=True)
  found = unit @ unit.T
  np.fill_diagonal(found, -np.inf)
  return found, np.where(labels[:, None] == labels, -np.inf, found)


@pytest.mark.parametrize('count', [2, 7, 1500])
def test_up_to_the_limit_the_nearest_are_exact(count):
  rows, labels = _data(count)
  labels[:2] = 0, 1
  found = neighbours.nearest(rows, labels)
  every, others = _brute(rows, labels)
  k = min(neighbours.NEAREST, count - 1)
  wanted = np.argsort(-every, axis=1)[:, :k]
  np.testing.assert_array_equal(found.indices, wanted)
  np.testing.assert_allclose(
    found.similarity, np.take_along_axis(every, wanted, axis=1), atol=1e-5
  )
  np.testing.assert_array_equal(found.other, others.argmax(axis=1))
  np.testing.assert_allclose(
    found.other_similarity, others.max(axis=1), atol=1e-5
  )
  np.testing.assert_allclose(
    found.mean_similarity(), found.similarity.mean(axis=1), rtol=1e-5
  )
  assert found.recall == 1


def test_memory_maps_and_half_precision_are_read(tmp_path):
  rows, labels = _data(50)
  np.save(tmp_path / 'x.npy', rows.astype(np.float16))
  mapped = np.load(tmp_path / 'x.npy', mmap_mode='r')
  found = neighbours.nearest(mapped, labels)
  wanted = neighbours.nearest(
    rows.astype(np.float16).astype(np.float32), labels
  )
  np.testing.assert_array_equal(found.indices, wanted.indices)


def test_above_the_limit_most_are_found_and_duplicates_all(monkeypatch):
  monkeypatch.setattr(neighbours, 'EXACT', 100)
  rows, labels = _data(3000)
  rows[1700] = rows[5] * 3
  labels[[5, 1700]] = 0, 1
  found = neighbours.nearest(rows, labels)
  every, _ = _brute(rows, labels)
  right = found.indices[:, 0] == every.argmax(axis=1)
  assert right.mean() > 0.9
  assert abs(found.recall - right.mean()) < 0.05
  assert found.indices[5, 0] == found.other[5] == 1700
  assert found.indices[1700, 0] == 5
  # Similarities are true ones.
  there = found.indices >= 0
  rows_of, columns = np.nonzero(there)
  np.testing.assert_allclose(
    found.similarity[there],
    every[rows_of, found.indices[rows_of, columns]],
    atol=1e-5,
  )


def test_one_class_has_no_other():
  rows, _ = _data(5)
  found = neighbours.nearest(rows, np.zeros(5, int))
  assert found.other.tolist() == [-1] * 5


def test_an_image_alone_has_no_neighbour():
  rows, _ = _data(1)
  found = neighbours.nearest(rows, np.zeros(1, int))
  assert found.indices.shape == (1, 0)
  pairs, similarity = found.pairs(0.0)
  assert pairs.shape == (0, 2) and similarity.shape == (0,)


def test_pairs_come_once_and_the_most_alike_first():
  rows = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0], [0.02, 1]], np.float32)
  found = neighbours.nearest(rows, np.array([0, 0, 1, 1, 1]))
  pairs, similarity = found.pairs(0.99)
  assert pairs.tolist() == [[0, 3], [2, 4], [0, 1], [1, 3]]
  assert similarity[0] == pytest.approx(1)
  assert (np.diff(similarity) <= 0).all()
  assert found.pairs(1.1)[0].shape == (0, 2)


def test_pairs_across_classes_are_found_behind_many_of_the_class():
  rows = np.ones((40, 3), np.float32)
  rows[0] += (0, 0.01, 0)
  labels = np.zeros(40, int)
  labels[0] = 1
  pairs, _ = neighbours.nearest(rows, labels).pairs(0.999)
  assert {j for i, j in pairs if i == 0} >= set(range(1, 40))
