"""The paper's checkable statements.

A claim has a statistic that it says is above 0, from accuracies by task (in
percent, medians over seeds) under some conditions. `judging` says whether it
holds.
"""

from collections.abc import Callable, Mapping
import dataclasses
import math
from typing import Any

import numpy as np

from vtab_h2t.backbones import retapping
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics

Accuracies = Mapping[str, np.ndarray]  # Condition to accuracies by task.
Row = Mapping[str, Any]

_ACCURACY = jobs.ACCURACY


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement.

  Attributes:
    id: short name.
    sentence: what the paper says.
    where: in the paper.
    statistic_text: what is computed; the claim is that it is above 0.
    job: whose rows it is tested on.
    condition: the condition that a row belongs to, or None.
    statistic: of the accuracies under the conditions.
    published: the paper's value, where it prints enough.
    needs: conditions that must be there.
  """

  id: str
  sentence: str
  where: str
  statistic_text: str
  job: str
  condition: Callable[[Row], str | None]
  statistic: Callable[[Accuracies], float]
  published: float | None = None
  needs: tuple[str, ...] = ()


_Statistic = Callable[[Accuracies], float]
_Condition = Callable[[Row], str | None]


def _mean_difference(one: str, other: str) -> _Statistic:
  return lambda a: float(np.mean(a[one] - a[other]))


def _correlation(gaining: str) -> _Statistic:
  """Minus Spearman's rho of affinity and a condition's gain over Linear."""

  def statistic(a: Accuracies) -> float:
    return -statistics.rank_correlation(
      a['linear'] - a['scratch'], a[gaining] - a['linear']
    )

  return statistic


def _method(*names: str) -> _Condition:
  """Rows of Table 1's methods, of the run itself."""
  return lambda row: (
    row['method']
    if (row['method'] in names and row['job'] == _ACCURACY)
    else None
  )


def _above(
  method: str, label: str, published_value: float | None, where: str = 'Table 1'
) -> Claim:
  return Claim(
    f'head2toe_above_{method}',
    f'Head2Toe is better than {label} on average.',
    where,
    f'mean of Head2Toe less {label}, points',
    _ACCURACY,
    _method('head2toe', method),
    _mean_difference('head2toe', method),
    published_value,
    ('head2toe', method),
  )


def _best_of_all(a: Accuracies) -> float:
  means = {m: v.mean() for m, v in a.items()}
  ours = means.pop('head2toe_ft_plus')
  return float(ours - max(means.values()))


def _granularity(row: Row) -> str | None:
  if row['method'] != 'granularity':
    return None
  return f'{row["kind"]} {row.get("fraction") or row.get("num_taps")}'


def _features_above_taps(a: Accuracies) -> float:
  """Best of each kind's curve that keeps less than everything."""

  def best(kind: str) -> np.ndarray:
    steps = [c for c in a if c.startswith(f'{kind} ')]
    largest = max(steps, key=lambda c: float(c.split()[1]))
    return np.max([a[c] for c in steps if c != largest], axis=0)

  return float(
    np.mean(
      best('features') - np.maximum(best('taps_mean'), best('taps_group'))
    )
  )


def _ordered(prefix: str) -> _Statistic:
  """Minus the mean over tasks of Spearman's rho with the condition's number."""

  def statistic(a: Accuracies) -> float:
    steps = sorted(
      (c for c in a if c.startswith(prefix)),
      key=lambda c: float(c.removeprefix(prefix)),
    )
    rho = statistics.rank_correlations(
      np.arange(len(steps), dtype=float),
      np.stack([a[c] for c in steps], axis=1),
    )
    known = [r for r in rho if not math.isnan(r)]
    return -float(np.mean(known)) if known else math.nan

  return statistic


def _own_and_others(row: Row) -> str | None:
  if row['method'] != jobs.TRANSFER:
    return None
  return 'own' if row['source'] == row['task'] else f'other {row["source"]}'


def _own_above_others(a: Accuracies) -> float:
  """Over tasks that have other tasks' features too."""
  others = [v for c, v in a.items() if c != 'own']
  if not others:
    return math.nan
  known = ~np.isnan(others).all(axis=0)
  return (
    float(
      np.mean(a['own'][known] - np.nanmean(np.array(others)[:, known], axis=0))
    )
    if known.any()
    else math.nan
  )


def _candidates(row: Row) -> str | None:
  if row['method'] != 'scaling':
    return None
  return f'{row["target_size"]} {row["tap_stride"]}'


def _more_candidates(a: Accuracies) -> float:
  """All taps at the largest target size less a sixteenth at the smallest."""
  sizes = sorted({int(c.split()[0]) for c in a})
  return float(np.mean(a[f'{sizes[-1]} 1'] - a[f'{sizes[0]} 16']))


def _fraction(row: Row) -> str | None:
  if row['method'] != 'head2toe':
    return None
  return f'of {row.get("train_fraction", 1.0)}'


def _variant(job: str) -> _Condition:
  """Head2Toe's rows of a run that is derived, and of the run itself."""
  return lambda row: (
    {job: 'variant', _ACCURACY: 'original'}.get(row['job'])
    if row['method'] == 'head2toe'
    else None
  )


def _ablation(kind: str, label: str, value: float) -> Claim:
  condition = _variant(kind)
  return Claim(
    f'taps_above_{kind}',
    f'Tapping after norm and activation is better than {label}.',
    'Table 6',
    f'mean of Head2Toe less that {label}, points',
    kind,
    condition,
    _mean_difference('original', 'variant'),
    value,
    ('original', 'variant'),
  )


def _cls(kind: str, sentence: str, value: float, sign: int = 1) -> Claim:
  condition = _variant(f'cls_{kind}')
  return Claim(
    f'class_token_{kind}',
    sentence,
    'Table 7',
    'mean of pooled tokens less the variant, points'
    if sign > 0
    else 'mean of the variant less pooled tokens, points',
    f'cls_{kind}',
    condition,
    lambda a: sign * float(np.mean(a['original'] - a['variant'])),
    value,
    ('original', 'variant'),
  )


CLAIMS: tuple[Claim, ...] = (
  _above('linear', 'Linear', 8.8),
  _above('all_l2', '+All-l2', 2.5),
  _above('all_l1', '+All-l1', 1.2),
  _above('all_l21', '+All-l2,1', 1.5),
  _above('finetune', 'fine-tuning', 2.2),
  Claim(
    'gain_falls_with_affinity',
    'Head2Toe gains most where the task is far from the source.',
    'section 4.1',
    'minus Spearman of affinity and the gain over Linear',
    _ACCURACY,
    _method('head2toe', 'linear', 'scratch'),
    _correlation('head2toe'),
    0.789,
    ('head2toe', 'linear', 'scratch'),
  ),
  Claim(
    'oracle_gain_falls_with_affinity',
    'The best single additional layer helps most far from the source.',
    'Figure 4',
    "minus Spearman of affinity and the oracle's gain over Linear",
    'one_tap',
    lambda row: (
      _method('linear', 'scratch')(row)
      or (f'tap {row["tap"]}' if row['method'] == 'one_tap' else None)
    ),
    lambda a: _correlation('oracle')(
      dict(a)
      | {
        'oracle': np.max(
          [v for c, v in a.items() if c.startswith('tap ')], axis=0
        )
      }
    ),
    0.745,
    ('linear', 'scratch'),
  ),
  Claim(
    'features_above_taps',
    'Selecting single features is better than selecting whole layers.',
    'Figure 6',
    'mean over tasks of the best '
    'of features less the best of whole taps, points',
    'granularity',
    _granularity,
    _features_above_taps,
  ),
  Claim(
    'own_features_best',
    "A task's own features serve it best.",
    'Figure 7',
    "mean of own less the mean of other tasks', points",
    jobs.TRANSFER,
    _own_and_others,
    _own_above_others,
    None,
    ('own',),
  ),
  Claim(
    'ranking_matters',
    'Accuracy falls with the place in the ranking.',
    'Figure 11',
    'minus the mean over tasks of Spearman of place and accuracy',
    'offset',
    lambda row: (
      f'offset {row["offset"]}' if row['method'] == 'offset' else None
    ),
    _ordered('offset '),
  ),
  Claim(
    'more_candidates_help',
    'More candidate features help.',
    'Figure 7',
    'mean of all taps at the largest target size less a sixteenth of '
    'them at the smallest, points',
    'scaling',
    _candidates,
    _more_candidates,
  ),
  Claim(
    'more_data_help',
    'Head2Toe gets better with more training images.',
    'Figure 13',
    'mean of all images less a tenth, points',
    jobs.REDUCED,
    _fraction,
    _mean_difference('of 1.0', 'of 0.1'),
    None,
    ('of 1.0', 'of 0.1'),
  ),
  Claim(
    'ft_plus_best',
    'Head2Toe-FT+ is the best on average.',
    'Table 1',
    "mean of Head2Toe-FT+ less the best other mean of the paper's "
    'methods, points',
    _ACCURACY,
    _method(
      'linear',
      'all_l2',
      'all_l1',
      'all_l21',
      'head2toe',
      'scratch',
      'finetune',
      'head2toe_ft',
      'head2toe_ft_plus',
    ),
    _best_of_all,
    2.2,
    ('head2toe_ft_plus', 'finetune', 'head2toe'),
  ),
  _ablation(retapping.PRE_NORMALIZATION, 'before the batch norm', 2.3),
  _ablation(retapping.PRE_ACTIVATION, 'before the activation', 2.3),
  _ablation(retapping.WITH_INPUT, 'adding the input image', 0.8),
  _cls('only', "A ViT's class token alone is worse than pooled tokens.", 6.0),
  _cls('both', 'The class token beside pooled tokens adds a little.', 0.1, -1),
)
