"""What a run under shifts says of the companion papers, in a few sentences."""

from collections.abc import Mapping, Sequence

from vtab_h2t.report import companion_rows
from vtab_h2t.report import frames
from vtab_h2t.report import head_probe_frames
from vtab_h2t.report import judging
from vtab_h2t.report import lp_ft_frames
from vtab_h2t.report import numerals
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import surgical_frames
from vtab_h2t.report import surgical_rows


def sentences(results: results_lib.Results) -> tuple[str, ...]:
  """How many claims hold, and the numbers that they are about.

  A paper's number is followed by the verdict on the claim that it is about.
  """
  judged = judging.verdicts(results)
  verdicts = {v.claim.id: v.verdict for v in judged}
  return (
    f'Of {len(judged)} claims of the companion papers {counted(judged)}.',
    *_lp_ft(results, verdicts),
    *_surgical(results),
    *_head_probe(results, judged),
  )


def counted(judged: Sequence[judging.Verdict]) -> str:
  """How many claims have each verdict: '3 hold, 1 does not hold'."""
  said = []
  for verdict, words in judging.WORDS.items():
    count = sum(v.verdict == verdict for v in judged)
    if count:
      said.append(f'{count} {words[count > 1]}')
  return ', '.join(said)


def _lp_ft(
  results: results_lib.Results, verdicts: Mapping[str, str]
) -> list[str]:
  """FT against LP, LP-FT against FT; in and out of distribution."""
  table = lp_ft_frames.differences(results.of(companion_rows.LP_FT))
  if table.empty or table.pair.iloc[-1] != frames.MEAN:
    return []
  line = table.iloc[-1]

  def beside(points: float, of: str, claim: str) -> str:
    return f'{_beside(points)} {of} ({verdicts[claim]})'

  in_, out = 'in distribution', 'out of distribution'
  ft_in = beside(line.ft_less_lp_id, 'linear probing', 'ft_above_lp_id')
  ft_out = beside(line.ft_less_lp_ood, 'it', 'ft_below_lp_ood')
  lp_ft_in = beside(
    line.lp_ft_less_ft_id, 'fine-tuning', 'lp_ft_at_least_ft_id'
  )
  lp_ft_out = beside(line.lp_ft_less_ft_ood, 'it', 'lp_ft_at_least_ft_ood')
  return [
    f'LP-FT, on {line.kind}: {in_} fine-tuning is {ft_in}, and {out} {ft_out}.',
    f'{in_.capitalize()} LP-FT is {lp_ft_in}, and {out} {lp_ft_out}.',
    'These differences are taken seed by seed, so that they are not those of '
    'the medians in the table.',
  ]


def _beside(points: float) -> str:
  """For example '2.8 points above'."""
  return (
    f'{numerals.number(abs(points))} points '
    f'{"above" if points >= 0 else "below"}'
  )


def _surgical(results: results_lib.Results) -> list[str]:
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
      return [
        f'Surgical fine-tuning of {run_names.network(run.backbone)}: if one '
        f'block alone is tuned, the best is {", ".join(parts)}.'
      ]
  return []


def _head_probe(
  results: results_lib.Results, judged: tuple[judging.Verdict, ...]
) -> list[str]:
  """How closely features follow the energy, and whether a tau between helps.

  And in how many trainings the common loss was not reached, if in any.
  """
  known = {v.claim.id: v for v in judged if v.interval is not None}
  said = []
  grows = known.get('l2_grows_with_energy_train')
  if grows is not None and grows.interval is not None:
    said.append(
      'Head probing: how far fine-tuning moves the features has a rank '
      f'correlation of {grows.interval.value:+.2f} with the energy, which is '
      'how wrong the head still is when fine-tuning begins '
      f'({grows.verdict}).'
    )
  rows = results.of(companion_rows.HEAD_PROBE)
  between = known.get('best_tau_between')
  if between is not None and between.interval is not None:
    gains = head_probe_frames.best_between(rows).groupby('task', sort=False)
    by_task = [
      f'{numerals.signed(points)} on {task}'
      for task, points in gains.value.median().items()
    ]
    said.append(
      'The best number of epochs of probing that is neither none nor the '
      f'largest is {_beside(between.interval.value)} the better of these two '
      f'({between.verdict}; {", ".join(by_task)}).'
    )
  table = head_probe_frames.tests(rows)
  short = 0 if table.empty else int((~table.reached.astype(bool)).sum())
  if short:
    reached = table.groupby('task', sort=False).reached.any()
    none = [task for task, any_ in reached.items() if not any_]
    all_of = f', among them all of {" and ".join(none)},' if none else ''
    said.append(
      f'{short} of {len(table)} trainings after probing{all_of} ended above '
      'the training loss at which features are compared, and are in no claim '
      'on features.'
    )
  return said
