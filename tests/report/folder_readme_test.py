"""What folders that are of no run say of themselves."""

import re

from vtab_h2t.report import catalogue
from vtab_h2t.report import folder_readme
from vtab_h2t.report import toy_figures

_NAMES = 'table6', 'figure4'


def _links(text):
  return re.findall(r'\]\(([^()]+)\)', text)


def test_of_the_paper_it_shows_what_is_there(tmp_path):
  for name in _NAMES:
    output = catalogue.OUTPUTS[name]
    output.write(output.of_paper(), tmp_path, 'printed')
  path = folder_readme.write(tmp_path, folder_readme.of_the_paper(tmp_path))
  text = path.read_text()
  assert path.name == 'README.md'
  assert _links(text) == [
    'figures/figure4.png',
    'figures/figure4.pdf',
    'table6.md',
  ]
  for link in _links(text):
    assert (tmp_path / link).is_file()
  figure = catalogue.OUTPUTS['figure4']
  assert f'## {figure.title}\n\n![{figure.title}](' in text
  assert text.count(figure.shows) == 1
  assert '    python -m runners.reproduce --source=published\n' in text
  assert 'runners.companions' not in text


def test_commands_are_of_what_is_there(tmp_path):
  output = catalogue.COMPANIONS['lp_ft']
  output.write(output.of_paper(), tmp_path, 'printed')
  text = folder_readme.of_the_paper(tmp_path)
  assert '    python -m runners.companions --source=published\n' in text
  assert 'runners.reproduce' not in text
  assert _links(text) == ['lp_ft.md']


def test_of_the_toys_it_shows_every_figure_and_table():
  text = folder_readme.of_toys()
  names = [f.name for f in toy_figures.FIGURES]
  assert sorted(_links(text)) == sorted(
    ['predictions.csv']
    + [f'{n}.{e}' for n in names for e in ('png', 'pdf', 'csv')]
  )
  for title, path, below in re.findall(r'!\[(.*?)\]\((.*?)\)\n\n(.*)', text):
    # What it is in its place, and what it shows once below.
    assert f'## {title}\n\n![{title}]({path})' in text
    assert len(title.split()) > 4 and len(below.split()) > 20
  assert '    python -m runners.toys\n' in text
