"""Claims of head probing's abstract (Ren et al., 2023), on networks.

What is drawn is a task: its heads share images, so that their mean is taken.
"""

from collections.abc import Callable
import math

import numpy as np

from vtab_h2t.report import bootstrap
from vtab_h2t.report import claim
from vtab_h2t.report import companion_rows
from vtab_h2t.report import head_probe_frames as frames
from vtab_h2t.studies import head_probe_energy

Claim = claim.Claim
_WHERE = 'Ren et al., 2023, abstract'
_VALUE = 'value'
_TAUS = len(head_probe_energy.Options().taus)
_differing = companion_rows.differing(
  'tau', ('learning_rate', 'steps', 'batch'), unit=frames.unit_of
)
_WORDS = {
  'l2': 'The l2 distance of features before and after',
  'cos': 'The cosine distance of features before and after',
  'dot': 'The dot product of features before and after',
  'norm': 'The norm of features after',
}


def _mean(a: claim.Accuracies) -> np.ndarray:
  return claim.mean(a[_VALUE])


def _least_error(rho: float, units: int) -> float:
  """Of a mean of rank correlations over tau, where all may be in order."""
  return bootstrap.correlation_error(rho, _TAUS) / math.sqrt(units)


def _share(a: claim.Accuracies) -> np.ndarray:
  return claim.mean(a[_VALUE]) - 0.5


def _trend(
  measure: str, images: str, value: Callable[[np.ndarray, np.ndarray], float]
) -> claim.Gather:
  """A value of each task's curves; its seeds'."""

  def gather(rows: companion_rows.Rows) -> claim.Found:
    table = frames.trend(rows, measure, images, value)
    return companion_rows.found(table, 'task', [_VALUE])

  return gather


def _shares(measure: str, images: str) -> claim.Gather:
  """The share of a task's heads and seeds whose curve rises and then falls.

  It is one value, as the median of what is 0 or 1 would be a vote.
  """

  def gather(rows: companion_rows.Rows) -> claim.Found:
    table = frames.trend(rows, measure, images, frames.rises_then_falls)
    means = table.groupby('task', sort=False).value.mean().reset_index()
    return companion_rows.found(means, 'task', [_VALUE])

  return gather


def _grows(measure: str, images: str) -> Claim:
  return Claim(
    id=f'{measure}_grows_with_energy_{images}',
    sentence=f'{_WORDS[measure]} fine-tuning grows with the initial energy '
    f'({images} images).',
    where=_WHERE,
    of=(),
    text="mean over tasks and heads of Spearman's rho of energy and distance "
    'over the taus that reached the common loss',
    jobs=(companion_rows.HEAD_PROBE,),
    gather=_trend(measure, images, frames.rises),
    statistic=_mean,
    needs=(_VALUE,),
    stratified=False,
    differing=_differing,
    least_error=_least_error,
    **claim.RANKS,
  )


def _peaks(measure: str, images: str) -> Claim:
  return Claim(
    id=f'{measure}_rises_then_falls_{images}',
    sentence=f'{_WORDS[measure]} fine-tuning first grows with the initial '
    f'energy, then falls ({images} images).',
    where=_WHERE,
    of=(),
    text='share of tasks, heads and seeds whose largest value, of the taus '
    'that reached the common loss, is inside, with a rank correlation of '
    f'{frames.STEEP} at least up to it and of -{frames.STEEP} at most after '
    'it, less a half',
    jobs=(companion_rows.HEAD_PROBE,),
    gather=_shares(measure, images),
    statistic=_share,
    needs=(_VALUE,),
    stratified=False,
    differing=_differing,
    **claim.SHARE,
  )


def _gains(rows: companion_rows.Rows) -> claim.Found:
  return companion_rows.found(frames.best_between(rows), 'task', [_VALUE])


CLAIMS: tuple[Claim, ...] = (
  *(_grows(m, images) for m in ('l2', 'cos') for images in frames.IMAGES),
  *(_peaks(m, images) for m in ('dot', 'norm') for images in frames.IMAGES),
  Claim(
    id='best_tau_between',
    sentence='The best number of epochs of probing is neither 0 nor the '
    'largest.',
    where='Ren et al., 2023, TL;DR',
    of=(),
    text='mean over tasks and heads of the best tau between less the better of '
    'the two extreme ones, points of test accuracy, each chosen by test '
    'accuracy of the other seeds (there is no validation)',
    jobs=(companion_rows.HEAD_PROBE,),
    gather=_gains,
    statistic=_mean,
    needs=(_VALUE,),
    stratified=False,
    differing=_differing,
  ),
)
