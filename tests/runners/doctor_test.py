"""The command, as a user runs it."""

import functools

from tests import synthetic_tfds
from tests import testing

_run = functools.partial(testing.run_runner, 'doctor')


def test_tfds(tmp_path):
  synthetic_tfds.prepare('dtd', tmp_path)
  done = _run('--tasks=dtd,svhn,resisc45', f'--data_dir={tmp_path}')
  assert done.returncode == 1
  lines = done.stdout.splitlines()
  assert [l.split()[:2] for l in lines] == [
    ['dtd', 'prepared'],
    ['svhn', 'downloadable'],
    ['resisc45', 'manual'],
  ]
  assert f'{tmp_path}/downloads/manual/NWPU-RESISC45' in lines[2]
  done = _run('--tasks=dtd', f'--data_dir={tmp_path}')
  assert done.returncode == 0 and not done.stderr


def test_archive(tmp_path):
  testing.write_archive(tmp_path / 'cifar')
  done = _run('--data_source=archive', f'--data_dir={tmp_path}')
  lines = done.stdout.splitlines()
  assert done.returncode == 1 and len(lines) == 19
  assert [l.split()[0] for l in lines if 'prepared' in l] == ['cifar100']


def test_bad_flags_are_one_line(tmp_path):
  for flag, message in (
    (f'--data_dir={tmp_path}/none', 'is no directory'),
    ('--tasks=nope', "unknown task 'nope'"),
  ):
    done = _run('--data_source=archive', f'--data_dir={tmp_path}', flag)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr
