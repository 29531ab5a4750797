"""Linear heads in the span of their examples, through the Gram matrix.

Where a loss is penalised by the squared norm of the kernel, the best kernel is
a weighted sum of the examples' features. So `n` examples of `D` features, of
which there may be a million, are a problem of at most `n` dimensions, and the
features enter it by their inner products alone: with the Gram matrix
`G = X X^T`, `H = I - 1 1^T / n`, which centres, and `H G H = Q diag(e) Q^T`,

  coordinates   Z = Q diag(e)^(1/2)   Z Z^T = H G H, so Z is H X, rotated
  of others     (G_t - column means of G) Q diag(e)^(-1/2)
  kernel        X^T Q diag(e)^(-1/2) V^T   of a kernel V [C, r] on coordinates

An intercept that is not penalised makes centring exact: it changes the
intercept and nothing else. A fold of the examples needs a part of `G` only.
"""

from collections.abc import Iterable
import dataclasses
from typing import Self

import numpy as np

from vtab_h2t.heads import sweep

_COLUMNS = 4096  # That are in float64 at once.
# Eigenvalues up to this share of the largest, for each example, are rounding.
_ROUNDING = 10 * np.finfo(np.float64).eps


def gram(pieces: Iterable[np.ndarray]) -> np.ndarray:
  """Inner products of all pairs of examples, about the mean of them all.

  Where the origin is makes no difference to what is centred in the end, as all
  is here; without the mean, which may be large, no digits are lost to it.

  Args:
    pieces: their features, float32 `[n, d]` each, at least one; they are side
      by side and come one after the other, so that not all need be held.

  Returns:
    float64 `[n, n]`.
  """
  total: np.ndarray | None = None
  for piece in pieces:
    for first in range(0, piece.shape[1], _COLUMNS):
      part = piece[:, first : first + _COLUMNS].astype(np.float64)
      part -= part.mean(axis=0)
      product = part @ part.T
      if total is None:
        total = product
      else:
        total += product
  if total is None:
    raise ValueError('there are no features')
  return total


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
  """The eigendecomposition of examples' centred Gram matrix.

  Attributes:
    vectors: `Q`, float64 `[n, r]`; each column adds up to 0.
    values: `e`, float64 `[r]`, ascending and above 0; those that are 0 but for
      rounding are left out with their vectors.
    mean: of all `n` values, those that are 0 among them: the mean squared
      distance of an example's features from their mean.
    column_means: of the Gram matrix, `[n]`.
  """

  vectors: np.ndarray
  values: np.ndarray
  mean: float
  column_means: np.ndarray

  @classmethod
  def of(cls, gram_matrix: np.ndarray) -> Self:
    """That of a Gram matrix, float64 `[n, n]`."""
    n = len(gram_matrix)
    means = gram_matrix.mean(axis=0)
    centred = gram_matrix - means - means[:, None] + means.mean()
    values, vectors = np.linalg.eigh(centred)
    kept = values > _ROUNDING * n * max(values[-1], 0.0)
    return cls(
      vectors[:, kept],
      values[kept],
      max(float(np.trace(centred)) / n, 0.0),
      means,
    )

  def project(self, products: np.ndarray) -> np.ndarray:
    """Other examples, or the same, centred as these are, times `Q`.

    Args:
      products: `G_t`, inner products of them with these, float64 `[m, n]`.

    Returns:
      float64 `[m, r]`.
    """
    # The columns of Q add up to 0, which centres the other axis.
    return (products - self.column_means) @ self.vectors


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
  """A linear head for centred features, as weights of examples.

  Attributes:
    weights: float64 `[r, C]`; the kernel is `X^T Q weights`, transposed, and
      scores of others are `Spectrum.project` times the weights.
    intercept: float64 `[C]`.
  """

  weights: np.ndarray
  intercept: np.ndarray

  def scores(self, projected: np.ndarray) -> np.ndarray:
    """Of what `Spectrum.project` gave: float64 `[m, C]`."""
    return projected @ self.weights + self.intercept


def head(
  pieces: Iterable[np.ndarray], spectrum: Spectrum, solution: Solution
) -> sweep.Head:
  """The same head for features as they are.

  Args:
    pieces: the features that the spectrum is of, as `gram` takes them.
    spectrum: of them.
    solution: the head.
  """
  import tensorflow as tf

  dual = (spectrum.vectors @ solution.weights).T
  kernels, bias = [], solution.intercept.copy()
  for piece in pieces:
    for first in range(0, piece.shape[1], _COLUMNS):
      part = piece[:, first : first + _COLUMNS].astype(np.float64)
      kernels.append((dual @ part).astype(np.float32))
      # With the kernel as it is rounded, so that its rounding is multiplied by
      # a feature's distance from the mean and not by the feature.
      bias -= kernels[-1] @ part.mean(axis=0)
  return sweep.Head(
    tf.constant(np.concatenate(kernels, axis=1)),
    tf.constant(bias.astype(np.float32)),
  )


def ridge(
  spectrum: Spectrum, labels: np.ndarray, classes: int, penalty: float
) -> Solution:
  """Ridge regression of one-hot labels, with an intercept that is free.

  It minimises the sum of the squared errors and `penalty * spectrum.mean` times
  the squared norm of the kernel, without iteration.

  Args:
    spectrum: of the examples' features.
    labels: integers `[n]`, below `classes`.
    classes: their number.
    penalty: as a multiple of the mean eigenvalue, above 0.
  """
  targets = np.eye(classes)[labels]
  shares = targets.mean(axis=0)
  right = spectrum.vectors.T @ (targets - shares)
  shrunk = spectrum.values + penalty * spectrum.mean
  return Solution(right / shrunk[:, None], shares)
