"""What a claim is judged on: samples of the tasks that have all it compares."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
import re

import numpy as np

from vtab_h2t.methods import registry as methods
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import jobs

Rows = Mapping[str, Sequence[claim_lib.Row]]  # By job.
# Conditions whose names alone do not tell what rows they are of.
_IN_WORDS = {
  'original': 'head2toe in the run itself',
  'variant': 'head2toe in the derived run',
  'tap none': 'the embedding alone',
  '0.0': 'a coefficient of 0',
  'own': "a task's own features",
  'kept': 'head2toe with the number of selected features',
  'early': 'head2toe with the selected features of each tap',
  'later': 'head2toe with the selected features of each tap',
  'within': 'two seeds of a task',
  'between': 'two tasks',
  'rank of auto_rgn and rank of all': 'all rules that are ranked',
  'few': 'two tasks',
  'twin': 'two tasks on the same images',
  'others': 'tasks on other images',
  'chosen and all': 'a block that validation chose beside all layers',
  'value': 'enough values of tau, and seeds',
}


class LackingError(Exception):
  """Says what a claim would need."""


@dataclasses.dataclass(frozen=True)
class Evidence:
  """What a claim is judged on.

  Attributes:
    samples: of the same tasks, by condition.
    groups: of these tasks, within which they are drawn.
    used: job and method of the rows.
    unequal: which chosen budgets differ; '' if none does.
  """

  samples: dict[str, dict[str, np.ndarray]]
  groups: dict[str, str]
  used: str
  unequal: str


def of(claim: claim_lib.Claim, rows: Rows) -> Evidence:
  """Samples of the tasks that have all that is compared.

  Raises:
    LackingError: there are none.
  """
  for job in claim.jobs:
    if not rows.get(job):
      raise LackingError(_lacking(job))
  considered, unequal = _equal(
    claim, [r for job in claim.jobs for r in rows[job]]
  )
  found = claim.gather(considered)
  lacking = [name for name in claim.needs if not _is_there(claim, name, found)]
  if lacking:
    names = dict.fromkeys(
      _IN_WORDS.get(name, re.sub(r'(.*) \*', r'any \1', name))
      for name in lacking
    )
    raise LackingError(f'no rows of {", ".join(names)}')
  groups = {r['task']: r['group'] for r in considered}
  tasks = _common_tasks(claim, found, groups, rows)
  samples = {
    name: {t: np.array(by_task.get(t, [np.nan])) for t in tasks}
    for name, by_task in found.items()
  }
  if len(claim.groups) > 1:
    samples |= {
      f'is {group}': {t: np.array([float(groups[t] == group)]) for t in tasks}
      for group in claim.groups
    }
  words = {word for name in found for word in name.split()}
  judged = [r for r in considered if r['task'] in tasks]
  used = sorted(
    {f'{r["job"]}/{r["method"]}' for r in judged if _is_used(claim, r, words)}
  )
  return Evidence(
    samples,
    {t: groups[t] if claim.stratified else 'all' for t in tasks},
    ' '.join(used),
    unequal or claim.differing(judged),
  )


def _is_there(
  claim: claim_lib.Claim, need: str, found: Collection[str]
) -> bool:
  """Whether a condition is there, or one of those that it stands for."""
  if not need.endswith('*'):
    return need in found
  return any(
    name.startswith(need[:-1]) and name not in claim.needs for name in found
  )


def _equal(
  claim: claim_lib.Claim, rows: Sequence[claim_lib.Row]
) -> tuple[Sequence[claim_lib.Row], str]:
  """Those of equal chosen budgets; all and what differs, if none is equal."""
  equal = [r for r in rows if not r.get('unequal')]
  if not claim.equal_chosen or equal:
    return (equal if claim.equal_chosen else rows), ''
  return rows, '; '.join(dict.fromkeys(r['unequal'] for r in rows))


def _common_tasks(
  claim: claim_lib.Claim,
  found: claim_lib.Found,
  groups: Mapping[str, str],
  rows: Rows,
) -> list[str]:
  """The tasks that a claim is about and that have all that is compared.

  Raises:
    LackingError: there are none, or none of one of the claim's groups.
  """
  whole = [
    set(by_task)
    for name, by_task in found.items()
    if not claim.partial or name in claim.needs
  ]
  tasks = set.intersection(*whole) if whole else set()
  if not tasks:
    raise LackingError(
      'head2toe and finetune were not measured in one go'
      if claim.jobs == (claim_lib.COST,)
      else 'no task has all that is compared'
    )
  if claim.half:
    tasks &= _half(claim.half, rows)
  if claim.groups:
    tasks = {t for t in tasks if groups[t] in claim.groups}
  for group in claim.groups:
    if group not in {groups[t] for t in tasks}:
      raise LackingError(f'no {group} task has all that is compared')
  if not tasks:
    raise LackingError(f'no task of the {claim.half} half by affinity')
  return sorted(tasks)


def _is_used(
  claim: claim_lib.Claim, row: claim_lib.Row, words: Collection[str]
) -> bool:
  """Whether a claim reads a row; of the methods of a job it reads some.

  Args:
    claim: the claim.
    row: of one of its jobs.
    words: in the names of its conditions.
  """
  is_study = (
    row['job'] != jobs.ACCURACY and row['method'] not in methods.METHODS
  )
  return is_study or row['method'] in words or bool(claim.gather([row]))


def _lacking(job: str) -> str:
  """That a job has no rows, and what it takes."""
  if job == claim_lib.COST:
    return 'no task with linear, head2toe and finetune measured to the end'
  if job == claim_lib.SEARCH:
    return 'no task for which Head2Toe chose one of several fractions'
  entry = jobs.JOBS.get(job)
  takes = ''
  if job == jobs.SURGICAL_SMALL:
    takes = ', which is measured with the small residual network'
  elif entry is not None and entry.has_second:
    takes = ', which needs a second network (--control)'
  elif job.startswith('cls_'):
    takes = ', which needs a network with a class token'
  return f'no rows of {job}{takes}'


def _half(half: str, rows: Rows) -> set[str]:
  """The tasks of one half by affinity, of those that have it.

  Raises:
    LackingError: no task has it.
  """
  found = claim_lib.methods('linear', 'scratch')(rows.get(jobs.ACCURACY, ()))
  lacking = [m for m in ('linear', 'scratch') if m not in found]
  if lacking:
    raise LackingError(f'no rows of {", ".join(lacking)}')
  linear, scratch = found['linear'], found['scratch']
  order = sorted(
    (float(np.median(linear[t]) - np.median(scratch[t])), t)
    for t in set(linear) & set(scratch)
  )
  count = len(order) // 2
  kept = (
    order[:count] if half == claim_lib.LOWER else order[len(order) - count :]
  )
  return {t for _, t in kept}
