"""All toy problems as tables, for figures and for the companions' claims."""

from collections.abc import Iterator, Sequence
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.toys import head_probe
from vtab_h2t.toys import lp_ft
from vtab_h2t.toys import surgical

if TYPE_CHECKING:
  import pandas as pd

# Distances of the pretrained features from perfect ones in LP-FT 1.
EPSILONS = (0.01, 0.05, 0.1, 0.3, 1.0)
# Of the random head before probing in HP 2; the figure shows the first.
SCALES = (3.0, 1.0)
SEEDS = tuple(range(10))
_MEASURES = 'energy', 'l2', 'cos', 'dot', 'norm'
COLUMNS = {
  'lp_ft': (
    'epsilon',
    'seed',
    'method',
    'ood',
    'in_span',
    'moved',
    'moved_in_span',
    'moved_outside',
  ),
  'shifts': ('shift', 'layers', 'seed', 'loss'),
  'probing': ('scale', 'seed', 'rank', 'tau', *_MEASURES),
  'predictions': ('problem', 'quantity', 'predicted', 'measured'),
}


def tables(seeds: Sequence[int] = SEEDS) -> dict[str, 'pd.DataFrame']:
  """All toy problems.

  Returns:
    'lp_ft' (LP-FT 1: a line for each epsilon, method and seed), 'shifts'
    (SURG 3: for each shift, layers and seed), 'probing' (HP 2: for each scale
    of the head, seed and rank of energy), and 'predictions' (LP-FT 2, SURG 1
    and 2, HP 1, 3 and 4: `predicted` beside `measured`).
  """
  import pandas as pd

  distortions = [
    {
      'epsilon': epsilon,
      'seed': seed,
      'method': method,
      'ood': found.ood[method],
      'in_span': found.in_span[method],
      'moved': found.moved.get(method, 0.0),
      'moved_in_span': found.moved_in_span.get(method, 0.0),
      'moved_outside': found.moved_outside.get(method, 0.0),
    }
    for epsilon in EPSILONS
    for seed in seeds
    for found in [lp_ft.distortion(epsilon, seed)]
    for method in found.ood
  ]
  layers = [
    {'shift': shift, 'layers': name, 'seed': seed, 'loss': loss}
    for seed in seeds
    for shift, losses in surgical.shifts(seed).items()
    for name, loss in losses.items()
  ]
  energies = [
    row | {'seed': seed, 'rank': rank, 'scale': scale}
    for scale in SCALES
    for seed in seeds
    for rank, row in enumerate(head_probe.probing(seed, scale))
  ]
  predictions = [
    {
      'problem': problem,
      'quantity': quantity,
      'predicted': float(predicted),
      'measured': float(measured),
    }
    for problem, quantity, (predicted, measured) in _predictions()
  ]
  found = {
    'lp_ft': distortions,
    'shifts': layers,
    'probing': energies,
    'predictions': predictions,
  }
  return {
    name: pd.DataFrame(found[name], columns=list(columns))
    for name, columns in COLUMNS.items()
  }


def read(folder: pathlib.Path) -> 'dict[str, pd.DataFrame] | None':
  """The tables that `runners.toys` wrote as CSV.

  Args:
    folder: where to.

  Returns:
    As `tables`; None if one is not there or has other columns.
  """
  import pandas as pd

  paths = {name: folder / f'{name}.csv' for name in COLUMNS}
  if not all(path.is_file() for path in paths.values()):
    return None
  found = {name: pd.read_csv(path) for name, path in paths.items()}
  if any(tuple(t.columns) != COLUMNS[name] for name, t in found.items()):
    return None
  return found


def _predictions() -> Iterator[tuple[str, str, tuple[float, float]]]:
  """Problem, quantity, and what is predicted of it and measured."""
  for v0 in (0.1, 0.5, 1.0, 2.0):
    yield 'LP-FT 2', f'second coordinate, v0 = {v0:g}', lp_ft.one_point(v0)
  repairs = surgical.exact_repairs(0)
  yield (
    'SURG 1',
    'input shift, first layer: largest error',
    (0, repairs['input_first']),
  )
  yield (
    'SURG 1',
    'output shift, last layer: largest error',
    (0, repairs['output_last']),
  )
  for shift in ('input', 'output'):
    for name, pair in surgical.two_directions(shift, 4).items():
      yield 'SURG 2', f'{shift} shift, {name}: loss', pair
  for cosine in (-0.5, 0.0, 0.5):
    for name, pair in head_probe.one_sample(cosine).items():
      yield 'HP 1', f'{name} at cosine {cosine:g}', pair
  stepped, decomposed = head_probe.decomposition(0)
  yield (
    'HP 3',
    'largest difference of the two forms',
    (0, np.abs(stepped - decomposed).max()),
  )
  yield 'HP 4', 'energy of a zero head, 10 classes', head_probe.zero_head(10)
