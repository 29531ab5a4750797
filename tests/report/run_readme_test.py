"""What a run's folder says of itself."""

import re

import pytest

from tests.report import made
from tests.report import made_shifted
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_readme
from vtab_h2t.report import statistics

_TASKS = 'sprites_loc', 'shapes_count'


def _facts(task, method, **more):
  return {
    'task': task,
    'tasks': list(_TASKS),
    'command': 'python -m runners.table1 --workdir=../else --methods=' + method,
    'git': {'commit': 'c0ffee' * 6 + 'abcd', 'dirty': False},
    'machine': 'Linux',
    'packages': {'tensorflow': '2.21.0', 'keras': '3.15.1', 'other': None},
    'peak_memory_bytes': 3 * 2**29,
    'processor': 'Some CPU',
    'python': '3.11.7',
    'rows': {method: f'rows/{task}/{method}.jsonl'},
    'seconds': {'a': {'wall': 6000.0, 'cpu': 7000.0}},
  } | more


@pytest.fixture(scope='module')
def results(tmp_path_factory):
  """A run of two tasks on the same images, with a table and two figures."""
  workdir = tmp_path_factory.mktemp('readme')
  made.write(
    workdir,
    made.run(),
    _TASKS,
    names=('linear', 'head2toe'),
    jobs_=('accuracy', 'offset', 'granularity'),
  )
  folder = ledger_lib.Ledger(workdir).open(made.run())
  for task in _TASKS:
    folder.write_manifest({'task': task})
    folder.write_provenance(task, _facts(task, 'linear'))
    folder.write_provenance(
      task,
      _facts(
        task,
        'head2toe',
        when='2026-11-28T08:00:00+00:00',
        devices=[{'cores': 2, 'model': 'Some CPU'}, {'model': 'A GPU'}],
      ),
    )
  (found,) = results_lib.read_all(ledger_lib.Ledger(workdir))
  for name in ('table1', 'figure6'):
    catalogue.OUTPUTS[name].write_results(found)
  return found


@pytest.fixture(scope='module')
def text(results):
  return run_readme.markdown(results)


def _links(text):
  return re.findall(r'\]\(([^)]+)\)', text)


def test_links_and_pictures_are_there(results, text):
  folder = results.folder.path
  paths = [folder / link for link in _links(text)]
  assert len(paths) > 7
  for path in paths:
    assert path.exists(), path
  assert folder / 'figures' / 'figure6.png' in paths
  for title, path, below in re.findall(r'!\[(.*?)\]\((.*?)\)\n\n(.*)', text):
    # What it is in its place, and what it shows once below.
    assert f'## {title}\n\n![{title}]({path})' in text
    assert len(title.split()) > 4 and len(below.split()) > 20


def test_tables_are_inline_under_what_not_to_take_them_for(results, text):
  table = (results.folder.path / 'table1.md').read_text().strip()
  assert table in text
  warning = text.index('> **Do not compare these accuracies with')
  assert warning < text.index('| method') < text.index(table)
  assert '| Head2Toe is better than Linear on average.' in text


def test_with_a_second_network_figure_4s_averages_are_below_it(tmp_path):
  made.write(
    tmp_path, made.run(), _TASKS, jobs_=('accuracy', 'one_tap', 'control')
  )
  (found,) = results_lib.read_all(ledger_lib.Ledger(tmp_path))
  output = catalogue.OUTPUTS['figure4']
  output.write_results(found)
  (folder,) = found.derived['control']
  text = run_readme.texts(found)[folder.path / run_readme.NAME]
  warning = text.index('> **Do not compare these accuracies with')
  assert warning < text.index('figure4.png')
  below = text[text.index('figure4.png') :]
  averages = output.of_results(found)['averages'].set_index('method').average
  for method, label in (
    ('linear', 'Linear'),
    ('control', 'Control'),
    ('oracle', 'Oracle'),
  ):
    (number,) = re.findall(rf'\| {label} +\| +([\d.]+) \|', below)
    assert float(number) == pytest.approx(averages[method], abs=0.06)
  assert '](figures/figure4_averages.csv)' in below
  for link in _links(text):
    if 'figures/' in link:
      assert (folder.path / link).exists()


def test_a_derived_run_shows_its_accuracies_beside_its_parents(tmp_path):
  made.write(
    tmp_path,
    made.run(),
    _TASKS,
    names=('linear', 'head2toe'),
    jobs_=('accuracy', *jobs.NORMALIZATIONS.values(), 'reduced'),
    # One task is not measured with less; its parent's is not in the mean.
    change=lambda r: (
      None if r.get('train_fraction') == 0.5 and r['task'] == _TASKS[1] else r
    ),
  )
  (found,) = results_lib.read_all(ledger_lib.Ledger(tmp_path))
  for name in ('normalization', 'figure13'):
    catalogue.OUTPUTS[name].write_results(found)
  texts = run_readme.texts(found)

  def text_of(job, ending):
    folder = next(f for f in found.derived[job] if f.path.name.endswith(ending))
    return folder, texts[folder.path / run_readme.NAME]

  def medians(folder, method):
    rows = [
      r for r in folder.rows() if r['split'] == 'test' and r['method'] == method
    ]
    table = statistics.summarise(rows).set_index('task')
    return table.accuracy_percent

  folder, text = text_of('normalization_none', 'none')
  ours, theirs = medians(folder, 'head2toe'), medians(found.folder, 'head2toe')
  for task in _TASKS:
    cells = map(float, _row(text, task)[1:])
    assert list(cells) == pytest.approx([ours[task], theirs[task]], abs=0.051)
  assert float(_row(text, 'mean')[1]) == pytest.approx(ours.mean(), abs=0.051)
  assert 'Linear' not in text[text.index('## Acc') : text.index('## How')]
  assert f'](../{found.run.name}/normalization.md)' in text

  folder, text = text_of('reduced', '0.5')
  assert _row(text, 'task')[1::2] == ['Linear, this run', 'Head2Toe, this run']
  assert not _row(text, _TASKS[1])
  assert _row(text, 'mean')[1:] == _row(text, _TASKS[0])[1:]
  assert f'](../{found.run.name}/figures/figure13.png)' in text
  for link in _links(text):
    if 'figure13' in link or 'normalization' in link:
      assert (folder.path / link).exists()


def _row(text, first):
  """The cells of the row of a table that begins so; [] without."""
  for line in text.splitlines():
    cells = [cell.strip() for cell in line.split('|')[1:-1]]
    if cells[:1] == [first]:
      return cells
  return []


def test_what_is_written_by_hand_is_kept(results):
  path = results.folder.path / 'README.md'
  assert run_readme.write(results)[0] == path
  first = path.read_text()
  assert run_readme.write(results)[0] == path and path.read_text() == first
  path.write_text('By hand.')
  assert path not in run_readme.write(results)
  assert path.read_text() == 'By hand.'
  path.unlink()


def test_a_run_under_shifts_says_that_undecided_is_not_refuted():
  text = run_readme.markdown(made_shifted.all_results())
  assert '> **Do not take an undecided claim for one that is refuted:**' in text
  assert 'There is no provenance of these rows.' in text
  assert text.index('refuted') < text.index('## Claims')


@pytest.mark.parametrize(
  'job, changes, words',
  [
    ('normalization_none', {'normalization': 'none'}, 'no normalization'),
    ('pre_activation', {'taps': 'pre_activation'}, 'before the activation'),
    ('reduced', {'train_fraction': 0.5}, 'fewer training images'),
  ],
)
def test_titles_of_derived_runs_say_what_was_changed_once(job, changes, words):
  title = run_readme._title(made.run(**changes), job)
  assert title.count(words) == 1, title


def test_the_folder_of_a_study_shows_its_parents_table(tmp_path):
  made_shifted.write(tmp_path, made_shifted.run())
  (found,) = results_lib.read_all(ledger_lib.Ledger(tmp_path))
  catalogue.of(found.run)['surgical'].write_results(found)
  job = companion_rows.SURGICAL_SMALL
  (folder,) = found.derived[job]
  text = run_readme._of_derived(found, job, folder)
  assert _row(text, 'network')[:3] == ['network', 'kind', 'target']
  links = [link for link in _links(text) if 'surgical' in link]
  assert f'../{found.run.name}/surgical.md' in links
  for link in links:
    assert (folder.path / link).exists(), link
