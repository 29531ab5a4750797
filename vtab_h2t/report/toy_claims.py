"""The companion papers' claims, on their toy problems."""

from collections.abc import Mapping

import pandas as pd

from vtab_h2t.report import judging


def table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """The companion papers' claims on their toy problems.

  Args:
    tables: what `toys.tables.tables` gives.

  Returns:
    id, claim, where, `seeds` that agree, `of` how many, verdict (holds if all
    agree, does not hold if none does).
  """
  lp_ft = tables['lp_ft']
  ood = lp_ft[lp_ft.epsilon == lp_ft.epsilon.min()].pivot(
    index='seed', columns='method', values='ood'
  )
  shifts = tables['shifts'].pivot(
    index=['shift', 'seed'], columns='layers', values='loss'
  )
  best = shifts.idxmin(axis=1)
  probing = tables['probing'].sort_values('energy')
  moved = probing.groupby('seed').l2.apply(lambda v: v.is_monotonic_increasing)
  norm = probing.groupby('seed').norm.apply(
    lambda v: v.max() > max(v.iloc[0], v.iloc[-1])
  )
  found = [
    (
      'lp_ft_generalises',
      'With good features LP-FT errs less out of '
      'distribution than fine-tuning.',
      'Kumar et al., 2022',
      ood.lp_ft < ood.ft,
    ),
    (
      'first_layer_for_input_shift',
      'Under a shift of the input the first layer is the one to tune.',
      'Lee et al., 2023',
      best['input'] == 'first',
    ),
    (
      'last_layer_for_output_shift',
      'Under a shift of the output the last layer is the one to tune.',
      'Lee et al., 2023',
      best['output'] == 'last',
    ),
    (
      'energy_moves_features',
      'Features move further the more energy the head leaves.',
      'Ren et al., 2023',
      moved,
    ),
    (
      'norm_peaks_between',
      "The features' norm is largest at an energy in between.",
      'Ren et al., 2023',
      norm,
    ),
  ]
  return pd.DataFrame(
    [
      {
        'id': name,
        'claim': sentence,
        'where': where,
        'seeds': int(agree.sum()),
        'of': len(agree),
        'verdict': judging.HOLDS
        if agree.all()
        else judging.FAILS
        if not agree.any()
        else judging.UNDECIDED,
      }
      for name, sentence, where, agree in found
    ]
  )
