import numpy as np
import pytest

from vtab_h2t.toys import linear_network


def _problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Head, features, inputs and targets of 3 features and 4 inputs."""
  rng = np.random.default_rng(0)
  return (
    rng.normal(size=3),
    linear_network.orthonormal_rows(rng, 3, 6),
    linear_network.orthonormal_rows(rng, 4, 6),
    rng.normal(size=4),
  )


@pytest.mark.parametrize('rows, columns', [(1, 1), (1, 6), (4, 6), (6, 6)])
def test_rows_are_orthonormal(rows, columns):
  found = linear_network.orthonormal_rows(
    np.random.default_rng(0), rows, columns
  )
  assert found.shape == (rows, columns)
  np.testing.assert_allclose(found @ found.T, np.eye(rows), atol=1e-14)


def test_descent_ends_where_the_targets_are_met():
  v, b, x, y = _problem()
  fit = linear_network.descend(v, b, x, y, 0.05)
  assert fit.residual < 1e-20
  np.testing.assert_allclose(x @ fit.b.T @ fit.v, y, atol=1e-9)


def test_a_step_is_along_the_gradient_of_half_the_squared_error():
  v, b, x, y = _problem()
  loss = lambda v, b: ((x @ b.T @ v - y) ** 2).sum() / 2
  fit = linear_network.descend(v, b, x, y, 1e-3, limit=1)
  step = 1e-6
  for i in range(3):
    move = step * np.eye(3)[i]
    slope = (loss(v + move, b) - loss(v - move, b)) / (2 * step)
    assert (v - fit.v)[i] == pytest.approx(1e-3 * slope, abs=1e-9)
    move = np.outer(move, np.eye(6)[2])
    slope = (loss(v, b + move) - loss(v, b - move)) / (2 * step)
    assert (b - fit.b)[i, 2] == pytest.approx(1e-3 * slope, abs=1e-9)


@pytest.mark.parametrize('train_v, train_b', [(True, False), (False, True)])
def test_a_layer_that_is_not_trained_stays(train_v, train_b):
  v, b, x, y = _problem()
  before = v.copy(), b.copy()
  fit = linear_network.descend(v, b, x, y, 0.05, train_v, train_b, limit=9)
  assert (fit.v != v).any() == train_v and (fit.b != b).any() == train_b
  # What is passed in is not written to.
  assert (v == before[0]).all() and (b == before[1]).all()


def test_watch_sees_the_network_before_each_step():
  v, b, x, y = _problem()
  seen = []

  def watch(v: np.ndarray, b: np.ndarray) -> float:
    seen.append(v.copy())
    return 5 - len(seen)

  fit = linear_network.descend(v, b, x, y, 0.05, watch=watch, limit=4)
  assert len(seen) == 4 and fit.smallest_ood == 1
  np.testing.assert_array_equal(seen[0], v)
  unwatched = linear_network.descend(v, b, x, y, 0.05, limit=4)
  assert np.isinf(unwatched.smallest_ood)
