import pandas as pd
import pytest

from tests import testing
from vtab_h2t.methods import registry as methods
from vtab_h2t.report import catalogue
from vtab_h2t.report import statistics
from vtab_h2t.report import tables


@pytest.fixture
def summary():
  return statistics.summarise(testing.result_rows())


def test_markdown_has_a_row_a_method(summary):
  lines = tables.markdown(summary, tables.title(summary, 'here')).splitlines()
  assert lines[0] == ('Test accuracy in percent, here, median of 3 seeds.')
  assert lines[2].replace(' ', '') == (
    '|method|natural:x|natural:mean|structured:y|structured:z|'
    'structured:mean|all:mean|'
  )
  assert lines[4].replace(' ', '') == (
    '|Linear|50.0±3.6|50.0|50.0±3.6|70.0±3.6|60.0|56.7|'
  )
  assert lines[5].startswith('| Head2Toe')


def test_a_method_of_a_plugin_has_its_own_name(monkeypatch):
  rows = [r | {'method': f'my_{r["method"]}'} for r in testing.result_rows()]
  monkeypatch.setitem(methods.LABELS, 'my_linear', 'My own')
  found = statistics.summarise(rows)
  for text in (
    tables.markdown(found, 'heading'),
    tables.for_terminal(found, 'heading', 200),
  ):
    assert 'My own' in text and 'my_linear' not in text
    assert 'my_head2toe' in text  # Of a plugin that is not loaded.


def test_files_can_be_read_back(tmp_path, summary):
  csv, md = catalogue.OUTPUTS['table1'].write(
    {'table1': summary}, tmp_path / 'deep', 'source'
  )
  pd.testing.assert_frame_equal(
    pd.read_csv(csv), summary, check_dtype=False, atol=1e-4
  )
  assert md.read_text() == tables.markdown(
    summary, tables.title(summary, 'source')
  )


def test_terminal_table_shows_each_number_once(summary):
  wide = tables.for_terminal(summary, 'heading', 200)
  assert wide.count('Linear') == 2 and wide.count('56.7') == 1
  narrow = tables.for_terminal(summary, 'heading', 40)
  # Groups stand together where they can; the note names one, too.
  assert narrow.count('Linear') == 3
  assert narrow.count('56.7') == 1
  assert max(map(len, narrow.splitlines())) <= 40


def test_missing_numbers_are_blank():
  rows = [
    r
    for r in testing.result_rows()
    if (r['method'], r['task']) != ('linear', 'y')
  ]
  summary = statistics.summarise(rows)
  assert 'nan' not in tables.markdown(summary, 'heading').lower()
  assert 'nan' not in tables.for_terminal(summary, 'heading', 200).lower()


def test_affinity_stands_last_where_scratch_was_measured():
  rows = testing.result_rows()
  rows += [
    r | {'method': 'scratch', 'correct': r['correct'] - 30}
    for r in rows
    if r['method'] == 'linear' and r['split'] == 'test'
  ]
  summary = statistics.summarise(rows)
  last = tables.markdown(summary, 'heading').splitlines()[-3]
  assert last.replace(' ', '') == (
    f'|{tables.AFFINITY}|15.0|15.0|15.0|15.0|15.0|15.0|'.replace(' ', '')
  )
  assert tables.AFFINITY in tables.for_terminal(summary, 'heading', 200)


def _uneven():
  """Linear has three seeds on x and y, and two on z."""
  return [
    r
    for r in testing.result_rows()
    if (r['method'], r['task'], r['seed']) != ('linear', 'z', 0)
  ]


def test_each_cell_says_its_seeds_where_they_differ():
  summary = statistics.summarise(_uneven())
  title = tables.title(summary, 'here')
  assert title.endswith(
    'median of as many seeds as stand in brackets, from 2 to 3'
  )
  lines = tables.markdown(summary, title).splitlines()
  assert lines[4].replace(' ', '') == (
    '|Linear|50.0±3.6(3)|50.0|50.0±3.6(3)|68.5±4.9(2)|59.3|56.2|'
  )
  printed = tables.for_terminal(summary, 'heading', 200)
  assert '50.0 (3)' in printed and '68.5 (2)' in printed
  assert '60.0 (3)' in printed and printed.count('(') == 6


def test_no_brackets_where_all_cells_have_the_same_seeds(summary):
  for seeds, text in ((3, 'median of 3 seeds'), (1, 'median of 1 seed')):
    table = statistics.summarise(
      r for r in testing.result_rows() if r['seed'] < seeds
    )
    title = tables.title(table, 'here')
    assert title.endswith(text)
    assert '(' not in tables.markdown(table, title)
    assert '(' not in tables.for_terminal(table, 'heading', 200)


def test_a_cell_whose_training_failed_once_has_one_seed_less():
  rows = testing.result_rows()
  rows[0] |= {'correct': None, 'failed': 'not finite'}
  cells = tables.cells(statistics.summarise(rows))
  assert cells.loc['linear', ('natural', 'x')] == '48.5 ± 4.9 (2)'
  assert cells.loc['head2toe', ('natural', 'x')] == '60.0 ± 3.6 (3)'
  spare = tables.cells(statistics.summarise(rows), spread=False)
  assert spare.loc['linear', ('natural', 'x')] == '48.5 (2)'


def test_what_numbers_may_move_by_stands_below():
  summary = statistics.summarise(testing.result_rows())
  note = 'The largest difference between seeds is 7.0 points, of Linear on x.'
  assert tables.note(summary) == note
  for text in (
    tables.markdown(summary, 'heading'),
    tables.for_terminal(summary, 'heading', 80),
  ):
    assert text.endswith(f'\n\n{note}\n')
  one = statistics.summarise(r for r in testing.result_rows() if not r['seed'])
  assert tables.note(one) == ''
  assert tables.markdown(one, 'heading').endswith('|\n')
  assert tables.note(summary.drop(columns='range_points')) == ''


def test_the_embedded_suite_tells_of_rounding_and_where_it_was_measured():
  summary = statistics.summarise(testing.result_rows())
  assert 'additions' not in tables.note(summary)
  note = tables.note(summary.assign(suite='embedded'))
  assert 'of the run embedded-lite0-64px by up to 6.0 points' in note
  assert 'on x. With Linear, the three +All and Head2Toe, the order of' in note
  rows = testing.result_rows()
  rows += [
    r | {'method': 'scratch', 'correct': r['correct'] // (1 + (r['seed'] == 1))}
    for r in rows
    if r['method'] == 'linear'
  ]
  note = tables.note(statistics.summarise(rows).assign(suite='embedded'))
  assert 'Head2Toe it is 7.0 points, of Linear on x. With these, the' in note
  trained = summary.assign(suite='embedded', method='scratch')
  assert 'additions' not in tables.note(trained)
  assert 'on two processors (benchmarks/README.md' in note
