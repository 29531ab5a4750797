"""A linear network of two layers, and gradient descent on it.

The network is `f(x) = v . B x` with a head `v` `[k]` and features `B` `[k, d]`;
inputs are rows of `X` `[n, d]`.
"""

from collections.abc import Callable
import dataclasses

import numpy as np


def orthonormal_rows(
  rng: np.random.Generator, rows: int, columns: int
) -> np.ndarray:
  """`[rows, columns]` with orthonormal rows, rows <= columns."""
  return np.linalg.qr(rng.normal(size=(columns, rows)))[0].T


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
  """Where gradient descent ended.

  Attributes:
    v, b: the network.
    smallest_ood: least of the values that `watch` gave on the way; infinite
      without it.
    residual: squared norm of the last residual.
  """

  v: np.ndarray
  b: np.ndarray
  smallest_ood: float
  residual: float


def descend(
  v: np.ndarray,
  b: np.ndarray,
  x: np.ndarray,
  y: np.ndarray,
  rate: float,
  train_v: bool = True,
  train_b: bool = True,
  watch: Callable[[np.ndarray, np.ndarray], float] | None = None,
  tolerance: float = 1e-20,
  limit: int = 200_000,
) -> Fit:
  """Gradient descent on the squared error, half its gradient, of both layers.

  Args:
    v, b: the network to start from.
    x, y: inputs `[n, d]` and targets `[n]`.
    rate: of each step.
    train_v, train_b: which layers move.
    watch: called with (v, b) before each step, for the least that it gives.
    tolerance: squared residual at which it ends.
    limit: steps after which it ends anyway.
  """
  v, b, smallest = v.astype(float), b.astype(float), np.inf
  v_column, b_turned, x_turned = v[:, None], b.T, x.T  # Views: they move along.
  step_b = np.empty_like(b)
  for _ in range(limit):
    residual = x.dot(b_turned.dot(v))
    residual -= y
    if watch is not None:
      smallest = min(smallest, watch(v, b))
    if residual.dot(residual) < tolerance:
      break
    pull = x_turned.dot(residual)
    if train_b:
      np.multiply(v_column, pull, step_b)
      step_b *= rate
    if train_v:
      v -= rate * b.dot(pull)
    if train_b:
      b -= step_b
  return Fit(v, b, smallest, float(residual @ residual))
