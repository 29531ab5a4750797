import codecs
import csv
import io
import os
import pathlib
import tempfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import path_tables

_ENCODINGS = ('utf-8', 'utf-8-sig', 'utf-16', 'utf-32', 'utf-16-be')
# What survives the stripping of blanks and the joining of paths.
_TEXT = st.text(
  st.characters(exclude_characters='\0/', exclude_categories=['C']),
  min_size=1,
  max_size=8,
).filter(lambda t: t == t.strip() and t not in ('.', '..'))


def _read(data, **arguments):
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, 'list.csv')
    path.write_bytes(data)
    rows = path_tables.read(path, **arguments)
    return [
      (os.path.relpath(row.path, folder), row.label, row.line) for row in rows
    ]


@settings(max_examples=60, deadline=None)
@given(
  st.dictionaries(_TEXT, _TEXT, min_size=1, max_size=6),
  st.sampled_from(',;\t'),
  st.sampled_from(_ENCODINGS),
  st.sampled_from(['\n', '\r\n', '\r']),
)
def test_what_spreadsheets_write_is_read(wanted, separator, encoding, end):
  buffer = io.StringIO()
  writer = csv.writer(buffer, delimiter=separator, lineterminator=end)
  writer.writerow(['Label', ' PATH', 'notes'])
  writer.writerows([label, path, ''] for path, label in wanted.items())
  data = buffer.getvalue().encode(encoding)
  if encoding == 'utf-16-be':
    data = codecs.BOM_UTF16_BE + data
  assert _read(data) == [
    (path, label, line) for line, (path, label) in enumerate(wanted.items(), 2)
  ]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_give_rows_or_one_line(data, has_header):
  try:
    found = _read(b'path,label\n' * has_header + data)
  except errors.InputError as e:
    assert '\n' not in str(e)  # noqa: PT017  # Not all raise.
  else:
    assert all(path and label for path, label, _ in found)


def test_lines_are_counted_as_editors_do():
  data = b'path,label\n\n"a\nb",x\n , \nc,y\n'
  assert _read(data) == [('a\nb', 'x', 3), ('c', 'y', 6)]


def test_labels_are_read_where_they_are_asked_for():
  data = b'path,label\na,\na,x\n'
  assert _read(data, columns=('path',)) == [('a', '', 2), ('a', '', 3)]
  assert _read(b'path\na b.png\n', columns=('path',)) == [('a b.png', '', 2)]


@pytest.mark.parametrize(
  'data, message',
  [
    (b'', 'no columns path and label in its first line; name'),
    (b'file,label\na,x\n', 'in its first line, but file, label; name'),
    (b'path|label\na|x\n', r'but path\|label; .* commas, semicolons or tabs'),
    (b'path,label,Path\na,x,b\n', 'two columns path in its first line'),
    (b'path,label\na,x\nb,\n', 'line 3 lacks a label; fill'),
    (b'path,label\na,x\nb\n', 'line 3 lacks a label; fill'),
    (b'path;label\n ;\t\n;x\n', 'line 3 lacks a path; fill'),
    (b'path,label\na,b.png,x\n', 'line 2 has 3 fields, the first line 2; '),
    (
      b'path,label\na,x\nb,y\n./a,x\n',
      'lists an image twice: .*a in lines 2 and 4; remove one',
    ),
    (
      b'path,label\na,x\nb,y\na,y\n',
      'gives .*a two labels: x in line 2, y in line 4; keep one',
    ),
    (
      'path,label\na,x\nb,\xe9\n'.encode('latin-1'),
      'line 3 is not UTF-8 .* in UTF-8$',
    ),
    ('path,label\na,x\n'.encode('utf-16-le'), 'line 1 has a zero byte'),
    (codecs.BOM_UTF16_LE + b'abc', 'line 1 is not UTF-16'),
    (b'path,label\na,x\n"b,y\n', 'line 3 is no line of a CSV .* its quotes'),
  ],
)
def test_what_is_wrong_is_named_with_its_line(data, message):
  with pytest.raises(errors.InputError, match=message):
    _read(data)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
  with pytest.raises(errors.InputError, match='none.csv cannot be read'):
    path_tables.read(tmp_path / 'none.csv')
  assert path_tables.is_table('A.CSV') and path_tables.is_table('a.tsv')
  assert not path_tables.is_table(tmp_path)
