"""What is committed under results/ agrees with itself."""

import collections
import json
import pathlib

import pandas as pd
import pytest

from vtab_h2t import published
from vtab_h2t.methods import base
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import page
from vtab_h2t.report import statistics
from vtab_h2t.report import tables
from vtab_h2t.tasks import registry as tasks

_ROOT = pathlib.Path(__file__).parents[1]
_EMBEDDED = _ROOT / 'results' / 'embedded'
_METHODS = {'quick': tuple(methods.FROZEN), 'light': tuple(methods.METHODS)}


def _tables(weights, grid='quick'):
  """Folder of the committed tables."""
  size = '32-' if grid == 'light' else ''
  return _EMBEDDED / 'tables' / (
      f'embedded-efficientnet_lite0-{weights}-all-{size}selected-{grid}-exact')


def _rows(weights, grid):
  """Committed rows in the table's order."""
  rows = []
  for task in tasks.tasks('embedded'):
    folder = _EMBEDDED / 'rows' / 'embedded' / 'efficientnet_lite0' / task.name
    for method in _METHODS[grid]:
      for path in sorted(folder.glob(f'{method}-*.jsonl')):
        rows += [json.loads(l) for l in path.read_text().splitlines()]
  return [r for r in rows if r['weights'] == weights and r['grid'] == grid
          and r['taps'] == 'all' and 'train_fraction' not in r]


@pytest.mark.parametrize('weights, grid', [
    ('imagenet', 'quick'), ('random', 'quick'), ('imagenet', 'light')])
def test_tables_follow_from_rows(weights, grid, tmp_path):
  rows = _rows(weights, grid)
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  assert {r['schema'] for r in rows} == {ledger_lib.SCHEMA}
  summary = statistics.summarise(rows)
  assert len(summary) == len(tasks.tasks('embedded')) * len(_METHODS[grid])
  assert (summary.seeds == 3).all()
  for path in catalogue.OUTPUTS['table1'].write(
      {'table1': summary}, tmp_path, ''):
    assert path.read_text() == (_tables(weights, grid) / path.name).read_text()


def test_readme_shows_the_means_of_all_methods():
  table = (_tables('imagenet', 'light') / 'table1.md').read_text()
  header, _, *lines = [
      [cell.strip() for cell in line.split('|')[1:-1]]
      for line in table.splitlines() if line.startswith('|')]
  means = [i for i, name in enumerate(header) if name.endswith(': mean')]
  readme = (_ROOT / 'README.md').read_text()
  assert len(lines) == len(methods.METHODS) + 1  # The last is the affinity.
  for line in lines:
    assert f'| {" | ".join(line[i] for i in (0, *means))} |' in readme


def test_readme_shows_the_committed_table():
  table = (_tables('imagenet') / 'table1.md').read_text().strip()
  readme = (_ROOT / 'README.md').read_text()
  assert table in readme
  for weights in ('imagenet', 'random'):
    frame = pd.read_csv(_tables(weights) / 'table1.csv')
    structured = frame[frame.group == 'structured']
    for method in ('head2toe', 'linear'):
      mean = structured[structured.method == method].accuracy_percent.mean()
      assert f'{mean:.1f}%' in readme


def test_every_unit_has_its_provenance():
  facts = [json.loads(p.read_text())
           for p in (_EMBEDDED / 'provenance').rglob('*.json')]
  measured = {m for m, method in methods.METHODS.items()
              if not isinstance(method, base.Derived)}
  found = collections.Counter()
  for one in facts:
    assert one['git']['dirty'] is False
    found[frozenset(one['methods'])] += 1
  assert found[frozenset(methods.FROZEN)] == 2 * len(tasks.tasks('embedded'))
  assert found[frozenset(measured)] == len(tasks.tasks('embedded'))


def test_comparison_with_the_released_code_follows_from_rows():
  """Each line of the table in docs/protocol.md, and all within 1.5 points."""
  medians = {}
  for path in (_ROOT / 'results' / 'vtab' / 'vit_ti16' / 'rows').rglob(
      '*.jsonl'):
    rows = [json.loads(l) for l in path.read_text().splitlines()]
    if rows[0]['grid'] != 'fixed':
      continue
    assert [r['seed'] for r in rows] == [0, 1, 2]
    assert rows[0]['taps'] == 'released'
    row = rows[0]
    key = tuple(str(row.get(k, '')) for k in (
        'method', 'learning_rate', 'fraction', 'coefficient'))
    medians[key] = statistics.summarise(rows).accuracy_percent.item()
  docs = (_ROOT / 'docs' / 'protocol.md').read_text()
  lines = [[cell.strip() for cell in line.split('|')[1:-1]]
           for line in docs.split('| released code | here |')[1].splitlines()
           if line.count('|') == 7]
  compared = [line for line in lines if line[0] in methods.FROZEN]
  assert len(compared) == len(medians) == 6
  for *key, released, here in compared:
    assert float(here) == pytest.approx(medians[tuple(key)], abs=0.005)
    assert abs(float(here) - float(released)) < 1.5


@pytest.mark.parametrize('grid, names', [
    ('quick', tuple(methods.FROZEN)),
    ('light', ('linear', 'head2toe', 'finetune', 'lp_ft'))])
def test_searched_caltech101_is_what_the_readme_shows(grid, names, tmp_path):
  """Ours and the published column, from rows and from the paper's table."""
  root = _ROOT / 'results' / 'vtab' / 'vit_ti16'
  rows = [json.loads(l) for p in sorted((root / 'rows').rglob('*.jsonl'))
          for l in p.read_text().splitlines()]
  rows = [r for r in rows
          if (r['grid'], r['cls_pooling']) == (grid, 'pooled')]
  rows.sort(key=lambda r: names.index(r['method']))
  summary = statistics.summarise(rows)
  assert summary.method.tolist() == list(names)
  directory, = (root / 'tables').glob(f'*-{grid}-exact')
  for path in catalogue.OUTPUTS['table1'].write(
      {'table1': summary}, tmp_path, ''):
    assert path.read_text() == (directory / path.name).read_text()
  table = published.table('table1_accuracy')
  theirs = table[(table.backbone == 'vit_b16') & (table.task == 'caltech101')]
  theirs = theirs.set_index('method').accuracy_percent
  readme = (_ROOT / 'README.md').read_text()
  for row in summary.itertuples():
    ours = f'{row.accuracy_percent:.1f} ± {row.std_percent:.1f}'
    printed = f'{theirs[row.method]:.1f}' if row.method in theirs else ''
    line = f'| {tables.LABELS[row.method]} | {ours} | {printed} |'
    assert line.replace('|  |', '| |') in readme


@pytest.mark.parametrize('path', sorted(
    (_ROOT / 'results').rglob('manifests/*/*.json')), ids=lambda p: p.stem)
def test_manifests_are_those_of_the_rows(path):
  manifest = json.loads(path.read_text())
  assert path.stem == f'{manifest["task"]}-{manifest["sha256"][:16]}'
  sizes = set()
  for file in (path.parents[2] / 'rows').rglob('*.jsonl'):
    if file.parent.name == manifest['task']:
      row = json.loads(file.read_text().splitlines()[0])
      if row['manifest_sha256'] == manifest['sha256']:
        sizes.add(round(1000 * row.get('train_fraction', 1)))
  assert sizes == {manifest['splits']['train800val200']['size']}


def test_every_row_has_its_manifest():
  for rows in (_ROOT / 'results').rglob('rows'):
    manifests = {json.loads(p.read_text())['sha256']
                 for p in (rows.parent / 'manifests').rglob('*.json')}
    for file in rows.rglob('*.jsonl'):
      for line in file.read_text().splitlines():
        assert json.loads(line)['manifest_sha256'] in manifests, file


@pytest.mark.parametrize('name', [
    n for n, o in catalogue.OUTPUTS.items() if o.published])
def test_redrawn_numbers_are_the_papers(name, tmp_path):
  output = catalogue.OUTPUTS[name]
  folder = _ROOT / 'results' / 'redrawn' / output.kind / 'published'
  for path in output.write(
      output.published(), tmp_path, published.SOURCE):
    assert (folder / path.name).exists()
    if path.suffix in ('.csv', '.md'):
      assert path.read_text() == (folder / path.name).read_text()


def test_tables_and_figures_of_the_reproduction_follow_from_rows(tmp_path):
  """Every CSV that the committed rows suffice for is there, and is so."""
  ledger = ledger_lib.Ledger(_EMBEDDED)
  run, = [r for r in page.runs(ledger.rows())
          if (r.key[1], r.key[-1]) == ('efficientnet_lite0', 'light')]
  name = _tables('imagenet', 'light').name
  seen = set()
  for output in catalogue.OUTPUTS.values():
    if not output.measured or output.vit or not all(
        run.rows.get(job) for job in output.jobs):
      continue
    seen.add(output.name)
    for path in output.write(output.measured(run.rows), tmp_path, ''):
      committed = _EMBEDDED / output.kind / name / path.name
      assert committed.exists(), committed
      if path.suffix == '.csv':
        lines = [p.read_text().splitlines() for p in (path, committed)]
        # A run sorts by task first, a report by method.
        assert sorted(lines[0]) == sorted(lines[1]), path.name
  assert seen >= {'table2', 'table4', 'table6', 'figure2', 'figure3', 'figure4',
                  'figure6', 'figure7', 'figure8', 'figure10', 'figure11',
                  'figure12', 'figure13', 'figure14', 'scores'}
