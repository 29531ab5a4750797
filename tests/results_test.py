"""What is committed under results/ agrees with itself."""

import json
import pathlib
import re

import pytest

from tests import pages
from vtab_h2t import published
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import folder_readme
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import run_readme
from vtab_h2t.report import standing
from vtab_h2t.report import statistics
from vtab_h2t.report import summary
from vtab_h2t.report import tables
from vtab_h2t.studies import registry as studies
from vtab_h2t.tasks import registry as tasks
from vtab_h2t.tasks import shifted

_ROOT = pathlib.Path(__file__).parents[1]
_RESULTS = _ROOT / 'results'
_SUITE = 'embedded-lite0-64px'
_FOLDERS = {f.path.name: f for f in ledger_lib.Ledger(_RESULTS).folders()}


@pytest.fixture(scope='module')
def measured():
  """The results of each committed run, by its name."""
  return {
    r.run.name: r for r in results_lib.read_all(ledger_lib.Ledger(_RESULTS))
  }


@pytest.mark.parametrize('name', _FOLDERS)
def test_each_folder_is_of_its_run_and_whole(name):
  """run.json gives the id again; every rows file has its checksum."""
  folder = _FOLDERS[name]
  rows = folder.rows()
  assert rows
  assert {r['run'] for r in rows} == {folder.run.id}
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)


@pytest.mark.parametrize('name', _FOLDERS)
def test_every_row_has_its_manifest_and_provenance(name):
  folder = _FOLDERS[name]
  manifests = {
    p.stem: json.loads(p.read_text())
    for p in (folder.path / 'manifests').glob('*.json')
  }
  measurements = list(folder.measurements())
  told = {(m.facts['task'], file) for m in measurements for file in m.rows}
  for row in folder.rows():
    manifest = manifests[row['task']]
    assert row['manifest_sha256'] == manifest['sha256']
    if row['split'] == 'test':
      images = row.get('images', interface.OWN_TEST)
      if images != interface.OWN_TEST:
        images = f'further/{images}'
      assert row['total'] == manifest['splits'][images]['size']
    if row['method'] in (*methods.MEASURED, *studies.COMPANIONS):
      assert (row['task'], row['method']) in told
  assert all(
    m.facts['git'] and not m.facts['git']['dirty'] for m in measurements
  )


@pytest.mark.soak
def test_tables_and_figures_follow_from_rows(measured, tmp_path):
  """Every CSV and Markdown table is what its run's rows give."""
  for name, results in measured.items():
    folder = results.folder.path
    for output in catalogue.of(results.run).values():
      committed = output.folder(output.place(results))
      if not list(committed.glob(f'{output.name}[._]*')):
        continue
      assert output.possible(results), (name, output.name)
      for path in output.write(
        output.of_results(results),
        tmp_path / name,
        run_names.label(results.run),
      ):
        assert (committed / path.name).exists(), path.name
        if path.suffix in ('.csv', '.md'):
          assert path.read_text() == (committed / path.name).read_text(), (
            name,
            path.name,
          )
    outputs = catalogue.of(results.run)
    first = (
      'companion_claims' if results.run.suite == shifted.SUITE else 'table1'
    )
    assert any(o.is_in(results) for o in outputs.values()), name
    if outputs[first].possible(results):
      assert (folder / f'{first}.md').exists(), name


def test_no_path_of_a_machine_is_committed():
  for path in _RESULTS.rglob('*'):
    if path.suffix in ('.json', '.jsonl', '.md', '.csv', '.html'):
      found = re.search(
        r'(?<![\w.:/])/(home|work|root|tmp|usr|mnt)/',
        path.read_text(encoding='utf-8'),
      )
      assert not found, path


def test_the_suites_table_is_whole(measured):
  rows = measured[_SUITE].of('accuracy')
  table = statistics.summarise(rows)
  frozen = table[table.method.isin(list(methods.FROZEN))]
  assert len(frozen) == len(tasks.tasks('embedded')) * len(methods.FROZEN)
  assert (frozen.seeds == 3).all()


def test_readme_shows_the_committed_numbers(measured):
  """Means by group of each method, and what is said of them."""
  readme = (_ROOT / 'README.md').read_text()
  assert summary.means(measured[_SUITE], methods.TABLE1).strip() in readme
  found = standing.of_run(measured[_SUITE])
  ties = {line['method'] for line in standing.read_as(found, standing.TIE)}
  of_paper = set(methods.TABLE1)
  assert ties & of_paper == {'scratch', 'finetune'}
  assert 'three that read all layers tie with it' in readme
  assert ties - of_paper == {'all_ridge', 'all_logistic', 'alf'}
  better = standing.read_as(found, standing.BETTER)
  assert not {line['method'] for line in better} - of_paper
  main, control = (
    standing.of_run(measured[name]).set_index('method')
    for name in (_SUITE, f'{_SUITE}-random')
  )
  regularised = -main.points[['all_l1', 'all_l2', 'all_l21']]
  gain = main.loc['linear']
  text = ' '.join(readme.split())
  for said in (
    f'{-gain.points:.1f} points above Linear (95 % interval over tasks and '
    f'seeds {-gain.high:.1f} to {-gain.low:.1f})',
    f'{regularised.min():.1f} to {regularised.max():.1f} points above +All-l2',
    'Fine-tuning is {:.1f} points above Head2Toe ({:.1f} to {:.1f})'.format(
      *main.loc['finetune', ['points', 'low', 'high']]
    ),
    'Scratch {:.1f} below it ({:.1f} to {:.1f})'.format(
      *(-main.loc['scratch', ['points', 'high', 'low']])
    ),
    'Head2Toe-FT is {:.1f} points above Head2Toe ({:.1f} to {:.1f}), and ties '
    'with fine-tuning'.format(
      *main.loc['head2toe_ft', ['points', 'low', 'high']]
    ),
    f'is {-control.points["linear"]:.1f} points above Linear',
  ):
    assert said in text, said


@pytest.mark.soak
def test_each_run_has_a_readme_that_follows_from_its_rows(measured):
  """Made again by python -m runners.report --workdir=results."""
  folders = {path.parent for path in _RESULTS.glob('*/run.json')}
  texts = {}
  for results in measured.values():
    texts |= run_readme.texts(results)
  assert {path.parent for path in texts} == folders
  for path, text in texts.items():
    assert path.read_text() == text, path
    for link in re.findall(r'\]\(([^()]+)\)', text):
      assert (path.parent / link.split('#')[0]).exists(), (path, link)


def test_the_index_is_of_these_runs(measured):
  text = (_RESULTS / 'README.md').read_text()
  assert summary.index(list(measured.values())).strip() in text


@pytest.mark.parametrize(
  'path', sorted(_RESULTS.rglob('*.html')), ids=lambda path: path.stem
)
def test_committed_pages_are_readable_and_open_at_once(path):
  assert path.stat().st_size < 1_000_000
  read = pages.check(path.read_text('utf-8'))
  for link in read.links:
    if link[0] != '#':
      assert (path.parent / link).is_file(), link


_REDRAWN = {
  name: output
  for name, output in (catalogue.OUTPUTS | catalogue.COMPANIONS).items()
  if output.published
}


@pytest.mark.parametrize('name', _REDRAWN)
def test_redrawn_numbers_are_the_papers(name, tmp_path):
  output = _REDRAWN[name]
  folder = output.folder(_RESULTS / 'redrawn' / 'published')
  for path in output.write(output.of_paper(), tmp_path, published.SOURCE):
    assert (folder / path.name).exists()
    if path.suffix in ('.csv', '.md'):
      assert path.read_text() == (folder / path.name).read_text()


@pytest.mark.parametrize('name', ['toys', 'redrawn/published'])
def test_folders_of_no_run_have_readmes(name):
  """Made again by python -m runners.toys, and with --source=published."""
  folder = _RESULTS / name
  text = (folder / 'README.md').read_text()
  assert text == (
    folder_readme.of_toys()
    if name == 'toys'
    else folder_readme.of_the_paper(folder)
  )
  links = re.findall(r'\]\(([^()]+)\)', text)
  for link in links:
    assert (folder / link).is_file(), link
  for path in folder.rglob('*.png'):
    assert path.relative_to(folder).as_posix() in links


def test_comparison_with_the_released_code_follows_from_rows(measured):
  """Each line of the table in docs/protocol.md, and all within 1.5 points."""
  medians = {}
  for results in measured.values():
    if results.run.space.name != 'fixed' or results.run.suite != 'vtab':
      continue
    assert results.run.taps == 'released'
    by_key = {}
    for row in results.of('accuracy'):
      setting = ('task', 'method', 'learning_rate', 'fraction', 'coefficient')
      key = tuple(str(row.get(k, '')) for k in setting)
      by_key.setdefault(key, []).append(row)
    for key, rows in by_key.items():
      assert [r['seed'] for r in rows] == [0, 1, 2]
      medians[key] = statistics.summarise(rows).accuracy_percent.item()
  docs = (_ROOT / 'docs' / 'protocol.md').read_text()
  lines = [
    [cell.strip() for cell in line.split('|')[1:-1]]
    for line in docs.partition('| coefficient |')[2].splitlines()
    if line.count('|') == 8
  ]
  ids = {tables.LABELS[m]: m for m in methods.FROZEN}
  compared = [
    [task, ids[label], *rest] for task, label, *rest in lines if label in ids
  ]
  assert len(compared) == len(medians) == 12
  for *key, released, ours in compared:
    assert float(ours) == pytest.approx(medians[tuple(key)], abs=0.005)
    assert abs(float(ours) - float(released)) < 1.5
