"""Claims of Appendices I and J: data, ranking, other taps, the class token."""

from typing import Any

import numpy as np

from vtab_h2t.backbones import retapping
from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.report import papers
from vtab_h2t.report import statistics
from vtab_h2t.studies import offset

Claim = claim.Claim
_OFFSET = offset.Offset.name
_RESNET: dict[str, Any] = {'of': (claim.RESNET50,)}


def _reduced(row: claim.Row) -> str | None:
  if row['method'] != 'head2toe' or row['job'] not in (
    jobs.ACCURACY,
    jobs.REDUCED,
  ):
    return None
  return f'fraction {row.get("train_fraction", 1.0)}'


def _most_less_least(a: claim.Accuracies) -> np.ndarray:
  parts = [v for _, v in claim.numbered(a, 'fraction ')]
  return claim.mean(parts[-1] - parts[0])


def _falls(a: claim.Accuracies) -> np.ndarray:
  """Minus the mean over tasks of Spearman's rho of place and accuracy."""
  parts = [v for _, v in claim.numbered(a)]
  return -claim.mean(
    statistics.rank_correlation(
      np.arange(len(parts), dtype=float), np.stack(parts, axis=-1)
    )
  )


def _smallest_fall(a: claim.Accuracies) -> np.ndarray:
  """From one place to the next, of the means over tasks."""
  means = [claim.mean(v) for _, v in claim.numbered(a)]
  if len(means) < 2:
    return claim.nothing(a)
  return np.min(-np.diff(means, axis=0), axis=0)


def _changed_taps(
  kind: str, sentence: str, column: str, **fields: Any
) -> Claim:
  table = 'table6_ablation_resnet50'

  def averages(backbone: str) -> float | None:
    if backbone != claim.RESNET50:
      return None
    return papers.mean_of(table, 'original') - papers.mean_of(table, column)

  return Claim(
    id=f'taps_above_{kind}',
    sentence=sentence,
    where='Appendix I, Table 6',
    text='mean of Head2Toe less the variant, points',
    jobs=(jobs.ACCURACY, kind),
    gather=claim.variant(kind),
    statistic=claim.above('original', 'variant'),
    needs=('original', 'variant'),
    averages=averages,
    source='Table 6',
    **_RESNET,
    **fields,
  )


def _class_token(
  job: str, sentence: str, column: str, text: str, margin: float
) -> Claim:
  table = 'table7_cls_token_vit_b16'

  def averages(backbone: str) -> float | None:
    if backbone != claim.VIT_B16:
      return None
    difference = papers.mean_of(table, 'original') - papers.mean_of(
      table, column
    )
    return difference + margin

  return Claim(
    id=job.replace('cls_', 'class_token_'),
    sentence=sentence,
    where='Appendix J, Table 7',
    of=(claim.VIT_B16,),
    text=text,
    jobs=(jobs.ACCURACY, job),
    gather=claim.variant(job),
    statistic=claim.above('original', 'variant', margin),
    needs=('original', 'variant'),
    averages=averages,
    source='Table 7',
  )


ABLATIONS: tuple[Claim, ...] = (
  Claim(
    id='ranking_matters',
    sentence='Accuracy falls with the place in the ranking from which features '
    'are taken.',
    where='Appendix I, Figure 11 right',
    text='minus the mean over tasks of Spearman of place and accuracy',
    jobs=(_OFFSET,),
    gather=claim.study(_OFFSET, 'offset'),
    statistic=_falls,
    **_RESNET,
    **claim.RANKS,
  ),
  Claim(
    id='ranking_monotone',
    sentence='That fall is monotonic.',
    where='Appendix I, Figure 11 right',
    text='smallest fall of the mean from one place to the next, points '
    '(the least of many differences, so that noise lowers it)',
    jobs=(_OFFSET,),
    gather=claim.study(_OFFSET, 'offset'),
    statistic=_smallest_fall,
    **_RESNET,
  ),
  Claim(
    id='more_data_help',
    sentence='Head2Toe gets better with more training images.',
    where='Appendix I, Figure 13',
    text='mean of all images less the smallest part of them, points',
    jobs=(jobs.ACCURACY, jobs.REDUCED),
    gather=claim.by_row(_reduced),
    statistic=_most_less_least,
    needs=('fraction 1.0', 'fraction *'),
    **_RESNET,
  ),
  _changed_taps(
    retapping.PRE_NORMALIZATION,
    'Features before the normalization bring worse results.',
    'pre_normalization',
  ),
  _changed_taps(
    retapping.PRE_ACTIVATION,
    'Features before the activation bring worse results.',
    'pre_activation',
  ),
  _changed_taps(
    retapping.WITH_INPUT,
    'The pooled input among the candidates brings worse results (by 0.8).',
    'adding_pooled_input',
    printed={claim.RESNET50: 0.8},
  ),
  _class_token(
    'cls_only',
    'The class token of every layer alone does not improve the results (within '
    '1 point).',
    'only_cls',
    'mean of pooled tokens less the variant, plus a margin of 1 point',
    claim.POINT,
  ),
  _class_token(
    'cls_both',
    'The class token beside pooled tokens does not improve the results (within '
    '1 point).',
    'original_plus_cls',
    'mean of pooled tokens less the variant, plus a margin of 1 point',
    claim.POINT,
  ),
)
