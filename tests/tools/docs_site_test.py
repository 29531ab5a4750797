import itertools
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tools import docs_site
import vtab_h2t

_ROOT = docs_site.ROOT
_CONFIG = (_ROOT / 'mkdocs.yml').read_text('utf-8')


def test_the_site_holds_the_guide_results_and_pictures():
  found = docs_site.paths()
  assert found == sorted(set(found))
  assert {
    'README.md',
    'docs/design.md',
    'docs/tutorial/method.md',
    'docs/shifted_tasks.png',
    'results/README.md',
    'results/report.html',
    'benchmarks/growth.png',
  } <= set(found)
  assert not [p for p in found if p.endswith(('.jsonl', '.py', '.csv'))]


def test_each_page_of_the_guide_has_a_place_in_the_navigation():
  placed = re.findall(r'^ +- (?:.*: )?(\S+\.md)$', _CONFIG, re.MULTILINE)
  assert len(placed) == len(set(placed))
  pages = {
    re.sub('ipynb$', 'md', path)
    for path in docs_site.paths()
    if path.startswith('docs/') and path.endswith(('.md', '.ipynb'))
  }
  assert pages <= set(placed)


def _misread(text):
  """Lines that GitHub takes for lists and tables, and the site does not."""
  text = re.sub('^```.*?^```$', '', text, flags=re.DOTALL | re.MULTILINE)
  item = r'(?:[-*]|\d+\.) '
  for before, line in itertools.pairwise(text.splitlines()):
    after_text = before.strip() and not re.match(rf' *{item}| ', before)
    if (
      (re.match(item, line) and after_text)
      or (line[:1] == '|' and before.strip() and before[:1] != '|')
      or re.match(rf' {{1,3}}{item}', line)  # Four, in a list.
      or (not before.strip() and re.match(r' {1,3}\S', line))
    ):
      yield line


@pytest.mark.parametrize(
  'path', [p for p in docs_site.paths() if p.endswith('.md')]
)
def test_lists_and_tables_are_read_as_on_github(path):
  assert not list(_misread((_ROOT / path).read_text('utf-8')))


def test_what_would_be_misread_is_seen():
  for text in (
    'text\n- item',
    'text\n| a | b |',
    '- item\n  - item in it',
    '- item\n\n  more of it',
  ):
    assert list(_misread(text)), text
  for text in (
    '- item\n  goes on\n- next',
    'text\n\n- item',
    '    code',
    'a - b',
  ):
    assert not list(_misread(text)), text


def test_the_reference_has_all_public_names():
  text = '\n'.join(
    path.read_text('utf-8')
    for path in (_ROOT / 'docs' / 'reference').glob('*.md')
  )
  described = re.findall(r'^::: vtab_h2t\.(\w+)$', text, re.MULTILINE)
  assert sorted(described) == vtab_h2t.__all__


def test_modules_lead_to_the_reference():
  found = docs_site.modules()
  assert found['vtab_h2t/heads/stacks.py'].startswith(
    'docs/reference/heads.md#'
  )
  assert (
    found['vtab_h2t/tasks/registry.py']
    == 'docs/reference/tasks.md#vtab_h2t.load_tasks'
  )
  assert all((_ROOT / path).is_file() for path in found)


@pytest.fixture
def relinked(tmp_path):
  """Of a page in docs/ of a small repository."""
  for path in ('results/a/README.md', 'results/b/rows.csv', 'heads/x.py'):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
  (tmp_path / 'docs').mkdir()
  (tmp_path / 'docs' / 'tour.ipynb').touch()
  held = {'docs/page.md', 'docs/api.md', 'results/a/README.md'}

  def relink(text):
    described = {'heads/x.py': 'docs/api.md#x'}
    return docs_site.relinked(text, 'docs/page.md', held, described, tmp_path)

  return relink


@pytest.mark.parametrize(
  'text, wanted',
  [
    ('[a page](page.md#part)', '[a page](page.md#part)'),
    ('[one run](../results/a/)', '[one run](../results/a/README.md)'),
    ('[two\nlines](../results/a)', '[two\nlines](../results/a/README.md)'),
    ('[x](../heads/x.py)', '[x](api.md#x)'),
    ('[tour](tour.ipynb#end)', '[tour](tour.md#end)'),
    ('[rows](../results/b/rows.csv) of', '`rows` of'),
    ('[`rows`](../results/b/)', '`rows`'),
    ('[nowhere](../results/c/)', '[nowhere](../results/c/)'),
    ('[host](https://example.org/a)', '[host](https://example.org/a)'),
    ('[here](#part)', '[here](#part)'),
    ('```\n[r](../results/b)\n```', '```\n[r](../results/b)\n```'),
  ],
)
def test_links(relinked, text, wanted):
  assert relinked(text) == wanted


def test_a_notebook_is_a_page():
  png = {'image/png': 'iVBO\nRw==', 'text/plain': ['a bar', ' chart']}
  cells = [
    {'cell_type': 'markdown', 'source': ['# Title\n', 'Text.']},
    {
      'cell_type': 'code',
      'source': ['print(1)'],
      'outputs': [
        {'output_type': 'stream', 'text': ['1\n']},
        {'output_type': 'display_data', 'data': png},
      ],
    },
  ]
  assert docs_site.notebook_page({'cells': cells}) == (
    '# Title\nText.\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n'
    '![a bar chart](data:image/png;base64,iVBORw==)'
  )


@pytest.fixture(scope='module')
def site(tmp_path_factory):
  """The whole site; `make docs` installs what it needs."""
  pytest.importorskip('mkdocs')
  pytest.importorskip('mkdocstrings')
  folder = tmp_path_factory.mktemp('site')
  subprocess.run(
    [
      sys.executable,
      '-m',
      'mkdocs',
      'build',
      '--strict',
      f'--site-dir={folder}',
    ],
    cwd=_ROOT,
    check=True,
    capture_output=True,
  )
  return folder


@pytest.mark.soak
def test_the_site_fetches_nothing_from_other_hosts(site):
  loads = r'<(?:link|script|img|iframe)[^>]*(?:href|src)="?(https?:[^" >]*)'
  pages = [p for p in site.rglob('*.html') if p.stem != 'report']
  assert len(pages) > 40
  for page in pages:
    found = re.findall(loads, page.read_text('utf-8'))
    assert not found, (page, found)


@pytest.mark.soak
def test_links_within_the_site_lead_somewhere(site):
  for page in (site / 'index.html', site / 'results' / 'index.html'):
    links = re.findall(r'href="([^":#]+)', page.read_text('utf-8'))
    assert len(links) > 20
    for link in links:
      assert (page.parent / pathlib.PurePosixPath(link)).exists(), link


@pytest.mark.soak
@pytest.mark.skipif(
  not shutil.which('chromium'),
  reason='chromium is not installed (Debian: chromium)',
)
def test_it_can_be_searched_from_disk(site, tmp_path):
  done = subprocess.run(
    [
      'chromium',
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--enable-logging=stderr',
      f'--user-data-dir={tmp_path}/profile',
      '--host-resolver-rules=MAP * ~NOTFOUND',
      '--virtual-time-budget=9000',
      '--dump-dom',
      f'file://{site}/index.html?q=lasso',
    ],
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert 'CONSOLE' not in done.stderr
  assert re.search(r'"md-search-result__meta">\d+ matching', done.stdout)
