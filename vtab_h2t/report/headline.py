"""What a run says, in whole sentences: what holds, what does not, what ties."""

from collections.abc import Mapping, Sequence
import functools
from typing import Any

import pandas as pd

from vtab_h2t.report import bootstrap
from vtab_h2t.report import budgets
from vtab_h2t.report import companion_answer
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import page_claims
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import task as task_lib

COMPARED = 'linear', 'head2toe'
_NO_ANSWER = 'Head2Toe and Linear were not both measured.'
_MOST = 6  # Claims that are listed of a kind; the table has all.
_FOLLOWS = 'from the settings, not from measurements'
_BRACKETS = (
  'in brackets stand the points above (+) or below (-) Head2Toe and their 95 % '
  'interval'
)
_TIE = (
  f'{_BRACKETS}; as it contains 0, this run does not tell it from Head2Toe, '
  'which does not mean that they are equal'
)


def answer(results: results_lib.Results) -> str:
  """Of a run: is Head2Toe better than Linear, where, and by how much.

  Of a run under shifts: what it says of the companion papers' claims.
  """
  if results.run.suite == companion_rows.SUITE:
    return ' '.join(companion_answer.sentences(results))
  rows = results.of(jobs.ACCURACY)
  if not any(r['split'] == 'test' and r['correct'] is not None for r in rows):
    return _of_studies(results)
  interval = next(
    v.interval
    for v in judging.verdicts(results)
    if v.claim.id == 'head2toe_above_linear'
  )
  return of_summary(statistics.summarise(rows), interval)


def _of_studies(results: results_lib.Results) -> str:
  """What a run has in place of accuracies of methods."""
  names = [run_names.job(job) for job in results.rows if job != jobs.ACCURACY]
  if not names:
    return _NO_ANSWER
  return (
    'This run compares no methods. It was made for '
    f'{"one study" if len(names) == 1 else f"{len(names)} studies"}: '
    f'{enumerated(names)}.'
  )


def of_summary(
  summary: pd.DataFrame, interval: bootstrap.Interval | None = None
) -> str:
  """The same, of tasks that have both; None for no interval."""
  both = statistics.compared(summary, COMPARED)
  if both.empty:
    return f'{_NO_ANSWER} {_averages(summary)}'
  wide = statistics.wide(both[both.method.isin(COMPARED)], task_lib.GROUPS)
  gain = (wide.loc['head2toe'] - wide.loc['linear']).round(statistics.DIGITS)
  by_task = gain[[c for c in gain.index if c[1] != 'mean']]
  if len(by_task) == 1:
    ((_, task),) = by_task.index
    head2toe, linear = (wide.loc[m, by_task.index[0]] for m in COMPARED[::-1])
    return (
      f'On {task}, the only task that has both, Head2Toe has '
      f'{numerals.number(head2toe)} % and Linear {numerals.number(linear)} %, '
      f'{_more(by_task.iloc[0])}. One task gives no interval.'
    )
  mean = gain['all', 'mean']
  ahead = f'ahead on {int((by_task > 0).sum())} of {len(by_task)} tasks'
  groups = ', '.join(
    f'{numerals.signed(gain[group, "mean"])} on {group} tasks'
    for group in dict.fromkeys(g for g, _ in gain.index)
    if group != 'all'
  )
  best, worst = by_task.idxmax(), by_task.idxmin()
  return (
    f'{_first(mean, interval, len(by_task))}, {ahead}. The difference is '
    f'{groups}; it is largest on {best[1]} ({numerals.signed(by_task[best])}) '
    f'and smallest on {worst[1]} ({numerals.signed(by_task[worst])}).'
  )


def _averages(summary: pd.DataFrame) -> str:
  """What was measured instead."""
  of = {
    tables.LABELS.get(str(method), str(method)): part
    for method, part in summary.groupby('method', sort=False)
  }
  said = [
    f'{label} has {numerals.number(part.accuracy_percent.mean())} % on '
    + (part.task.iloc[0] if len(part) == 1 else f'{len(part)} tasks')
    for label, part in of.items()
  ]
  return f'{enumerated(said)}.'


def _more(points: float) -> str:
  return (
    f'{numerals.number(abs(points))} points {"more" if points >= 0 else "less"}'
  )


def _first(mean: float, interval: bootstrap.Interval | None, tasks: int) -> str:
  """How the two compare on average, as far as the interval allows."""
  if interval is None or pd.isna(interval.low):
    return (
      f'Head2Toe is {numerals.number(abs(mean))} points '
      f'{"above" if mean >= 0 else "below"} Linear on average'
    )
  within = (
    f'95 % interval {numerals.signed(interval.low)} to '
    f'{numerals.signed(interval.high)}'
  )
  if interval.low > 0 or interval.high < 0:
    how = 'better' if interval.low > 0 else 'worse'
    return (
      f'Head2Toe is {how} than Linear, by {numerals.number(abs(mean))} points '
      f'on average ({within})'
    )
  how = (
    'Head2Toe and Linear tie, that is, this run does not tell them apart'
    if tasks >= standing.ENOUGH
    else f'{tasks} tasks are too few to tell Head2Toe from Linear'
  )
  return (
    f'{how}: the difference is {numerals.signed(mean)} points on average '
    f'({within})'
  )


@functools.cache
def sentences(results: results_lib.Results) -> tuple[str, ...]:
  """The answer, how other methods stand beside Head2Toe, and the claims.

  Of a run under shifts the answer alone, which is of claims.
  """
  if results.run.suite == companion_rows.SUITE:
    return companion_answer.sentences(results)
  answered = apart(answer(results))
  judged = judging.verdicts(results)
  is_rounded = rounding.is_known(results.run)
  counts = (
    f'In this run, of {len(judged)} claims of the paper {_counted(judged)}.'
  )
  if any(v.verdict in judging.JUDGED for v in judged):
    counts = f'{counts} {of_one_setting(results)}'.strip()
  return (
    *answered,
    *_standing(standing.of_run(results), is_rounded),
    *_apart_from(results),
    counts,
  )


def of_one_setting(results: results_lib.Results) -> str:
  """What not to take verdicts for where none was searched for; else ''."""
  run = results.run
  if run.suite == companion_rows.SUITE or not budgets.is_one_setting(run.space):
    return ''
  return (
    'Do not take these verdicts for verdicts on the method: they are on one '
    'setting that was given, and say nothing about the search.'
  )


def _counted(judged: Sequence[judging.Verdict]) -> str:
  """How many claims have each verdict; apart those that were not measured."""
  derived = [
    v for v in judged if v.claim.follows and v.verdict in judging.JUDGED
  ]
  parts = [companion_answer.counted([v for v in judged if v not in derived])]
  if len(derived) == 1:
    verdict = companion_answer.counted(derived).removeprefix('1 ')
    parts.append(f'the remaining one follows {_FOLLOWS}, and {verdict}')
  elif derived:
    parts.append(
      f'the remaining {len(derived)} follow {_FOLLOWS}, of which '
      f'{companion_answer.counted(derived)}'
    )
  return '; '.join(filter(None, parts))


def apart(text: str) -> tuple[str, ...]:
  """The first sentence of a text, and the rest if there is any."""
  first, _, rest = text.partition('. ')
  return (f'{first}.', rest) if rest else (text,)


def claims_that(results: results_lib.Results, verdict: str) -> list[str]:
  """What the paper says and has a verdict; of many the first, and how many.

  Last comes what was not measured, but follows from what was tried.
  """
  found = [v for v in judging.verdicts(results) if v.verdict == verdict]
  found.sort(key=lambda v: bool(v.claim.follows))
  said = [_said(v, results) for v in found]
  rest = len(said) - _MOST
  if rest < 2:
    return said
  return [*said[:_MOST], f'And {rest} more, in the table of claims.']


def claims_in_lines(results: results_lib.Results) -> dict[str, Any]:
  """What `page_claims.of` gives, and what restricts these verdicts."""
  found = page_claims.of(judging.of_run(results))
  found['caveat'] = of_one_setting(results)
  moved = {
    v.claim.sentence
    for v in judging.verdicts(results)
    if rounding.moves(results.run, v.claim.id, v.verdict)
  }
  for line in found['tested']:
    if line['claim'] in moved:
      line['why'] = f'undecided {rounding.OTHERWISE}'
      found['note'] = rounding.NOTE
  return found


def _said(verdict: judging.Verdict, results: results_lib.Results) -> str:
  """A claim's sentence, and what decides that it holds or does not."""
  said = verdict.claim.sentence
  if verdict.claim.follows:
    return f'{said[:-1]}: this follows {_FOLLOWS}.'
  if not rounding.moves(results.run, verdict.claim.id, verdict.verdict):
    return said
  return f'{said[:-1]} (undecided {rounding.OTHERWISE}).'


def _standing(found: pd.DataFrame, is_rounded: bool) -> list[str]:
  """Sentences on the methods beside Head2Toe; Linear has one of its own.

  Args:
    found: what `standing.table` gives.
    is_rounded: whether `rounding` tells of the run.
  """
  others = found[found.method != 'linear']
  others = others.assign(fewer=standing.fewer_tasks(found))
  said = []
  ties = standing.read_as(others, standing.TIE)
  if ties:
    said.append(
      'Head2Toe ties with '
      f'{enumerated([_with_points(line) for line in ties])}: {_TIE}.'
    )
  few = standing.read_as(others, standing.FEW)
  if few:
    counts = sorted({int(line['tasks']) for line in few})
    said.append(
      f'{" or ".join(map(str, counts))} tasks are too few to tell Head2Toe '
      f'from {enumerated([_with_points(line) for line in few])}: '
      f'{_BRACKETS}.'
    )
  unknown = standing.read_as(others, standing.UNKNOWN)
  if unknown:
    alone = [
      f'{_name(line)} ({numerals.signed(line["points"])})' for line in unknown
    ]
    said.append(
      f'Head2Toe is compared with {enumerated(alone)} without an interval, as '
      'there are too few tasks: in brackets stand the points above (+) or '
      'below (-) Head2Toe.'
    )
  for reading, words in (
    (standing.WORSE, 'Head2Toe is better than'),
    (standing.BETTER, 'Head2Toe is worse than'),
  ):
    lines = standing.read_as(others, reading)
    if lines:
      found_so = [
        _name(line) if line['tasks'] >= standing.ENOUGH else _with_points(line)
        for line in lines
      ]
      said.append(f'{words} {enumerated(found_so)}.')
      if any(line['tasks'] < standing.ENOUGH for line in lines):
        said[-1] += ' Of so few tasks an interval may be narrow by chance.'
      moved = [_name(line) for line in lines if line['method'] in rounding.TIES]
      if is_rounded and moved and reading == standing.WORSE:
        said[-1] += (
          f' But {rounding.OTHERWISE} {enumerated(moved)} '
          f'{"tie" if len(moved) > 1 else "ties"} with it'
          + ', as the 95 % interval then contains 0' * (not ties)
          + f' ({rounding.WHERE}, "What rounding alone does").'
        )
  unequal = standing.read_as(others, standing.UNEQUAL)
  if unequal:
    names = enumerated([_name(line) for line in unequal])
    said.append(
      f'Between Head2Toe and {names} there is no verdict, because they were '
      'not trained equally long.'
    )
  return said


def _apart_from(results: results_lib.Results) -> list[str]:
  """Which methods were measured and cannot stand beside Head2Toe."""
  beside = set(standing.of_run(results).method)
  if not beside:
    return []  # The answer has the averages of all.
  rest = [
    tables.LABELS.get(method, method)
    for method in dict.fromkeys(
      str(r['method'])
      for r in results.of(jobs.ACCURACY)
      if r['split'] == 'test' and r['correct'] is not None
    )
    if method not in (*COMPARED, *beside)
  ]
  if not rest:
    return []
  return [f'Head2Toe has no task in common with {enumerated(rest)}.']


def _name(line: Mapping[str, Any]) -> str:
  """What tables call a method, with how many tasks if it lacks some."""
  method = str(line['method'])
  of = line['fewer'] if line['reading'] != standing.FEW else ''
  return ' '.join(filter(None, [tables.LABELS.get(method, method), of]))


def _with_points(line: Mapping[str, Any]) -> str:
  """For example '+All-l1 (-2.4; -5.9 to +1.0)'."""
  return (
    f'{_name(line)} ({numerals.signed(line["points"])}; '
    f'{numerals.signed(line["low"])} to {numerals.signed(line["high"])})'
  )


def enumerated(names: Sequence[str]) -> str:
  """A list in words: 'a, b and c'."""
  return ' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))
