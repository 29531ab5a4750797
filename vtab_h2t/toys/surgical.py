"""Which layer to tune under which shift (Lee et al., 2023): SURG 1, 2, 3.

Each function returns the numbers; tests state what must hold of them.
"""

import numpy as np

from vtab_h2t.toys import linear_network

# Whether the head is trained, and whether the features are.
_LAYERS = {'first': (False, True), 'full': (True, True), 'last': (True, False)}


def exact_repairs(seed: int) -> dict[str, float]:
  """SURG 1: which layer can undo an input or an output shift, with ReLU.

  Returns:
    'input_first' largest error when the first layer undoes an invertible map of
    the inputs, 'input_last' root mean square error of the best last layer,
    'spread' standard deviation of the targets; 'output_last' largest error when
    the last layer undoes a change of sign, and 'output_first' a lower bound of
    the mean square error of any first layer.
  """
  rng = np.random.default_rng(seed)
  d, k, n = 6, 12, 400
  b, v, a = (
    rng.normal(size=(k, d)),
    np.abs(rng.normal(size=k)),
    rng.normal(size=(d, d)),
  )
  x = rng.normal(size=(n, d))
  y = _features(b, x) @ v
  shifted = x @ a.T
  last = np.linalg.lstsq(_features(b, shifted), y, rcond=None)[0]
  errors = _features(b, shifted) @ last - y
  return {
    'input_first': float(
      np.abs(_features(b @ np.linalg.inv(a), shifted) @ v - y).max()
    ),
    'input_last': float(np.sqrt((errors**2).mean())),
    'spread': float(y.std()),
    'output_last': float(np.abs(_features(b, x) @ -v + y).max()),
    # Outputs are not negative, the targets -y not positive.
    'output_first': float((y**2).mean()),
  }


def _features(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
  """ReLU of `[k, d]` on `[n, d]`: `[n, k]`."""
  return np.maximum(inputs @ weights.T, 0)


def two_directions(
  shift: str, size: float, p: float = 0.01, rate: float = 0.01
) -> dict[str, tuple[float, float]]:
  """SURG 2: the rare direction's loss, in closed form and by descent.

  Args:
    shift: 'input' (the first direction is scaled by `size`) or 'output' (the
      label is).
    size: of the shift.
    p: share of the second direction, which training does not see.
    rate: of gradient descent.

  Returns:
    'first', 'full' and 'last' to (closed form, measured).
  """
  root = np.sqrt(size)
  if shift == 'input':
    x, y, truth = size, 1.0, 1.0
    closed = {
      'first': 0.0,
      'full': p * (1 / root - 1) ** 2,
      'last': p * (1 / size - 1) ** 2,
    }
  else:
    x, y, truth = 1.0, size, size
    closed = {
      'first': p * (1 - size) ** 2,
      'full': p * (root - size) ** 2,
      'last': 0.0,
    }
  result = {}
  for layers, (train_v, train_b) in _LAYERS.items():
    fit = linear_network.descend(
      np.ones(1),
      np.ones((1, 2)),
      np.array([[x, 0.0]]),
      np.array([y]),
      rate,
      train_v,
      train_b,
    )
    measured = p * (truth - fit.v[0] * fit.b[0, 1]) ** 2 + (1 - p) * (
      fit.residual
    )
    result[layers] = closed[layers], float(measured)
  return result


def shifts(seed: int) -> dict[str, dict[str, float]]:
  """SURG 3: population loss of tuning the first, both or the last layer.

  Inputs are scaled by e^U(-1, 1) within the span of 8 training inputs, or
  targets by 3; d=20, k=5.

  Returns:
    'input' and 'output' to losses by layers.
  """
  rng = np.random.default_rng(seed)
  d, k, n = 20, 5, 8
  x = linear_network.orthonormal_rows(rng, n, d)
  b0 = linear_network.orthonormal_rows(rng, k, d)
  v0 = rng.normal(size=k)
  source = b0.T @ v0
  scales = np.exp(rng.uniform(-1, 1, n))
  # The inverse of the map within the span undoes the shift.
  undo = np.eye(d) + x.T @ np.diag(1 / scales - 1) @ x
  problems = {
    'input': (scales[:, None] * x, x @ source, undo @ source),
    'output': (x, 3 * (x @ source), 3 * source),
  }
  result: dict[str, dict[str, float]] = {}
  for shift, (inputs, y, target) in problems.items():
    result[shift] = {}
    for layers, which in _LAYERS.items():
      fit = linear_network.descend(
        v0, b0, inputs, y, 0.01, *which, tolerance=1e-22, limit=40_000
      )
      result[shift][layers] = float(((target - fit.b.T @ fit.v) ** 2).sum())
  return result
