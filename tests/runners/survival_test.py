"""Runs that share a work directory, or may not write."""

import subprocess

import pytest

from tests import testing
from tests.runners import tiny

_SETTING = [*tiny.FLAGS, '--seeds=0,1', '--methods=linear,head2toe,finetune']

pytestmark = pytest.mark.soak


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('reference')
  done = testing.run_runner('table1', *_SETTING, f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr
  return workdir


def test_two_processes_on_one_work_directory(reference, tmp_path):
  both = [
    testing.start_runner('table1', *_SETTING, f'--workdir={tmp_path}')
    for _ in range(2)
  ]
  for process in both:
    _, err = process.communicate()
    assert process.returncode == 0, err
  assert testing.results(tmp_path) == testing.results(reference)
  assert not list(tmp_path.rglob('*.tmp-*'))
  assert not list(tmp_path.glob('*/unfinished/*'))


def test_a_directory_that_may_not_be_written(reference, tmp_path):
  """Finished rows are still shown; nothing unfinished is begun."""
  done = testing.run_runner('table1', *_SETTING, f'--workdir={reference}')
  before = testing.results(reference)
  mounted = subprocess.run(
    ['mount', '--bind', '-o', 'ro', str(reference), str(tmp_path)],
    capture_output=True,
  )
  if mounted.returncode:
    pytest.skip('mounting a read-only directory is not allowed here')
  try:
    read = testing.run_runner('table1', *_SETTING, f'--workdir={tmp_path}')
    assert read.returncode == 1 and 'Traceback' not in read.stderr
    assert 'error: Read-only file system: ' in read.stderr
    table = done.stdout.partition('\ntable1: ')[0]
    assert 'Head2Toe' in table and read.stdout.strip() == table.strip()
    new = testing.run_runner(
      'table1', *_SETTING, '--weights=other', f'--workdir={tmp_path}'
    )
    assert new.returncode == 1 and 'Traceback' not in new.stderr
    assert 'error: Read-only file system: ' in new.stderr
  finally:
    subprocess.run(['umount', str(tmp_path)], check=True)
  assert testing.results(reference) == before
