"""Tables and texts for terminals: no line too wide, no number cut.

A table that is too wide for the terminal is printed in parts, one under the
other, each with the columns that say what its rows are.
"""

from collections.abc import Iterable, Sequence
import dataclasses
import re
import shlex
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import pandas as pd

WIDTH = 100  # Of output that is no terminal.
_PROSE = 80  # Sentences are no wider, on any terminal.
_LEAST = 40  # Narrower terminals get lines of this.
_GAP = 2  # Between columns.
_LEGIBLE = 16  # Texts are not wrapped to less, if they have more.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
  """A column of a table.

  Attributes:
    head: its name; wrapped at blanks and underscores.
    cells: its texts, one a row.
    group: what stands over it and its neighbours of the same group.
    is_text: whether it is words, to the left and wrapped between them; else
      numbers, to the right and never wrapped.
    bold: the rows in bold.
  """

  head: str
  cells: Sequence[str]
  group: str = ''
  is_text: bool = False
  bold: frozenset[int] = frozenset()

  @property
  def wanted(self) -> int:
    """Characters that it needs without wrapping cells."""
    widest = max(map(len, self.cells), default=0)
    parts = _parts(self.head)
    return max(widest, *map(len, parts))

  @property
  def least(self) -> int:
    """Characters that it needs."""
    if not self.is_text:
      return self.wanted
    words = [w for cell in self.cells for w in cell.split()]
    longest = max(map(len, [*words, *_parts(self.head)]), default=0)
    return min(self.wanted, max(longest, _LEGIBLE))


def width() -> int:
  """Columns of the terminal; `WIDTH` where output is none.

  The environment's COLUMNS has its say, as everywhere.
  """
  return max(_LEAST, shutil.get_terminal_size((WIDTH, 24)).columns)


def prose(text: str, columns: int | None = None, indent: str = '') -> str:
  """A paragraph in lines, which are not broken within a number or a name.

  Args:
    text: without markup.
    columns: of the terminal; found out where None.
    indent: before all lines but the first.
  """
  return textwrap.fill(
    text,
    min(_PROSE, columns or width()),
    subsequent_indent=indent,
    break_on_hyphens=False,
  )


def command(words: Sequence[str], columns: int, start: str = '') -> str:
  r"""A command in lines that end in `\` but for the last, to be copied.

  Args:
    words: of the command, not quoted.
    columns: characters of a line.
    start: stands before it.
  """
  lines = [start]
  for i, word in enumerate(map(shlex.quote, words)):
    if i and len(f'{lines[-1]} {word} \\') > columns:
      lines.append(f'  {word}')
    else:
      lines[-1] += f' {word}' if i else word
  return ' \\\n'.join(lines)


def entries(
  rows: Iterable[Sequence[str]], columns: int | None = None
) -> list[str]:
  """Lines of short names with a text, which is wrapped beside them.

  Args:
    rows: some names and, last, a text; all of the same number.
    columns: characters of a line; None for lines of any length, one a row.
  """
  rows = [tuple(row) for row in rows]
  widths = [max(map(len, names)) for names in list(zip(*rows))[:-1]]
  found = []
  for *names, text in rows:
    start = '  '.join([f'{n:{w}}' for n, w in zip(names, widths)] + [''])
    line = f'{start}{" ".join(text.split())}'.rstrip()
    # Beside names there is room for words, or else they stand below.
    indent = ' ' * min(len(start), (columns or 0) // 2)
    found.append(
      line
      if columns is None
      else textwrap.fill(
        line, columns, subsequent_indent=indent, break_on_hyphens=False
      )
    )
  return found


def table(
  columns: Sequence[Column],
  keys: int = 1,
  width_: int | None = None,
  rules: Sequence[int] = (),
  spaced: bool = False,
) -> str:
  """A table, in parts if the terminal is too narrow for all of it.

  Args:
    columns: all of it.
    keys: how many of the first ones say what a row is; each part has them. If
      they are too wide for that, rows are numbered.
    width_: columns of the terminal; found out where None.
    rules: before which rows a line is drawn.
    spaced: whether blank lines stand between rows.
  """
  available = (width_ or width()) - 2
  own, others = list(columns[:keys]), list(columns[keys:])
  whole = _fits(columns, available)
  if not whole and not _fits(own, available * 6 // 10):
    numbers = [str(i + 1) for i in range(len(columns[0].cells))]
    others, own = [*own, *others], [Column(head='', cells=numbers)]
  parts = [others] if whole else _parts_of(own, others, available)
  return '\n'.join(
    _text([*own, *part], available, rules, spaced) for part in parts
  )


def frame(
  table_: 'pd.DataFrame', form: str = '.4g', width_: int | None = None
) -> str:
  """A frame as such a table; what is missing is blank.

  Args:
    table_: the frame.
    form: of floating-point numbers, as for `format`.
    width_: columns of the terminal; found out where None.
  """
  import pandas as pd

  columns = []
  for name in table_.columns:
    values = table_[name]
    is_float = pd.api.types.is_float_dtype(values)
    cells = [
      '' if pd.isna(v) else (f'{v:{form}}' if is_float else str(v))
      for v in values
    ]
    is_text = not pd.api.types.is_numeric_dtype(values)
    columns.append(Column(head=str(name), cells=cells, is_text=is_text))
  return table(columns, _keys(columns), width_)


def markdown(text: str, width_: int | None = None) -> str:
  """Markdown that has paragraphs and tables, and nothing else.

  Args:
    text: as `report.readable.markdown` makes it.
    width_: columns of the terminal; found out where None.
  """
  found = []
  for block in re.split(r'\n{2,}', text.strip()):
    lines = block.splitlines()
    start = next(
      (i for i, line in enumerate(lines) if line.startswith('|')), len(lines)
    )
    if start:
      found.append(prose(' '.join(lines[:start]), width_) + '\n')
    if lines[start:]:
      columns = _read(lines[start:])
      found.append(table(columns, _keys(columns), width_))
  return '\n'.join(found)


def _read(lines: Sequence[str]) -> list[Column]:
  """The columns of a table in Markdown."""
  heads, rules, *rows = (
    [cell.strip() for cell in line.strip().strip('|').split('|')]
    for line in lines
  )
  found = []
  for i, (head, rule) in enumerate(zip(heads, rules)):
    cells = [row[i] for row in rows]
    is_bold = [len(c) > 4 and c[:2] == c[-2:] == '**' for c in cells]
    cells = [c.strip('*') if bold else c for c, bold in zip(cells, is_bold)]
    found.append(
      Column(
        head=head,
        cells=cells,
        is_text=not rule.endswith(':') and any(map(_is_word, cells)),
        bold=frozenset(i for i, bold in enumerate(is_bold) if bold),
      )
    )
  return found


def _is_word(cell: str) -> bool:
  """Whether a cell is not a number or nothing."""
  return bool(cell) and not re.fullmatch(r'[-\d.,e+ ±()%]+', cell)


def _keys(columns: Sequence[Column]) -> int:
  """How many of the first columns say what a row is: texts, at least one."""
  words = [c.is_text for c in columns]
  return max(1, (*words, False).index(False))


def _parts(head: str) -> list[str]:
  """What a head may be wrapped between."""
  return [part for part in re.split(r'[_\s]+', head) if part] or ['']


def _head_lines(head: str, columns: int) -> list[str]:
  """A head in as few lines as the column allows."""
  if len(head) <= columns and '\n' not in head:
    return [head]
  joint = '_' if '_' in head else ' '
  lines: list[str] = []
  for part in _parts(head):
    if lines and len(lines[-1] + joint + part) <= columns:
      lines[-1] += joint + part
    else:
      lines.append(part)
  return lines


def _spans(columns: Sequence[Column]) -> list[tuple[str, int, int]]:
  """Groups with the first column of each, and the one after its last."""
  found: list[tuple[str, int, int]] = []
  for i, column in enumerate(columns):
    if found and found[-1][0] == column.group:
      found[-1] = column.group, found[-1][1], i + 1
    else:
      found.append((column.group, i, i + 1))
  return found


def _widths(columns: Sequence[Column], available: int) -> list[int]:
  """Characters of each column; what is left over goes to texts in need."""
  found = [c.least for c in columns]
  for group, start, end in _spans(columns):
    here = sum(found[start:end]) + _GAP * (end - start - 1)
    longest = max(map(len, group.split('\n')))
    found[start] += max(0, longest - here)
  spare = available - sum(found) - _GAP * (len(columns) - 1)
  for _ in range(max(0, spare)):
    lacking = [c.wanted / w for c, w in zip(columns, found)]
    neediest = max(range(len(columns)), key=lacking.__getitem__)
    if lacking[neediest] <= 1:
      break
    found[neediest] += 1
  return found


def _fits(columns: Sequence[Column], available: int) -> bool:
  used = _widths(columns, 0)
  return sum(used) + _GAP * (len(columns) - 1) <= available


def _parts_of(
  own: Sequence[Column], others: Sequence[Column], available: int
) -> list[list[Column]]:
  """Columns in parts that fit: groups whole, or else in even parts."""
  found: list[list[Column]] = []
  for _, start, end in _spans(others):
    some = others[start:end]
    if found and _fits([*own, *found[-1], *some], available):
      found[-1] += some
    else:
      found += _evenly(own, some, available)
  return found


def _evenly(
  own: Sequence[Column], others: Sequence[Column], available: int
) -> list[list[Column]]:
  """Columns in as few parts as can be, the widest as narrow as can be."""
  parts = _filled(own, others, available)
  for narrower in range(available - 1, 0, -1):
    evener = _filled(own, others, narrower)
    if len(evener) > len(parts):
      break
    parts = evener
  return parts


def _filled(
  own: Sequence[Column], others: Sequence[Column], available: int
) -> list[list[Column]]:
  """Columns in parts, each as full as can be."""
  found: list[list[Column]] = []
  for column in others:
    if found and _fits([*own, *found[-1], column], available):
      found[-1].append(column)
    else:
      found.append([column])
  return found


def _text(
  columns: Sequence[Column],
  available: int,
  rules: Sequence[int],
  spaced: bool,
) -> str:
  """A table that fits, with a last line that is empty."""
  widths = _narrowed(columns, _widths(columns, available), available)
  rule = ' ' + '─' * (sum(widths) + _GAP * (len(widths) - 1) + 1)
  found = [*_over(columns, widths), *_heads(columns, widths), rule]
  for i in range(len(columns[0].cells)):
    if i in rules:
      found.append(rule)
    found += _row(columns, widths, i)
    if spaced and i + 1 < len(columns[0].cells):
      found.append('')
  return '\n'.join([*found, ''])


def _narrowed(
  columns: Sequence[Column], widths: list[int], available: int
) -> list[int]:
  """Widths that break words which are longer than there is room for."""
  over = sum(widths) + _GAP * (len(widths) - 1) - available
  found = []
  for column, columns_ in zip(columns, widths):
    less = min(max(0, over), max(0, columns_ - _LEGIBLE))
    less *= column.is_text
    found.append(columns_ - less)
    over -= less
  return found


def _over(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
  """The lines over the heads: each group's name where it begins."""
  spans = [(g.split('\n'), start) for g, start, _ in _spans(columns) if g]
  found = []
  for i in range(max((len(texts) for texts, _ in spans), default=0)):
    line = ''
    for texts, first in spans:
      start = sum(widths[:first]) + _GAP * first
      line = line.ljust(start) + (texts[i] if i < len(texts) else '')
    found.append(f' {line}'.rstrip())
  return found


def _heads(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
  """The lines of the heads, which stand at the bottom."""
  heads = [_head_lines(c.head, w) for c, w in zip(columns, widths)]
  deepest = max(map(len, heads))
  heads = [[''] * (deepest - len(h)) + h for h in heads]
  return [
    _line([_padded(c, t, w) for c, t, w in zip(columns, texts, widths)])
    for texts in zip(*heads)
  ]


def _row(columns: Sequence[Column], widths: Sequence[int], i: int) -> list[str]:
  """The lines of a row."""
  cells = [_cell_lines(c, c.cells[i], w) for c, w in zip(columns, widths)]
  found = []
  for k in range(max(map(len, cells))):
    padded = []
    for column, lines, columns_ in zip(columns, cells, widths):
      text = lines[k] if k < len(lines) else ''
      cell = _padded(column, text, columns_)
      if text and i in column.bold and sys.stdout.isatty():
        cell = cell.replace(text, f'\033[1m{text}\033[0m')
      padded.append(cell)
    found.append(_line(padded))
  return found


def _cell_lines(column: Column, text: str, columns: int) -> list[str]:
  if not column.is_text:
    return [text]
  return textwrap.wrap(text, columns, break_on_hyphens=False) or ['']


def _padded(column: Column, text: str, columns: int) -> str:
  return text.ljust(columns) if column.is_text else text.rjust(columns)


def _line(cells: Sequence[str]) -> str:
  return f' {(" " * _GAP).join(cells)}'.rstrip()
