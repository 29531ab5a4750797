"""The command, as a user runs it."""

import functools

from tests import synthetic_tfds
from tests import testing
from vtab_h2t.tasks import archive

_run = functools.partial(testing.run_runner, 'prepare')


def test_what_is_there_is_written_and_what_is_not_is_told(tmp_path):
  data, out = tmp_path / 'data', tmp_path / 'out'
  synthetic_tfds.prepare('dtd', data)
  arguments = ['--tasks=dtd,resisc45', f'--data_dir={data}', f'--out={out}']
  done = _run(*arguments)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  last = done.stderr.splitlines()[-1]
  assert last.startswith('error: resisc45: resisc45 is not prepared in')
  assert f'{data}/downloads/manual/NWPU-RESISC45' in last
  assert sorted(p.name for p in out.iterdir()) == ['dtd']
  assert len(archive.load(out / 'dtd', 47).train.ids) == 1000
  done = _run('--tasks=dtd', f'--data_dir={data}', f'--out={out}')
  assert done.returncode == 0 and 'was there already' in done.stderr


def test_a_download_that_fails_is_in_the_summary(tmp_path):
  data, out = tmp_path / 'data', tmp_path / 'out'
  synthetic_tfds.prepare('dtd', data)
  arguments = ['--download', '--tasks=resisc45,dtd', f'--data_dir={data}']
  for archives in ([], [f'--out={out}']):
    done = _run(*arguments, *archives)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == 'error: not prepared: resisc45'
    assert [line.split(maxsplit=2) for line in done.stdout.splitlines()] == [
      ['dtd', 'was', f'there  {data}/dtd/3.0.1'],
      [
        'resisc45',
        'failed',
        f'resisc45 needs {data}/downloads/manual/NWPU-RESISC45; get them from '
        'https://1drv.ms/u/s!AmgKYzARBl5ca3HNaHIlzp_IXjs (a RAR archive, to be '
        'unpacked there)',
      ],
    ]
    assert out.exists() == bool(archives)
  assert sorted(p.name for p in out.iterdir()) == ['dtd']
  done = _run('--download', '--tasks=dtd', f'--data_dir={data}')
  assert done.returncode == 0


def test_bad_flags_are_refused():
  done = _run('--tasks=dtd')
  assert done.returncode == 1
  assert done.stderr.startswith('error: there is nothing to do; give --out')
  done = _run('--tasks=nope', '--out=/tmp/x')
  assert done.returncode == 1 and "unknown task 'nope'" in done.stderr
