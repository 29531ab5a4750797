import json
import pathlib
import re
import shutil
import subprocess

import pytest

from tests import testing
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import page
from vtab_h2t.toys import tables as toys

_ROOT = pathlib.Path(__file__).parents[2]
_CHROMIUM = shutil.which('chromium')
needs_chromium = pytest.mark.skipif(
    not _CHROMIUM, reason='chromium is not installed (Debian: chromium)')


def _rows(**changes):
  return [r | {'suite': 'embedded', 'protocol': 'exact',
               'weights_sha256': 'f00', 'learning_rate': 0.1, 'steps': 5,
               'target_size': 256, 'coefficient': 1e-5,
               'fraction': 0.1} | changes for r in testing.result_rows()]


@pytest.fixture(scope='module')
def html():
  extra = [r | {'method': m, 'correct': r['correct'] - 9 * i}
           for i, m in enumerate(('scratch', 'finetune'), 1)
           for r in _rows() if r['method'] == 'linear']
  failed = [_rows()[0] | {'method': 'finetune', 'task': 'x', 'correct': None,
                          'failed': 'the loss was <not> finite', 'seed': 7}]
  return page.build(_rows() + extra + failed, [], toys.tables())


def test_rows_are_sorted_into_runs_and_jobs():
  rows = _rows()
  odd = rows[0]
  others = [
      odd | {'method': 'one_tap', 'grid': 'study', 'tap': 'a'},
      odd | {'method': 'one_tap', 'grid': 'study', 'backbone': 'b+c',
             'weights': 'w+v', 'tap': 'control'},
      odd | {'taps': 'pre_activation'}, odd | {'cls_pooling': 'only'},
      odd | {'train_fraction': 0.1}]
  one, two = page.runs(rows + others + [odd | {'grid': 'other'}])
  assert {job: len(r) for job, r in one.rows.items()} == {
      'accuracy': len(rows), 'one_tap': 1, 'control': 1, 'pre_activation': 1,
      'cls_only': 1, 'reduced': 1}
  # A study has no grid of its own; what a grid searched stays with it.
  assert set(two.rows) == {'accuracy', 'one_tap', 'control'}
  assert one.name == 's, b (w), 96 pixels, grid g'.replace('s,', 'embedded,', 1)
  methods = list(dict.fromkeys(r['method'] for r in one.rows['accuracy']))
  assert methods == ['linear', 'head2toe']


def test_tasks_are_in_their_suites_order_and_others_behind_them():
  one = _rows()[0]
  rows = [one | {'task': t} for t in ('a', 'digits', 'photo_patches')]
  run, = page.runs(rows)
  assert [r['task'] for r in run.rows['accuracy']] == [
      'photo_patches', 'digits', 'a']


def test_another_network_on_the_same_images_is_the_second():
  rows = _rows() + [r | {'method': 'scratch'} for r in _rows()
                    if r['method'] == 'linear']
  other = [r | {'backbone': 'c'} for r in rows if r['method'] != 'head2toe']
  smaller = [r | {'backbone': 'd', 'image_size': 32} for r in other]
  one, two, three = page.runs(rows + other + smaller)
  assert {r['backbone'] for r in one.rows['second']} == {'c'}
  assert {r['method'] for r in one.rows['second']} == {'linear', 'scratch'}
  assert {r['backbone'] for r in two.rows['second']} == {'b'}
  assert 'second' not in three.rows


def test_the_answer_is_in_words(html):
  assert ('Head2Toe against Linear: +10.0 points on average (95 % interval '
          in html)
  assert 'better on 3 of 3 tasks' in html
  assert 'By group: natural +10.0, structured +10.0' in html


def test_it_is_self_contained_and_escapes_what_it_shows(html):
  assert not re.search(r'(src|href)="(?!data:|#)', html)
  assert 'the loss was &lt;not&gt; finite' in html
  assert html.count('<img ') == html.count('data:image/png;base64,') >= 2
  assert 'alt="Figure 2' in html
  assert 'alt="Figure 6' not in html  # No rows of it.


def test_committed_results_make_a_page():
  ledger = ledger_lib.Ledger(_ROOT / 'results' / 'embedded')
  rows = ledger.rows()
  text = page.build(rows, list(ledger.units()), toys.tables())
  runs = page.runs(rows)
  for run in runs:
    assert run.name in text
  assert text.count('Head2Toe against Linear') == sum(
      any(r['method'] == 'head2toe' for r in run.rows['accuracy'])
      for run in runs) == 3


def _browse(text, folder, script=''):
  """The page after a script, and what the browser said of it."""
  path = folder / 'page.html'
  path.write_text(text.replace('</body>', f'<script>{script}</script></body>'))
  done = subprocess.run(
      [_CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu',
       '--enable-logging=stderr', f'--user-data-dir={folder}/profile',
       '--host-resolver-rules=MAP * ~NOTFOUND', '--dump-dom',
       f'file://{path}'], capture_output=True, text=True, timeout=120)
  assert done.returncode == 0, done.stderr
  return done.stdout, [l for l in done.stderr.splitlines() if 'CONSOLE' in l]


_REPORT = '''
const t = document.querySelector('table.sortable');
const head = [...t.querySelectorAll('th')].find(
    h => h.textContent.trim() === 'Head2Toe');
const read = () => [...t.tBodies[0].rows].map(
    r => r.cells[0].textContent.trim());
const result = {before: read()};
head.querySelector('button').click(); result.down = read();
head.querySelector('button').click(); result.up = read();
result.images = [...document.images].map(i => i.complete && i.naturalWidth > 0);
// A window cannot be as narrow as a phone, so the body is made so.
document.body.style.cssText = 'width: 360px; padding: 0; margin: 0';
result.wide = [...document.body.querySelectorAll('*')].filter(
    e => !e.closest('.scroll') && e.getBoundingClientRect().right > 361).map(
        e => e.tagName);
result.scrolls = document.querySelector('.scroll').scrollWidth;
document.body.innerHTML = '<pre id="out"></pre>';
document.getElementById('out').textContent = JSON.stringify(result);
'''


@needs_chromium
def test_a_browser_shows_every_figure_and_sorts(html, tmp_path):
  text, console = _browse(
      html, tmp_path, f"window.addEventListener('load', () => {{{_REPORT}}});")
  assert not console
  found = json.loads(re.search(r'<pre id="out">(.*?)</pre>', text)[1])
  assert found['images'] and all(found['images'])
  # x and y have 60 %, z 80 %; sorting is stable.
  assert found['before'] == ['x', 'mean of natural', 'y', 'z',
                             'mean of structured', 'mean of all']
  assert found['down'][0] == 'z' and found['up'][-1] == 'z'
  assert sorted(found['down']) == sorted(found['before'])
  # On a phone wide tables scroll by themselves.
  assert not found['wide'] and found['scrolls'] > 360


@needs_chromium
def test_a_console_error_would_be_seen(html, tmp_path):
  _, console = _browse(html, tmp_path, 'undefinedFunction();')
  assert console


@needs_chromium
def test_the_papers_page_has_its_tables_and_figures(tmp_path):
  text = page.build_published(toys.tables())
  assert text == page.build_published(toys.tables())
  for part in ('VTAB-1k, resnet50', 'VTAB-1k, vit_b16',
               'Head2Toe, as published', 'nothing here was measured',
               'Table 7', 'Figure 8'):
    assert part in text
  for part in ('Head2Toe, measured', 'Where the numbers come from',
               '<h3>Failures', '<h3>Claims'):
    assert part not in text
  wanted = [o for o in catalogue.OUTPUTS.values() if o.published and o.draw]
  shown, console = _browse(text, tmp_path, '''
window.addEventListener('load', () => { document.title = [...document.images]
    .filter(i => i.complete && i.naturalWidth > 0).length; });''')
  assert not console
  assert f'<title>{len(wanted)}</title>' in shown
