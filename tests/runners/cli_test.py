"""What every program says of itself, and the command vtab-h2t."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from runners import cli
from runners import flags
from tests import testing

_ROOT = pathlib.Path(__file__).parents[2]
_HEAVY = {
  'tensorflow',
  'keras',
  'pandas',
  'sklearn',
  'skimage',
  'matplotlib',
  'rich',
  'scipy',
  'numba',
  'ray',
  'PIL',
  'tensorflow_datasets',
}
_RUN = ['table1', 'affinity', 'reproduce']


def _help(name):
  return testing.run_runner(name, '--help')


def _flags(text):
  """The lines of each flag of a --help text, by its name."""
  found = {}
  for line in text.splitlines():
    if line.startswith('  --'):
      name = line.strip().split(' ')[0].partition('=')[0]
      lines = found.setdefault(name.removeprefix('--').removeprefix('[no]'), [])
      lines.append(line)
    elif line.startswith('      ') and found:
      lines.append(line)
  return found


def test_each_program_is_there():
  files = {
    p.stem
    for p in (_ROOT / 'runners').glob('*.py')
    if 'common.run(main' in p.read_text()
  }
  assert set(cli._NAMES) == files


@pytest.mark.parametrize('name', cli._NAMES)
def test_help_is_short_and_names_an_example(name):
  done = _help(name)
  assert done.returncode == 0 and not done.stderr
  text = done.stdout
  assert f'\n  python -m runners.{name}' in text
  assert all(len(line) <= 100 for line in text.splitlines())
  found = _flags(text)
  assert found and all(1 <= len(lines) <= 2 for lines in found.values()), found
  with_workdir = *_RUN, 'report', 'companions', 'toys'
  assert 'workdir' in found or name not in with_workdir


@pytest.mark.parametrize('name', _RUN)
def test_help_begins_with_what_most_people_need(name):
  text = _help(name).stdout
  first, rest = text.split('\nSeldom needed:\n')
  only = ['only'] if name == 'reproduce' else []
  last = ['explain'] if name == 'table1' else []
  shown = list(_flags(first))
  assert shown == [*only, *flags.FIRST, *last]
  assert len(_flags(rest)) > 15 and not set(_flags(rest)) & set(flags.FIRST)
  assert len(first.splitlines()) <= 50
  assert '--hparams' in first and '--probe_hidden' in rest


@pytest.mark.parametrize('name', cli._NAMES)
def test_help_imports_nothing_heavy(name):
  done = subprocess.run(
    [sys.executable, '-X', 'importtime', '-m', f'runners.{name}', '--help'],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0 and '--' in done.stdout
  imported = {
    line.rpartition('|')[2].strip().partition('.')[0]
    for line in done.stderr.splitlines()
    if '|' in line
  }
  assert 'absl' in imported
  assert not imported & _HEAVY


def test_help_may_be_read_in_part():
  """As by head, which closes the pipe."""
  reading, writing = os.pipe()
  os.close(reading)
  done = subprocess.run(
    [sys.executable, '-m', 'runners.export', '--help'],
    cwd=_ROOT,
    stdout=writing,
    stderr=subprocess.PIPE,
  )
  os.close(writing)
  assert done.returncode == 128 + signal.SIGPIPE and not done.stderr


def test_the_command_lists_its_programs():
  for flag in ('--help', '-h'):
    done = testing.run_runner('cli', flag)
    assert done.returncode == 0 and not done.stderr
    assert all(name in done.stdout for name in cli._NAMES)


@pytest.mark.parametrize(
  'arguments', [[], ['nope'], ['nope', '--help'], ['cli'], ['common']]
)
def test_an_unknown_program_is_one_line(arguments):
  done = testing.run_runner('cli', *arguments)
  assert done.returncode == 1 and not done.stdout
  (line,) = done.stderr.splitlines()
  assert line.startswith('error: unknown program ')
  assert 'choose from table1, affinity, reproduce' in line


@pytest.mark.parametrize('name', cli._NAMES)
def test_the_command_shows_a_programs_help(name):
  done = testing.run_runner('cli', name, '--help')
  assert done.returncode == 0 and not done.stderr
  assert done.stdout == _help(name).stdout


def test_the_command_runs_a_program_as_the_module_does(tmp_path):
  arguments = ['--source=published', '--only=table6']
  for folder, call in (
    (tmp_path / 'a', ['cli', 'reproduce']),
    (tmp_path / 'b', ['reproduce']),
  ):
    done = testing.run_runner(*call, *arguments, f'--workdir={folder}')
    assert done.returncode == 0, done.stderr
  assert testing.results(tmp_path / 'a') == testing.results(tmp_path / 'b')
  done = testing.run_runner('cli', 'table1', '--grid=nope')
  assert done.returncode == 1 and 'should be one of <quick|' in done.stderr


@pytest.mark.soak
def test_an_installed_package_works_from_any_directory(tmp_path):
  """Neither a checkout nor a top-level package `runners` is needed."""
  checkout = tmp_path / 'checkout'  # The build leaves files beside setup.py.
  shutil.copytree(
    _ROOT,
    checkout,
    ignore=shutil.ignore_patterns(
      '.*', 'tests', 'benchmarks', 'docs', 'build', '*.egg-info', 'workdir'
    ),
  )
  site, elsewhere = tmp_path / 'site', tmp_path / 'elsewhere'
  elsewhere.mkdir()
  subprocess.run(
    [
      sys.executable,
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-deps',
      '--no-build-isolation',
      '--no-index',
      '--target',
      site,
      checkout,
    ],
    check=True,
  )
  shutil.rmtree(checkout)
  assert not (site / 'runners').exists()
  assert sorted(
    p.name for p in site.iterdir() if not p.name.endswith('.dist-info')
  ) == ['bin', 'vtab_h2t']
  published = {p.name for p in (_ROOT / 'results/published').glob('*.csv')}
  assert published == {
    p.name for p in (site / 'vtab_h2t/results/published').glob('*.csv')
  }

  def run(*command):
    return subprocess.run(
      command,
      cwd=elsewhere,
      capture_output=True,
      text=True,
      check=False,
      env={
        'PATH': '/usr/bin:/bin',
        'PYTHONPATH': str(site),
        'HOME': str(tmp_path),
      },
    )

  # The site comes before this checkout, if that is installed as editable.
  done = run(
    sys.executable,
    '-c',
    (
      'import sys, vtab_h2t\nfrom vtab_h2t.runners import cli, reproduce\n'
      'assert "runners" not in sys.modules\nprint(vtab_h2t.__file__)'
    ),
  )
  assert done.stdout.strip() == str(site / 'vtab_h2t' / '__init__.py')
  for command in (
    ['table1', '--source=published'],
    ['reproduce', '--only=table6', '--source=published'],
  ):
    done = run(sys.executable, str(site / 'bin' / 'vtab-h2t'), *command)
    assert done.returncode == 0, done.stderr
  folder = elsewhere / 'workdir' / 'published'
  assert {p.name for p in folder.iterdir()} == {
    'table1_resnet50.csv',
    'table1_vit_b16.csv',
    'README.md',
    'table1.md',
    'table6.csv',
    'table6.md',
  }
  done = run(sys.executable, str(site / 'bin' / 'vtab-h2t'), 'table1', '--help')
  assert done.returncode == 0 and '\n  vtab-h2t table1' in done.stdout
  assert 'python -m' not in done.stdout  # There is no module `runners`.
  done = run(
    sys.executable, str(site / 'bin' / 'vtab-h2t'), 'report', '--out=page.html'
  )
  assert done.returncode == 0, done.stderr
  assert 'as published' in (elsewhere / 'page.html').read_text()
  done = run(
    sys.executable,
    str(site / 'bin' / 'vtab-h2t'),
    'table1',
    '--weights=random',
    '--image_size=32',
    '--tasks=digits',
    '--methods=linear',
    '--grid=fixed',
    '--hparams=lr=0.1,steps=5',
    '--seeds=0',
  )
  assert done.returncode == 0, done.stderr
  (provenance,) = elsewhere.glob('workdir/*/provenance/*.json')
  assert '"python -m runners.table1 --weights=random' in provenance.read_text()
