"""Claims of Appendices I and J: of which layers features are, how many two
selections have in common.
"""

from collections.abc import Callable, Sequence
import itertools
from typing import Any

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics
from vtab_h2t.studies import relevance

Claim = claim.Claim
_RESNET: dict[str, Any] = {'of': (claim.RESNET50,)}
_FEW = 0.2  # The paper's: "less than 20 % of the features".
_EARLY, _LATER = 'early', 'later'


def _share_of_half(row: claim.Row, later: bool) -> float:
  """Of the selected features, in the first or last half of the units, 0 to 1.

  With an odd number of units the middle one is in neither.
  """
  kept: dict[str, int] = {}
  for tap, (count, _) in row['selected_by_tap'].items():
    unit = backbone_lib.unit_of(tap)
    kept[unit] = kept.get(unit, 0) + count
  counts = list(kept.values())
  half = len(counts) // 2
  return sum(counts[-half:] if later else counts[:half]) / sum(counts)


def _by_depth(name: str) -> claim.Gather:
  """Shares of what Head2Toe selects in the run itself."""
  return claim.by_row(
    lambda row: (
      name
      if row['job'] == jobs.ACCURACY
      and row['method'] == 'head2toe'
      and len({*map(backbone_lib.unit_of, row.get('selected_by_tap', ()))}) > 1
      and any(kept for kept, _ in row['selected_by_tap'].values())
      else None
    ),
    lambda row: _share_of_half(row, name == _LATER),
  )


def _natural_less_others(a: claim.Accuracies) -> np.ndarray:
  natural = claim.only(a[_LATER], a, claim.NATURAL)
  others = np.where(np.isnan(natural), a[_LATER], np.nan)
  return claim.mean(natural) - claim.mean(others)


DEPTH: tuple[Claim, ...] = (
  Claim(
    id='later_layers_selected_more',
    sentence='Features of later layers are selected more often.',
    where='Appendix I, Figure 12',
    text='mean share of the selected features in the later half of the blocks '
    'less that in the early half',
    gather=claim.together(_by_depth(_EARLY), _by_depth(_LATER)),
    statistic=claim.above(_LATER, _EARLY),
    needs=(_EARLY, _LATER),
    **_RESNET,
  ),
  Claim(
    id='early_layers_for_far_tasks',
    sentence='Early layers are preferred for out-of-distribution tasks.',
    where='Appendices I and J, Figures 12 and 15',
    text='minus Spearman of affinity and the share of the selected features in '
    'the early half of the blocks',
    gather=claim.together(
      claim.methods('linear', 'scratch'), _by_depth(_EARLY)
    ),
    statistic=lambda a: (
      -statistics.rank_correlation(claim.affinity(a), a[_EARLY])
    ),
    needs=('linear', 'scratch', _EARLY),
    **claim.CORRELATION,
  ),
  Claim(
    id='later_layers_for_natural_tasks',
    sentence='Later layers are selected more often for natural tasks.',
    where='Appendix J, Figure 15',
    text='mean share of the selected features in the later half of the blocks, '
    'over natural tasks less over all others',
    gather=_by_depth(_LATER),
    statistic=_natural_less_others,
    needs=(_LATER,),
    groups=(claim.NATURAL, claim.SPECIALIZED, claim.STRUCTURED),
  ),
  Claim(
    id='few_thousand_kept',
    sentence='Head2Toe often selects a few thousand features.',
    where='section 4.3',
    text='share of the tasks where 1000 to 9999 features are selected, less a '
    'half',
    gather=claim.by_row(
      lambda row: (
        'kept'
        if row['job'] == jobs.ACCURACY
        and row['method'] == 'head2toe'
        and 'num_features' in row
        else None
      ),
      lambda row: float(row['num_features']),
    ),
    statistic=lambda a: (
      claim.share((a['kept'] >= 1000) & (a['kept'] < 10000)) - 0.5
    ),
    needs=('kept',),
    source='Table 3',
    **claim.SHARE,
    **_RESNET,
  ),
  claim.untestable(
    'fraction_depends_on_the_task',
    'The best fraction of features depends on the task.',
    'section 3.3',
    'the paper names no threshold; Table 2 measured has the fractions',
  ),
  claim.untestable(
    'depths_are_diverse',
    'The selected features have diverse distributions over layers.',
    'Appendix I, Figure 12',
    'the paper names no threshold; Figure 12 shows them',
    of=(claim.RESNET50,),
  ),
  claim.untestable(
    'vit_selects_more_evenly',
    'The distributions of the ViT-B/16 are more balanced than those of the '
    'ResNet-50.',
    'Appendix J, Figure 15',
    'it compares two runs, one of each network',
    of=(claim.VIT_B16,),
  ),
)


def _shared(
  rows: Sequence[claim.Row],
) -> dict[tuple[str, str], list[float]]:
  """Shares of the selected features that pairs of selections have in common.

  Returns:
    By pair of tasks, for each pair of their seeds, 0 to 1; of a task and itself
    only of different seeds. Tasks whose candidates are others are left out.
  """
  chosen = [
    r for r in rows if r['job'] == jobs.RELEVANCE and r['split'] == 'selection'
  ]
  chosen = [r for r in chosen if r['num_features'] == chosen[0]['num_features']]
  if not chosen:
    return {}
  selected: np.ndarray = np.zeros(
    (len(chosen), chosen[0]['num_features']), np.float32
  )
  for line, row in zip(selected, chosen, strict=True):
    line[relevance.unpack(row['selected'])] = 1
  shares = selected @ selected.T / selected.sum(axis=1)
  found: dict[tuple[str, str], list[float]] = {}
  for i, j in itertools.permutations(range(len(chosen)), 2):
    pair = chosen[i]['task'], chosen[j]['task']
    found.setdefault(pair, []).append(float(shares[i, j]))
  return found


def stem(task: str) -> str:
  """Which images tasks with two labels have: 'dsprites' of 'dsprites_loc'."""
  name, _, label = task.rpartition('_')
  return name if label in _LABELS else task


_LABELS = 'loc', 'ori', 'azim', 'elev', 'count', 'dist'


def _overlaps(rows: Sequence[claim.Row]) -> claim.Found:
  """Of each task with itself ('within') and with others ('between').

  'few' is the share of the other tasks with which it shares less than `_FEW`.
  """
  shared = _shared(rows)
  found: claim.Found = {'within': {}, 'between': {}, 'few': {}}
  for task in dict.fromkeys(one for one, _ in shared):
    others = [
      float(np.mean(v))
      for (one, other), v in shared.items()
      if one == task and other != task
    ]
    if (task, task) in shared:
      found['within'][task] = shared[task, task]
    if others:
      found['between'][task] = [float(np.mean(others))]
      found['few'][task] = [float(np.mean(np.array(others) < _FEW))]
  return {name: by_task for name, by_task in found.items() if by_task}


def _twins(rows: Sequence[claim.Row]) -> claim.Found:
  """Of tasks with a twin that labels the same images: with it, and at most with
  another.
  """
  shared = {pair: float(np.mean(v)) for pair, v in _shared(rows).items()}
  found: claim.Found = {}
  for task in dict.fromkeys(one for one, _ in shared):
    twin, others = (
      [
        value
        for (one, other), value in shared.items()
        if one == task and other != task and (stem(other) == stem(task)) == same
      ]
      for same in (True, False)
    )
    if twin and others:
      found.setdefault('twin', {})[task] = [max(twin)]
      found.setdefault('others', {})[task] = [max(others)]
  return found


def _overlap(
  name: str,
  sentence: str,
  text: str,
  gather: Callable[[Sequence[claim.Row]], claim.Found],
  statistic: claim.Statistic,
  *needs: str,
  **fields: Any,
) -> Claim:
  return Claim(
    id=name,
    sentence=sentence,
    where='section 4.1; Appendix I, Figure 11 centre',
    text=text,
    jobs=(jobs.RELEVANCE,),
    gather=gather,
    statistic=statistic,
    needs=needs,
    **_RESNET,
    **{'digits': 2} | fields,
  )


OVERLAP: tuple[Claim, ...] = (
  _overlap(
    'tasks_share_few_features',
    'Most tasks share less than 20 % of their features.',
    'mean over tasks of the share of the other tasks with which less than 20 % '
    'is shared, less a half',
    lambda rows: {k: v for k, v in _overlaps(rows).items() if k == 'few'},
    lambda a: claim.mean(a['few']) - 0.5,
    'few',
    **claim.SHARE,
  ),
  _overlap(
    'seeds_share_more_than_tasks',
    'Each task selects other features (read as: two seeds of a task share more '
    'of them than two tasks).',
    'mean of the share between seeds of a task less that between tasks',
    lambda rows: {k: v for k, v in _overlaps(rows).items() if k != 'few'},
    claim.above('within', 'between'),
    'within',
    'between',
  ),
  _overlap(
    'same_images_share_most',
    'Complementary tasks, like those on dSprites and those on sNORB, share '
    'most (read as: two tasks on the same images share more than others).',
    'mean, over tasks with a twin on the same images, of the share with the '
    'twin less the largest share with another task',
    _twins,
    claim.above('twin', 'others'),
    'twin',
    'others',
  ),
)
