"""Logistic regression with an l2 penalty, for many strengths of it."""

from collections.abc import Iterator, Sequence
import warnings

import numpy as np


def path(
  features: np.ndarray,
  labels: np.ndarray,
  classes: int,
  strengths: Sequence[float],
  *,
  iterations: int,
  tolerance: float,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Solves for one inverse strength after the other, each from the last.

  It minimises `C` times the sum of the cross-entropies and half the squared
  norm of the kernel, by L-BFGS; the bias is free. With two classes one row is
  trained, of which the two rows are half, with opposite signs.

  Args:
    features: float32 or float64 `[n, d]`; the solver computes in this type.
    labels: integers `[n]`, below `classes`.
    classes: number of classes; those without an example get zeros.
    strengths: values of `C`, above 0; ascending ones make good starts.
    iterations: at most so many for each, and then the solution is what it is.
    tolerance: of the gradient's largest entry. It also stops where the loss
      falls by no more than rounding.

  Yields:
    For each `C` the kernel `[classes, d]` and the bias `[classes]`.
  """
  from sklearn import exceptions
  from sklearn import linear_model
  import threadpoolctl

  width = features.shape[1]
  present = np.unique(labels)
  if len(present) == 1 or not width:  # The most frequent class, always.
    bias = np.bincount(labels, minlength=classes) / len(labels)
    for _ in strengths:
      yield np.zeros((classes, width), features.dtype), bias
    return
  model = linear_model.LogisticRegression(
    max_iter=iterations, tol=tolerance, warm_start=True
  )
  for c in strengths:
    model.C = c
    # The number of iterations is a part of the protocol. Matrices are so small
    # that a second thread only waits for the first: one is twice as fast.
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
      warnings.simplefilter('ignore', exceptions.ConvergenceWarning)
      model.fit(features, labels)
    weights, intercept = model.coef_, model.intercept_
    if len(present) == 2:  # One row stands for both classes.
      weights = np.concatenate([-weights, weights]) / 2
      intercept = np.concatenate([-intercept, intercept]) / 2
    # In the solver's order, in which sums over features are then rounded.
    kernel = np.zeros_like(weights, shape=(classes, width))
    bias = np.zeros(classes, intercept.dtype)
    kernel[present], bias[present] = weights, intercept
    yield kernel, bias
