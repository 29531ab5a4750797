"""Runs that are killed, share a work directory, or may not write."""

import pathlib
import subprocess
import sys

import pytest

from tests import testing

_ROOT = pathlib.Path(__file__).parents[2]
_SETTING = ['--tasks=digits', '--weights=random', '--image_size=32',
            '--grid=fixed', '--seeds=0,1', '--methods=linear,head2toe,finetune',
            '--hparams=lr=0.1,steps=5,target_size=256,fraction=0.1,l21=1e-5,'
            'ft_lr=0.01,ft_steps=2']


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('reference')
  done = testing.run_runner('table1', *_SETTING, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  return workdir


@pytest.mark.slow
def test_killed_at_sixty_random_points(tmp_path):
  done = subprocess.run(
      [sys.executable, '-m', 'tools.killing', str(tmp_path), '60', '0'],
      cwd=_ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stdout + done.stderr
  *stages, last = done.stdout.splitlines()
  assert last.startswith('60 kills')
  assert len(stages) >= 4  # They hit different stages of the run.


@pytest.mark.slow
def test_two_processes_on_one_work_directory(reference, tmp_path):
  command = [sys.executable, '-m', 'runners.table1', *_SETTING,
             f'--workdir={tmp_path}']
  both = [subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
          for _ in range(2)]
  for process in both:
    _, err = process.communicate()
    assert process.returncode == 0, err
  assert testing.results(tmp_path) == testing.results(reference)
  assert not list(tmp_path.rglob('*.tmp-*'))
  assert not list((tmp_path / 'runs').iterdir())


@pytest.mark.slow
def test_a_directory_that_may_not_be_written(reference, tmp_path):
  """Finished rows are still shown; nothing unfinished is begun."""
  done = testing.run_runner('table1', *_SETTING, f'--workdir={reference}')
  before = testing.results(reference)
  mounted = subprocess.run(
      ['mount', '--bind', '-o', 'ro', str(reference), str(tmp_path)],
      capture_output=True)
  if mounted.returncode:
    pytest.skip('mounting a read-only directory is not allowed here')
  try:
    read = testing.run_runner('table1', *_SETTING, f'--workdir={tmp_path}')
    assert read.returncode == 1 and 'Traceback' not in read.stderr
    assert 'error: Read-only file system: ' in read.stderr
    table = done.stdout.partition('\ntable1: ')[0]
    assert 'Head2Toe' in table and read.stdout.strip() == table.strip()
    new = testing.run_runner('table1', *_SETTING, '--image_size=48',
                             f'--workdir={tmp_path}')
    assert new.returncode == 1 and 'Traceback' not in new.stderr
    assert 'error: Read-only file system: ' in new.stderr
  finally:
    subprocess.run(['umount', str(tmp_path)], check=True)
  assert testing.results(reference) == before
