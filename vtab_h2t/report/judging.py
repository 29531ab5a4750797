"""What measurements say of the paper's claims.

A claim holds if the whole 95 % interval of a stratified bootstrap over tasks
and seeds is above 0, does not hold if the whole interval is below, and is
undecided otherwise.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.report import claims
from vtab_h2t.report import jobs
from vtab_h2t.report import measured_cost
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics

HOLDS, FAILS = 'holds', 'does not hold'
UNDECIDED, UNTESTABLE = 'undecided', 'not testable'


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What was found.

  Attributes:
    claim: of what.
    interval: of the statistic; None where it cannot be tested.
    verdict: of `HOLDS`, `FAILS`, `UNDECIDED`, `UNTESTABLE`.
    tasks: on how many tasks.
    rows: job and method of the rows that it came from; or what lacks.
  """

  claim: claims.Claim
  interval: statistics.Interval | None
  verdict: str
  tasks: int
  rows: str


def samples(
  claim: claims.Claim, rows: Mapping[str, Sequence[claims.Row]]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
  """Accuracies of seeds by condition and task, and each task's group.

  Tasks that a condition lacks are left out, and seeds that failed.

  Args:
    claim: the claim.
    rows: by job.
  """
  found: dict[str, dict[str, list[float]]] = {}
  groups: dict[str, str] = {}
  wanted = dict.fromkeys([jobs.ACCURACY, claim.job])
  for row in (r for job in wanted for r in rows.get(job, ())):
    if row['split'] != 'test' or row['correct'] is None:
      continue
    condition = claim.condition(row)
    if condition is not None:
      groups[row['task']] = row['group']
      found.setdefault(condition, {}).setdefault(row['task'], []).append(
        statistics.percent(row)
      )
  whole = {
    c: t for c, t in found.items() if not c.startswith('other ')
  } or found
  tasks = set.intersection(*(set(t) for t in whole.values())) if whole else ()
  return {
    c: {
      t: np.array(by_task[t]) if t in by_task else np.array([np.nan])
      for t in sorted(tasks)
    }
    for c, by_task in found.items()
  }, groups


def judge(
  claim: claims.Claim, rows: Mapping[str, Sequence[claims.Row]]
) -> Verdict:
  """Tests a claim on rows, by job."""
  found, groups = samples(claim, rows)
  lacking = [c for c in claim.needs if c not in found]
  tasks = len(next(iter(found.values()), ()))
  if lacking or not found or not tasks or not rows.get(claim.job):
    what = claim.job if not rows.get(claim.job) else ', '.join(lacking)
    return Verdict(
      claim,
      None,
      UNTESTABLE,
      0,
      f'no rows of {what}' if what else 'no task has all that is compared',
    )
  interval = statistics.bootstrap(found, groups, claim.statistic)
  # Correlations of one or two tasks are none.
  if not np.isfinite([interval.value, interval.low, interval.high]).all():
    return Verdict(claim, None, UNTESTABLE, tasks, f'{tasks} tasks do not do')
  verdict = (
    HOLDS if interval.low > 0 else FAILS if interval.high < 0 else UNDECIDED
  )
  used = [
    r
    for job in dict.fromkeys([jobs.ACCURACY, claim.job])
    for r in rows.get(job, ())
    if claim.condition(r) is not None
  ]
  names = sorted({f'{r["job"]}/{r["method"]}' for r in used})
  return Verdict(claim, interval, verdict, tasks, ' '.join(names))


@functools.cache
def verdicts(results: results_lib.Results) -> tuple[Verdict, ...]:
  """What a run's results say of each claim; judged once."""
  return tuple(judge(c, results.rows) for c in claims.CLAIMS)


@functools.cache
def of_run(results: results_lib.Results) -> pd.DataFrame:
  """A line of `table` for each claim, and for the one on cost."""
  cost = cost_row(measured_cost.measured(results.run, results.measurements))
  return pd.concat([table(verdicts(results)), pd.DataFrame([cost])])


def table(judged: Sequence[Verdict]) -> pd.DataFrame:
  """One line a claim."""
  nan = statistics.Interval(np.nan, np.nan, np.nan)
  return pd.DataFrame(
    [
      {
        'id': v.claim.id,
        'claim': v.claim.sentence,
        'where': v.claim.where,
        'statistic': v.claim.statistic_text,
        'published': v.claim.published,
        'measured': (v.interval or nan).value,
        'low': (v.interval or nan).low,
        'high': (v.interval or nan).high,
        'verdict': v.verdict,
        'tasks': v.tasks,
        'rows': v.rows,
      }
      for v in judged
    ]
  )


def cost_row(measured: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
  """The claim on cost, from `measured_cost.measured`; a line for `table`."""
  line = {
    'id': 'cost_below_1_percent',
    'claim': "Head2Toe takes less than 1 % of fine-tuning's cost.",
    'where': 'Table 3',
    'statistic': "1 less the mean share of fine-tuning's cpu seconds, percent",
    'published': 1 - 0.63,
  }
  if not len(measured):
    return line | {
      'measured': np.nan,
      'low': np.nan,
      'high': np.nan,
      'verdict': UNTESTABLE,
      'tasks': 0,
      'rows': 'no task with linear, head2toe and finetune',
    }
  shares = {
    'share': {
      row.task: np.array([100 * row.seconds_vs_finetune])
      for row in measured.itertuples()
    }
  }
  found = statistics.bootstrap(
    shares,
    dict.fromkeys(shares['share'], ''),
    lambda a: 1 - float(a['share'].mean()),
    seed,
  )
  verdict = HOLDS if found.low > 0 else FAILS if found.high < 0 else UNDECIDED
  return (
    line
    | dataclasses.asdict(found)
    | {
      'measured': found.value,
      'verdict': verdict,
      'tasks': len(measured),
      'rows': 'provenance',
    }
  )


def toy_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
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
        'verdict': HOLDS
        if agree.all()
        else FAILS
        if not agree.any()
        else UNDECIDED,
      }
      for name, sentence, where, agree in found
    ]
  )
