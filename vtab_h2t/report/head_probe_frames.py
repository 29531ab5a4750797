"""Frames of head probing, from the rows of the study `head_probe_energy`.

A head of no or some hidden units is trained for tau epochs on frozen features,
then everything is fine-tuned. Energy is the average initial energy when
fine-tuning begins; measures of features are the means over images of what
`methods.head_probe` defines. Over seeds the median is taken.

Claims on features compare trainings that ended at the common training loss or
below it; the table counts the others, and the figure sets them apart. Those on
accuracy compare equal steps, whatever the loss.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import companion_rows
from vtab_h2t.report import statistics

MEASURES = {'l2': 'L2', 'cos': 'cosine distance', 'dot': 'dot', 'norm': 'norm'}
TRAIN, TEST = IMAGES = 'train', 'test'
_SETTING = 'learning_rate', 'steps', 'batch', 'smoothing'
_START = (
  'aie',
  'probe_percent',
  'probe_loss',
  'feature_gradient',
  'head_norm',
  'head_spectral',
  'start_norm',
  'start_square',
)
_END = 'train_loss', 'common_loss', 'train_percent'
# How steeply a measure must rise to its largest value and fall from it, as a
# rank correlation with the energy. Eight values in random order do so in one
# case of four.
STEEP = 0.5


def column(measure: str, images: str) -> str:
  """The field of a row that has a measure of features.

  Args:
    measure: of `MEASURES`.
    images: of `IMAGES`.
  """
  return f'{"train_" if images == TRAIN else ""}adaptation_{measure}'


_MOVED = [column(m, images) for images in IMAGES for m in MEASURES]


@companion_rows.remembered
def tests(rows: companion_rows.Rows) -> pd.DataFrame:
  """Test rows with `unit`, `percent`, `probe_percent` and `train_percent`."""
  table = companion_rows.tests(rows)
  if table.empty:
    return pd.DataFrame(columns=['unit', 'task', 'hidden', 'tau', 'seed'])
  table['unit'] = [unit_of(r) for r in table.to_dict('records')]
  for name in ('probe', 'train'):  # Of the same images.
    table[f'{name}_percent'] = (
      100 * table[f'{name}_correct'] / table.probe_total
    )
  return table


def compared(rows: companion_rows.Rows) -> pd.DataFrame:
  """Those of `tests` that reached the common training loss."""
  found = tests(rows)
  return found if found.empty else found[found.reached.astype(bool)]


def table(rows: companion_rows.Rows) -> pd.DataFrame:
  """A line for each task, head and tau.

  Returns:
    task, hidden, tau, the setting of fine-tuning; at its beginning energy
    (`aie`), accuracy and loss of the head on the training images, the norm of
    the loss's gradient by the features, norms of the head and of the features;
    at its end the loss on the training images, the common loss and how many of
    `seeds` reached it, accuracy on the training images, measures of the
    features of training and of test images, percent (of the test images), and
    whether that is the `best` tau of the task and head.
  """
  return _by_tau(tests(rows))


def _by_tau(found: pd.DataFrame) -> pd.DataFrame:
  if found.empty:
    return pd.DataFrame()
  keys = ['task', 'hidden', 'tau']
  kept = [c for c in _SETTING if c in found]
  measured = [c for c in (*_START, *_END, *_MOVED, 'percent') if c in found]
  by_line = found.groupby([*keys, *kept], sort=False, dropna=False)
  wide = by_line[measured].median().reset_index()
  wide['reached'] = by_line.reached.sum().to_numpy()
  wide['seeds'] = companion_rows.seed_counts(found, keys).to_numpy()
  best = wide.groupby(['task', 'hidden']).percent.transform('max')
  wide['best'] = wide.percent == best
  wide['task'] = pd.Categorical(wide.task, wide.task.unique())
  wide = wide.sort_values(keys, kind='stable', ignore_index=True)
  wide['task'] = wide.task.astype(object)
  before = [c for c in measured if c not in ('percent', *_MOVED)]
  return wide[
    [*keys, *kept, *before, 'reached', *(c for c in measured if c in _MOVED)]
    + ['percent', 'best', 'seeds']
  ]


def figure(rows: companion_rows.Rows) -> pd.DataFrame:
  """What is drawn against the energy; features against where they began.

  Returns:
    task, hidden, tau, images (of `IMAGES`), energy; l2 and norm over the mean
    norm of the training images' features before, dot over their mean square
    norm, cos as it is; percent; `reached`: whether these are of seeds that
    reached the common loss, which those of a tau are if there is one.
  """
  keys = ['task', 'hidden', 'tau']
  every = tests(rows)
  any_reached = every.groupby(keys).reached.transform('any').astype(bool)
  found = _by_tau(every[every.reached.astype(bool) | ~any_reached])
  parts = []
  for images in IMAGES:
    part = found[keys].copy()
    part['reached'] = found.reached > 0
    part['images'] = images
    part['energy'] = found.aie
    for measure in MEASURES:
      unit = {
        'l2': found.start_norm,
        'norm': found.start_norm,
        'dot': found.start_square,
        'cos': 1.0,
      }[measure]
      part[measure] = found[column(measure, images)] / unit
    part['percent'] = found.percent if images == TEST else found.train_percent
    parts.append(part)
  return pd.concat(parts, ignore_index=True)


def unit_of(row: claim_lib.Row) -> str:
  """A task and head, as claims call it."""
  return f'{row["task"]}, {head_name(row["hidden"])}'


def head_name(hidden: int) -> str:
  """A head in words."""
  return f'{hidden} hidden units' if hidden else 'linear head'


def trend(
  rows: companion_rows.Rows,
  measure: str,
  images: str,
  value: Callable[[np.ndarray, np.ndarray], float],
) -> pd.DataFrame:
  """A value of each task's curves of a measure over the energy.

  Args:
    rows: of the study.
    measure: of `MEASURES`.
    images: of `IMAGES`.
    value: of energies and the measure `[taus]`, by ascending energy.

  Returns:
    task, seed, value; the mean over heads, of curves with three taus at least
    that reached the common loss.
  """
  lines = []
  for (task, _, seed), part in compared(rows).groupby(
    ['task', 'hidden', 'seed'], sort=False
  ):
    part = part.dropna(subset=[column(measure, images)])
    if len(part) > 2:
      part = part.sort_values('aie', kind='stable')
      values = part[column(measure, images)]
      lines.append((task, seed, value(part.aie.to_numpy(), values.to_numpy())))
  return _over_heads(lines)


def _over_heads(lines: list[tuple[str, int, float]]) -> pd.DataFrame:
  """Means of (task, seed, value) of each head."""
  found = pd.DataFrame(lines, columns=['task', 'seed', 'value'])
  return found.groupby(['task', 'seed'], sort=False).value.mean().reset_index()


def rises(energy: np.ndarray, values: np.ndarray) -> float:
  """Spearman's rank correlation; NaN where all values are alike."""
  return float(statistics.rank_correlation(energy, values))


def rises_then_falls(energy: np.ndarray, values: np.ndarray) -> float:
  """1 if a curve has its largest value inside, and rises to it and falls.

  So it is if the rank correlation with the energy is at least `STEEP` up to the
  largest value and at most minus that from it on.
  """
  peak = int(np.argmax(values))
  if not 0 < peak < len(values) - 1:
    return 0.0
  before = rises(energy[: peak + 1], values[: peak + 1])
  after = rises(energy[peak:], values[peak:])
  return float(before >= STEEP and after <= -STEEP)


def best_between(rows: companion_rows.Rows) -> pd.DataFrame:
  """What the best tau between gains over the better of the two extreme ones.

  Test accuracy is all that there is to choose by. So that a tau is not better
  only because it was chosen, both are chosen by the means over the other seeds
  and judged on one.

  Returns:
    task, seed, value in points; the mean over heads with two seeds and three
    taus at least, one of them 0.
  """
  lines = []
  for (task, _), part in tests(rows).groupby(['task', 'hidden'], sort=False):
    wide = part.pivot(index='seed', columns='tau', values='percent').dropna()
    if len(wide) < 2 or len(wide.columns) < 3 or 0 not in wide.columns:
      continue
    inner, outer = wide.columns[1:-1], wide.columns[[0, -1]]
    for seed in wide.index:
      others = wide.drop(index=seed).mean()
      own = wide.loc[seed]
      gain = own[others[inner].idxmax()] - own[others[outer].idxmax()]
      lines.append((task, seed, float(gain)))
  return _over_heads(lines)
