"""The group lasso, solved."""

import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.heads import convex


def _problem(examples=60, features=40, classes=3):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(examples, features)).astype(np.float32)
  noise = rng.normal(size=(examples, classes)) * 0.5
  return x, np.argmax(x[:, :classes] + noise, axis=1)


def _dense(solution, features):
  kernel = np.zeros((len(solution.bias), features))
  kernel[:, solution.columns] = solution.kernel
  return kernel


def _gradient(x, y, kernel, bias):
  """Of the loss, `[C, D]`."""
  logits = x @ kernel.T + bias
  p = np.exp(logits - logits.max(axis=1, keepdims=True))
  p /= p.sum(axis=1, keepdims=True)
  return ((p - np.eye(len(bias))[y]) / len(x)).T @ x


def _objective(x, y, solution):
  logits = x[:, solution.columns] @ solution.kernel.T + solution.bias
  loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), y]
  return (
    loss.mean()
    + solution.coefficient * np.linalg.norm(solution.kernel, axis=0).sum()
  )


@pytest.mark.soak
def test_objectives_are_those_of_adelie():
  # adelie 1.1.52, multinomial with unit penalty factors and lambda / classes,
  # tol and irls_tol 1e-14, on the same draw.
  expected = {
    0.1: 0.8791572863015312,
    0.02: 0.3931394156749026,
    0.002: 0.0716573019772988,
  }
  x, y = _problem()
  found = convex.path(x, y, list(expected), gap=1e-6)
  for solution, objective in zip(found, expected.values()):
    assert solution.objective == pytest.approx(objective, rel=1e-6)
    assert -1e-9 < solution.objective - objective < solution.gap + 1e-9
  assert [len(s.columns) for s in found] == [10, 26, 30]


@pytest.mark.parametrize('classes', [2, 7])
def test_solution_meets_the_conditions_of_optimality(classes):
  x, y = _problem(classes=classes)
  (solution,) = convex.path(x, y, [0.03], gap=1e-6)
  assert solution.objective == pytest.approx(_objective(x, y, solution))
  assert solution.gap <= 1e-6 * solution.objective
  kernel = _dense(solution, x.shape[1])
  gradient = _gradient(x, y, kernel, solution.bias)
  norms = np.linalg.norm(kernel, axis=0)
  used = norms > 0
  np.testing.assert_array_equal(np.flatnonzero(used), solution.columns)
  assert 0 < used.sum() < x.shape[1]
  np.testing.assert_allclose(
    gradient[:, used], -0.03 * kernel[:, used] / norms[used], atol=1e-4
  )
  assert (np.linalg.norm(gradient[:, ~used], axis=0) <= 0.03 + 1e-4).all()
  np.testing.assert_allclose(kernel.sum(axis=0), 0, atol=1e-3)


def test_features_are_in_the_order_in_which_they_enter():
  x, y = _problem()
  coefficients = np.geomspace(0.3, 0.01, 12).tolist()
  found = convex.path(x, y, coefficients)
  last = found[-1]
  seen = np.zeros(x.shape[1], bool)
  for solution, above in zip(found, [np.inf, *coefficients]):
    new = np.setdiff1d(solution.columns, np.flatnonzero(seen))
    assert (last.entered[new] >= solution.coefficient).all()
    assert (last.entered[new] <= above).all()
    seen[solution.columns] = True
  assert seen.any() and not seen.all()
  kernel = _dense(last, x.shape[1])
  norms = np.linalg.norm(_gradient(x, y, kernel, last.bias), axis=0)
  np.testing.assert_allclose(last.entered[~seen], norms[~seen], atol=1e-5)
  assert last.entered[~seen].max() <= last.coefficient


def test_no_feature_enters_above_the_largest_gradient():
  x, y = _problem()
  share = np.eye(3)[y].mean(axis=0)
  largest = np.linalg.norm(
    _gradient(x, y, np.zeros((3, x.shape[1])), np.log(share)), axis=0
  ).max()
  above, below = convex.path(x, y, [largest * 1.01, largest * 0.99])
  assert not len(above.columns) and len(below.columns) == 1
  assert above.objective == pytest.approx(-(share * np.log(share)).sum())


def test_path_is_the_same_however_it_is_asked_for():
  x, y = _problem()
  one, two = convex.path(x, y, [0.01, 0.1])
  (again,) = convex.path(x, y, [0.01])
  assert (one.coefficient, two.coefficient) == (0.01, 0.1)
  assert one.objective == pytest.approx(again.objective, rel=1e-4)
  twice = convex.path(x, y, [0.01, 0.1])[0]
  np.testing.assert_array_equal(one.kernel, twice.kernel)
  np.testing.assert_array_equal(one.entered, twice.entered)


def test_labels_need_not_be_consecutive_nor_features_vary():
  x, y = _problem()
  x[:, 5] = 0
  named = np.array([2, 40, 7])[y]
  (solution,) = convex.path(x, named, [0.05])
  assert 5 not in solution.columns and solution.entered[5] == 0
  assert len(solution.bias) == 3


def test_features_that_are_much_alike():
  rng = np.random.default_rng(1)
  common = rng.random((200, 5))
  x = np.maximum(
    0,
    3 + common @ rng.normal(size=(5, 400)) + 0.1 * rng.normal(size=(200, 400)),
  ).astype(np.float32)
  x /= np.linalg.norm(x, axis=0)
  y = np.argmax(common + 0.2 * rng.random((200, 5)), axis=1)
  for solution in convex.path(x, y, [1e-3, 1e-5]):
    assert solution.gap <= 1e-4 * solution.objective
    assert solution.objective == pytest.approx(_objective(x, y, solution))


@pytest.mark.parametrize('coefficients', [[], [0.0], [0.1, -1.0]])
def test_bad_coefficients(coefficients):
  with pytest.raises(ValueError, match='above 0'):
    convex.path(*_problem(), coefficients)


def test_one_class():
  x, _ = _problem()
  with pytest.raises(ValueError, match='one class'):
    convex.path(x, np.zeros(len(x), int), [0.1])


def test_a_gap_that_cannot_be_reached_is_an_error():
  with pytest.raises(errors.InputError, match='no closer'):
    convex.path(*_problem(), [0.002], gap=1e-12)
