import dataclasses

import pandas as pd
import pytest

from tests import testing
from tests.report import made
from vtab_h2t import errors
from vtab_h2t.report import output as output_lib
from vtab_h2t.report import plotting

_FRAMES = {
  'x': pd.DataFrame({'a': [1.25, 2]}),
  'more': pd.DataFrame({'b': ['t']}),
}


def test_a_table_is_written_as_csv_and_markdown(tmp_path, capsys):
  output = output_lib.Output(name='x', title='Title')
  paths = output.write(_FRAMES, tmp_path / 'deep', 'source')
  assert output.folder(tmp_path) == tmp_path
  assert [p.name for p in paths] == ['x.csv', 'x_more.csv', 'x.md']
  assert paths[0].read_text() == 'a\n1.25\n2\n'
  output.show(_FRAMES, 'source')
  assert capsys.readouterr().out == (
    'Title\n\n    a\n ─────\n 1.25\n 2.00\n\n b\n ──\n t\n\n'
  )


def test_a_figure_says_where_its_numbers_come_from(tmp_path):
  def draw(frames):
    drawn, (ax,) = plotting.figure(1, 1)
    ax.plot(frames['x'].a)
    return drawn

  output = output_lib.Output(name='x', title='Title', draw=draw)
  assert output.folder(tmp_path) == tmp_path / 'figures'
  assert output.picture(_FRAMES, 'source').get_suptitle() == 'source'
  paths = output.write(_FRAMES, tmp_path, 'source')
  assert [p.suffix for p in paths] == ['.csv', '.csv', '.png', '.pdf']
  assert {p.parent for p in paths} == {tmp_path / 'figures'}
  assert output.is_at(tmp_path) and not output.is_at(tmp_path / 'figures')


def test_parts_of_a_figure_are_drawn_beside_it(tmp_path):
  def draw(frames):
    drawn, (ax,) = plotting.figure(1, 1)
    ax.plot(frames['x'].a)
    return drawn

  whole = output_lib.Output(name='x', title='Title', draw=draw)
  output = dataclasses.replace(whole, extracts={'small': draw})
  paths = output.write(_FRAMES, tmp_path, 'source')
  assert [p.name for p in paths[-2:]] == ['x_small.png', 'x_small.pdf']
  # It says where its numbers come from, as the figure does.
  assert paths[-2].read_bytes() == (tmp_path / 'figures/x.png').read_bytes()


def test_possible_is_what_one_task_has_all_of():
  of = made.run()
  rows = [
    made.row(of, 'accuracy', m, 'digits', 0, 50) for m in ('linear', 'scratch')
  ]
  offset = [
    made.row(of, 'offset', 'offset', t, 0, 50, offset=0)
    for t in ('digits', 'scan_patches')
  ]
  output = output_lib.Output(
    name='x',
    title='X',
    jobs=('accuracy', 'offset'),
    methods=('linear', 'scratch'),
    measured=lambda results: {},
  )
  possible = lambda rows, offset: output.possible(
    made.results(rows, of, offset=offset)
  )
  assert possible(rows, offset)
  assert not possible(rows[:1], offset) and not possible(rows, [])
  assert not possible(rows, offset[1:])  # Of another task.
  failed = rows[1] | {'correct': None, 'failed': 'not finite'}
  assert not possible([rows[0], failed], offset)
  validation = rows[1] | {'split': 'val'}
  assert not possible([rows[0], validation], offset)


def test_a_second_network_needs_every_method_on_the_task():
  of = made.run()
  output = output_lib.Output(
    name='x',
    title='X',
    jobs=('accuracy', 'second'),
    methods=('linear', 'scratch'),
    measured=lambda results: {},
  )
  rows, second = (
    [made.row(of, job, m, 'digits', 0, 50) for m in ('linear', 'scratch')]
    for job in ('accuracy', 'second')
  )
  assert output.possible(made.results(rows, of, second=second))
  assert not output.possible(made.results(rows, of, second=second[:1]))


def test_what_a_network_does_not_allow_names_the_output():
  flat = testing.tiny_backbone()  # It has no batch norm.
  output = output_lib.Output(name='x', title='X', jobs=('pre_normalization',))
  with pytest.raises(errors.InputError, match='x: the taps of tiny cannot be'):
    output.check(made.run(), flat)
  output.check(made.run(), testing.normed_backbone())
  output_lib.Output(name='x', title='X', jobs=('accuracy',)).check(
    made.run(), flat
  )
  # What it shows besides is checked, too.
  output = output_lib.Output(name='x', title='X', also=('pre_normalization',))
  assert output.all_jobs == ('pre_normalization',)
  with pytest.raises(errors.InputError, match='x: the taps of tiny cannot be'):
    output.check(made.run(), flat)


def test_a_run_that_is_no_original_is_not_compared():
  output = output_lib.Output(
    name='x',
    title='X',
    compares_normalization=True,
    measured=lambda results: {},
  )
  once = made.run(normalization='once')
  assert output.possible(made.results(of=made.run()))
  assert not output.possible(made.results(of=once))
  output.check(made.run(), testing.tiny_backbone())
  with pytest.raises(errors.InputError, match='out --normalization=once'):
    output.check(once, testing.tiny_backbone())


def test_rows_without_a_field_do_not_suffice():
  of = made.run()
  row = made.row(of, 'accuracy', 'head2toe', 'digits', 0, 50)
  output = output_lib.Output(
    name='x',
    title='X',
    jobs=('accuracy',),
    methods=('head2toe',),
    fields=('selected_by_tap',),
    measured=lambda results: {},
  )
  assert not output.possible(made.results([row], of))
  row['selected_by_tap'] = made.by_tap((3, 1))
  assert output.possible(made.results([row], of))


def test_what_is_shown_besides_need_not_be_there():
  of = made.run()
  row = made.row(of, 'offset', 'offset', 'digits', 0, 50, offset=0)
  output = output_lib.Output(
    name='x',
    title='X',
    jobs=('offset',),
    also=('one_tap',),
    measured=lambda results: {},
  )
  assert output.possible(made.results(of=of, offset=[row]))


@pytest.mark.parametrize('vit', [True, False])
def test_some_are_for_vits_only_and_some_for_others(vit):
  output = output_lib.Output(
    name='x', title='X', vit=vit, measured=lambda results: {}
  )
  for backbone in ('vit_ti16', 'resnet50'):
    results = made.results(
      [made.row(made.run(), 'accuracy', 'linear', 't', 0, 50)],
      made.run(backbone),
    )
    assert output.possible(results) == (vit == (backbone == 'vit_ti16'))


def test_what_has_no_such_frames_says_so():
  output = output_lib.Output(name='x', title='X')
  assert not output.possible(made.results())
  for make in (
    output.of_paper,
    lambda: output.of_results(made.results()),
    lambda: output.picture(_FRAMES, 'source'),
  ):
    with pytest.raises(ValueError, match='x'):
      make()


def test_one_job_of_some_is_enough_and_its_place_is_the_runs_own():
  of = made.run()
  output = output_lib.Output(
    name='x',
    title='X',
    some=('offset', 'surgical_small'),
    measured=lambda results: {},
  )
  row = made.row(of, 'offset', 'offset', 'digits', 0, 50, offset=0)
  assert output.possible(made.results(of=of, offset=[row]))
  assert not output.possible(made.results([row], of))
  failed = row | {'correct': None, 'failed': 'not finite'}
  assert not output.possible(made.results(of=of, offset=[failed]))
  assert output.all_jobs == ('offset', 'surgical_small')
  results = made.results(of=of, offset=[row])
  assert output.place(results) == results.folder.path


def test_frames_may_say_what_they_show():
  output = output_lib.Output(name='x', title='X', headings={'more': 'Letters'})
  assert output.text(_FRAMES, 'source') == (
    '|    a |\n|-----:|\n| 1.25 |\n| 2.00 |\n\n'
    'Letters.\n\n| b   |\n|:----|\n| t   |\n'
  )
