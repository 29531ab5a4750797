"""Claims of section 3.2 and Appendix G: what intermediate layers hold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vtab_h2t.report import bootstrap
from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.report import papers
from vtab_h2t.report import statistics
from vtab_h2t.studies import one_tap

Claim = claim.Claim
_TAP, _VALIDATED = 'tap ', 'validated '
_NONE = _TAP + one_tap.NO_TAP
_SOME = f'{_TAP}*'
_ONE_TAP = one_tap.OneTap.name


def _of_tap(row: claim.Row) -> str | None:
  """By tap; the embedding alone is `_NONE`."""
  return f'{_TAP}{row["tap"]}' if row['job'] == _ONE_TAP else None


def _taps(rows: Sequence[claim.Row]) -> claim.Found:
  """Accuracies by tap, in the order of the rows, which is by depth.

  A tap whose training failed on the first task keeps its place.
  """
  found = claim.by_row(_of_tap)(rows)
  order = dict.fromkeys(_of_tap(row) for row in rows)
  return {name: found[name] for name in order if name in found}


def _without_svhn(rows: Sequence[claim.Row]) -> claim.Found:
  """`_taps`, of the tasks that Appendix G speaks of."""
  return _taps([row for row in rows if row['task'] != 'svhn'])


def _validated(rows: Sequence[claim.Row]) -> claim.Found:
  """Accuracy of each tap on the validation parts of the training set."""
  found: claim.Found = {}
  for row in rows:
    if (
      row['split'] == 'val'
      and row['job'] == _ONE_TAP
      and row['correct'] is not None
      and row['tap'] != one_tap.NO_TAP
    ):
      by_task = found.setdefault(f'{_VALIDATED}{row["tap"]}', {})
      by_task.setdefault(row['task'], []).append(statistics.percent(row))
  return found


def _stack(a: claim.Accuracies, prefix: str) -> np.ndarray:
  """`[taps, ..., tasks]`, by depth, without the embedding alone."""
  return np.stack(
    [v for name, v in a.items() if name.startswith(prefix) and name != _NONE]
  )


def _oracle(a: claim.Accuracies) -> np.ndarray:
  """The best tap of each task, `[..., tasks]`."""
  return np.max(_stack(a, _TAP), axis=0)


def _oracle_gain(a: claim.Accuracies) -> np.ndarray:
  return _oracle(a) - a[_NONE]


def _own_tap(a: claim.Accuracies) -> np.ndarray:
  """Test accuracy of the tap that each task's validation chooses, less that of
  the tap with the best mean validation; mean over tasks.
  """
  names = [n.removeprefix(_VALIDATED) for n in a if n.startswith(_VALIDATED)]
  names = [name for name in names if _TAP + name in a]
  if not names:
    return claim.nothing(a)
  validated = np.stack([a[_VALIDATED + name] for name in names])
  tested = np.stack([a[_TAP + name] for name in names])
  own = np.take_along_axis(tested, validated.argmax(axis=0)[None], axis=0)[0]
  common = claim.mean(validated).argmax(axis=0)
  means = claim.mean(tested)
  return claim.mean(own) - np.take_along_axis(means, common[None], axis=0)[0]


def _by_tap(a: claim.Accuracies) -> np.ndarray:
  """Spearman of affinity and each tap's gain in percent, `[taps, ...]`."""
  alone = np.where(a[_NONE] > 0, a[_NONE], np.nan)
  gains = 100 * (_stack(a, _TAP) - alone) / alone
  return np.stack(
    [statistics.rank_correlation(claim.affinity(a), gain) for gain in gains]
  )


def _later_more(a: claim.Accuracies) -> np.ndarray:
  by_tap = np.moveaxis(_by_tap(a), 0, -1)
  return -statistics.rank_correlation(
    np.arange(by_tap.shape[-1], dtype=float), by_tap
  )


def _figure4(one: str, other: str, column: str = 'average') -> float:
  """One line of the table in Figure 4 less another."""
  return papers.mean_of(
    'figure4_averages_resnet50', one, column
  ) - papers.mean_of('figure4_averages_resnet50', other, column)


def _only_resnet(value: float) -> Callable[[str], float | None]:
  return lambda backbone: value if backbone == claim.RESNET50 else None


_taps_and_control = claim.together(
  _taps,
  claim.by_row(
    lambda row: (
      'control'
      if row['job'] == jobs.CONTROL and row['tap'] != one_tap.NO_TAP
      else None
    )
  ),
)
_RESNET: dict[str, Any] = {'of': (claim.RESNET50,)}
_IN_FIGURE4: dict[str, Any] = {
  'source': 'Figure 4',
  'digits': 2,
  **_RESNET,
}

ONE_LAYER: tuple[Claim, ...] = (
  Claim(
    id='oracle_above_linear',
    sentence='The best single additional layer, by test accuracy, improves on '
    'the embedding alone.',
    where='section 3.2, Figure 4',
    text='mean of the Oracle less the embedding alone, points',
    jobs=(_ONE_TAP,),
    gather=_taps,
    statistic=lambda a: claim.mean(_oracle_gain(a)),
    needs=(_NONE, _SOME),
    printed={claim.RESNET50: 3.5},
    averages=_only_resnet(_figure4('oracle', 'linear')),
    **_IN_FIGURE4,
  ),
  Claim(
    id='oracle_above_control',
    sentence="A second network's embedding, of about as many features, falls "
    'short of the Oracle.',
    where='section 3.2, Figure 4',
    text='mean of the Oracle less the Control, points',
    jobs=(_ONE_TAP, jobs.CONTROL),
    gather=_taps_and_control,
    statistic=lambda a: claim.mean(_oracle(a) - a['control']),
    needs=('control', _SOME),
    printed={claim.RESNET50: 1.0},
    averages=_only_resnet(_figure4('oracle', 'control')),
    **_IN_FIGURE4,
  ),
  Claim(
    id='control_above_linear',
    sentence='A second network beside the first, as in an ensemble, brings '
    'gains of its own.',
    where='section 3.2, Figure 4',
    text='mean of the Control less the embedding alone, points',
    jobs=(_ONE_TAP, jobs.CONTROL),
    gather=_taps_and_control,
    statistic=lambda a: claim.mean(a['control'] - a[_NONE]),
    needs=('control', _NONE),
    averages=_only_resnet(_figure4('control', 'linear')),
    **_IN_FIGURE4,
  ),
  Claim(
    id='oracle_gain_falls_with_affinity',
    sentence='The best single additional layer helps most far from the source.',
    where='section 3.2, Figure 4 left',
    text='minus Spearman of affinity and the gain of the Oracle over the '
    'embedding alone',
    jobs=(jobs.ACCURACY, _ONE_TAP),
    gather=claim.together(claim.methods('linear', 'scratch'), _taps),
    statistic=lambda a: (
      -statistics.rank_correlation(claim.affinity(a), _oracle_gain(a))
    ),
    needs=('linear', 'scratch', _NONE, _SOME),
    printed={claim.RESNET50: 0.745},
    printed_as='-0.745',
    **_RESNET,
    **claim.CORRELATION,
  ),
  Claim(
    id='near_oracle_no_gain',
    sentence='In distribution intermediate layers do not improve accuracy '
    '(within 1 point).',
    where='section 3.2',
    text='a margin of 1 point less the mean gain of the Oracle over the upper '
    'half of tasks by affinity',
    jobs=(_ONE_TAP,),
    gather=_taps,
    statistic=lambda a: claim.POINT - claim.mean(_oracle_gain(a)),
    needs=(_NONE, _SOME),
    half=claim.UPPER,
    **_RESNET,
  ),
  Claim(
    id='far_oracle_gain',
    sentence='Out of distribution intermediate layers improve accuracy '
    'significantly (by more than 1 point).',
    where='section 3.2; Appendix G',
    text='mean gain of the Oracle over the lower half of tasks by affinity, '
    'less a margin of 1 point',
    jobs=(_ONE_TAP,),
    gather=_taps,
    statistic=lambda a: claim.mean(_oracle_gain(a)) - claim.POINT,
    needs=(_NONE, _SOME),
    half=claim.LOWER,
    **_RESNET,
  ),
  Claim(
    id='best_layer_differs',
    sentence='Different tasks need different layers.',
    where='section 3.2, Figure 4',
    text='mean of the tap that the validation of each task chooses less the '
    'one tap whose mean validation is best, points',
    jobs=(_ONE_TAP,),
    gather=claim.together(_taps, _validated),
    statistic=_own_tap,
    needs=(_NONE, _SOME, f'{_VALIDATED}*'),
    **_RESNET,
  ),
  Claim(
    id='no_layer_gains_with_affinity',
    sentence='For each layer the correlation of affinity and the percentage '
    'improvement over Linear is near zero (within 0.2) or negative.',
    where='Appendix G, Figure 8 right',
    text='a margin of 0.2 less the largest Spearman, over taps, of affinity '
    "and the tap's gain over the embedding alone, in percent of the latter",
    jobs=(jobs.ACCURACY, _ONE_TAP),
    gather=claim.together(claim.methods('linear', 'scratch'), _taps),
    statistic=lambda a: claim.RANK - np.max(_by_tap(a), axis=0),
    needs=('linear', 'scratch', _NONE, _SOME),
    bounds=(claim.RANK - 1, claim.RANK + 1),
    least_error=lambda value, tasks: bootstrap.correlation_error(
      claim.RANK - value, tasks
    ),
    **_RESNET,
  ),
  Claim(
    id='most_layers_gain_less_with_affinity',
    sentence='For most intermediate layers affinity and the gain in accuracy '
    'are negatively correlated.',
    where='Appendix G',
    text='share of the taps with a negative Spearman of affinity and the gain '
    'over the embedding alone, in percent of the latter, less a half',
    jobs=(jobs.ACCURACY, _ONE_TAP),
    gather=claim.together(claim.methods('linear', 'scratch'), _taps),
    statistic=lambda a: np.mean(_by_tap(a) < 0, axis=0) - 0.5,
    needs=('linear', 'scratch', _NONE, _SOME),
    bounds=(-0.5, 0.5),
    digits=2,
    **_RESNET,
  ),
  Claim(
    id='later_layers_correlate_more',
    sentence='The negative correlation is stronger for later layers.',
    where='Appendix G, Figure 8 right',
    text='minus Spearman, over taps, of depth and the correlation of the gain '
    'in percent and affinity',
    jobs=(jobs.ACCURACY, _ONE_TAP),
    gather=claim.together(claim.methods('linear', 'scratch'), _taps),
    statistic=_later_more,
    needs=('linear', 'scratch', _NONE, _SOME),
    **_RESNET,
    **claim.RANKS,
  ),
  Claim(
    id='structured_gain_more_than_natural',
    sentence='An additional layer improves structured tasks more than natural '
    'ones, of which SVHN is left out.',
    where='Appendix G, Figure 9',
    text='mean gain of the Oracle over structured tasks less that over natural '
    'ones without SVHN, points',
    jobs=(_ONE_TAP,),
    gather=_without_svhn,
    statistic=lambda a: (
      claim.mean(claim.only(_oracle_gain(a), a, claim.STRUCTURED))
      - claim.mean(claim.only(_oracle_gain(a), a, claim.NATURAL))
    ),
    needs=(_NONE, _SOME),
    groups=(claim.STRUCTURED, claim.NATURAL),
    **_RESNET,
  ),
  Claim(
    id='natural_gain_little',
    sentence='An additional layer does not improve natural tasks much (at most '
    '1 point), of which SVHN is left out.',
    where='Appendix G, Figure 9',
    text='a margin of 1 point less the mean gain of the Oracle over natural '
    'tasks without SVHN',
    jobs=(_ONE_TAP,),
    gather=_without_svhn,
    statistic=lambda a: claim.POINT - claim.mean(_oracle_gain(a)),
    needs=(_NONE, _SOME),
    groups=(claim.NATURAL,),
    **_RESNET,
  ),
  Claim(
    id='layer_gain_tells_of_gain_over_finetune',
    sentence='Where an additional layer helps, Head2Toe is better than '
    'fine-tuning.',
    where='Appendix G, Figure 9',
    text='Spearman of the gain of the Oracle and the gain of Head2Toe over '
    'fine-tuning',
    jobs=(jobs.ACCURACY, _ONE_TAP),
    gather=claim.together(claim.methods('head2toe', 'finetune'), _taps),
    statistic=lambda a: statistics.rank_correlation(
      _oracle_gain(a), a['head2toe'] - a['finetune']
    ),
    needs=('head2toe', 'finetune', _NONE, _SOME),
    sides=('head2toe', 'finetune'),
    **_RESNET,
    **claim.CORRELATION,
  ),
)
