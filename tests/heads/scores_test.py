import numpy as np
import pytest

from vtab_h2t.heads import convex
from vtab_h2t.heads import fraction
from vtab_h2t.heads import scores

_RNG = np.random.default_rng(0)


def test_norms_of_a_kernel():
  kernel = np.array([[1.0, -3, 0], [2, 3, 0]], np.float32)
  np.testing.assert_allclose(
    scores.of_kernel('l2', kernel), np.sqrt([5, 18, 0]), rtol=1e-6
  )
  np.testing.assert_array_equal(scores.of_kernel('l1', kernel), [3, 6, 0])
  np.testing.assert_array_equal(scores.of_kernel('linf', kernel), [2, 3, 0])


@pytest.mark.parametrize('name', scores.OF_DATA)
def test_an_informative_feature_stands_out(name):
  """Feature 3 says the label and varies most; feature 5 is constant."""
  labels = np.arange(120) % 3
  features = _RNG.normal(size=(120, 8)).astype(np.float32)
  features[:, 3] = 4 * labels + _RNG.normal(size=120) / 9
  features[:, 5] = 0.5
  found = scores.of_data(name, features, labels, 0, coefficient=0.01)
  assert found.shape == (8,) and np.isfinite(found).all()
  if name != 'random':
    assert fraction.select(found, 1 / 8).tolist() == [3]
    assert found[5] == pytest.approx(0, abs=0.05)
  np.testing.assert_array_equal(
    found, scores.of_data(name, features, labels, 0, coefficient=0.01)
  )


def test_variance_is_the_standard_deviation():
  features = np.array([[0.0, 1, 3], [4, 1, 3], [8, 1, 9]], np.float32)
  found = scores.of_data('variance', features, np.arange(3), 0, coefficient=1)
  np.testing.assert_allclose(found, np.sqrt([32 / 3, 0, 8]), rtol=1e-6)


def test_random_scores_differ_by_seed():
  features = np.zeros((2, 50), np.float32)
  one, two = (
    scores.of_data('random', features, np.arange(2), seed, coefficient=1.0)
    for seed in (0, 1)
  )
  assert (one != two).all()


def test_an_unknown_score_is_named():
  with pytest.raises(ValueError, match='unknown score'):
    scores.of_data('x', np.zeros((4, 2)), np.arange(4) % 2, 0, coefficient=1.0)


def test_group_lasso_orders_features_by_when_they_enter():
  """Feature 1 says more than feature 4; the others say nothing."""
  labels = np.arange(120) % 2
  features = _RNG.normal(size=(120, 6)).astype(np.float32)
  features[:, 1] += 3 * labels
  features[:, 4] += labels
  found = scores.of_data('group_lasso', features, labels, 0, coefficient=0.05)
  assert np.argsort(-found)[:2].tolist() == [1, 4]
  used = found >= 0.05
  (solution,) = convex.path(features, labels, [0.05])
  assert np.flatnonzero(used).tolist() == solution.columns.tolist()
  # Another seed is the same; a smaller coefficient lets more features in.
  np.testing.assert_array_equal(
    found, scores.of_data('group_lasso', features, labels, 1, coefficient=0.05)
  )
  more = scores.of_data('group_lasso', features, labels, 0, coefficient=1e-3)
  assert (more >= 1e-3).sum() > used.sum()
  with pytest.raises(ValueError, match='above 0'):
    scores.of_data('group_lasso', features, labels, 0, coefficient=0.0)
