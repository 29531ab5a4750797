"""Every printed table fits any terminal, and no number is cut."""

import re

import pandas as pd
import pytest

from tests.report import made
from tests.report import made_shifted
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import readable
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import terminal

_WIDTHS = 60, 80, 100, 200
_NUMBER = re.compile(r'\d+\.\d+')


@pytest.fixture(scope='module')
def made_frames(tmp_path_factory):
  """What every output that is no drawing prints: (output, frames), source."""
  outputs = (catalogue.OUTPUTS | catalogue.COMPANIONS).values()
  found = [
    (o, o.of_paper(), 'published')
    for o in outputs
    if o.published and not o.draw
  ]
  folder = tmp_path_factory.mktemp('made')
  made.write(folder, made.run(), ('digits', 'sprites_loc'), (0, 1))
  made_shifted.write(folder, made_shifted.run())
  for results in results_lib.read_all(ledger_lib.Ledger(folder)):
    found += [
      (o, o.of_results(results), run_names.label(results.run))
      for o in catalogue.of(results.run).values()
      # Claims are judged for seconds, and those of the paper look the same.
      if not o.draw and 'claims' not in o.name and o.possible(results)
    ]
  return found


def test_every_printed_table_fits_and_has_whole_numbers(
  made_frames, capsys, monkeypatch
):
  assert len(made_frames) > 20
  for output, frames, source in made_frames:
    found = {}
    for columns in _WIDTHS:
      monkeypatch.setenv('COLUMNS', str(columns))
      output.show(frames, source)
      text = capsys.readouterr().out
      assert '…' not in text, output.name
      lines = text.splitlines()
      widest = max(lines, key=len)
      assert len(widest) <= columns, (output.name, widest)
      found[columns] = {*_NUMBER.findall(text)}
    # Narrow ones have the numbers of the widest.
    assert all(numbers == found[200] for numbers in found.values()), output.name


def test_output_that_is_no_terminal_has_a_hundred_columns(capsys, monkeypatch):
  monkeypatch.delenv('COLUMNS', raising=False)
  for name in ('claims', 'table1', 'contradictions'):
    output = catalogue.OUTPUTS[name]
    output.show(output.of_paper(), 'published')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 50 and max(map(len, lines)) <= terminal.WIDTH


def _column(head, *cells, **options):
  return terminal.Column(head=head, cells=cells, **options)


_WORDS = _column('what', 'a', 'b c', is_text=True)


def test_a_table_is_split_between_groups_and_repeats_its_first_column():
  columns = [
    _WORDS,
    _column('one_two', '1.5', '22.5', group='first'),
    _column('three', '3.5', '4.5', group='first'),
    _column('four', '5.5', '6.5', group='second', bold=frozenset([0])),
  ]
  whole = terminal.table(columns, 1, 80)
  assert [line.split() for line in whole.splitlines()] == [
    ['first', 'second'],
    ['one'],
    ['what', 'two', 'three', 'four'],
    ['─' * 26],
    ['a', '1.5', '3.5', '5.5'],
    ['b', 'c', '22.5', '4.5', '6.5'],
  ]
  first, second = terminal.table(columns, 1, 22).split('\n\n')
  assert 'first' in first and '22.5' in first and '5.5' not in first
  assert second.split()[:3] == ['second', 'what', 'four']
  assert second.splitlines()[-1].split() == ['b', 'c', '6.5']


def test_rows_are_numbered_where_their_names_fill_the_terminal():
  long = [
    _column(name, f'{name} ' * 4, 'x', is_text=True)
    for name in ('someword', 'another')
  ]
  text = terminal.table([*long, _column('n', '12.25', '3')], 2, 40)
  lines = [line.split() for line in text.splitlines()]
  assert ['1', '12.25'] in [[line[0], line[-1]] for line in lines if line]
  assert max(map(len, text.splitlines())) <= 40


def test_words_wrap_and_numbers_do_not():
  words = 'in whole words, of which there are many, -14.38 to -0.68'
  text = terminal.table(
    [_column('text', words, is_text=True), _column('x', '-123.456')], 1, 40
  )
  assert max(map(len, text.splitlines())) <= 40
  assert '-14.38' in text and '-0.68' in text and '-123.456' in text
  assert len(text.splitlines()) > 3


def test_markdown_is_paragraphs_and_tables():
  table = pd.DataFrame({'name': ['a', 'b'], 'value': [1.25, None]})
  text = terminal.markdown(f'What it is.\n\n{readable.markdown(table)}\n', 60)
  assert text.splitlines() == [
    'What it is.',
    '',
    ' name  value',
    ' ────────────',
    ' a      1.25',
    ' b',
  ]
  assert terminal.frame(table, width_=60) in text
  bold = terminal.markdown('|  x |   y |\n|---:|----:|\n| **7.5** | 8 |', 60)
  assert '*' not in bold and '7.5' in bold  # Output here is no terminal.


def test_entries_hang_and_commands_can_be_copied():
  rows = [('name', 'some', 'words ' * 20), ('n', 's', 'few')]
  first, second = terminal.entries(rows)
  assert first.startswith('name  some  words words') and '\n' not in first
  assert second == 'n     s     few'
  first, _ = terminal.entries(rows, 60)
  assert {len(line) - len(line.lstrip()) for line in first.split('\n')[1:]} == {
    12
  }
  flags = [f'--flag{i}=value' for i in range(9)]
  text = terminal.command(['python', *flags], 60)
  assert all(line.endswith(' \\') for line in text.split('\n')[:-1])
  assert max(map(len, text.split('\n'))) <= 60
  assert text.replace('\\\n', '').split() == ['python', *flags]
