"""The group lasso for a few features, solved to a stated gap.

Two steps in turn. Majorisation finds which features are in use: the softmax's
curvature at an example is at most 2 max p(1 - p), the same for all classes, so
that one Gram matrix serves them; block coordinate descent minimises the
quadratic bound, with Nesterov's extrapolation. Newton steps by conjugate
gradients then move these features, among which the objective is smooth.
"""

from collections.abc import Callable
import functools

import numpy as np
from scipy import special
from scipy.sparse import linalg

_ROUNDS = 500  # Of majorisation and Newton, at most.
_BOUNDS = 10  # Minimised in a round.
_SWEEPS = 20  # Of coordinate descent, at most, for one bound.
_CONJUGATE = 200  # Directions, at most, for one Newton step.
_HALVINGS = 30  # Of a Newton step, at most.


def _norms(x: np.ndarray) -> np.ndarray:
  return np.linalg.norm(x, axis=1)


def duality_gap(
  one_hot: np.ndarray,
  residual: np.ndarray,
  largest: float,
  coefficient: float,
  penalty: float,
  bias: np.ndarray,
) -> tuple[float, float]:
  """Objective, and how far below it the optimum can be.

  The residuals, made small enough to be feasible, are a point of the dual,
  whose value is a mean entropy. Feasible also means that they add up to 0 for
  each class; what they miss of it counts with the bias that there is.

  Args:
    one_hot: `[N, C]`.
    residual: `[N, C]`, (P - Y) / N.
    largest: of the norms of the gradients of all features.
    coefficient: of the penalty.
    penalty: its value.
    bias: `[C]`.

  Returns:
    The objective, and the gap.
  """
  count = len(one_hot)
  p = one_hot + count * residual
  loss = -np.log(np.maximum((p * one_hot).sum(axis=1), 1e-300)).mean()
  scale = min(1.0, coefficient / largest) if largest > 0 else 1.0
  feasible = np.maximum(one_hot + scale * count * residual, 0)
  dual = special.entr(feasible).sum(axis=1).mean()
  missed = np.abs(bias) @ np.abs(residual.sum(axis=0))
  objective = float(loss + penalty)
  return objective, float(objective - dual + missed)


def minimise(
  x: np.ndarray,
  one_hot: np.ndarray,
  kernel: np.ndarray,
  coefficient: float,
  share: float,
) -> tuple[np.ndarray, np.ndarray]:
  """Solves for a few features and the bias.

  Args:
    x: `[N, p + 1]`, the last column ones.
    one_hot: `[N, C]`.
    kernel: `[p + 1, C]` to start from, the last row the bias.
    coefficient: of the penalty.
    share: duality gap to stop at, as a share of the objective.

  Returns:
    The kernel, and (P - Y) / N; with a larger gap where rounding errors allow
    no smaller.
  """
  caution = 1.0
  for _ in range(_ROUNDS):
    kernel, residual = _with_best_bias(x, one_hot, kernel)
    largest = _norms(x[:, :-1].T @ residual).max(initial=0.0)
    objective, gap = duality_gap(
      one_hot,
      residual,
      largest,
      coefficient,
      coefficient * _norms(kernel[:-1]).sum(),
      kernel[-1],
    )
    if gap <= share * objective:
      break
    moved = _majorise(
      x, one_hot, kernel, coefficient, 1e-2 * share * objective, caution
    )
    if _objective(x @ moved, one_hot, moved, coefficient) <= objective:
      kernel, caution = moved, max(1.0, caution / 2)
    else:  # The curvature grew on the way.
      caution *= 2
    kernel = _newton(x, one_hot, kernel, coefficient)
  else:
    kernel, residual = _with_best_bias(x, one_hot, kernel)
  return kernel, residual


def _objective(
  logits: np.ndarray,
  one_hot: np.ndarray,
  kernel: np.ndarray,
  coefficient: float,
) -> float:
  loss = (
    special.logsumexp(logits, axis=1) - (logits * one_hot).sum(axis=1)
  ).mean()
  return float(loss + coefficient * _norms(kernel[:-1]).sum())


def _with_best_bias(
  x: np.ndarray, one_hot: np.ndarray, kernel: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Newton's method for the bias alone; returns kernel and (P - Y) / N.

  It makes the residuals add up to 0, without which they are no point of the
  dual.
  """
  kernel = kernel.copy()
  logits = x[:, :-1] @ kernel[:-1]
  for _ in range(_SWEEPS):
    p = special.softmax(logits + kernel[-1], axis=1)
    residual = (p - one_hot) / len(p)
    missed = residual.sum(axis=0)
    if np.abs(missed).max() <= 1e-12:
      break
    hessian = np.diag(p.mean(axis=0)) - p.T @ p / len(p)
    kernel[-1] -= np.linalg.lstsq(hessian, missed, rcond=1e-12)[0]
  return kernel, residual


def _majorise(
  x: np.ndarray,
  one_hot: np.ndarray,
  kernel: np.ndarray,
  coefficient: float,
  enough: float,
  caution: float,
) -> np.ndarray:
  """Minimises a few quadratic bounds, one from where the last was least.

  Args:
    x, one_hot, kernel, coefficient: as in `minimise`.
    enough: as in `_descend`.
    caution: factor of the curvature, at least 1. With 1 the bound holds near
      the kernel; the larger, the farther from it.

  Returns:
    A kernel.
  """
  descend = _descend()
  count = len(x)
  thresholds = np.full(len(kernel), coefficient)
  thresholds[-1] = 0
  last, momentum, gram = kernel, 1.0, None
  for _ in range(_BOUNDS):
    following = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
    start = kernel + (momentum - 1) / following * (kernel - last)
    p = special.softmax(x @ start, axis=1)
    if gram is None:
      curvature = np.minimum(caution * 2 * (p * (1 - p)).max(axis=1), 0.5)
      # Not 0, or examples that are certain would never change.
      gram = (x * ((curvature + 1e-10) / count)[:, None]).T @ x
    last, kernel = kernel, start.copy()
    descend(gram, x.T @ ((p - one_hot) / count), kernel, thresholds, enough)
    ahead = caution == 1 and ((start - kernel) * (kernel - last)).sum() <= 0
    momentum = following if ahead else 1.0
  return kernel


def _newton(
  x: np.ndarray, one_hot: np.ndarray, kernel: np.ndarray, coefficient: float
) -> np.ndarray:
  """A Newton step for the features that have weights, and the bias.

  Args:
    x, one_hot, kernel, coefficient: as in `minimise`.

  Returns:
    A kernel whose objective is not above.
  """
  count = len(x)
  rows = np.asarray(kernel.any(axis=1))
  rows[-1] = True
  x, w = x[:, rows], kernel[rows]
  norms = _norms(w)[:, None]
  norms[-1] = np.inf  # The bias has no penalty.
  unit, stiffness = w / norms, coefficient / norms
  logits = x @ w
  p = special.softmax(logits, axis=1)
  gradient = x.T @ ((p - one_hot) / count) + coefficient * unit

  def hessian(v: np.ndarray) -> np.ndarray:
    v = v.reshape(w.shape)
    z = x @ v
    z -= (p * z).sum(axis=1, keepdims=True)
    z *= p / count
    return (
      x.T @ z + stiffness * (v - unit * (unit * v).sum(axis=1, keepdims=True))
    ).ravel()

  diagonal = (x * x).T @ (p * (1 - p)) / count + stiffness + 1e-12
  operator = functools.partial(
    linalg.LinearOperator, (w.size, w.size), dtype=w.dtype
  )
  step = linalg.cg(
    operator(hessian),
    -gradient.ravel(),
    rtol=0.1,
    maxiter=_CONJUGATE,
    M=operator(lambda v: v / diagonal.ravel()),
  )[0].reshape(w.shape)
  change, slope = x @ step, (gradient * step).sum()
  before = _objective(logits, one_hot, w, coefficient)
  for halving in range(_HALVINGS):
    part = 0.5**halving
    moved = w + part * step
    after = _objective(logits + part * change, one_hot, moved, coefficient)
    if after <= before + 1e-4 * part * slope:
      kernel = kernel.copy()
      kernel[rows] = moved
      break
  return kernel


@functools.cache
def _descend(  # noqa: C901  # Numba compiles its loops as one function.
) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], None]:
  """Compiled block coordinate descent on a quadratic bound."""
  import numba

  @numba.njit
  def descend(  # noqa: C901  # As above.
    gram: np.ndarray,
    gradient: np.ndarray,
    kernel: np.ndarray,
    thresholds: np.ndarray,
    enough: float,
  ) -> None:
    """Changes kernel `[p, C]` to where the bound is least.

    Args:
      gram: `[p, p]`, curvature of the bound.
      gradient: `[p, C]`, at kernel; changed along with it.
      kernel: `[p, C]`.
      thresholds: `[p]`, coefficients of the norms of the kernel's rows.
      enough: to stop at, of h ||change||^2 in any row.
    """
    rows, classes = kernel.shape
    step = np.empty(classes)
    for _ in range(_SWEEPS):
      most = 0.0
      for i in range(rows):
        h = gram[i, i]
        squared = 0.0
        for k in range(classes):
          step[k] = h * kernel[i, k] - gradient[i, k]
          squared += step[k] * step[k]
        norm = np.sqrt(squared)
        shrink = 0.0
        if norm > thresholds[i]:
          shrink = (1 - thresholds[i] / norm) / h
        change = 0.0
        for k in range(classes):
          step[k] = shrink * step[k] - kernel[i, k]
          change += step[k] * step[k]
        if change == 0.0:
          continue
        for k in range(classes):
          kernel[i, k] += step[k]
        for j in range(rows):
          for k in range(classes):
            gradient[j, k] += gram[i, j] * step[k]
        most = max(most, h * change)
      if most <= enough:
        break

  return descend
