"""Claims and contradictions for terminals of any width."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vtab_h2t.report import claim_numbers
from vtab_h2t.report import contradictions as contradictions_lib
from vtab_h2t.report import judging
from vtab_h2t.report import numerals
from vtab_h2t.report import terminal

_EXPLAINED = (
  "A claim's value is above 0 where the claim is right. It holds if the whole "
  '95 % interval is above 0, does not hold if all of it is below, and is '
  'undecided otherwise; it has no verdict if what it compares was trained for '
  'different budgets.'
)


def claims(table: pd.DataFrame, heading: str, width: int | None = None) -> str:
  """Claims that have a value, and why others have none.

  Args:
    table: what `judging.table` gives, or `making.claims_of_the_paper`.
    heading: on whose numbers they are judged.
    width: columns of the terminal; found out where None.
  """
  columns = width or terminal.width()
  table = table.rename(columns={'derived': 'measured'})
  valued = table[table.measured.notna()]
  notes: dict[str, int] = {}  # Reasons, and their numbers.
  parts = [terminal.prose(heading, columns)]
  parts += [
    _claim(line, _with_note(line['verdict'], line['rows'], notes), columns)
    for line in valued.to_dict('records')
  ]
  if len(valued):
    parts += [
      terminal.prose(f'[{number}] {reason}', columns)
      for reason, number in notes.items()
    ]
    parts.append(terminal.prose(_EXPLAINED, columns))
  others = table[table.measured.isna()]
  for reason, some in others.groupby('rows', sort=False):
    parts.append(
      terminal.prose(f'Not testable, {reason}:', columns)
      + '\n'
      + terminal.prose(f'  {", ".join(some.id)}', columns, '  ')
    )
  return '\n\n'.join(parts) + '\n'


def _claim(line: Mapping[str, Any], verdict: str, columns: int) -> str:
  """A claim in a few lines: its value and verdict first.

  Args:
    line: of a table of claims.
    verdict: with its note.
    columns: of the terminal.
  """
  number = _with_interval(line)
  texts = [f'{number}: {verdict}', line['claim']]
  notes = [f'Value: {line["statistic"]}.', f'Where: {line["where"]}.']
  if line['published']:
    published = line['published'].replace(' on VTAB-1k', '')
    notes.append(f'The paper: {published}.')
  return '\n'.join(
    [
      line['id'],
      *(terminal.prose(f'  {text}', columns, ' ' * 2) for text in texts),
      *(terminal.prose(f'    {text}', columns, ' ' * 6) for text in notes),
    ]
  )


def contradictions(table: pd.DataFrame, width: int | None = None) -> str:
  """What the paper says, and what its tables give.

  Args:
    table: what `report.contradictions.table` gives.
    width: columns of the terminal; found out where None.
  """
  columns = [
    terminal.Column(
      head='what the paper says', cells=[*table.text], is_text=True
    ),
    terminal.Column(
      head='what else it says, or its tables give',
      cells=contradictions_lib.answers(table),
      is_text=True,
    ),
  ]
  return terminal.table(columns, 2, width, spaced=True)


def _with_interval(line: Mapping[str, Any]) -> str:
  """For example '8.76 (95 % interval 4.26 to 13.26)'."""
  said, digits = judging.fixed(line), claim_numbers.digits(line)
  if not pd.isna(line['low']):
    low, high = (numerals.number(line[end], digits) for end in ('low', 'high'))
    said = f'95 % interval {low} to {high}'
  return numerals.number(line['measured'], digits) + (f' ({said})' * bool(said))


def _with_note(verdict: str, rows: str, notes: dict[str, int]) -> str:
  """A verdict, and the number of the note that says why there is none.

  Args:
    verdict: of a claim.
    rows: what it was judged on, or why it was not.
    notes: numbers of the reasons so far; gets another if it is not there.
  """
  if verdict not in (judging.NO_VERDICT, judging.UNTESTABLE):
    return verdict
  return f'{verdict} [{notes.setdefault(rows, len(notes) + 1)}]'
