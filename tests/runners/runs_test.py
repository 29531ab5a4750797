"""Which rows belong together: the folders of runs, as a user sees them."""

import json
import shutil

import pandas as pd
import pytest

from tests import testing
from tests.runners import tiny

_LINEAR = ['--methods=linear', '--tasks=one', '--seeds=0']


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  """A work directory with Table 1 of two methods, tasks and seeds."""
  workdir = tmp_path_factory.mktemp('measured')
  tiny.run('table1', workdir, '--methods=linear,head2toe', '--seeds=0,1')
  return workdir


@pytest.fixture
def workdir(measured, tmp_path):
  """A copy of it."""
  return shutil.copytree(measured, tmp_path / 'workdir')


def _files(folder):
  """A folder's files but for those that tell of time, with their bytes."""
  return {
    p.relative_to(folder): p.read_bytes()
    for p in folder.rglob('*')
    if p.is_file() and p.parent.name != 'provenance'
  }


@pytest.mark.parametrize(
  'option',
  [
    '--probe_hidden=8',
    '--protocol=official',
    '--taps=pre_activation',
    '--weights=other',
    *(
      pytest.param(option, marks=pytest.mark.soak)
      for option in (
        '--snr=paper',
        '--head_init=head2toe',
        '--finetune_optimizer=adam',
        '--nofinetune_unit_norm',
        '--probe_smoothing=0.2',
        '--normalization=once',
        '--resize=legacy',
        '--grid=quick',
      )
    ),
  ],
)
def test_what_changes_numbers_is_another_run(workdir, option):
  """Its rows are in a folder of its own and pooled with no others."""
  (first,) = tiny.folders(workdir)
  before = _files(first)
  flags = tiny.FLAGS
  if option.startswith('--grid'):
    flags = [f for f in flags if not f.startswith(('--grid', '--hparams'))]
  done = testing.run_runner(
    'table1', *flags, f'--workdir={workdir}', *_LINEAR, option
  )
  assert done.returncode == 0, done.stderr
  (second,) = set(tiny.folders(workdir)) - {first}
  assert _files(first) == before
  ids = [
    json.loads((f / 'run.json').read_text())['id'] for f in (first, second)
  ]
  rows = [r for r in testing.read_rows(workdir) if r['run'] == ids[1]]
  assert len([r for r in rows if r['split'] == 'test']) == 1
  table = pd.read_csv(second / 'table1.csv')
  assert table[['method', 'task', 'seeds']].values.tolist() == [
    ['linear', 'one', 1]
  ]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run of methods that have options of their own: where it is."""
  workdir = tmp_path_factory.mktemp('trained')
  tiny.run(
    'table1',
    workdir,
    '--tasks=one',
    '--seeds=0',
    '--methods=finetune,head2toe_ft,auto_snr,head_probe',
  )
  return workdir, tiny.folders(workdir)[0]


@pytest.mark.parametrize(
  'method, option',
  [
    ('finetune', '--nofinetune_unit_norm'),
    *(
      pytest.param(*case, marks=pytest.mark.soak)
      for case in (
        ('auto_snr', '--snr=paper'),
        ('head2toe_ft', '--head_init=head2toe'),
        ('finetune', '--finetune_optimizer=adam'),
        ('head_probe', '--probe_hidden=8'),
        ('head_probe', '--probe_smoothing=0.2'),
      )
    ),
  ],
)
def test_an_option_reaches_its_method(trained, method, option):
  workdir, first = trained
  known = set(tiny.folders(workdir))
  tiny.run(
    'table1', workdir, '--tasks=one', '--seeds=0', f'--methods={method}', option
  )
  (second,) = set(tiny.folders(workdir)) - known
  runs = [json.loads((f / 'run.json').read_text()) for f in (first, second)]
  options = [r['run']['space']['options'] for r in runs]
  assert options[0][method] != options[1][method]
  found = {
    r['run'] for r in testing.read_rows(workdir) if r['method'] == method
  }
  assert {r['id'] for r in runs} <= found


@pytest.mark.soak
def test_two_sets_of_taps_in_one_work_directory_and_a_page(workdir, tmp_path):
  tiny.run(
    'table1',
    workdir,
    '--methods=linear,head2toe',
    '--seeds=0,1',
    '--taps=pre_normalization',
  )
  out = tmp_path / 'page.html'
  done = testing.run_runner('report', f'--workdir={workdir}', f'--out={out}')
  assert done.returncode == 0, done.stderr
  pages = sorted((tmp_path / 'page').glob('*.html'))
  named = ['taps before the normalization' in p.read_text() for p in pages]
  assert len(pages) > 1 and sum(named) == 1  # All taps are not named.


@pytest.mark.parametrize(
  'view, shown, hidden',
  [
    ('--tasks=one', 'median of 2 seeds', ' two '),
    ('--seeds=0', ' two ', 'median of 2 seeds'),
    ('--methods=linear', ' two ', 'Head2Toe'),
  ],
)
def test_a_view_prints_a_part_and_leaves_the_files(
  workdir, view, shown, hidden
):
  before = testing.results(workdir)
  done = tiny.run(
    'table1', workdir, '--methods=linear,head2toe', '--seeds=0,1', view
  )
  out = ' '.join(done.stdout.partition('\ntable1: ')[0].split())
  assert shown in out and 'Linear' in out
  assert hidden not in out
  assert testing.results(workdir) == before
  table = pd.read_csv(tiny.folders(workdir)[0] / 'table1.csv')
  assert len(table) == 4 and set(table.seeds) == {2}


def test_a_seed_more_is_added_and_what_is_there_stays(workdir):
  rows = lambda: [r for r in testing.read_rows(workdir) if r['split'] == 'test']
  before = rows()
  tiny.run('table1', workdir, '--methods=linear', '--seeds=2')
  after = rows()
  assert len(after) == len(before) + 2
  assert [r for r in after if r['seed'] != 2] == before


@pytest.mark.soak
def test_no_path_of_this_machine_is_kept(tmp_path):
  """Not in provenance, nor in any other file of a run's folder."""
  testing.write_archive(tmp_path / 'data' / 'mine')
  weights = tmp_path / 'own weights.npz'
  weights.touch()
  plugin = shutil.copy(tiny.PLUGIN, tmp_path / 'mine.py')
  done = testing.run_runner(
    'reproduce',
    f'--plugins={plugin}',
    '--suite=vtab',
    '--tasks=mine',
    '--data_source=archive',
    f'--data_dir={tmp_path}/data',
    '--backbone=tiny',
    '--weights=noise',
    '--grid=fixed',
    f'--hparams={tiny.HPARAMS}',
    f'--control=tiny2:{weights}',
    '--only=table1,figure8',
    '--seeds=0',
    '--methods=linear',
    '--workdir',
    tmp_path / 'w',
  )
  assert done.returncode == 0, done.stderr
  searched = 0
  for path in tmp_path.glob('w/*/**/*'):
    if path.is_file() and 'features' not in path.parts:
      searched += 1
      assert str(tmp_path).encode() not in path.read_bytes(), path
      assert tmp_path.name.encode() not in path.read_bytes(), path
  assert searched > 10
  commands = {
    json.loads(p.read_text())['command']
    for p in tmp_path.glob('w/*/provenance/*.json')
  }
  (command,) = commands
  assert command.startswith(
    'python -m runners.reproduce --plugins=mine.py --suite=vtab'
  )
  assert '--data_dir=data' in command and command.endswith(' --workdir w')
  assert 'own weights.npz' in command


@pytest.mark.soak
def test_a_name_of_ones_own_is_used(tmp_path):
  for _ in range(2):
    tiny.run('table1', tmp_path, *_LINEAR, '--run_name=mine')
    assert [f.name for f in tiny.folders(tmp_path)] == ['mine']
  # Without a name, the run is still found.
  done = tiny.run('table1', tmp_path, *_LINEAR)
  assert f'rows: {tmp_path}/mine/rows' in done.stdout
  assert [f.name for f in tiny.folders(tmp_path)] == ['mine']


def test_a_name_that_does_not_fit_is_one_line(tmp_path):
  tiny.run('table1', tmp_path, *_LINEAR, '--run_name=mine')
  before = testing.results(tmp_path)
  for arguments, message in (
    (
      ['--run_name=mine', '--protocol=official', '--probe_hidden=8'],
      '/mine is of another run; choose another --run_name. Different are '
      'protocol: exact and official; space.options.head_probe.hidden: 0 and 8',
    ),
    (
      ['--run_name=other'],
      '/mine already; leave out --run_name=other, or choose another --workdir',
    ),
  ):
    done = testing.run_runner(
      'table1', *tiny.FLAGS, f'--workdir={tmp_path}', *_LINEAR, *arguments
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert testing.results(tmp_path) == before


@pytest.mark.parametrize(
  'runner, arguments',
  [('table1', [*tiny.FLAGS, *_LINEAR]), ('report', ['--out=/nowhere/x.html'])],
)
def test_a_work_directory_of_an_earlier_version_is_one_line(
  runner, arguments, tmp_path
):
  (tmp_path / 'schema.json').write_text('{"schema": 2}')
  done = testing.run_runner(runner, *arguments, f'--workdir={tmp_path}')
  assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
  assert 'was written by an earlier version' in done.stderr
  assert 'choose another --workdir' in done.stderr


def test_changed_rows_are_named_and_measured_again_once_deleted(workdir):
  before = testing.results(workdir)
  (path,) = workdir.glob('*/rows/one/linear.jsonl')
  path.write_bytes(path.read_bytes() + b' ')
  again = ['--methods=linear,head2toe', '--seeds=0,1']
  for name, arguments in (
    ('table1', [*tiny.FLAGS, *again]),
    ('report', [f'--out={workdir}/page.html']),
  ):
    done = testing.run_runner(name, *arguments, f'--workdir={workdir}')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith('error: ')
    assert f'{path} was changed since it was written' in last
    assert 'delete it to measure again' in last
  path.unlink()
  tiny.run('table1', workdir, *again)
  assert testing.results(workdir) == before


def test_rows_of_another_run_are_named_and_not_read(workdir):
  tiny.run('table1', workdir, *_LINEAR, '--protocol=official')
  paths = sorted(workdir.glob('*/rows/one/linear.jsonl'))
  shutil.copy(paths[0], paths[1])
  done = testing.run_runner(
    'report', f'--workdir={workdir}', f'--out={workdir}/page.html'
  )
  assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
  assert f'{paths[1]} is of the run ' in done.stderr
  assert 'move it away' in done.stderr
