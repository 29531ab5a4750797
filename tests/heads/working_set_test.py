"""The group lasso for a few features."""

import numpy as np
import pytest

from vtab_h2t.heads import working_set

_COEFFICIENT = 0.06


def _problem(classes=4, alike=0.0):
  """Centred features and ones, `[80, 13]`, and labels, `[80, C]`."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(80, 12)) + alike * rng.normal(size=(80, 1))
  y = np.argmax(x[:, :classes] + rng.normal(size=(80, classes)), axis=1)
  x -= x.mean(axis=0)
  return np.concatenate([x, np.ones((80, 1))], axis=1), np.eye(classes)[y]


def _start(x, one_hot):
  return np.zeros((x.shape[1], one_hot.shape[1]))


def _judged(x, one_hot, kernel):
  """Objective, and (P - Y) / N."""
  logits = x @ kernel
  p = np.exp(logits - logits.max(axis=1, keepdims=True))
  p /= p.sum(axis=1, keepdims=True)
  penalty = np.linalg.norm(kernel[:-1], axis=1).sum()
  loss = -np.log((p * one_hot).sum(axis=1)).mean()
  return loss + _COEFFICIENT * penalty, (p - one_hot) / len(x)


@pytest.mark.parametrize('classes, alike', [(2, 0), (4, 0), (4, 30)])
def test_minimum_meets_the_conditions_of_optimality(classes, alike):
  x, one_hot = _problem(classes, alike)
  kernel, residual = working_set.minimise(
    x, one_hot, _start(x, one_hot), _COEFFICIENT, 1e-8
  )
  np.testing.assert_allclose(
    residual, _judged(x, one_hot, kernel)[1], atol=1e-12
  )
  gradient = x.T @ residual
  np.testing.assert_allclose(gradient[-1], 0, atol=1e-10)
  gradient, weights = gradient[:-1], kernel[:-1]
  used = weights.any(axis=1)
  assert 0 < used.sum() < len(used)
  unit = weights[used] / np.linalg.norm(weights[used], axis=1, keepdims=True)
  np.testing.assert_allclose(gradient[used], -_COEFFICIENT * unit, atol=1e-4)
  assert (np.linalg.norm(gradient[~used], axis=1) <= _COEFFICIENT + 1e-6).all()


def test_start_does_not_matter():
  x, one_hot = _problem()
  far = np.random.default_rng(1).normal(size=(x.shape[1], 4)) * 3
  near = _start(x, one_hot)
  found = [
    _judged(
      x, one_hot, working_set.minimise(x, one_hot, start, _COEFFICIENT, 1e-7)[0]
    )[0]
    for start in (near, far)
  ]
  assert found[0] == pytest.approx(found[1], rel=1e-7)


def test_gap_bounds_the_way_to_the_optimum():
  x, one_hot = _problem()
  least = _judged(
    x,
    one_hot,
    working_set.minimise(x, one_hot, _start(x, one_hot), _COEFFICIENT, 1e-9)[0],
  )[0]
  rng = np.random.default_rng(2)
  for scale in (0.0, 1e-3, 0.1, 1.0):
    kernel = rng.normal(size=(x.shape[1], 4)) * scale
    expected, residual = _judged(x, one_hot, kernel)
    largest = np.linalg.norm(x[:, :-1].T @ residual, axis=1).max()
    penalty = _COEFFICIENT * np.linalg.norm(kernel[:-1], axis=1).sum()
    objective, gap = working_set.duality_gap(
      one_hot, residual, largest, _COEFFICIENT, penalty, kernel[-1]
    )
    assert objective == pytest.approx(expected)
    assert objective - gap <= least + 1e-9


def test_no_features():
  _, one_hot = _problem()
  kernel, residual = working_set.minimise(
    np.ones((80, 1)), one_hot, np.zeros((1, 4)), _COEFFICIENT, 1e-6
  )
  share = np.log(one_hot.mean(axis=0))
  np.testing.assert_allclose(kernel[0] - kernel[0].mean(), share - share.mean())
  np.testing.assert_allclose(residual.sum(axis=0), 0, atol=1e-12)
