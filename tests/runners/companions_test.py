"""The command, as a user runs it."""

import collections
import pathlib

import pytest

from tests import testing

_PLUGIN = pathlib.Path(__file__).parent / 'tiny_companions.py'


def _run(workdir, *arguments, **env):
  done = testing.run_runner(
    'companions',
    f'--plugins={_PLUGIN}',
    '--backbone=tiny',
    '--weights=noise',
    f'--workdir={workdir}',
    *arguments,
    **env,
  )
  assert done.returncode == 0, done.stderr
  return done


def _seeds(workdir):
  """Of each job, the seeds of its test rows."""
  found = collections.defaultdict(set)
  for row in testing.read_rows(workdir):
    if row['split'] == 'test':
      found[row['job']].add(row['seed'])
  return dict(found)


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """With rows of LP-FT, none of whose claims is undecided."""
  folder = tmp_path_factory.mktemp('companions')
  done = _run(folder, '--only=lp_ft', TINY_VERDICT='holds')
  assert 'two more' not in done.stdout
  assert _seeds(folder) == {'lp_ft_shift': {0, 1, 2}}
  return folder


@pytest.mark.soak
def test_papers_are_measured_in_two_runs(tmp_path):
  """The large network is adapted to one shift of each kind."""
  _run(tmp_path, '--only=surgical,head_probe', '--seeds=2', TINY_VERDICT='any')
  jobs = 'surgical_small', 'surgical_shift', 'head_probe_energy'
  assert _seeds(tmp_path) == {job: {2} for job in jobs}
  runs = {p.parent.name for p in tmp_path.glob('*/run.json')}
  assert len(runs) == 2 and any('surgical_small' in name for name in runs)
  assert len(list(tmp_path.glob('*/sources/*.npz'))) == 2


@pytest.mark.soak
def test_where_claims_on_lp_ft_are_undecided_two_seeds_are_added(
  workdir, tmp_path
):
  only = '--only=lp_ft'
  done = _run(tmp_path, only, TINY_VERDICT='undecided')
  assert 'undecided with three seeds; two more are measured' in done.stdout
  assert _seeds(tmp_path) == {'lp_ft_shift': {0, 1, 2, 3, 4}}
  # Those of three seeds are as they were, and no more are added.
  rows = [
    [r for r in testing.read_rows(d) if r['method'] == 'lp_ft_shift']
    for d in (workdir, tmp_path)
  ]
  assert rows[0] == [r for r in rows[1] if r['seed'] < 3]
  before = testing.rows_files(tmp_path)
  _run(tmp_path, only, TINY_VERDICT='undecided')
  assert testing.rows_files(tmp_path) == before


@pytest.mark.soak
def test_no_seeds_are_added_to_those_that_were_named(tmp_path):
  """Nor to the quick form, which is a run of its own."""
  names = []
  for argument in ('--seeds=0', '--quick'):
    folder = tmp_path / argument
    done = _run(folder, '--only=lp_ft', argument, TINY_VERDICT='undecided')
    assert 'two more' not in done.stdout
    assert _seeds(folder) == {'lp_ft_shift': {0}}
    (path,) = folder.glob('*/run.json')
    names.append(path.parent.name)
  assert names[0] != names[1] and 'companions_quick' in names[1]


@pytest.mark.soak
def test_tasks_say_which_papers(tmp_path):
  done = _run(tmp_path, '--tasks=mnist_5k', '--seeds=0')
  assert _seeds(tmp_path) == {'head_probe_energy': {0}}
  tables = list(tmp_path.glob('*/*.csv'))
  assert tables and all(str(path) in done.stdout for path in tables)


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--tasks=nothing'], "unknown task 'nothing' in suite shifted"),
    (
      ['--only=lp_ft', '--tasks=mnist_5k'],
      'mnist_5k is no task for lp_ft: lp_ft takes pairs',
    ),
    (
      ['--only=surgical,head_probe', '--tasks=digits.to.mnist_5k'],
      'digits.to.mnist_5k is no task for surgical, head_probe',
    ),
    (['--tasks=digits.to.photo_patches'], 'have different labels (10 and'),
    (['--tasks=mnist_5k.odd'], "mnist_5k has no shift 'odd'; choose from"),
    (['--tasks=mnist_5k.noise6'], 'task mnist_5k.noise6: '),
    (['--tasks=mnist_5k.to.noise0'], 'task mnist_5k.to.noise0: '),
    (['--only=nothing'], "unknown value 'nothing'; choose from lp_ft"),
    (['--seeds=0,0'], 'must be distinct whole numbers from 0'),
    (['--backbone=nothing'], "unknown backbone 'nothing'"),
  ],
  ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_bad_input_is_one_line(arguments, message, tmp_path):
  done = testing.run_runner('companions', *arguments, f'--workdir={tmp_path}')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  text = ' '.join(done.stderr.split())
  assert message in text
  if '--tasks' in arguments[-1]:
    assert text.startswith('error: ') and done.stderr.count('\n') == 1
  assert not list(tmp_path.iterdir())


def test_the_papers_numbers(tmp_path):
  done = testing.run_runner(
    'companions', '--source=published', f'--workdir={tmp_path}'
  )
  assert done.returncode == 0, done.stderr
  files = [p for p in tmp_path.glob('**/*') if p.is_file()]
  assert files and all('published' in p.parts for p in files)
  assert all(str(p) in done.stdout for p in files if p.suffix == '.csv')
