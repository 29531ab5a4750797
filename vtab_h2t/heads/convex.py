"""The group lasso as the convex problem that it is, solved to a stated gap.

  minimise  1/N sum_n CE(softmax(W x_n + b), y_n) + coefficient sum_i ||w_i||_2

over kernel `W [C, D]`, whose columns w_i belong to features, and bias b: what
Adam approaches in `heads.sweep` (Head2Toe, equation 3). Solved for falling
coefficients, each from the last, by

  * working sets: only features whose gradient norm exceeds the coefficient, the
    largest first, are looked at beside those in use;
  * for each set, `heads.working_set`;
  * the duality gap, over all features, as the rule to stop.
"""

from collections.abc import Sequence
import dataclasses
from typing import Self

import numpy as np

from vtab_h2t import errors
from vtab_h2t.heads import working_set

_POINTS_A_DECADE = 8
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


def path(
  features: np.ndarray,
  labels: np.ndarray,
  coefficients: Sequence[float],
  gap: float = 1e-4,
) -> list[Solution]:
  """Solves the group lasso for several coefficients.

  Args:
    features: float32 `[N, D]`.
    labels: integers `[N]`, of at least two classes.
    coefficients: above 0.
    gap: duality gap to stop at, as a share of the objective.

  Returns:
    A solution for each coefficient, in their order.

  Raises:
    errors.InputError: the gap was not reached.
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
  def start(cls, features: np.ndarray, one_hot: np.ndarray) -> Self:
    """With a bias alone, which has a closed form."""
    share = one_hot.mean(axis=0)
    count = features.shape[1]
    state = cls(
      features,
      one_hot,
      np.empty(0, int),
      np.empty((0, len(share))),
      np.log(share),
      np.empty(0),
      np.full(count, np.nan),
      np.inf,
    )
    state.norms = state._all_norms((share - one_hot) / len(one_hot))
    return state

  def _all_norms(self, residual: np.ndarray) -> np.ndarray:
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
        [self.weights, np.zeros((len(new), len(self.bias)))]
      )[order]
      residual = self._fit(columns, weights, coefficient, share / 2)
      self.norms = self._all_norms(residual)
      penalty = coefficient * np.linalg.norm(self.weights, axis=1).sum()
      self.objective, self.gap = working_set.duality_gap(
        self.one_hot,
        residual,
        self.norms.max(),
        coefficient,
        penalty,
        self.bias,
      )
      if self.gap <= share * self.objective:
        break
      new = np.setdiff1d(np.flatnonzero(self.norms > coefficient), columns)
      if not len(new):
        raise errors.InputError(
          f'the group lasso for coefficient {coefficient:g} came no closer '
          f'than {self.gap / self.objective:.1e} of its optimum; a larger '
          'coefficient is easier'
        )
    self.coefficient = coefficient
    first = self.used[np.isnan(self.entered[self.used])]
    self.entered[first] = np.clip(
      before[first], coefficient, max(ceiling, coefficient)
    )

  def _fit(
    self,
    columns: np.ndarray,
    weights: np.ndarray,
    coefficient: float,
    share: float,
  ) -> np.ndarray:
    """Solves on a working set; returns the loss's gradient, `[N, C]`."""
    x = np.ones((len(self.features), len(columns) + 1))
    x[:, :-1] = self.features[:, columns]
    # Centred, features have little to do with the bias and with each other.
    means = x[:, :-1].mean(axis=0)
    x[:, :-1] -= means
    kernel, residual = working_set.minimise(
      x,
      self.one_hot,
      np.concatenate([weights, (self.bias + means @ weights)[None]]),
      coefficient,
      share,
    )
    kept = kernel[:-1].any(axis=1)
    self.used, self.weights = columns[kept], kernel[:-1][kept]
    self.bias = kernel[-1] - means[kept] @ self.weights
    return residual

  def solution(self) -> Solution:
    never = np.isnan(self.entered)
    entered = np.where(
      never, np.minimum(self.norms, self.coefficient), self.entered
    )
    return Solution(
      self.coefficient,
      self.used,
      self.weights.T,
      self.bias,
      self.objective,
      self.gap,
      entered,
    )
