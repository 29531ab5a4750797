"""The head's energy and the features' movement (Ren et al., 2023): HP 1 to 4.

Each function returns the numbers; tests state what must hold of them.
"""

from collections.abc import Sequence

import numpy as np

from vtab_h2t.methods import head_probe
from vtab_h2t.toys import linear_network

# Numbers of steps for which the head is probed.
TAUS = (0, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


def one_sample(cosine: float, seed: int = 0) -> dict[str, tuple[float, float]]:
  """HP 1: a frozen head and one sample; closed form and measured.

  Args:
    cosine: of the angle between head and features.
    seed: of the problem.

  Returns:
    'energy', 'l2', 'dot', 'norm' and 'cos' to (closed form, measured), for unit
    features, a unit head and target 1.
  """
  rng = np.random.default_rng(seed)
  d, h = 6, 4
  x = linear_network.orthonormal_rows(rng, 1, d)
  z0, other = linear_network.orthonormal_rows(rng, 2, h)
  v = cosine * z0 + np.sqrt(1 - cosine**2) * other
  fit = linear_network.descend(
    v, np.outer(z0, x), x, np.ones(1), 0.1, train_v=False
  )
  z = fit.b @ x[0]
  moved = head_probe.adaptation(z0[None], z[None])
  c = cosine
  closed = {
    'energy': 1 - c,
    'l2': 1 - c,
    'dot': 1 + c * (1 - c),
    'norm': np.sqrt(2 - c**2),
    'cos': 1 - (1 + c - c**2) / np.sqrt(2 - c**2),
  }
  measured = {'energy': abs(1 - v @ z0)} | {
    name: moved[f'adaptation_{name}'] for name in ('l2', 'dot', 'norm', 'cos')
  }
  return {name: (float(closed[name]), float(measured[name])) for name in closed}


def probing(
  seed: int, scale: float = 3.0, taus: Sequence[int] = TAUS
) -> list[dict[str, float]]:
  """HP 2: the head is probed for tau steps, then both layers are trained.

  d=40, 10 features, 8 orthonormal inputs, targets of -1 and 1.

  Args:
    seed: of the problem.
    scale: of the head before probing.
    taus: numbers of steps.

  Returns:
    For each tau, in the order of rising energy: 'tau', 'energy' and the
    features' 'l2', 'cos', 'dot' and 'norm'.
  """
  rng = np.random.default_rng(seed)
  d, h, n = 40, 10, 8
  x = linear_network.orthonormal_rows(rng, n, d)
  b0 = rng.normal(size=(h, d)) / np.sqrt(h)
  y = rng.choice([-1.0, 1.0], n)
  v0 = scale * rng.normal(size=h) / np.sqrt(h)
  result = []
  for tau in taus:
    # The head after tau steps of gradient descent on it alone.
    v = (
      linear_network.descend(
        v0, b0, x, y, 0.05, train_b=False, tolerance=-1, limit=tau
      ).v
      if tau
      else v0
    )
    fit = linear_network.descend(v, b0, x, y, 0.02, tolerance=1e-18)
    moved = head_probe.adaptation(x @ b0.T, x @ fit.b.T)
    result.append(
      {'tau': tau, 'energy': float(np.abs(x @ (b0.T @ v) - y).mean())}
      | {
        name: moved[f'adaptation_{name}']
        for name in ('l2', 'cos', 'dot', 'norm')
      }
    )
  return sorted(result, key=lambda r: r['energy'])


def decomposition(seed: int) -> tuple[np.ndarray, np.ndarray]:
  """HP 3: the features' change in one step on B, two ways.

  Returns:
    By the step itself, and by kernel x direction x energy: `[n, h]` each.
  """
  rng = np.random.default_rng(seed)
  n, d, h, rate = 5, 7, 4, 0.1
  x, b, v = rng.normal(size=(n, d)), rng.normal(size=(h, d)), rng.normal(size=h)
  y = rng.normal(size=n)
  stepped = linear_network.descend(
    v, b, x, y, rate / n, train_v=False, tolerance=0, limit=1
  )
  energy = y - x @ (b.T @ v)
  return (
    x @ (stepped.b - b).T,
    rate / n * np.einsum('ni,i,h->nh', x @ x.T, energy, v),
  )


def zero_head(classes: int = 10) -> tuple[float, float]:
  """HP 4: the average initial energy of a head of zeros, 4 images a class.

  Args:
    classes: how many.

  Returns:
    In closed form, and measured.
  """
  labels = np.arange(4 * classes) % classes
  return float(np.sqrt(1 - 1 / classes)), head_probe.average_initial_energy(
    np.zeros((len(labels), classes)), labels
  )
