"""Claims of sections 3.1 and 3.3: the Taylor expansion; normalization and
coefficient.
"""

import numpy as np

from vtab_h2t.report import claim
from vtab_h2t.report import jobs
from vtab_h2t.studies import coefficient

Claim = claim.Claim
_COEFFICIENT = coefficient.Coefficient.name

TAYLOR: tuple[Claim, ...] = (
  Claim(
    id='linearized_above_linear',
    sentence='A linearized network, which combines intermediate activations '
    'linearly, does better than Linear (implied: works that the paper cites '
    'find it competitive).',
    where='section 3.1',
    text='mean of the linearized network less Linear, points',
    gather=claim.methods('linearized', 'linear'),
    statistic=claim.above('linearized', 'linear'),
    needs=('linearized', 'linear'),
    sides=('linearized', 'linear'),
  ),
  Claim(
    id='linearized_matches_finetune',
    sentence='A linearized approximation of the fine-tuned network obtains '
    'competitive results, as works that the paper cites observe (read as: '
    'within 1 point of fine-tuning).',
    where='section 3.1',
    text='mean of the linearized network less fine-tuning, plus a margin of 1 '
    'point',
    gather=claim.methods('linearized', 'finetune'),
    statistic=claim.above('linearized', 'finetune', claim.POINT),
    needs=('linearized', 'finetune'),
    sides=('linearized', 'finetune'),
  ),
  Claim(
    id='small_displacement',
    sentence='Fine-tuning changes the weights very little, as works that the '
    'paper cites observe.',
    where='section 3.1',
    text='mean over tasks of the norm of the change over that of the start',
    gather=claim.by_row(
      lambda row: (
        'displacement'
        if row['job'] == jobs.ACCURACY
        and row['method'] == 'finetune'
        and row.get('displacement') is not None
        else None
      ),
      lambda row: float(row['displacement']),
    ),
    statistic=lambda a: claim.mean(a['displacement']),
    needs=('displacement',),
    untested='the paper names no threshold',
  ),
)


def _coefficients(a: claim.Accuracies) -> np.ndarray:
  """Mean accuracy with each coefficient but 0, `[coefficients, ...]`."""
  found = [claim.mean(v) for c, v in claim.numbered(a) if c > 0]
  return np.stack(found or [claim.nothing(a)])


def _range(a: claim.Accuracies) -> np.ndarray:
  """Of the mean accuracies with each coefficient but 0; NaN of only one."""
  found = _coefficients(a)
  return np.ptp(found, axis=0) if len(found) > 1 else claim.nothing(a)


def _normalization(rule: str, label: str) -> Claim:
  job = jobs.NORMALIZATIONS[rule]
  return Claim(
    id=f'unit_norm_above_{rule}_normalization',
    sentence=f"A layer's features at unit norm do better than {label}.",
    where='section 3.3',
    text=f'mean of Head2Toe less that with {label}, points',
    jobs=(jobs.ACCURACY, job),
    gather=claim.variant(job),
    statistic=claim.above('original', 'variant'),
    needs=('original', 'variant'),
  )


METHOD: tuple[Claim, ...] = (
  _normalization('feature', 'each feature normalized by itself'),
  _normalization('none', 'features that are not normalized'),
  Claim(
    id='robust_to_the_coefficient',
    sentence='Head2Toe is robust to the coefficient of the group lasso (within '
    '1 point, over all that were tried).',
    where='section 3.3',
    text='a margin of 1 point less the range of mean accuracies over '
    'coefficients above 0, which is above 0 even if only seeds differ',
    jobs=(_COEFFICIENT,),
    gather=claim.study(_COEFFICIENT, 'coefficient'),
    statistic=lambda a: claim.POINT - _range(a),
  ),
  Claim(
    id='some_coefficient_is_needed',
    sentence='The coefficient only has to be large enough to tell features '
    'apart.',
    where='section 3.3',
    text='mean over coefficients above 0 less accuracy without penalty, points',
    jobs=(_COEFFICIENT,),
    gather=claim.study(_COEFFICIENT, 'coefficient'),
    statistic=lambda a: (
      np.mean(_coefficients(a), axis=0)
      - next(claim.mean(v) for c, v in claim.numbered(a) if c == 0)
    ),
    needs=('0.0',),
    untested='the paper does not say which coefficients are large enough',
  ),
)
