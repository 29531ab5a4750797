"""--explain of the command, as a user gives it."""

import shlex

import pytest

from runners import explaining
from tests import testing
from tests.report import made
from vtab_h2t.protocol import ledger as ledger_lib

_RUN = made.run()


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('explained')
  made.write(folder, _RUN, tasks=['digits'], jobs_=['accuracy'])
  return folder


def _explain(workdir, cell, *arguments):
  return testing.run_runner(
    'table1', f'--workdir={workdir}', f'--explain={cell}', *arguments
  )


def test_a_cell_and_the_command_that_measures_it(workdir):
  done = _explain(workdir, 'digits/head2toe', f'--run_name={_RUN.name}')
  assert done.returncode == 0 and not done.stderr
  assert done.stdout.startswith('Head2Toe on digits: ')
  command = done.stdout[done.stdout.index('python -m') :]
  assert shlex.split(command.replace('\\\n', '')) == [
    *('python', '-m', 'runners.table1', '--suite=embedded', '--backbone=made'),
    *('--weights=imagenet', '--image_size=32', '--grid=quick'),
    *('--tasks=digits', '--methods=head2toe', '--seeds=0,1,2'),
  ]


@pytest.mark.parametrize(
  'cell, arguments, message',
  [
    ('digits', [], '--explain=digits is not TASK/METHOD'),
    ('digits/a/b', [], 'is not TASK/METHOD'),
    ('digits/linear', ['--tasks=digits'], 'leave out --tasks'),
    ('digits/linear', ['--methods=linear'], 'leave out --methods'),
    ('digits/linear', ['--seeds=4'], 'leave out --seeds'),
    ('digits/linear', ['--num_shards=2'], 'leave out --num_shards'),
    (
      'digits/linear',
      ['--run_name=nope'],
      f'digits/linear is in that of --run_name={_RUN.name}',
    ),
    ('nope/linear', ['--run_name=nope'], 'no run there has nope/linear'),
    ('nope/linear', [f'--run_name={_RUN.name}'], 'choose from digits'),
    ('digits/nope', [f'--run_name={_RUN.name}'], 'choose from linear, all_l2'),
    ('digits/linear', ['--source=published'], 'choose from cifar100'),
    (
      'svhn/linear',
      ['--source=published', '--run_name=nope'],
      'the paper has no runs',
    ),
  ],
)
def test_what_cannot_be_explained_is_a_line(workdir, cell, arguments, message):
  done = _explain(workdir, cell, *arguments)
  assert done.returncode == 1 and message in done.stderr
  assert len(done.stderr.splitlines()) == 1


def test_the_papers_cells(workdir):
  done = _explain(workdir, 'svhn/head2toe', '--source=published')
  assert done.returncode == 0
  assert 'Table 1, part ResNet-50, row Head2Toe, column svhn' in done.stdout


def test_only_the_cell_is_measured_again():
  """Of a command that measured more, what determines numbers is kept."""
  row = made.row(_RUN, 'accuracy', 'linear', 'digits', 3, 50)
  results = made.results([row])
  facts = {
    'task': 'digits',
    'command': 'python -m runners.reproduce --only=figure2 --grid=paper '
    '--workdir=w --nofinetune_unit_norm --tasks=digits,mnist_5k --seeds=3,4',
  }
  measurement = ledger_lib.Measurement(facts, {'linear': [row]}, {})
  results.folder.measurements = lambda: iter([measurement])
  words = explaining._again(results, 'digits', 'linear')
  assert words[:3] == ['python', '-m', 'runners.table1']
  assert set(words) >= {'--nofinetune_unit_norm', '--grid=quick'}
  assert words[-3:] == ['--tasks=digits', '--methods=linear', '--seeds=3']
  assert not any(w.startswith(('--only', '--workdir')) for w in words)
