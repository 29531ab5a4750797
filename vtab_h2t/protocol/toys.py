"""The companion papers' toy problems: small linear networks, solved in seconds.

A network is `f(x) = v . B x` with a head `v` `[k]` and features `B` `[k, d]`;
inputs are rows of `X` `[n, d]`:

  LP-FT 1, 2    Kumar et al., 2022: fine-tuning distorts features
  SURG 1, 2, 3  Lee et al., 2023: which layer to tune under which shift
  HP 1 to 4     Ren et al., 2023: the head's energy and the features' movement

Each function returns the numbers; tests state what must hold of them.
"""

from collections.abc import Sequence
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.methods import head_probe

if TYPE_CHECKING:
  import pandas as pd


def orthonormal_rows(rng: np.random.Generator, rows: int, columns: int
                     ) -> np.ndarray:
  """`[rows, columns]` with orthonormal rows, rows <= columns."""
  return np.linalg.qr(rng.normal(size=(columns, rows)))[0].T


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
  """Where gradient descent ended.

  Attributes:
    v, b: the network.
    smallest_ood: least of the values that `watch` gave on the way.
    residual: squared norm of the last residual.
  """

  v: np.ndarray
  b: np.ndarray
  smallest_ood: float
  residual: float


def descend(v: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray,
            rate: float, train_v: bool = True, train_b: bool = True,
            watch=None, tolerance: float = 1e-20, limit: int = 200_000) -> Fit:
  """Gradient descent on the squared error, half its gradient, of both layers.

  Args:
    v, b: the network to start from.
    x, y: inputs `[n, d]` and targets `[n]`.
    rate: of each step.
    train_v, train_b: which layers move.
    watch: called with (v, b) at each step.
    tolerance: squared residual at which it ends.
    limit: steps after which it ends anyway.
  """
  v, b, smallest = v.astype(float), b.astype(float), np.inf
  for _ in range(limit):
    residual = x @ (b.T @ v) - y
    if watch is not None:
      smallest = min(smallest, watch(v, b))
    if residual @ residual < tolerance:
      break
    pull = x.T @ residual
    step_v, step_b = b @ pull, np.outer(v, pull)
    if train_v:
      v -= rate * step_v
    if train_b:
      b -= rate * step_b
  return Fit(v, b, smallest, float(residual @ residual))


@dataclasses.dataclass(frozen=True)
class Distortion:
  """LP-FT 1 for one seed and distance of the pretrained features.

  Attributes:
    ood: worst-case error |B*' v* - B' v|^2 of 'lp', 'lp_ft' and 'ft'.
    in_span: the same within the span of the training inputs.
    moved: Frobenius norm of the change of B under 'lp_ft' and 'ft'.
    outside: largest change of B on inputs orthogonal to the training inputs.
    bound: the theorem's lower bound of sqrt(ood) of 'ft' at any time.
    smallest_root: least sqrt(ood) of 'ft' on its way.
    drift: largest change of v v' - B B' under 'ft'.
  """

  ood: dict[str, float]
  in_span: dict[str, float]
  moved: dict[str, float]
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
  true_b = orthonormal_rows(rng, k, d)
  true_v = rng.normal(size=k)
  true_v /= np.linalg.norm(true_v)
  noise = rng.normal(size=(k, d))
  noise /= np.linalg.norm(noise, 2)
  b0 = np.linalg.qr((true_b + epsilon * noise).T)[0].T
  u, _, w = np.linalg.svd(true_b @ b0.T)  # Rotated onto the true features.
  b0 = u @ w @ b0
  x = orthonormal_rows(rng, n, d)
  v0 = rng.normal(size=k)
  target = true_b.T @ true_v
  y = x @ target
  probe = np.linalg.lstsq(x @ b0.T, y, rcond=None)[0]
  ood = lambda v, b: float(((target - b.T @ v) ** 2).sum())
  ft = descend(v0, b0, x, y, rate, watch=ood)
  lp_ft = descend(probe, b0, x, y, rate)
  outside = np.eye(d) - x.T @ x
  invariant = lambda v, b: np.outer(v, v) - b @ b.T
  found = {'lp': (probe, b0), 'lp_ft': (lp_ft.v, lp_ft.b), 'ft': (ft.v, ft.b)}
  # cos of the largest angle between the features' span and what is orthogonal
  # to the training inputs; epsilon up to rotation.
  basis = np.linalg.svd(outside)[0][:, :d - n]
  cosine = np.linalg.svd(np.linalg.qr(b0.T)[0].T @ basis)[1][k - 1]
  distance = np.linalg.norm(b0 - true_b, 2)
  phi = np.sqrt(abs((v0 @ true_v) ** 2 - (true_v @ true_v) ** 2))
  w_norm = np.linalg.norm(target)
  bound = cosine / np.sqrt(k) * min(phi, phi ** 2 / w_norm) / (
      1 + w_norm) ** 2 - distance
  return Distortion(
      ood={m: ood(*f) for m, f in found.items()},
      in_span={m: float(((x @ (target - b.T @ v)) ** 2).sum())
               for m, (v, b) in found.items()},
      moved={m: float(np.linalg.norm(found[m][1] - b0))
             for m in ('lp_ft', 'ft')},
      outside=float(max(np.abs((b - b0) @ outside).max()
                        for _, b in found.values())),
      bound=float(bound), smallest_root=float(np.sqrt(ft.smallest_ood)),
      drift=float(np.abs(invariant(ft.v, ft.b) - invariant(v0, b0)).max()))


def one_point(v0: float, rate: float = 1e-3) -> tuple[float, float]:
  """LP-FT 2: the second coordinate after fine-tuning on (1, 0), d=2, k=1.

  Returns:
    In closed form, and by gradient descent. The truth is cos 45 degrees.
  """
  true = np.full(2, np.sqrt(0.5))
  c = v0 ** 2 - true[0] ** 2
  v = np.sqrt((c + np.sqrt(c ** 2 + 4 * true[0] ** 2)) / 2)
  fit = descend(np.array([v0]), true[None].copy(), np.array([[1.0, 0.0]]),
                true[:1], rate)
  return float(v * true[1]), float(fit.v[0] * fit.b[0, 1])


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
  b, v, a = rng.normal(size=(k, d)), np.abs(rng.normal(size=k)), rng.normal(
      size=(d, d))
  x = rng.normal(size=(n, d))
  features = lambda weights, inputs: np.maximum(inputs @ weights.T, 0)
  y = features(b, x) @ v
  shifted = x @ a.T
  last = np.linalg.lstsq(features(b, shifted), y, rcond=None)[0]
  errors = features(b, shifted) @ last - y
  return {
      'input_first': float(np.abs(
          features(b @ np.linalg.inv(a), shifted) @ v - y).max()),
      'input_last': float(np.sqrt((errors ** 2).mean())),
      'spread': float(y.std()),
      'output_last': float(np.abs(features(b, x) @ -v + y).max()),
      # Outputs are not negative, the targets -y not positive.
      'output_first': float((y ** 2).mean())}


def two_directions(shift: str, size: float, p: float = 0.01,
                   rate: float = 0.01) -> dict[str, tuple[float, float]]:
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
    closed = {'first': 0.0, 'full': p * (1 / root - 1) ** 2,
              'last': p * (1 / size - 1) ** 2}
  else:
    x, y, truth = 1.0, size, size
    closed = {'first': p * (1 - size) ** 2, 'full': p * (root - size) ** 2,
              'last': 0.0}
  result = {}
  for layers, (train_v, train_b) in _LAYERS.items():
    fit = descend(np.ones(1), np.ones((1, 2)), np.array([[x, 0.0]]),
                  np.array([y]), rate, train_v, train_b)
    measured = p * (truth - fit.v[0] * fit.b[0, 1]) ** 2 + (1 - p) * (
        fit.residual)
    result[layers] = closed[layers], float(measured)
  return result


_LAYERS = {'first': (False, True), 'full': (True, True), 'last': (True, False)}


def shifts(seed: int) -> dict[str, dict[str, float]]:
  """SURG 3: population loss of tuning the first, both or the last layer.

  Inputs are scaled by e^U(-1, 1) within the span of 8 training inputs, or
  targets by 3; d=20, k=5.

  Returns:
    'input' and 'output' to losses by layers.
  """
  rng = np.random.default_rng(seed)
  d, k, n = 20, 5, 8
  x = orthonormal_rows(rng, n, d)
  b0 = orthonormal_rows(rng, k, d)
  v0 = rng.normal(size=k)
  source = b0.T @ v0
  scales = np.exp(rng.uniform(-1, 1, n))
  # The inverse of the map within the span undoes the shift.
  undo = np.eye(d) + x.T @ np.diag(1 / scales - 1) @ x
  problems = {'input': (scales[:, None] * x, x @ source, undo @ source),
              'output': (x, 3 * (x @ source), 3 * source)}
  return {
      shift: {layers: float(((target - (fit := descend(
          v0, b0, inputs, y, 0.01, *which, tolerance=1e-22,
          limit=40_000)).b.T @ fit.v) ** 2).sum())
              for layers, which in _LAYERS.items()}
      for shift, (inputs, y, target) in problems.items()}


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
  x = orthonormal_rows(rng, 1, d)
  z0, other = orthonormal_rows(rng, 2, h)
  v = cosine * z0 + np.sqrt(1 - cosine ** 2) * other
  fit = descend(v, np.outer(z0, x), x, np.ones(1), 0.1, train_v=False)
  z = fit.b @ x[0]
  moved = head_probe.adaptation(z0[None], z[None])
  c = cosine
  closed = {'energy': 1 - c, 'l2': 1 - c, 'dot': 1 + c * (1 - c),
            'norm': np.sqrt(2 - c ** 2),
            'cos': 1 - (1 + c - c ** 2) / np.sqrt(2 - c ** 2)}
  measured = {'energy': abs(1 - v @ z0)} | {
      name: moved[f'adaptation_{name}'] for name in ('l2', 'dot', 'norm',
                                                      'cos')}
  return {name: (float(closed[name]), float(measured[name]))
          for name in closed}


TAUS = (0, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


def probing(seed: int, scale: float = 3.0, taus: Sequence[int] = TAUS
            ) -> list[dict[str, float]]:
  """HP 2: the head is probed for tau steps, then both layers are trained.

  d=40, 10 features, 8 orthonormal inputs, targets of -1 and 1.

  Returns:
    For each tau, in the order of rising energy: 'tau', 'energy' and the
    features' 'l2', 'cos', 'dot' and 'norm'.
  """
  rng = np.random.default_rng(seed)
  d, h, n = 40, 10, 8
  x = orthonormal_rows(rng, n, d)
  b0 = rng.normal(size=(h, d)) / np.sqrt(h)
  y = rng.choice([-1.0, 1.0], n)
  v0 = scale * rng.normal(size=h) / np.sqrt(h)
  result = []
  for tau in taus:
    # The head after tau steps of gradient descent on it alone.
    v = descend(v0, b0, x, y, 0.05, train_b=False, tolerance=-1,
                limit=tau).v if tau else v0
    fit = descend(v, b0, x, y, 0.02, tolerance=1e-18)
    moved = head_probe.adaptation(x @ b0.T, x @ fit.b.T)
    result.append({'tau': tau, 'energy': float(np.abs(
        x @ (b0.T @ v) - y).mean())} | {
            name: moved[f'adaptation_{name}']
            for name in ('l2', 'cos', 'dot', 'norm')})
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
  stepped = descend(v, b, x, y, rate / n, train_v=False, tolerance=0, limit=1)
  energy = y - x @ (b.T @ v)
  return (x @ (stepped.b - b).T,
          rate / n * np.einsum('ni,i,h->nh', x @ x.T, energy, v))


EPSILONS = (0.01, 0.05, 0.1, 0.3, 1.0)
SEEDS = tuple(range(10))


def tables(seeds: Sequence[int] = SEEDS) -> dict[str, 'pd.DataFrame']:
  """All toy problems.

  Returns:
    'lp_ft' (LP-FT 1: a line for each epsilon, method and seed), 'shifts'
    (SURG 3: for each shift, layers and seed), 'probing' (HP 2: for each rank of
    energy and seed), and 'predictions' (LP-FT 2, SURG 1 and 2, HP 1, 3 and 4:
    `predicted` beside `measured`).
  """
  import pandas as pd
  distortions = [
      {'epsilon': epsilon, 'seed': seed, 'method': method,
       'ood': found.ood[method], 'in_span': found.in_span[method],
       'moved': found.moved.get(method, 0.0)}
      for epsilon in EPSILONS for seed in seeds
      for found in [distortion(epsilon, seed)] for method in found.ood]
  layers = [{'shift': shift, 'layers': name, 'seed': seed, 'loss': loss}
            for seed in seeds for shift, losses in shifts(seed).items()
            for name, loss in losses.items()]
  energies = [row | {'seed': seed, 'rank': rank} for seed in seeds
              for rank, row in enumerate(probing(seed))]
  predictions = []

  def predict(problem, quantity, predicted, measured):
    predictions.append({'problem': problem, 'quantity': quantity,
                        'predicted': float(predicted),
                        'measured': float(measured)})

  for v0 in (0.1, 0.5, 1.0, 2.0):
    predict('LP-FT 2', f'second coordinate, v0 = {v0:g}', *one_point(v0))
  repairs = exact_repairs(0)
  predict('SURG 1', 'input shift, first layer: largest error', 0,
          repairs['input_first'])
  predict('SURG 1', 'output shift, last layer: largest error', 0,
          repairs['output_last'])
  for shift in ('input', 'output'):
    for name, pair in two_directions(shift, 4).items():
      predict('SURG 2', f'{shift} shift, {name}: loss', *pair)
  for cosine in (-0.5, 0.0, 0.5):
    for name, pair in one_sample(cosine).items():
      predict('HP 1', f'{name} at cosine {cosine:g}', *pair)
  stepped, decomposed = decomposition(0)
  predict('HP 3', 'largest difference of the two forms', 0,
          np.abs(stepped - decomposed).max())
  labels = np.arange(40) % 10
  predict('HP 4', 'energy of a zero head, 10 classes', np.sqrt(0.9),
          head_probe.average_initial_energy(np.zeros((40, 10)), labels))
  return {'lp_ft': pd.DataFrame(distortions), 'shifts': pd.DataFrame(layers),
          'probing': pd.DataFrame(energies),
          'predictions': pd.DataFrame(predictions)}
