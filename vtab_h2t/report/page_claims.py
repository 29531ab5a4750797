"""Claims for pages: those of a run, and the verdicts of all runs beside."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import math
import re
from typing import Any

import pandas as pd

from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import budgets
from vtab_h2t.report import claim_numbers
from vtab_h2t.report import companion_rows
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import papers
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import tables

_MARKS = {
  judging.HOLDS: 'holds',
  judging.FAILS: 'fails',
  judging.UNDECIDED: 'open',
  judging.NO_VERDICT: 'none',
}


@dataclasses.dataclass(frozen=True)
class Column:
  """On whose numbers claims were judged.

  Attributes:
    name: of the run, or of the paper's network.
    label: whose it is, in words.
    link: to the page that has the details; '' of the paper's own numbers.
    table: what `judging.table` gives.
    run: of which they were; None of the paper's own numbers.
  """

  name: str
  label: str
  link: str
  table: pd.DataFrame
  run: run_lib.Run | None = None


def of(table: pd.DataFrame, origin: str = 'measured') -> dict[str, Any]:
  """Claims for the template.

  Args:
    table: what `judging.table` gives.
    origin: of its numbers, 'measured' or 'derived'.

  Returns:
    `origin`: as given.
    `tested`: those that have a verdict, or a reason why it has none; last
      those whose number is `fixed`: it is the same for every task and seed, or
      was not measured.
    `caveat`, `note`: for above and below the table; '' where there is none.
    `untested`: how many others there are.
    `reasons`: why, in words, how many, and what they say.
  """
  untested = table[table.verdict == judging.UNTESTABLE]
  return {
    'origin': origin,
    'tested': sorted(
      map(_line, table[table.verdict != judging.UNTESTABLE].to_dict('records')),
      key=lambda line: line['fixed'],
    ),
    'caveat': '',
    'note': '',
    'untested': len(untested),
    'reasons': _reasons(untested),
  }


def _reasons(untested: pd.DataFrame) -> list[dict[str, Any]]:
  """The most frequent reason first."""
  by_reason: dict[str, list[str]] = {}
  for line in untested.to_dict('records'):
    by_reason.setdefault(_named(line['rows']), []).append(line['claim'])
  return [
    {'why': f'{why[0].upper()}{why[1:]}', 'claims': said}
    for why, said in sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
  ]


def _named(text: str) -> str:
  """A text with methods' names for their ids."""
  return re.sub(
    r'(?<!-)\b[a-z0-9_]+\b', lambda m: tables.LABELS.get(m[0], m[0]), text
  )


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
  """A line of the table of a run's claims."""
  after_point = claim_numbers.digits(line)
  details = {
    'where the paper says it': judging.place(line['where'], line['of']),
    'what the number is': line['statistic'],
    'tasks': str(line['tasks']),
    'smallest effect that could be seen': seen(line['detectable']),
    'rows': ''
    if line['verdict'] == judging.NO_VERDICT or line['id'] in judging.FOLLOWS
    else _named(line['rows']),
  }
  return {
    'claim': line['claim'],
    'verdict': line['verdict'],
    'mark': _MARKS[line['verdict']],
    'why': _named(line['rows'])
    if line['verdict'] == judging.NO_VERDICT
    else '',
    'measured': _number(line['measured'], after_point),
    'sort': f'{line["measured"]:.6g}',
    'interval': _interval(line, after_point),
    'fixed': bool(judging.fixed(line)),
    'published': [
      part.replace(' on VTAB-1k', '')
      for part in line['published'].split('; ')
      if part
    ],
    'details': {what: text for what, text in details.items() if text},
  }


def _number(value: float, after_point: int) -> str:
  return '' if pd.isna(value) else numerals.number(value, after_point)


def _interval(line: Mapping[str, Any], after_point: int) -> str:
  """In words where there is none."""
  low, high = line['low'], line['high']
  if pd.isna(low):
    return judging.fixed(line) or 'no interval'
  return f'{_number(low, after_point)} to {_number(high, after_point)}'


def seen(value: float) -> str:
  """The smallest effect that could be seen; 'none' if none could."""
  if pd.isna(value):
    return ''
  if math.isinf(value):
    return 'none'
  return _number(value, numerals.decimals(0, value))


def of_all(
  measured: Sequence[results_lib.Results], links: Mapping[str, str]
) -> list[dict[str, Any]]:
  """The claims of the paper over all runs, and those of the companions.

  The paper's own numbers stand beside the main run, then come others of its
  suite. Runs of a single setting, which can tell of few claims, are left out.

  Args:
    measured: the results of each run, the main one first.
    links: from a run's name to where its details are.

  Returns:
    Of each, what `matrix` gives, `title`, `given` (from the names of the runs
    that are left out to their links) and `is_published`: whether columns of the
    paper's numbers are among them.
  """
  shifted = [r for r in measured if r.run.suite == companion_rows.SUITE]
  others = [r for r in measured if r.run.suite != companion_rows.SUITE]
  given = [r for r in others[1:] if budgets.is_one_setting(r.run.space)]
  kept = sorted(
    (r for r in others if r not in given),
    key=lambda r: r.run.suite != others[0].run.suite,
  )

  def columns(runs: Sequence[results_lib.Results]) -> list[Column]:
    return [
      Column(
        one.run.name,
        run_names.label(one.run),
        links[one.run.name],
        judging.of_run(one),
        one.run,
      )
      for one in runs
    ]

  printed = [
    Column(
      f'published, {label}',
      f"the paper's own tables, {label}",
      '',
      judging.of_paper(backbone),
    )
    for backbone, label in papers.LABELS.items()
  ]
  own = columns(kept)
  return [
    {
      'title': title,
      'given': {r.run.name: links[r.run.name] for r in left_out},
      'is_published': any(not column.link for column in judged),
    }
    | matrix(judged)
    for title, judged, left_out in (
      ('Claims of Head2Toe', [*own[:1], *printed, *own[1:]], given),
      ('Claims of the companion papers', columns(shifted), ()),
    )
    if judged
  ]


def matrix(columns: Iterable[Column]) -> dict[str, Any]:
  """The verdicts of all runs on the same claims: a line a claim.

  Args:
    columns: whose; all of the same claims.

  Returns:
    `columns`: those that have a verdict on some claim.
    `lines`: the claims that have a verdict in some column, with their cells;
      first those that were judged on a run, and last of these what was not
      measured.
    `others`: names of the columns without any.
    `untested`: how many claims have no verdict in any column.
    `note`: what it means that a cell `is_rounded`; '' where none is.
  """
  every = list(columns)
  judged = [c for c in every if (c.table.verdict != judging.UNTESTABLE).any()]
  lines, untested = [], 0
  for i in range(len(every[0].table) if every else 0):
    found = [column.table.iloc[i].to_dict() for column in judged]
    if any(line['verdict'] in _MARKS for line in found):
      lines.append(
        {
          'claim': found[0]['claim'],
          'cells': [_cell(line, c.run) for line, c in zip(found, judged)],
          'is_last': found[0]['id'] in judging.FOLLOWS,
          'is_measured': any(
            column.link and line['verdict'] in _MARKS
            for column, line in zip(judged, found)
          ),
        }
      )
    else:
      untested += 1
  return {
    'columns': judged,
    'lines': sorted(lines, key=_place),
    'others': _others(every, judged),
    'untested': untested,
    'note': rounding.NOTE
    if any(cell['is_rounded'] for line in lines for cell in line['cells'])
    else '',
  }


def _place(line: Mapping[str, Any]) -> tuple[bool, bool]:
  """Where a line stands: what is so comes after what is not."""
  return not line['is_measured'], line['is_last']


def _others(every: Sequence[Column], judged: Sequence[Column]) -> list[str]:
  kept = {column.name for column in judged}
  return [column.name for column in every if column.name not in kept]


def _cell(line: Mapping[str, Any], run: run_lib.Run | None) -> dict[str, Any]:
  """A verdict and its number; blank where the claim cannot be tested."""
  if line['verdict'] not in _MARKS:
    return {'verdict': '', 'mark': '', 'measured': '', 'is_rounded': False}
  return {
    'is_rounded': run is not None
    and rounding.moves(run, line['id'], line['verdict']),
    'verdict': line['verdict'],
    'mark': _MARKS[line['verdict']],
    'measured': _number(line['measured'], claim_numbers.digits(line))
    + ', derived' * (line['id'] in judging.FOLLOWS),
  }
