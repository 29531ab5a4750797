"""The group lasso as the convex problem that it is, solved to a stated gap.

  minimise  1/N sum_n CE(softmax(W x_n + b), y_n) + coefficient sum_i ||w_i||_2

over kernel `W [C, D]`, whose columns w_i belong to features, and bias b: what
Adam approaches in `heads.sweep` (Head2Toe, equation 3). Solved for falling
coefficients, each from the last, by

  * working sets: only features whose gradient norm exceeds the coefficient, the
    largest first, are looked at beside those in use;
  * for each set, two steps in turn. Majorisation finds which features are in
    use: the softmax's curvature at an example is at most 2 max p(1 - p), the
    same for all classes, so that one Gram matrix serves them; block coordinate
    descent minimises the quadratic bound, with Nesterov's extrapolation. Newton
    steps by conjugate gradients then move these features, among which the
    objective is smooth;
  * the duality gap, over all features, as the rule to stop.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from vtab_h2t import errors

_POINTS_A_DECADE = 8
_ROUNDS = 500  # Of majorisation and Newton, at most, for one working set.
_BOUNDS = 10  # Minimised in a round.
_SWEEPS = 20  # Of coordinate descent, at most, for one bound.
_CONJUGATE = 200  # Directions, at most, for one Newton step.
_HALVINGS = 30  # Of a Newton step, at most.
_LEAST_NEW = 10  # Features that a working set grows by, if so many are wanted.


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
  """The optimum for one coefficient, nearly.

  Attributes:
    coefficient: of the penalty.
    columns: ascending indices of the features that have weights.
    kernel: float64 `[C, len(columns)]`, theirs, for the classes that there are
      labels of.
    bias: float64 `[C]`.
    objective: its value there.
    gap: at most so much is the optimum below it.
    entered: float64 `[D]`, the coefficient at which each feature first had a
      weight other than 0, as the coefficient fell; between two points of the
      path it is read from the gradient's norm. For those that had none it is
      that norm at this coefficient, thus below it. So larger is earlier, and
      all features have an order.
  """

  coefficient: float
  columns: np.ndarray
  kernel: np.ndarray
  bias: np.ndarray
  objective: float
  gap: float
  entered: np.ndarray


def path(features: np.ndarray, labels: np.ndarray,
         coefficients: Sequence[float], gap: float = 1e-4) -> list[Solution]:
  """Solves the group lasso for several coefficients.

  Args:
    features: float32 `[N, D]`.
    labels: integers `[N]`, of at least two classes.
    coefficients: above 0.
    gap: duality gap to stop at, as a share of the objective.

  Returns:
    A solution for each coefficient, in their order.

  Raises:
    errors.InputError: numba is not installed, or the gap was not reached.
    ValueError: a coefficient is not above 0, or there is only one class.
  """
  import threadpoolctl
  if not coefficients or min(coefficients) <= 0:
    raise ValueError(f'coefficients must be above 0, not {coefficients}')
  names, y = np.unique(labels, return_inverse=True)
  if len(names) < 2:
    raise ValueError('the labels are of one class')
  one_hot = np.eye(len(names))[y]
  found = {}
  # Sums must not depend on how many threads share them.
  with threadpoolctl.threadpool_limits(1):
    state = _State.start(features, one_hot)
    for coefficient in _grid(state.norms.max(), coefficients):
      state.advance(coefficient, gap)
      if coefficient in coefficients:
        found[coefficient] = state.solution()
  return [found[c] for c in coefficients]


def _grid(largest: float, coefficients: Sequence[float]) -> list[float]:
  """Points of a path, falling, with all wanted coefficients among them.

  Args:
    largest: the coefficient from which on all weights are 0.
    coefficients: the wanted ones.
  """
  least = min(coefficients)
  points = []
  if least < largest:
    count = int(np.ceil(_POINTS_A_DECADE * np.log10(largest / least)))
    points = np.geomspace(largest, least, count + 1)[1:-1].tolist()
  return sorted({*points, *coefficients}, reverse=True)


def _softmax(logits: np.ndarray) -> np.ndarray:
  shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
  return shifted / shifted.sum(axis=1, keepdims=True)


def _entropy(p: np.ndarray) -> float:
  """Mean over rows."""
  return -float((p * np.log(np.maximum(p, 1e-300))).sum(axis=1).mean())


def _norms(x: np.ndarray) -> np.ndarray:
  return np.linalg.norm(x, axis=1)


@dataclasses.dataclass(eq=False)
class _State:
  """Where the path is.

  Attributes:
    features: float32 `[N, D]`.
    one_hot: `[N, C]`.
    used: ascending indices of the features that have weights.
    weights: theirs, `[len(used), C]`.
    bias: `[C]`.
    norms: `[D]`, of the loss's gradient for each feature.
    entered: as a solution's, nan for those that have not.
    coefficient: of the last point.
  """

  features: np.ndarray
  one_hot: np.ndarray
  used: np.ndarray
  weights: np.ndarray
  bias: np.ndarray
  norms: np.ndarray
  entered: np.ndarray
  coefficient: float
  objective: float = np.nan
  gap: float = np.nan

  @classmethod
  def start(cls, features, one_hot):
    """With a bias alone, which has a closed form."""
    share = one_hot.mean(axis=0)
    count = features.shape[1]
    state = cls(features, one_hot, np.empty(0, int),
                np.empty((0, len(share))), np.log(share), np.empty(0),
                np.full(count, np.nan), np.inf)
    state.norms = state._all_norms((share - one_hot) / len(one_hot))
    return state

  def _all_norms(self, residual):
    """Of the gradients of all features, from `[N, C]`."""
    product = residual.T.astype(np.float32) @ self.features
    return np.linalg.norm(product, axis=0).astype(np.float64)

  def advance(self, coefficient: float, share: float) -> None:
    """Solves for a coefficient below the last."""
    before = self.norms
    ceiling = min(self.coefficient, before.max())
    new = np.setdiff1d(np.flatnonzero(before > coefficient), self.used)
    while True:
      most = max(_LEAST_NEW, len(self.used) // 4)
      new = new[np.argsort(-self.norms[new], kind='stable')[:most]]
      columns = np.concatenate([self.used, new])
      order = np.argsort(columns)
      columns = columns[order]
      weights = np.concatenate(
          [self.weights, np.zeros((len(new), len(self.bias)))])[order]
      residual = self._fit(columns, weights, coefficient, share / 2)
      self.norms = self._all_norms(residual)
      penalty = coefficient * _norms(self.weights).sum()
      self.objective, self.gap = _gap(
          self.one_hot, residual, self.norms.max(), coefficient, penalty,
          self.bias)
      if self.gap <= share * self.objective:
        break
      new = np.setdiff1d(np.flatnonzero(self.norms > coefficient), columns)
      if not len(new):
        raise errors.InputError(
            f'the group lasso for coefficient {coefficient:g} came no closer '
            f'than {self.gap / self.objective:.1e} of its optimum; use '
            '--score_solver=adam')
    self.coefficient = coefficient
    first = self.used[np.isnan(self.entered[self.used])]
    self.entered[first] = np.clip(before[first], coefficient,
                                  max(ceiling, coefficient))

  def _fit(self, columns, weights, coefficient, share):
    """Solves on a working set; returns the loss's gradient, `[N, C]`."""
    x = np.ones((len(self.features), len(columns) + 1))
    x[:, :-1] = self.features[:, columns]
    # Centred, features have little to do with the bias and with each other.
    means = x[:, :-1].mean(axis=0)
    x[:, :-1] -= means
    kernel, residual = _minimise(
        x, self.one_hot,
        np.concatenate([weights, (self.bias + means @ weights)[None]]),
        coefficient, share)
    kept = kernel[:-1].any(axis=1)
    self.used, self.weights = columns[kept], kernel[:-1][kept]
    self.bias = kernel[-1] - means[kept] @ self.weights
    return residual

  def solution(self) -> Solution:
    never = np.isnan(self.entered)
    entered = np.where(never, np.minimum(self.norms, self.coefficient),
                       self.entered)
    return Solution(self.coefficient, self.used, self.weights.T, self.bias,
                    self.objective, self.gap, entered)


def _gap(one_hot, residual, largest, coefficient, penalty, bias):
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
  """
  count = len(one_hot)
  p = one_hot + count * residual
  loss = -np.log(np.maximum((p * one_hot).sum(axis=1), 1e-300)).mean()
  scale = min(1.0, coefficient / largest) if largest > 0 else 1.0
  dual = _entropy(one_hot + scale * count * residual)
  missed = np.abs(bias) @ np.abs(residual.sum(axis=0))
  objective = float(loss + penalty)
  return objective, float(objective - dual + missed)


def _minimise(x, one_hot, kernel, coefficient, share):
  """Solves for a few features and the bias.

  Args:
    x: `[N, p + 1]`, the last column ones.
    one_hot: `[N, C]`.
    kernel: `[p + 1, C]` to start from, the last row the bias.
    coefficient: of the penalty.
    share: duality gap to stop at, as a share of the objective.

  Returns:
    The kernel, and (P - Y) / N.
  """
  caution = 1.0
  for _ in range(_ROUNDS):
    kernel, residual = _with_best_bias(x, one_hot, kernel)
    largest = _norms(x[:, :-1].T @ residual).max(initial=0.0)
    objective, gap = _gap(
        one_hot, residual, largest, coefficient,
        coefficient * _norms(kernel[:-1]).sum(), kernel[-1])
    if gap <= share * objective:
      break
    moved = _majorise(x, one_hot, kernel, coefficient,
                      1e-2 * share * objective, caution)
    if _objective(x @ moved, one_hot, moved, coefficient) <= objective:
      kernel, caution = moved, max(1.0, caution / 2)
    else:  # The curvature grew on the way.
      caution *= 2
    kernel = _newton(x, one_hot, kernel, coefficient)
  else:
    kernel, residual = _with_best_bias(x, one_hot, kernel)
  return kernel, residual


def _objective(logits, one_hot, kernel, coefficient) -> float:
  top = logits.max(axis=1)
  loss = (np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
          - (logits * one_hot).sum(axis=1)).mean()
  return float(loss + coefficient * _norms(kernel[:-1]).sum())


def _with_best_bias(x, one_hot, kernel):
  """Newton's method for the bias alone; returns kernel and (P - Y) / N.

  It makes the residuals add up to 0, without which they are no point of the
  dual.
  """
  kernel = kernel.copy()
  logits = x[:, :-1] @ kernel[:-1]
  for _ in range(_SWEEPS):
    p = _softmax(logits + kernel[-1])
    residual = (p - one_hot) / len(p)
    missed = residual.sum(axis=0)
    if np.abs(missed).max() <= 1e-12:
      break
    hessian = np.diag(p.mean(axis=0)) - p.T @ p / len(p)
    kernel[-1] -= np.linalg.lstsq(hessian, missed, rcond=1e-12)[0]
  return kernel, residual


def _majorise(x, one_hot, kernel, coefficient, enough, caution):
  """Minimises a few quadratic bounds, one from where the last was least.

  Args:
    x, one_hot, kernel, coefficient: as in `_minimise`.
    enough: as in `_descend`.
    caution: factor of the curvature, from 1, where it only bounds the objective
      nearby, on; with the curvature's largest value it does so everywhere.

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
    p = _softmax(x @ start)
    if gram is None:
      curvature = np.minimum(caution * 2 * (p * (1 - p)).max(axis=1), 0.5)
      # Not 0, or examples that are certain would never change.
      gram = (x * ((curvature + 1e-10) / count)[:, None]).T @ x
    last, kernel = kernel, start.copy()
    descend(gram, x.T @ ((p - one_hot) / count), kernel, thresholds, enough)
    ahead = caution == 1 and ((start - kernel) * (kernel - last)).sum() <= 0
    momentum = following if ahead else 1.0
  return kernel


def _newton(x, one_hot, kernel, coefficient):
  """A Newton step for the features that have weights, and the bias.

  Args:
    x, one_hot, kernel, coefficient: as in `_minimise`.

  Returns:
    A kernel whose objective is not above.
  """
  count = len(x)
  rows = kernel.any(axis=1)
  rows[-1] = True
  x, w = x[:, rows], kernel[rows]
  norms = _norms(w)[:, None]
  norms[-1] = np.inf  # The bias has no penalty.
  unit, stiffness = w / norms, coefficient / norms
  logits = x @ w
  p = _softmax(logits)
  gradient = x.T @ ((p - one_hot) / count) + coefficient * unit

  def hessian(v):
    z = x @ v
    z -= (p * z).sum(axis=1, keepdims=True)
    z *= p / count
    return x.T @ z + stiffness * (
        v - unit * (unit * v).sum(axis=1, keepdims=True))

  diagonal = (x * x).T @ (p * (1 - p)) / count + stiffness + 1e-12
  step = _conjugate_gradients(hessian, -gradient, diagonal)
  change, slope = x @ step, (gradient * step).sum()
  before = _objective(logits, one_hot, w, coefficient)
  for halving in range(_HALVINGS):
    part = 0.5 ** halving
    moved = w + part * step
    after = _objective(logits + part * change, one_hot, moved, coefficient)
    if after <= before + 1e-4 * part * slope:
      kernel = kernel.copy()
      kernel[rows] = moved
      break
  return kernel


def _conjugate_gradients(product, target, diagonal):
  """Solves product(v) = target nearly, preconditioned by a diagonal."""
  solution, residual = np.zeros_like(target), target.copy()
  scaled = residual / diagonal
  direction, size = scaled, (residual * scaled).sum()
  enough = 1e-2 * size
  for _ in range(_CONJUGATE):
    image = product(direction)
    curvature = (direction * image).sum()
    if size <= enough or curvature <= 0:
      break
    solution += size / curvature * direction
    residual -= size / curvature * image
    scaled = residual / diagonal
    last, size = size, (residual * scaled).sum()
    direction = scaled + size / last * direction
  return solution


@functools.cache
def _descend():
  """Compiled block coordinate descent on a quadratic bound."""
  try:
    import numba
  except ImportError as e:
    raise errors.InputError(
        'the convex solver needs numba; install with pip install '
        '"vtab_h2t[convex]"') from e

  @numba.njit
  def descend(gram, gradient, kernel, thresholds, enough):
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
