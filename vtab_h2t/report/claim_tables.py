"""Claims and contradictions for terminals, in a hundred columns."""

from typing import TYPE_CHECKING

import pandas as pd

from vtab_h2t.report import judging

if TYPE_CHECKING:
  import rich.console

WIDTH = 100  # Of output that is no terminal.
_EXPLAINED = """\
A claim's value is above 0 where the claim is right. It holds if the whole
95 % interval is above 0, does not hold if all of it is below, and is undecided
otherwise; it has no verdict if what it compares was trained for different
budgets.
"""


def print_claims(
  table: pd.DataFrame, heading: str, width: int | None = None
) -> None:
  """Prints claims that have a value, and why others have none.

  Args:
    table: what `judging.table` gives.
    heading: on whose numbers they are judged.
    width: columns of the terminal; found out where None.
  """
  import rich.box
  import rich.console
  import rich.table
  import rich.text

  console = _console(width)
  shown = rich.table.Table(box=rich.box.SIMPLE, padding=(0, 1, 0, 0), leading=1)
  shown.add_column('claim', width=max(map(len, table.id)), overflow='fold')
  shown.add_column('where', ratio=4)
  shown.add_column('the paper', ratio=5)
  shown.add_column('value\n95 % interval', width=16)
  shown.add_column('verdict', ratio=4)
  valued = table[table.measured.notna()]
  notes: dict[str, int] = {}  # Reasons, and their numbers.
  for line in valued.to_dict('records'):
    claim = rich.text.Text.assemble(
      (line['id'], 'bold'),
      f'\n{line["claim"]}\n',
      (f'Value: {line["statistic"]}.', 'dim'),
    )
    cells = (
      line['where'],
      line['published'].replace('; ', '\n').replace(' on VTAB-1k', ''),
      _with_interval(line['measured'], line['low'], line['high']),
      _with_note(line['verdict'], line['rows'], notes),
    )
    shown.add_row(claim, *map(rich.text.Text, cells))
  console.print(heading, highlight=False, markup=False)
  if len(valued):
    console.print(shown)
    for reason, number in notes.items():
      console.print(f'[{number}] {reason}', highlight=False, markup=False)
    console.print(_EXPLAINED, highlight=False, markup=False)
  others = table[table.measured.isna()]
  for reason, some in others.groupby('rows', sort=False):
    console.print(
      f'Not testable, {reason}:\n  {", ".join(some.id)}',
      highlight=False,
      markup=False,
    )
  console.print()


def print_contradictions(table: pd.DataFrame, width: int | None = None) -> None:
  """Prints what the paper says, and what its tables give.

  Args:
    table: text, tables, number.
    width: columns of the terminal; found out where None.
  """
  import rich.box
  import rich.table
  import rich.text

  shown = rich.table.Table(box=rich.box.SIMPLE, padding=(0, 1, 0, 0), leading=1)
  shown.add_column('what the paper says', ratio=6)
  shown.add_column('what else it says, or its tables give', ratio=6)
  shown.add_column('', justify='right', no_wrap=True)
  for line in table.to_dict('records'):
    number = '' if pd.isna(line['number']) else f'{line["number"]:.4g}'
    shown.add_row(*map(rich.text.Text, (line['text'], line['tables'], number)))
  _console(width).print(shown)


def _with_interval(value: float, low: float, high: float) -> str:
  """For example '8.76', and '4.26 to 13.26' below."""
  return f'{value:.2f}' + ('' if pd.isna(low) else f'\n{low:.2f} to {high:.2f}')


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


def _console(width: int | None) -> 'rich.console.Console':
  """One as wide as the terminal, or as `WIDTH` where there is none."""
  import rich.console

  console = rich.console.Console(width=width)
  if width is None and not console.is_terminal:
    return rich.console.Console(width=WIDTH)
  return console
