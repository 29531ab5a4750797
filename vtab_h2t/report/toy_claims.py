"""The companion papers' claims, on their toy problems.

A claim is judged on each seed, which is a random problem, and by errors where
the paper has accuracies. In distribution are inputs in the span of the training
inputs. The error out of distribution is the worst case over all inputs, and
features out of it are those of inputs orthogonal to the training inputs. The
claims on LP-FT are judged for the nearest and for the farthest pretrained
features that are solved, those on head probing for each random head: where
features are far, or the head is small, some do not hold.

Two claims have no meaning here and are left out. No shift of the toys is one of
features, and a network of two layers has none in the middle. And the best
number of probing steps cannot be told: the targets are random, and there are no
test inputs. Losses are exact, so that the best layer is the one with the least
loss, not one that was chosen on other data.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import functools

import numpy as np
import pandas as pd
from scipy import stats

from vtab_h2t.report import judging

# Squared errors below it are none: gradient descent ends at 1e-20 or below.
_NO_ERROR = 1e-18
_TIMES_LESS = 10  # At least so much less does LP-FT move features.


@dataclasses.dataclass(frozen=True, eq=False)
class _Claim:
  """A claim in a setting.

  Attributes:
    id: the same in all settings.
    sentence: what is claimed.
    where: the paper.
    setting: of the toy problem, in words; '' where there is one only.
    agree: whether it is so, by seed.
  """

  id: str
  sentence: str
  where: str
  setting: str
  agree: pd.Series


def table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """The companion papers' claims on their toy problems.

  Args:
    tables: what `toys.tables.tables` gives.

  Returns:
    id, claim, where, setting, `seeds` that agree, `of` how many; `low` and
    `high`, Wilson's 95 % interval of the share of seeds, 0 to 1; `detectable`,
    the least share that as many seeds can tell from one half, missing if none
    can be; verdict (holds if all agree, does not hold if none does).
  """
  claims = [
    *_lp_ft(tables['lp_ft']),
    *_surgical(tables['shifts']),
    *_head_probe(tables['probing']),
  ]
  return pd.DataFrame([_line(claim) for claim in claims])


def _line(claim: _Claim) -> dict[str, str | int | float]:
  count, of = int(claim.agree.sum()), len(claim.agree)
  low, high = share_interval(count, of)
  return {
    'id': claim.id,
    'claim': claim.sentence,
    'where': claim.where,
    'setting': claim.setting,
    'seeds': count,
    'of': of,
    'low': low,
    'high': high,
    'detectable': detectable(of),
    'verdict': judging.HOLDS
    if count == of
    else judging.FAILS
    if not count
    else judging.UNDECIDED,
  }


def share_interval(count: int, of: int) -> tuple[float, float]:
  """Wilson's 95 % interval of a share, 0 to 1.

  Args:
    count: how many agree.
    of: how many there are.
  """
  interval = stats.binomtest(count, of).proportion_ci(method='wilson')
  return float(interval.low), float(interval.high)


@functools.cache
def detectable(of: int) -> float:
  """The least share whose interval is above one half; NaN if none is.

  Args:
    of: how many seeds there are.
  """
  shares = [k / of for k in range(of + 1) if share_interval(k, of)[0] > 0.5]
  return min(shares, default=np.nan)


def _lp_ft(table: pd.DataFrame) -> Iterator[_Claim]:
  """LP-FT 1, with the nearest and the farthest pretrained features."""
  paper = 'Kumar et al., 2022'
  for epsilon in (table.epsilon.min(), table.epsilon.max()):
    by_method = table[table.epsilon == epsilon].pivot(
      index='seed', columns='method'
    )
    inside, ood = by_method['in_span'], by_method['ood']
    moved, outside = by_method['moved_in_span'], by_method['moved_outside']
    for name, sentence, agree in (
      (
        'ft_above_lp_id',
        'Fine-tuning errs less than probing in distribution.',
        inside.ft < inside.lp,
      ),
      (
        'ft_below_lp_ood',
        'Fine-tuning errs more than probing out of distribution.',
        ood.ft > ood.lp,
      ),
      (
        'lp_ft_best_id',
        'LP-FT errs no more than probing and than fine-tuning in '
        f'distribution; errors below {_NO_ERROR:g} are none.',
        inside.lp_ft <= np.maximum(np.minimum(inside.lp, inside.ft), _NO_ERROR),
      ),
      (
        'lp_ft_best_ood',
        'LP-FT errs no more than probing and than fine-tuning out of '
        'distribution.',
        ood.lp_ft <= np.minimum(ood.lp, ood.ft),
      ),
      (
        'ft_moves_id_more',
        'Fine-tuning moves the features of inputs in distribution more than '
        'those of inputs out of it.',
        moved.ft > outside.ft,
      ),
      (
        'lp_ft_moves_less',
        'LP-FT moves the features of inputs in distribution at least '
        f'{_TIMES_LESS} times less than fine-tuning.',
        _TIMES_LESS * moved.lp_ft <= moved.ft,
      ),
    ):
      yield _Claim(
        name, sentence, paper, f'features {epsilon:g} from perfect ones', agree
      )


def _surgical(table: pd.DataFrame) -> Iterator[_Claim]:
  """SURG 3, with its two shifts."""
  losses = table.pivot(index=['shift', 'seed'], columns='layers', values='loss')
  for shift, layer in (('input', 'first'), ('output', 'last')):
    own = losses.loc[shift]
    yield _Claim(
      f'{layer}_layer_for_{shift}_shift',
      f'Under a shift of the {shift} the {layer} layer is the one to tune.',
      'Lee et al., 2023',
      '',
      own.idxmin(axis=1) == layer,
    )
    yield _Claim(
      f'best_layer_equals_all_{shift}',
      f'Under a shift of the {shift} the best layer alone errs no more than '
      'full fine-tuning.',
      'Lee et al., 2023',
      '',
      own[['first', 'last']].min(axis=1) <= own.full,
    )


def _head_probe(table: pd.DataFrame) -> Iterator[_Claim]:
  """HP 2, with both random heads."""
  for scale, rows in table.groupby('scale', sort=False):
    by_seed = rows.sort_values('energy').groupby('seed')
    for name, sentence, measure, holds in (
      (
        'energy_moves_features',
        'Features move further (L2 distance) the more energy the head leaves.',
        'l2',
        _grows,
      ),
      (
        'energy_turns_features',
        'Features turn further (cosine distance) the more energy the head '
        'leaves.',
        'cos',
        _grows,
      ),
      (
        'dot_peaks_between',
        'The dot product with the pretrained features first grows with the '
        'energy, then falls: it is largest in between.',
        'dot',
        _peaks,
      ),
      (
        'norm_peaks_between',
        "The features' norm first grows with the energy, then falls: it is "
        'largest in between.',
        'norm',
        _peaks,
      ),
    ):
      yield _Claim(
        name,
        sentence,
        'Ren et al., 2023',
        f'random head of scale {scale:g}',
        by_seed[measure].apply(holds),
      )


def _grows(values: pd.Series) -> bool:
  return bool(values.is_monotonic_increasing)


def _peaks(values: pd.Series) -> bool:
  return bool(values.max() > max(values.iloc[0], values.iloc[-1]))
