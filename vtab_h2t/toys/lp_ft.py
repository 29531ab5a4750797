"""How fine-tuning distorts features (Kumar et al., 2022): LP-FT 1 and 2.

Each function returns the numbers; tests state what must hold of them.
"""

import dataclasses

import numpy as np

from vtab_h2t.toys import linear_network


@dataclasses.dataclass(frozen=True)
class Distortion:
  """LP-FT 1 for one seed and distance of the pretrained features.

  Attributes:
    ood: worst-case error |B*' v* - B' v|^2 of 'lp', 'lp_ft' and 'ft'.
    in_span: the same within the span of the training inputs.
    moved: Frobenius norm of the change of B under 'lp_ft' and 'ft'.
    moved_in_span: under 'lp_ft' and 'ft', how far the features B x of unit
      inputs in the span of the training inputs move, root mean square.
    moved_outside: the same of unit inputs that are orthogonal to them.
    outside: largest change of B on inputs orthogonal to the training inputs.
    bound: the theorem's lower bound of sqrt(ood) of 'ft' at any time.
    smallest_root: least sqrt(ood) of 'ft' on its way.
    drift: largest change of v v' - B B' under 'ft'.
  """

  ood: dict[str, float]
  in_span: dict[str, float]
  moved: dict[str, float]
  moved_in_span: dict[str, float]
  moved_outside: dict[str, float]
  outside: float
  bound: float
  smallest_root: float
  drift: float


def distortion(epsilon: float, seed: int, rate: float = 0.02) -> Distortion:
  """LP-FT 1: d=20, k=3, 8 orthonormal training inputs.

  Args:
    epsilon: distance of the pretrained features from perfect ones.
    seed: of the problem.
    rate: of gradient descent.
  """
  d, k, n = 20, 3, 8
  rng = np.random.default_rng(seed)
  true_b = linear_network.orthonormal_rows(rng, k, d)
  true_v = rng.normal(size=k)
  true_v /= np.linalg.norm(true_v)
  noise = rng.normal(size=(k, d))
  noise /= np.linalg.norm(noise, 2)
  b0 = np.linalg.qr((true_b + epsilon * noise).T)[0].T
  u, _, w = np.linalg.svd(true_b @ b0.T)  # Rotated onto the true features.
  b0 = u @ w @ b0
  x = linear_network.orthonormal_rows(rng, n, d)
  v0 = rng.normal(size=k)
  target = true_b.T @ true_v
  y = x @ target
  probe = np.linalg.lstsq(x @ b0.T, y, rcond=None)[0]

  def ood(v: np.ndarray, b: np.ndarray) -> float:
    return float(((target - b.T @ v) ** 2).sum())

  ft = linear_network.descend(v0, b0, x, y, rate, watch=ood)
  lp_ft = linear_network.descend(probe, b0, x, y, rate)
  outside = np.eye(d) - x.T @ x
  found = {'lp': (probe, b0), 'lp_ft': (lp_ft.v, lp_ft.b), 'ft': (ft.v, ft.b)}
  change = {m: found[m][1] - b0 for m in ('lp_ft', 'ft')}
  return Distortion(
    ood={m: ood(*f) for m, f in found.items()},
    in_span={
      m: float(((x @ (target - b.T @ v)) ** 2).sum())
      for m, (v, b) in found.items()
    },
    moved={m: float(np.linalg.norm(c)) for m, c in change.items()},
    moved_in_span={
      m: float(np.linalg.norm(c @ x.T) / np.sqrt(n)) for m, c in change.items()
    },
    moved_outside={
      m: float(np.linalg.norm(c @ outside) / np.sqrt(d - n))
      for m, c in change.items()
    },
    outside=float(max(np.abs(c @ outside).max() for c in change.values())),
    bound=_bound((true_v, true_b), (v0, b0), outside, d - n),
    smallest_root=float(np.sqrt(ft.smallest_ood)),
    drift=float(np.abs(_invariant(ft.v, ft.b) - _invariant(v0, b0)).max()),
  )


def _invariant(v: np.ndarray, b: np.ndarray) -> np.ndarray:
  """v v' - B B' `[k, k]`, which gradient flow keeps."""
  return np.outer(v, v) - b @ b.T


def _bound(
  true: tuple[np.ndarray, np.ndarray],
  start: tuple[np.ndarray, np.ndarray],
  outside: np.ndarray,
  free: int,
) -> float:
  """The theorem's lower bound of sqrt(ood) of fine-tuning.

  Args:
    true: head `[k]` and features `[k, d]` that gave the targets.
    start: where fine-tuning starts; the features are rotated onto the true.
    outside: projection `[d, d]` off the training inputs.
    free: its rank.
  """
  (true_v, true_b), (v0, b0) = true, start
  k = len(true_v)
  # Of the largest angle between the features' span and what is orthogonal to
  # the training inputs.
  basis = np.linalg.svd(outside)[0][:, :free]
  cosine = np.linalg.svd(np.linalg.qr(b0.T)[0].T @ basis)[1][k - 1]
  distance = np.linalg.norm(b0 - true_b, 2)  # Epsilon up to rotation.
  phi = np.sqrt(abs((v0 @ true_v) ** 2 - (true_v @ true_v) ** 2))
  w_norm = np.linalg.norm(true_b.T @ true_v)
  return float(
    cosine / np.sqrt(k) * min(phi, phi**2 / w_norm) / (1 + w_norm) ** 2
    - distance
  )


def one_point(v0: float, rate: float = 1e-3) -> tuple[float, float]:
  """LP-FT 2: the second coordinate after fine-tuning on (1, 0), d=2, k=1.

  Args:
    v0: the head to start from; probing gives 1.
    rate: of gradient descent.

  Returns:
    In closed form, and by gradient descent. The truth is cos 45 degrees.
  """
  true = np.full(2, np.sqrt(0.5))
  c = v0**2 - true[0] ** 2
  v = np.sqrt((c + np.sqrt(c**2 + 4 * true[0] ** 2)) / 2)
  fit = linear_network.descend(
    np.array([v0]), true[None].copy(), np.array([[1.0, 0.0]]), true[:1], rate
  )
  return float(v * true[1]), float(fit.v[0] * fit.b[0, 1])
