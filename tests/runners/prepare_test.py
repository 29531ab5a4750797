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


def test_bad_flags_are_refused():
  done = _run('--tasks=dtd')
  assert done.returncode == 1 and '--out' in done.stderr + done.stdout
  done = _run('--tasks=nope', '--out=/tmp/x')
  assert done.returncode == 1 and "unknown task 'nope'" in done.stderr
