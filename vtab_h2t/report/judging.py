"""What measurements say of the paper's claims.

A claim holds if the whole 95 % interval of its statistic, over tasks and seeds
(`bootstrap`), is above 0, does not hold if the whole interval is below, and is
undecided otherwise. If the sides of the comparison had different training
budgets it has no verdict. Where all tasks and seeds agree, or the statistic
follows from what was set, there is no interval and its value decides.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import math
from typing import Any

import numpy as np
import pandas as pd

from vtab_h2t.methods import space as space_lib
from vtab_h2t.report import bootstrap
from vtab_h2t.report import budgets
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import claims
from vtab_h2t.report import companion_claims
from vtab_h2t.report import companion_rows
from vtab_h2t.report import cost
from vtab_h2t.report import evidence as evidence_lib
from vtab_h2t.report import jobs
from vtab_h2t.report import measured_cost
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics

HOLDS, FAILS, UNDECIDED = 'holds', 'does not hold', 'undecided'
NO_VERDICT, UNTESTABLE = 'no verdict', 'not testable'
JUDGED = HOLDS, FAILS, UNDECIDED
# What is said of one claim, and of several.
WORDS = {
  HOLDS: ('holds', 'hold'),
  FAILS: ('does not hold', 'do not hold'),
  UNDECIDED: ('is undecided', 'are undecided'),
  NO_VERDICT: ('has no verdict', 'have no verdict'),
  UNTESTABLE: ('cannot be tested', 'cannot be tested'),
}
# What numbers that are not measured follow from, by the claim's id.
FOLLOWS = {c.id: c.follows for c in claims.CLAIMS if c.follows}


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What was found.

  Attributes:
    claim: of what.
    interval: of the statistic; None where it cannot be computed, without ends
      where only its value can, or where that is the same for all tasks and
      seeds.
    verdict: of `HOLDS`, `FAILS`, `UNDECIDED`, `NO_VERDICT`, `UNTESTABLE`.
    tasks: on how many tasks.
    rows: job and method of the rows that it came from; or what lacks, or which
      budgets differ, or what it follows from.
  """

  claim: claim_lib.Claim
  interval: bootstrap.Interval | None
  verdict: str
  tasks: int
  rows: str


def judge(
  claim: claim_lib.Claim,
  rows: evidence_lib.Rows,
  space: space_lib.Space | None = None,
) -> Verdict:
  """Tests a claim.

  Args:
    claim: the claim.
    rows: by job.
    space: what gives the budgets; None where they are known to be equal.
  """
  try:
    evidence = evidence_lib.of(claim, rows)
  except evidence_lib.LackingError as error:
    return Verdict(claim, None, UNTESTABLE, 0, claim.untested or str(error))
  tasks = list(evidence.groups)
  found = bootstrap.interval(
    evidence.samples,
    evidence.groups,
    claim.statistic,
    bounds=claim.bounds,
    least_error=claim.least_error,
  )
  if claim.untested:
    return Verdict(
      claim, _value_only(found), UNTESTABLE, len(tasks), claim.untested
    )
  if math.isnan(found.value):
    return Verdict(
      claim,
      None,
      UNTESTABLE,
      len(tasks),
      f'no value of {_number(len(tasks), "task")}: too few, or all alike',
    )
  if claim.follows:
    found = bootstrap.Interval(found.value, found.value, found.value)
  if math.isnan(found.low):
    groups = set(evidence.groups.values())
    return Verdict(
      claim,
      found,
      UNTESTABLE,
      len(tasks),
      f'no interval of {_number(len(tasks), "task")} in '
      f'{_number(len(groups), "group")}; some group needs two tasks',
    )
  verdict = HOLDS if found.low > 0 else FAILS if found.high < 0 else UNDECIDED
  if found.low == found.high:
    found = _value_only(found)
  different = evidence.unequal
  if claim.sides and space is not None:
    different = budgets.differing(claim.sides, space, tasks)
  if different:
    return Verdict(
      claim, found, NO_VERDICT, len(tasks), f'trained for {different}'
    )
  return Verdict(
    claim, found, verdict, len(tasks), claim.follows or evidence.used
  )


def _number(count: int, what: str) -> str:
  """So many of something."""
  return f'{count} {what}' + 's' * (count != 1)


def _value_only(found: bootstrap.Interval) -> bootstrap.Interval:
  """Without an interval, and without what it could show."""
  return bootstrap.Interval(found.value, math.nan, math.nan)


@functools.cache
def verdicts(results: results_lib.Results) -> tuple[Verdict, ...]:
  """What a run's results say of each claim; judged once."""
  run = results.run
  if run.suite == companion_rows.SUITE:
    return tuple(judge(c, results.rows) for c in companion_claims.CLAIMS)
  rows = {**results.rows, **_cost_rows(results)}
  return tuple(judge(c, rows, run.space) for c in claims.CLAIMS)


def _cost_rows(results: results_lib.Results) -> dict[str, list[claim_lib.Row]]:
  """What was measured of cost, and what the search for the fraction adds."""
  first = {
    r['task']: r
    for r in results.of(jobs.ACCURACY)
    if claim_lib.is_test(r) and r['method'] == 'head2toe'
  }
  search: list[claim_lib.Row] = []
  for task, row in first.items():
    options = results.run.space.of_task(task).options.get('head2toe')
    tried = getattr(options, 'fractions', ())
    if len(set(tried)) > 1:  # A single one needs no validation.
      overhead = cost.selection_overhead(tried)
      search.append({**row, 'job': claim_lib.SEARCH} | {'overhead': overhead})
  measured = measured_cost.measured(results.run, results.own_measurements)
  shares: list[claim_lib.Row] = [
    {**first[line['task']], 'job': claim_lib.COST} | line
    for line in measured_cost.shares(measured)
    if line['task'] in first
  ]
  return {claim_lib.COST: shares, claim_lib.SEARCH: search}


@functools.cache
def of_run(results: results_lib.Results) -> pd.DataFrame:
  """`table` of a run, beside the paper's numbers."""
  run = results.run
  own = run.backbone if papers.comparable(run) else None
  return table(verdicts(results), own)


@functools.cache
def of_paper(backbone: str) -> pd.DataFrame:
  """`table` of what the paper prints, judged like measured rows.

  Its medians stand for one seed. Its budgets are equal (Appendix A), but that
  of the ResNet-50's Scratch, which is from another paper, is not known. Where
  it prints averages only, there is their value and no interval.

  Args:
    backbone: of `papers.BACKBONES`.
  """
  rows = papers.rows(backbone)
  judged = []
  for claim in claims.CLAIMS:
    found = judge(claim, rows)
    if found.verdict != UNTESTABLE and papers.is_quoted(backbone, claim.sides):
      found = dataclasses.replace(
        found,
        verdict=NO_VERDICT,
        rows='Scratch is quoted from Zhai et al. (2019), its budget is unknown',
      )
    value = claim.averages(backbone)
    if found.interval is None and value is not None:
      found = dataclasses.replace(
        found,
        interval=bootstrap.Interval(value, math.nan, math.nan),
        rows=f'only averages are printed ({claim.source})',
      )
    elif found.interval is None and not claim.untested:
      found = dataclasses.replace(
        found, rows='the paper prints no numbers by task for it'
      )
    judged.append(found)
  return table(judged, backbone)


@functools.cache
def derived(claim: claim_lib.Claim, backbone: str) -> float | None:
  """A claim's statistic from the paper's tables for a backbone, or None."""
  value = claim.averages(backbone)
  if value is None:
    try:
      evidence = evidence_lib.of(claim, papers.rows(backbone))
    except evidence_lib.LackingError:
      return None
    tasks = list(evidence.groups)
    value = float(claim.statistic(bootstrap.medians(evidence.samples, tasks)))
  return None if math.isnan(value) else round(value, statistics.DIGITS)


def published(claim: claim_lib.Claim, own: str | None = None) -> str:
  """What the paper prints, and what follows from its tables, in words.

  Args:
    claim: the claim.
    own: the only backbone whose numbers may stand here; None for each with its
      name.
  """
  if claim.stated:
    return claim.stated
  parts = []
  for backbone in papers.BACKBONES if own is None else (own,):
    numbers = []
    if backbone in claim.printed:
      origin = f'from the printed {claim.printed_as}'
      numbers.append(
        f'{claim.printed[backbone]:g}, '
        + (origin if claim.printed_as else 'printed')
      )
    value = derived(claim, backbone)
    if value is not None:
      numbers.append(f'{value:.{claim.digits}f}, from {claim.source}')
    if numbers:
      label = papers.LABELS[backbone]
      parts.append(f'{label} on VTAB-1k: {" and ".join(numbers)}')
  return '; '.join(parts)


def fixed(line: Mapping[str, Any]) -> str:
  """Why a line of `table` has a verdict and no interval; '' if it has one."""
  if line['verdict'] not in JUDGED or not pd.isna(line['low']):
    return ''
  return FOLLOWS.get(line['id'], 'the same for every task and seed')


def place(where: str, of: str) -> str:
  """Where in a paper a claim is, and of which networks if it says so."""
  return f'{where} ({of})' if of else where


def table(judged: Sequence[Verdict], own: str | None = None) -> pd.DataFrame:
  """One line a claim.

  Args:
    judged: the verdicts.
    own: as of `published`.

  Returns:
    id, claim, where, of (which backbones the paper says it of), statistic,
    published (in words), measured, low, high, detectable, verdict, tasks, rows;
    low, high and detectable are missing as of `Verdict.interval`.
  """
  nan = bootstrap.Interval(np.nan, np.nan, np.nan)
  found = pd.DataFrame(
    [
      {
        'id': v.claim.id,
        'claim': v.claim.sentence,
        'where': v.claim.where,
        'of': ', '.join(papers.LABELS[b] for b in v.claim.of),
        'statistic': v.claim.text,
        'published': published(v.claim, own),
        'measured': (v.interval or nan).value,
        'low': (v.interval or nan).low,
        'high': (v.interval or nan).high,
        'detectable': (v.interval or nan).detectable,
        'verdict': v.verdict,
        'tasks': v.tasks,
        'rows': v.rows,
      }
      for v in judged
    ]
  )
  return found.round({'measured': statistics.DIGITS})
