"""What a run under shifts says of the companion papers, in a few sentences."""

from collections.abc import Sequence

from vtab_h2t.report import companion_rows
from vtab_h2t.report import frames
from vtab_h2t.report import head_probe_frames
from vtab_h2t.report import judging
from vtab_h2t.report import lp_ft_frames
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import surgical_frames
from vtab_h2t.report import surgical_rows

# Of one claim and of several.
_WORDS = {
  judging.HOLDS: ('holds', 'hold'),
  judging.FAILS: ('does not hold', 'do not hold'),
  judging.UNDECIDED: ('is undecided', 'are undecided'),
  judging.NO_VERDICT: ('has no verdict', 'have no verdict'),
  judging.UNTESTABLE: ('cannot be tested', 'cannot be tested'),
}


def answer(results: results_lib.Results) -> str:
  """How many claims hold, and the numbers that they are about."""
  judged = judging.verdicts(results)
  found = [
    part
    for part in (
      _lp_ft(results),
      _surgical(results),
      _head_probe(results, judged),
    )
    if part
  ]
  first = f'Of {len(judged)} claims of the companion papers {counted(judged)}.'
  if not found:
    return first
  return ' '.join([first, *(f'{p[0].upper()}{p[1:]}.' for p in found)])


def counted(judged: Sequence[judging.Verdict]) -> str:
  """How many claims have each verdict: '3 hold, 1 does not hold'."""
  said = []
  for verdict, words in _WORDS.items():
    count = sum(v.verdict == verdict for v in judged)
    if count:
      said.append(f'{count} {words[count > 1]}')
  return ', '.join(said)


def _lp_ft(results: results_lib.Results) -> str:
  """FT against LP, LP-FT against FT; in and out of distribution."""
  table = lp_ft_frames.differences(results.of(companion_rows.LP_FT))
  if table.empty or table.pair.iloc[-1] != frames.MEAN:
    return ''
  line = table.iloc[-1]
  return (
    f'On {line.kind} fine-tuning is {_beside(line.ft_less_lp_id)} linear '
    f'probing in distribution and {_beside(line.ft_less_lp_ood)} it out of '
    f'distribution; LP-FT is {_beside(line.lp_ft_less_ft_id)} fine-tuning in '
    f'distribution and {_beside(line.lp_ft_less_ft_ood)} it out of distribution'
  )


def _beside(points: float) -> str:
  """For example '2.8 points above'."""
  return f'{abs(points):.1f} points {"above" if points >= 0 else "below"}'


def _surgical(results: results_lib.Results) -> str:
  """The best block of each kind of shift, by the mean over targets."""
  for run, rows in surgical_frames.networks(results):
    table = surgical_frames.by_kind(
      surgical_rows.fewest(surgical_rows.tests(rows))
    )
    lines = surgical_rows.NONE, surgical_rows.ALL
    parts = []
    for kind in companion_rows.KINDS:
      of_kind = table[table.kind == kind]
      own = of_kind[~of_kind.tuned.isin(lines)]
      if kind == surgical_rows.NONE or own.empty:
        continue
      means = own.set_index('tuned').percent
      against = ''.join(
        f' ({_beside(means.max() - percent)} tuning all layers)'
        for percent in of_kind[of_kind.tuned == surgical_rows.ALL].percent
      )
      parts.append(f'{means.idxmax()} under {kind} shifts{against}')
    if parts:
      return (
        f'the block of {run_names.network(run.backbone)} whose tuning alone '
        f'gives the best test accuracy is {", ".join(parts)}'
      )
  return ''


def _head_probe(
  results: results_lib.Results, judged: tuple[judging.Verdict, ...]
) -> str:
  """How closely features follow the energy, and whether a tau between helps.

  And in how many trainings the common loss was not reached, if in any.
  """
  values = {
    v.claim.id: v.interval.value for v in judged if v.interval is not None
  }
  grows, gains = (
    values.get(name)
    for name in ('l2_grows_with_energy_train', 'best_tau_between')
  )
  parts = []
  if grows is not None:
    parts.append(
      "the features' l2 distance has a rank correlation of "
      f'{grows:+.2f} with the energy'
    )
  if gains is not None:
    parts.append(
      f'the best tau in between is {_beside(gains)} the better extreme one'
    )
  table = head_probe_frames.tests(results.of(companion_rows.HEAD_PROBE))
  short = 0 if table.empty else int((~table.reached.astype(bool)).sum())
  if short:
    parts.append(
      f'{short} of {len(table)} trainings after probing ended above the common '
      'training loss and are in no claim'
    )
  return ', and '.join(parts)
