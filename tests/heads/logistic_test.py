"""The path of logistic regressions, against the conditions of its optimum."""

import numpy as np
import pytest
from scipy import special

from vtab_h2t.heads import gram as gram_lib
from vtab_h2t.heads import logistic

_STRENGTHS = 1e-4, 1e-2, 1.0


def _data(classes, n=80, features=12, seed=0):
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, classes, n)
  x = rng.normal(size=(n, features)) + np.eye(features)[labels]
  return x, labels


def _path(x, labels, classes, strengths=_STRENGTHS, **options):
  options = {'iterations': 2000, 'tolerance': 1e-9} | options
  return list(logistic.path(x, labels, classes, strengths, **options))


def _two_rows(strength, kernel, x, error):
  """The penalty's gradient and the loss's; of two classes by their difference.

  There half of w is one row and half of -w the other, so that w's penalty,
  `w w / 2`, has the gradient w = 2 kernel[1].
  """
  loss = strength * error.T @ x
  if len(kernel) > 2:
    return kernel, loss
  return 2 * kernel[1:], loss[1:]


@pytest.mark.parametrize('classes', [2, 3, 5])
def test_each_solution_has_a_gradient_of_zero(classes):
  x, labels = _data(classes)
  for strength, (kernel, bias) in zip(_STRENGTHS, _path(x, labels, classes)):
    error = (
      special.softmax(x @ kernel.T + bias, axis=1) - np.eye(classes)[labels]
    )
    penalty, loss = _two_rows(strength, kernel, x, error)
    np.testing.assert_allclose(penalty, -loss, atol=1e-5)
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(kernel.sum(axis=0), 0, atol=1e-5)


def test_the_gram_matrix_gives_the_solution_on_all_features():
  """In 59 dimensions in place of 200, with the mean of features removed."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 3, 60)
  x = (rng.normal(size=(60, 200)) + 2).astype(np.float32)
  x[:, :3] += np.eye(3)[labels]
  spectrum = gram_lib.Spectrum.of(gram_lib.gram([x]))
  scales = np.sqrt(spectrum.values)
  rotated = _path(spectrum.vectors * scales, labels, 3)
  whole = _path(x.astype(np.float64), labels, 3)
  for (kernel, bias), (wanted, wanted_bias) in zip(rotated, whole):
    head = gram_lib.head(
      [x], spectrum, gram_lib.Solution((kernel / scales).T, bias)
    )
    np.testing.assert_allclose(head.kernel, wanted, atol=2e-5)
    np.testing.assert_allclose(head.bias, wanted_bias, atol=1e-3)


def test_classes_without_an_example_get_zeros():
  x, labels = _data(3)
  for kernel, bias in _path(x, 2 * labels, 6):  # 0, 2 and 4.
    assert kernel.shape == (6, 12)
    assert not kernel[1::2].any() and not bias[1::2].any()
    assert ((x @ kernel.T + bias).argmax(axis=1) % 2 == 0).all()


@pytest.mark.parametrize('features', [12, 0])
def test_where_nothing_can_be_told_the_most_frequent_class_is(features):
  x, labels = _data(1)
  found = _path(x[:, :features], labels + 1, 3)
  assert len(found) == len(_STRENGTHS)
  for kernel, bias in found:
    assert kernel.shape == (3, features) and bias.argmax() == 1
  x, labels = np.zeros((5, 0)), np.array([0, 2, 2, 2, 1])
  assert _path(x, labels, 3, [1.0])[0][1].argmax() == 2


def test_iterations_bound_the_work_and_each_starts_from_the_last():
  x, labels = _data(5)
  kernels = [
    _path(x, labels, 5, strengths, iterations=2)[-1][0]
    for strengths in ([1.0], [1e-2, 1.0], [1.0, 1.0, 1.0])
  ]
  best = _path(x, labels, 5, [1.0])[-1][0]
  distances = [np.linalg.norm(k - best) for k in kernels]
  assert distances[0] > 1e-2 * np.linalg.norm(best)
  assert not np.array_equal(kernels[0], kernels[1])
  assert distances[2] < distances[0]


def test_the_solver_computes_in_the_features_type():
  x, labels = _data(3)
  (single,) = _path(x.astype(np.float32), labels, 3, [1.0])
  (double,) = _path(x, labels, 3, [1.0])
  assert single[0].dtype == np.float32 and double[0].dtype == np.float64
  np.testing.assert_allclose(single[0], double[0], atol=1e-3)
