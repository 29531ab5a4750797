"""CSVs that list files: their columns, separators and encodings.

What spreadsheets write is read where it is unambiguous: commas, semicolons or
tabs, whichever the first line has; UTF-8, or with its byte-order mark UTF-16 or
UTF-32. All else is named with the number of its line, as nothing tells, say,
one 8-bit encoding from another.
"""

import codecs
from collections.abc import Iterator, Sequence
import csv
import dataclasses
import io
import os
import pathlib
import re

from vtab_h2t import errors

SUFFIXES = ('.csv', '.tsv')
_SEPARATORS = (',', ';', '\t')
# Of the marks that begin alike, the longer comes first.
_MARKS = (
  (codecs.BOM_UTF8, 'utf-8-sig'),
  (codecs.BOM_UTF32_LE, 'utf-32'),
  (codecs.BOM_UTF32_BE, 'utf-32'),
  (codecs.BOM_UTF16_LE, 'utf-16'),
  (codecs.BOM_UTF16_BE, 'utf-16'),
)


@dataclasses.dataclass(frozen=True)
class Row:
  """A line of a table.

  Attributes:
    path: of the file: relative to the table's folder, or absolute.
    label: its class; '' if none was asked for.
    line: the number of the line, from 1.
  """

  path: str
  label: str
  line: int


def is_table(path: str | os.PathLike[str]) -> bool:
  """Whether a path's suffix is that of a table."""
  return os.fspath(path).lower().endswith(SUFFIXES)


def read(
  path: str | os.PathLike[str], columns: Sequence[str] = ('path', 'label')
) -> list[Row]:
  """A table's rows.

  Args:
    path: the table. Its first line names columns, in letters of any case and in
      any order; columns that are not asked for are passed over. Blanks around
      names, paths and labels do not count, nor do empty lines.
    columns: those that are wanted: 'path', and 'label' where there must be one.

  Returns:
    The rows in order, `path` with the folder of the table before it.

  Raises:
    errors.InputError: the file cannot be read; a line is not as it must be,
      which is then named; or, with labels, a path is there twice.
  """
  path = pathlib.Path(path)
  lines = _lines(path, _text(path))
  _, names = next(lines, (1, []))
  names = [name.strip().lower() for name in names]
  _check_columns(path, names, columns)
  found = []
  for number, cells in lines:
    if len(cells) > len(names):
      raise errors.InputError(
        f'{path} line {number} has {len(cells)} fields, the first line '
        f'{len(names)}; put what has a separator in it into double quotes'
      )
    values = dict(zip(names, map(str.strip, cells)))
    missing = [c for c in columns if not values.get(c)]
    if missing:
      raise errors.InputError(
        f'{path} line {number} lacks a {" and a ".join(missing)}; fill it in '
        'or remove the line'
      )
    label = values['label'] if 'label' in columns else ''
    found.append(Row(str(path.parent / values['path']), label, number))
  if 'label' in columns:
    _check_distinct(path, found)
  return found


def _check_columns(
  path: pathlib.Path, names: Sequence[str], wanted: Sequence[str]
) -> None:
  """Raises InputError unless each wanted column is there once."""
  twice = [c for c in wanted if names.count(c) > 1]
  if twice:
    raise errors.InputError(
      f'{path} has two columns {twice[0]} in its first line; rename one'
    )
  if not set(wanted) <= set(names):
    s = 's' if len(wanted) > 1 else ''
    raise errors.InputError(
      f'{path} has no column{s} {" and ".join(wanted)} in its first line'
      + (f', but {", ".join(names)}' if names else '')
      + '; name them there, with commas, semicolons or tabs between'
    )


def _text(path: pathlib.Path) -> str:
  """The file's text."""
  try:
    data = path.read_bytes()
  except OSError as e:
    raise errors.InputError(
      f'{path} cannot be read ({e.strerror or e}); check the path'
    ) from e
  encoding = next((e for mark, e in _MARKS if data.startswith(mark)), 'utf-8')
  try:
    text = data.decode(encoding)
  except UnicodeDecodeError as e:
    line = data.count(b'\n', 0, e.start) + 1
    raise errors.InputError(
      f'{path} line {line} is not {encoding.removesuffix("-sig").upper()} '
      f'({e.reason}); save the file as CSV in UTF-8'
    ) from e
  if '\0' in text:
    line = text.count('\n', 0, text.index('\0')) + 1
    raise errors.InputError(
      f'{path} line {line} has a zero byte, as if it were no text or UTF-16 '
      'without its mark; save the file as CSV in UTF-8'
    )
  return text


def _lines(path: pathlib.Path, text: str) -> Iterator[tuple[int, list[str]]]:
  """The numbers and fields of all lines that are not empty."""
  first = re.split('[\r\n]', text, maxsplit=1)[0]
  separator = max(_SEPARATORS, key=first.count)  # The first of equals.
  reader = csv.reader(
    io.StringIO(text, newline=''), delimiter=separator, strict=True
  )
  line = 1
  while True:
    try:
      cells = next(reader, None)
    except csv.Error as e:
      raise errors.InputError(
        f'{path} line {line} is no line of a CSV ({e}); look at its quotes'
      ) from e
    if cells is None:
      return
    if any(map(str.strip, cells)):
      yield line, cells
    line = reader.line_num + 1


def _check_distinct(path: pathlib.Path, rows: Sequence[Row]) -> None:
  """Raises InputError if a file is listed twice."""
  first: dict[str, Row] = {}
  for row in rows:
    other = first.setdefault(os.path.normpath(row.path), row)
    if other.label != row.label:
      raise errors.InputError(
        f'{path} gives {row.path} two labels: {other.label} in line '
        f'{other.line}, {row.label} in line {row.line}; keep one'
      )
    if other is not row:
      raise errors.InputError(
        f'{path} lists an image twice: {row.path} in lines {other.line} and '
        f'{row.line}; remove one'
      )
