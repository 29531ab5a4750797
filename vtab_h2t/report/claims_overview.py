"""Claims of the abstract, the introduction and section 2; those on cost."""

from typing import Any

import numpy as np

from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.report import statistics

Claim = claim.Claim
_FAR: dict[str, Any] = {'half': claim.LOWER}
_NEAR: dict[str, Any] = {'half': claim.UPPER}


def _better_of_two(a: claim.Accuracies) -> np.ndarray:
  return np.maximum(a['linear'], a['scratch'])


def _cost(field: str) -> claim.Gather:
  """A share or a sum of the cost rows, times 100."""
  return claim.by_row(
    lambda row: field if field in row else None,
    lambda row: 100 * float(row[field]),
  )


AVERAGE: tuple[Claim, ...] = (
  Claim(
    id='head2toe_matches_finetune',
    sentence='Head2Toe matches fine-tuning on average (at most 1 point below).',
    where='abstract; sections 1, 4.2',
    text='mean of Head2Toe less fine-tuning, plus a margin of 1 point',
    gather=claim.methods('head2toe', 'finetune'),
    statistic=claim.above('head2toe', 'finetune', claim.POINT),
    needs=('head2toe', 'finetune'),
    sides=('head2toe', 'finetune'),
  ),
  Claim(
    id='linear_above_scratch',
    sentence='Linear is often much better than training from scratch (read as: '
    'better on most tasks).',
    where='section 1',
    text='share of the tasks where Linear is above Scratch, less a half',
    gather=claim.methods('linear', 'scratch'),
    statistic=claim.mostly('linear', 'scratch'),
    needs=('linear', 'scratch'),
    sides=('linear', 'scratch'),
    **claim.SHARE,
  ),
  Claim(
    id='finetune_above_linear',
    sentence='Fine-tuning is better than Linear.',
    where='abstract; section 1',
    text='mean of fine-tuning less Linear, points',
    gather=claim.methods('linear', 'finetune'),
    statistic=claim.above('finetune', 'linear'),
    needs=('linear', 'finetune'),
    sides=('finetune', 'linear'),
  ),
  Claim(
    id='finetune_above_linear_mostly',
    sentence='Fine-tuning is consistently better than Linear, on a variety of '
    'tasks.',
    where='section 1',
    text='share of the tasks where fine-tuning is above Linear, less a half',
    gather=claim.methods('linear', 'finetune'),
    statistic=claim.mostly('finetune', 'linear'),
    needs=('linear', 'finetune'),
    sides=('finetune', 'linear'),
    **claim.SHARE,
  ),
  Claim(
    id='finetune_as_good_as_both',
    sentence='Fine-tuning performs as well as the other two baselines, or '
    'better (within 1 point).',
    where='section 2, Figure 3',
    of=(claim.RESNET50,),
    text='mean of fine-tuning less the better of Linear and Scratch on each '
    'task, plus a margin of 1 point',
    gather=claim.methods('linear', 'scratch', 'finetune'),
    statistic=lambda a: (
      claim.mean(a['finetune'] - _better_of_two(a)) + claim.POINT
    ),
    needs=('linear', 'scratch', 'finetune'),
    sides=('finetune', 'linear', 'scratch'),
  ),
)

AFFINITY: tuple[Claim, ...] = (
  Claim(
    id='gain_falls_with_affinity',
    sentence='The further a task is from the source, the more intermediate '
    'features add to Linear.',
    where='section 1, Figure 2',
    of=(claim.RESNET50,),
    text='minus Spearman of affinity and the gain of Head2Toe over Linear',
    gather=claim.methods('head2toe', 'linear', 'scratch'),
    statistic=lambda a: (
      -statistics.rank_correlation(
        claim.affinity(a), a['head2toe'] - a['linear']
      )
    ),
    needs=('head2toe', 'linear', 'scratch'),
    sides=('head2toe', 'linear'),
    **claim.CORRELATION,
  ),
  Claim(
    id='far_head2toe_above_finetune',
    sentence='Out of distribution Head2Toe outperforms fine-tuning.',
    where='abstract; section 1',
    text='mean of Head2Toe less fine-tuning over the lower half of tasks by '
    'affinity, points',
    gather=claim.methods('head2toe', 'finetune'),
    statistic=claim.above('head2toe', 'finetune'),
    needs=('head2toe', 'finetune'),
    sides=('head2toe', 'finetune'),
    **_FAR,
  ),
  Claim(
    id='far_head2toe_above_finetune_mostly',
    sentence='Head2Toe is better than fine-tuning on most out-of-distribution '
    'tasks.',
    where='Appendix I',
    of=(claim.RESNET50,),
    text='share of the lower half of tasks by affinity where Head2Toe is above '
    'fine-tuning, less a half',
    gather=claim.methods('head2toe', 'finetune'),
    statistic=claim.mostly('head2toe', 'finetune'),
    needs=('head2toe', 'finetune'),
    sides=('head2toe', 'finetune'),
    **claim.SHARE,
    **_FAR,
  ),
  Claim(
    id='gain_over_finetune_falls_with_affinity',
    sentence='The gain over fine-tuning has a clear trend: larger where tasks '
    'are further out of distribution.',
    where='Appendix I, Figure 11 left',
    of=(claim.RESNET50,),
    text='minus Spearman of affinity and the gain of Head2Toe over fine-tuning',
    gather=claim.methods('head2toe', 'finetune', 'linear', 'scratch'),
    statistic=lambda a: (
      -statistics.rank_correlation(
        claim.affinity(a), a['head2toe'] - a['finetune']
      )
    ),
    needs=('head2toe', 'finetune', 'linear', 'scratch'),
    sides=('head2toe', 'finetune'),
    **claim.CORRELATION,
  ),
  Claim(
    id='near_linear_matches_finetune',
    sentence='In distribution Linear matches fine-tuning (at most 1 point '
    'below).',
    where='section 2, Figure 3',
    of=(claim.RESNET50,),
    text='mean of Linear less fine-tuning over the upper half of tasks by '
    'affinity, plus a margin of 1 point',
    gather=claim.methods('linear', 'finetune'),
    statistic=claim.above('linear', 'finetune', claim.POINT),
    needs=('linear', 'finetune'),
    sides=('linear', 'finetune'),
    **_NEAR,
  ),
  Claim(
    id='far_linear_below_finetune',
    sentence='Out of distribution Linear is worse than fine-tuning.',
    where='section 2, Figure 3',
    of=(claim.RESNET50,),
    text='mean of fine-tuning less Linear over the lower half of tasks by '
    'affinity, points',
    gather=claim.methods('linear', 'finetune'),
    statistic=claim.above('finetune', 'linear'),
    needs=('linear', 'finetune'),
    sides=('finetune', 'linear'),
    **_FAR,
  ),
  Claim(
    id='far_finetune_above_scratch',
    sentence='Fine-tuning is better than training from scratch even out of '
    'distribution.',
    where='section 2, Figure 3',
    of=(claim.RESNET50,),
    text='mean of fine-tuning less Scratch over the lower half of tasks by '
    'affinity, points',
    gather=claim.methods('scratch', 'finetune'),
    statistic=claim.above('finetune', 'scratch'),
    needs=('scratch', 'finetune'),
    sides=('finetune', 'scratch'),
    **_FAR,
  ),
  Claim(
    id='affinity_alike',
    sentence='Another backbone orders tasks by affinity alike.',
    where='section 2; Appendix F, Figure 8 left',
    text='Spearman of the affinities under two networks',
    jobs=(jobs.ACCURACY, jobs.SECOND),
    gather=claim.together(
      claim.methods('linear', 'scratch'),
      claim.by_row(
        lambda row: (
          f'second {row["method"]}' if row['job'] == jobs.SECOND else None
        )
      ),
    ),
    statistic=lambda a: statistics.rank_correlation(
      claim.affinity(a), a['second linear'] - a['second scratch']
    ),
    needs=('linear', 'scratch', 'second linear', 'second scratch'),
    printed=dict.fromkeys(claim.BOTH, 0.907),
    **claim.CORRELATION,
  ),
  claim.untestable(
    'affinity_of_the_leaderboard',
    'The median percentage improvement over scratch of 15 methods for learning '
    'representations orders tasks like the affinity.',
    'section 2; Appendix F',
    "the results of VTAB's leaderboard are not among the suite's rows",
    printed={claim.RESNET50: 0.803},
    of=(claim.RESNET50,),
  ),
)

COST: tuple[Claim, ...] = (
  Claim(
    id='operations_below_1_percent',
    sentence='Head2Toe trains with a hundredth of the operations of '
    'fine-tuning, or less (0.6 %).',
    where='abstract; section 1, Table 3',
    text="1 less Head2Toe's mean share of the operations of fine-tuning, "
    'percent, by the model of Appendix B at equal steps and batches',
    jobs=(claim.COST,),
    gather=_cost('operations'),
    statistic=lambda a: 1 - claim.mean(a['operations']),
    of=(claim.RESNET50,),
    printed={claim.RESNET50: 0.4},
    printed_as='0.6 %',
    source='Table 3',
    digits=2,
  ),
  Claim(
    id='storage_below_1_percent',
    sentence='Head2Toe needs a hundredth of the storage of fine-tuning, or '
    'less (1 %).',
    where='abstract; section 1, Table 3',
    text="1 less Head2Toe's mean share of the storage of fine-tuning, percent",
    jobs=(claim.COST,),
    gather=_cost('storage'),
    statistic=lambda a: 1 - claim.mean(a['storage']),
    of=(claim.RESNET50,),
    printed={claim.RESNET50: 0.0},
    printed_as='1 %',
    source='Table 3',
    digits=2,
  ),
  Claim(
    id='storage_above_linear',
    sentence="Head2Toe needs more storage than Linear (5.7 times Linear's).",
    where='Table 3',
    text="mean of Head2Toe's storage over Linear's, less 1, percent",
    jobs=(claim.COST,),
    gather=_cost('storage_vs_linear'),
    statistic=lambda a: claim.mean(a['storage_vs_linear']) - 100,
    of=(claim.RESNET50,),
    printed={claim.RESNET50: 470.0},
    printed_as='5.7 times',
    source='Table 3',
    digits=0,
  ),
  Claim(
    id='seconds_below_1_percent',
    sentence='Training costs a hundredth or less (here in seconds; the paper '
    'counts operations).',
    where='abstract',
    text="1 less Head2Toe's mean share of the cpu seconds of fine-tuning, "
    'percent, where both were trained for equal steps and batches',
    jobs=(claim.COST,),
    gather=_cost('seconds'),
    statistic=lambda a: 1 - claim.mean(a['seconds']),
    equal_chosen=True,
  ),
  Claim(
    id='selection_overhead_18_percent',
    sentence='Validating the fractions adds about 18 % to the operations of '
    'the first stage (within 2).',
    where='section 3.3; Appendices A, B',
    text='2 (a margin) less how far from 18 the percentage is that validating '
    "the run's fractions adds",
    jobs=(claim.SEARCH,),
    gather=_cost('overhead'),
    statistic=lambda a: 2 - np.abs(claim.mean(a['overhead']) - 18),
    follows='follows from the fractions tried, not measured',
    printed=dict.fromkeys(claim.BOTH, 2.0),
    printed_as='18 %',
    source='Table 2',
    digits=2,
  ),
  claim.untestable(
    'cost_follows_linear',
    "Head2Toe's cost closely follows Linear's.",
    'section 3.3',
    'the paper names no threshold; Table 3 measured has both',
  ),
  claim.untestable(
    'inference_cost_alike',
    'After adaptation all methods need about the same operations.',
    'Appendix B',
    'inference is not measured by any job',
  ),
)
