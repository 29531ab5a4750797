import pandas as pd

from vtab_h2t.report import output as output_lib
from vtab_h2t.report import plotting

_FRAMES = {'x': pd.DataFrame({'a': [1.25, 2]}),
           'more': pd.DataFrame({'b': ['t']})}


def test_a_table_is_written_as_csv_and_markdown(tmp_path, capsys):
  output = output_lib.Output('x', 'Title')
  paths = output.write(_FRAMES, tmp_path / 'deep', 'source')
  assert output.kind == 'tables'
  assert [p.name for p in paths] == ['x.csv', 'x_more.csv', 'x.md']
  assert paths[0].read_text() == 'a\n1.25\n2\n'
  output.show(_FRAMES)
  assert capsys.readouterr().out == f'Title\n{output.text(_FRAMES)}\n'


def test_a_figure_says_where_its_numbers_come_from(tmp_path):
  def draw(frames):
    drawn, (ax,) = plotting.figure(1, 1)
    ax.plot(frames['x'].a)
    return drawn
  output = output_lib.Output('x', 'Title', draw=draw)
  assert output.kind == 'figures'
  assert output.picture(_FRAMES, 'source').get_suptitle() == 'source'
  assert [p.suffix for p in output.write(_FRAMES, tmp_path, 'source')] == [
      '.csv', '.csv', '.png', '.pdf']
