"""Claims of sections 4.1 and 4.2 and Appendix D: Table 1 and its deviations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics

Claim = claim.Claim
_BASELINES = (*claim.FROZEN, 'finetune', 'scratch')
_PAPERS = (*_BASELINES, 'head2toe_ft', 'head2toe_ft_plus')
_VIT: dict[str, Any] = {'of': (claim.VIT_B16,)}
_RESNET: dict[str, Any] = {'of': (claim.RESNET50,)}
_SIDES = 'head2toe', 'finetune'
_DEVIATION = 'deviation of '


def _above(
  method: str,
  label: str,
  where: str,
  printed: Mapping[str, float] | None = None,
  of: tuple[str, ...] = claim.BOTH,
) -> Claim:
  return Claim(
    id=f'head2toe_above_{method}',
    sentence=f'Head2Toe is better than {label} on average.',
    where=where,
    of=of,
    text=f'mean of Head2Toe less {label}, points',
    gather=claim.methods('head2toe', method),
    statistic=claim.above('head2toe', method),
    needs=('head2toe', method),
    sides=('head2toe', method),
    printed=printed or {},
  )


def _not_above_finetune(group: str) -> Claim:
  return Claim(
    id=f'{group}_head2toe_not_above_finetune',
    sentence=f'Head2Toe does not outperform fine-tuning on {group} tasks.',
    where='section 4.1',
    text=f'mean of fine-tuning less Head2Toe over {group} tasks, points',
    gather=claim.methods('head2toe', 'finetune'),
    statistic=claim.above('finetune', 'head2toe'),
    needs=('head2toe', 'finetune'),
    groups=(group,),
    sides=_SIDES,
    **_RESNET,
  )


def _all_features(a: claim.Accuracies) -> np.ndarray:
  """The lowest mean of the baselines on all features, less Linear's."""
  return np.min(
    [claim.mean(a[name] - a['linear']) for name in claim.ALL_FEATURES], axis=0
  )


BETTER: tuple[Claim, ...] = (
  _above('linear', 'Linear', 'sections 1, 4.1, 4.2', {claim.VIT_B16: 10.0}),
  _above('all_l2', '+All-l2', 'sections 4.1, 4.2'),
  _above('all_l1', '+All-l1', 'sections 4.1, 4.2'),
  _above('all_l21', '+All-l2,1', 'sections 4.1, 4.2'),
  _above(
    'finetune', 'fine-tuning', 'section 4.1; Appendix B', of=(claim.RESNET50,)
  ),
  Claim(
    id='head2toe_best_on_average',
    sentence='On average Head2Toe is slightly better than every other method '
    'of section 4.1.',
    where='section 4.1',
    text='mean of Head2Toe less the best mean of Linear, the baselines on all '
    'features, fine-tuning and Scratch, points',
    gather=claim.methods(*_BASELINES),
    statistic=claim.best_of('head2toe'),
    needs=(*claim.FROZEN, 'finetune'),
    sides=(*claim.FROZEN, 'finetune'),
    **_RESNET,
  ),
  Claim(
    id='all_features_above_linear',
    sentence='The baselines on all features are far better than Linear.',
    where='section 4.1',
    text='lowest mean gain over Linear of the three baselines on all features, '
    'points',
    gather=claim.methods('linear', *claim.ALL_FEATURES),
    statistic=_all_features,
    needs=('linear', *claim.ALL_FEATURES),
    sides=('linear', *claim.ALL_FEATURES),
    **_RESNET,
  ),
  Claim(
    id='specialized_head2toe_best',
    sentence='On specialized tasks Head2Toe is the best method.',
    where='section 4.1',
    text='mean of Head2Toe over specialized tasks less the best mean of the '
    'other methods, points',
    gather=claim.methods(*_BASELINES),
    statistic=claim.best_of('head2toe'),
    needs=(*claim.FROZEN, 'finetune'),
    groups=(claim.SPECIALIZED,),
    sides=(*claim.FROZEN, 'finetune'),
    **_RESNET,
  ),
  _not_above_finetune(claim.NATURAL),
  _not_above_finetune(claim.STRUCTURED),
  Claim(
    id='head2toe_best_of_frozen',
    sentence="Head2Toe is the best of the paper's methods that keep the "
    'backbone as it is.',
    where='section 4.2',
    text='mean of Head2Toe less the best mean of Linear and the baselines on '
    'all features, points',
    gather=claim.methods(*claim.FROZEN),
    statistic=claim.best_of('head2toe'),
    needs=claim.FROZEN,
    sides=claim.FROZEN,
  ),
)

TUNED: tuple[Claim, ...] = (
  Claim(
    id='head2toe_ft_above_head2toe',
    sentence='Fine-tuning after the selection (Head2Toe-FT) adds about 2 '
    'points.',
    where='section 4.2',
    text='mean of Head2Toe-FT less Head2Toe, points',
    gather=claim.methods('head2toe', 'head2toe_ft'),
    statistic=claim.above('head2toe_ft', 'head2toe'),
    needs=('head2toe', 'head2toe_ft'),
    sides=('head2toe', 'head2toe_ft'),
    printed={claim.VIT_B16: 2.0},
    **_VIT,
  ),
  Claim(
    id='structured_head2toe_ft_above_head2toe',
    sentence='Head2Toe-FT gains significantly on structured tasks.',
    where='section 4.2',
    text='mean of Head2Toe-FT less Head2Toe over structured tasks, points',
    gather=claim.methods('head2toe', 'head2toe_ft'),
    statistic=claim.above('head2toe_ft', 'head2toe'),
    needs=('head2toe', 'head2toe_ft'),
    groups=(claim.STRUCTURED,),
    sides=('head2toe', 'head2toe_ft'),
    **_VIT,
  ),
  Claim(
    id='natural_head2toe_ft_poor_on_some',
    sentence='Head2Toe-FT does poorly on some natural tasks (by more than 1 '
    'point).',
    where='section 4.2',
    text='largest loss of Head2Toe-FT against Head2Toe on a natural task, less '
    'a margin of 1 point',
    gather=claim.methods('head2toe', 'head2toe_ft'),
    statistic=lambda a: (
      np.max(a['head2toe'] - a['head2toe_ft'], axis=-1) - claim.POINT
    ),
    needs=('head2toe', 'head2toe_ft'),
    groups=(claim.NATURAL,),
    sides=('head2toe', 'head2toe_ft'),
    **_VIT,
  ),
  Claim(
    id='ft_plus_above_head2toe_ft',
    sentence='Choosing by validation whether to fine-tune (Head2Toe-FT+) adds '
    'another 3 points.',
    where='section 4.2',
    text='mean of Head2Toe-FT+ less Head2Toe-FT, points',
    gather=claim.methods('head2toe_ft', 'head2toe_ft_plus'),
    statistic=claim.above('head2toe_ft_plus', 'head2toe_ft'),
    needs=('head2toe_ft', 'head2toe_ft_plus'),
    sides=('head2toe_ft', 'head2toe_ft_plus'),
    printed={claim.VIT_B16: 3.0},
    **_VIT,
  ),
  Claim(
    id='ft_plus_best',
    sentence="Head2Toe-FT+ is the best of the paper's methods on average.",
    where='section 4.2, Table 1',
    text="mean of Head2Toe-FT+ less the best other mean of the paper's "
    'methods, points',
    gather=claim.methods(*_PAPERS),
    statistic=claim.best_of('head2toe_ft_plus'),
    needs=_PAPERS,
    sides=('head2toe_ft_plus', 'finetune', 'scratch', *claim.FROZEN),
    **_VIT,
  ),
  Claim(
    id='ft_plus_not_the_better',
    sentence='Head2Toe-FT+ is not simply the better of Head2Toe and '
    'Head2Toe-FT.',
    where='footnote 4',
    text='mean difference, above or below, of Head2Toe-FT+ from the better of '
    'the two on each task, by test accuracy, points',
    gather=claim.methods('head2toe', 'head2toe_ft', 'head2toe_ft_plus'),
    statistic=lambda a: claim.mean(
      np.abs(
        np.maximum(a['head2toe'], a['head2toe_ft']) - a['head2toe_ft_plus']
      )
    ),
    needs=('head2toe', 'head2toe_ft', 'head2toe_ft_plus'),
    digits=2,
    untested='any difference would do; the paper names no size',
    **_VIT,
  ),
  claim.untestable(
    'ft_plus_costs_no_more',
    'Head2Toe-FT+ needs no more training or storage than fine-tuning.',
    'section 4.2',
    'the cost of Head2Toe-FT+ is not modelled',
    of=(claim.VIT_B16,),
  ),
)


def _deviations(rows: Sequence[claim.Row]) -> claim.Found:
  """Standard deviations over seeds, from rows, or as a row tells them."""
  seeds: dict[tuple[str, str], list[float]] = {}
  found: claim.Found = {}
  for row in rows:
    method, task = row['method'], row['task']
    if claim.is_test(row) and row['job'] == jobs.ACCURACY and method in _PAPERS:
      if 'deviation' in row:
        by_task = found.setdefault(_DEVIATION + method, {})
        by_task[task] = [float(row['deviation'])]
      else:
        seeds.setdefault((method, task), []).append(statistics.percent(row))
  for (method, task), values in seeds.items():
    if len(values) > 1:
      by_task = found.setdefault(_DEVIATION + method, {})
      by_task[task] = [float(np.std(values, ddof=1))]
  return found


def _baselines_less_ours(a: claim.Accuracies) -> np.ndarray:
  ours = claim.mean(a[f'{_DEVIATION}head2toe'])
  others = [claim.mean(a[_DEVIATION + m]) for m in claim.ALL_FEATURES]
  return np.mean(others, axis=0) - ours


DEVIATIONS: tuple[Claim, ...] = (
  Claim(
    id='linear_deviates_least',
    sentence="Of the paper's methods Linear varies least between seeds.",
    where='Appendix D, Table 4',
    text='lowest mean standard deviation of the other methods less that of '
    'Linear, points',
    gather=_deviations,
    statistic=lambda a: claim.best_of(f'{_DEVIATION}linear')(
      {name: -values for name, values in a.items()}
    ),
    needs=tuple(_DEVIATION + m for m in (*claim.FROZEN, 'finetune')),
    source='Table 4',
    digits=2,
  ),
  Claim(
    id='head2toe_deviates_like_baselines',
    sentence='Head2Toe varies as little between seeds as the baselines on all '
    'features, or less (read as: not more than their mean).',
    where='Appendix D, Table 4',
    text='mean standard deviation of the three baselines on all features less '
    "Head2Toe's, points",
    gather=_deviations,
    statistic=_baselines_less_ours,
    needs=(
      f'{_DEVIATION}head2toe',
      *(_DEVIATION + m for m in claim.ALL_FEATURES),
    ),
    source='Table 4',
    digits=2,
  ),
)
