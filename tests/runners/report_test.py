import re

import pytest

from tests import testing
from tests.report import made
from vtab_h2t import files
from vtab_h2t.report import page
from vtab_h2t.toys import tables as toys


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """Two runs of one grid, fixed, and what runners.toys leaves."""
  folder = tmp_path_factory.mktemp('report')
  for rate in (0.1, 0.01):
    made.write(
      folder,
      made.run(space=made.fixed(lr=rate, steps=5)),
      ('digits', 'scan_patches'),
      names=('linear', 'head2toe'),
      jobs_=('accuracy',),
      change=lambda r: r | {'correct': r['correct'] + (rate == 0.1)},
    )
  for name, table in toys.tables((0, 1)).items():
    with files.atomic_write(folder / 'toys' / f'{name}.csv') as f:
      table.to_csv(f, index=False, float_format='%.9g', lineterminator='\n')
  return folder


@pytest.mark.soak
def test_a_page_and_a_summary_of_each_run(workdir, tmp_path):
  out = tmp_path / 'deep' / 'page.html'
  done = testing.run_runner('report', f'--workdir={workdir}', f'--out={out}')
  assert done.returncode == 0, done.stderr
  assert done.stdout == (
    f'report: {out}\nsummary: {out.with_suffix(".md")}\n'
    f'READMEs: {workdir}/*/README.md\n'
  )
  assert len(list(workdir.glob('*/README.md'))) == 2
  # Each run is a page of its own, of its three seeds.
  others = sorted(out.with_suffix('').glob('*.html'))
  assert len(others) == 2
  for path in others:
    assert path.read_text().count('median of 3 seeds') == 1
    assert f'href="page/{path.name}"' in out.read_text()
  summary = out.with_suffix('.md').read_text()
  sections = re.findall('^## (.*)$', summary, re.M)
  assert sections[0] == 'The verdicts of all claims' and len(sections) == 3
  again = tmp_path / 'deep' / 'again.html'
  stale = again.with_suffix('') / 'stale.html'
  stale.parent.mkdir()
  stale.write_text(page.MARK)
  other = stale.with_name('other.html')
  other.write_text('of another program')
  testing.run_runner('report', f'--workdir={workdir}', f'--out={again}')
  assert not stale.exists() and other.exists()
  for one, two in zip(others, sorted(again.with_suffix('').glob('emb*.html'))):
    assert one.read_text() == two.read_text().replace('again.html', 'page.html')
  assert again.read_text() == out.read_text().replace('page/', 'again/')
  assert again.with_suffix('.md').read_text() == summary


def test_toys_are_read_where_they_were_solved(workdir, tmp_path):
  out = tmp_path / 'page.html'
  testing.run_runner('report', f'--workdir={workdir}', f'--out={out}')
  # Two seeds, not the ten that are solved otherwise.
  part = re.search('<section id="toys">.*?</section>', out.read_text(), re.S)[0]
  assert len(re.findall('<td class="text">[012] of 2</td>', part)) == 24


def test_a_folder_without_rows_is_one_line(tmp_path):
  done = testing.run_runner('report', f'--workdir={tmp_path}')
  assert done.returncode == 1
  assert done.stderr == (
    f'error: {tmp_path} has no results; choose the --workdir of a run\n'
  )


@pytest.mark.soak
def test_the_papers_page_needs_no_rows(tmp_path):
  done = testing.run_runner(
    'report', '--source=published', f'--out={tmp_path}/paper.html'
  )
  assert done.returncode == 0, done.stderr
  assert 'as published' in (tmp_path / 'paper.html').read_text()
  assert not (tmp_path / 'paper.md').exists()  # Nothing was measured.


@pytest.mark.soak
def test_the_page_shows_what_the_directory_has(workdir, tmp_path):
  """`reproduce --source=published`, then `report`: 'has no rows'."""
  paper, both = tmp_path / 'paper', tmp_path / 'both'
  for folder in (paper, both):
    testing.run_runner(
      'reproduce', '--source=published', '--only=table1', f'--workdir={folder}'
    )
  made.write(
    both, made.run(), ('digits',), names=('linear',), jobs_=('accuracy',)
  )
  pages = {}
  for folder in (paper, both):
    (folder / 'toys').symlink_to(workdir / 'toys')
    out = folder / 'page.html'
    done = testing.run_runner('report', f'--workdir={folder}', f'--out={out}')
    assert done.returncode == 0, done.stderr
    pages[folder] = out.read_text()
  assert 'Head2Toe, as published' in pages[paper]
  assert 'Head2Toe, measured' in pages[both]
  assert made.run().name in pages[both]
  assert 'The paper, ResNet-50, VTAB-1k' in pages[paper]
  published = (both / 'page' / 'published.html').read_text()
  assert 'The paper, ResNet-50, VTAB-1k' in published


def test_the_page_is_not_the_summary(workdir, tmp_path):
  done = testing.run_runner(
    'report', f'--workdir={workdir}', f'--out={tmp_path}/page.md'
  )
  assert done.returncode == 1
  assert 'name the page FILE.html' in done.stderr
  assert not list(tmp_path.iterdir())


def test_an_old_directory_is_one_line(tmp_path):
  (tmp_path / 'schema.json').write_text('{}')
  done = testing.run_runner('report', f'--workdir={tmp_path}')
  assert done.returncode == 1 and done.stderr.count('\n') == 1
  assert 'was written by an earlier version' in done.stderr
