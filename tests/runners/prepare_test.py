"""The command, as a user runs it."""

import functools

import pytest

from tests import synthetic_tfds
from tests import testing
from vtab_h2t import errors
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


def test_one_download_that_fails_does_not_stop_the_others(
  tmp_path, monkeypatch, capsys
):
  from absl.testing import flagsaver
  import tensorflow_datasets as tfds

  from runners import prepare

  data, out = tmp_path / 'data', tmp_path / 'out'
  synthetic_tfds.prepare('dtd', data)
  fetched = []

  class Builder:
    def __init__(self, spec):
      self._name = spec.split(':')[0].split('/')[0]

    def download_and_prepare(self):
      fetched.append(self._name)
      if self._name == 'svhn_cropped':
        raise tfds.download.DownloadError('HTTP code: 503')
      synthetic_tfds.prepare(
        {'clevr': 'clevr_count', 'svhn_cropped': 'svhn'}[self._name], data
      )

  real = tfds.builder
  monkeypatch.setattr(
    tfds,
    'builder',
    lambda spec, **k: real(spec, **k) if ':' not in spec else Builder(spec),
  )

  def run(*names):
    with flagsaver.flagsaver(
      (prepare._TASKS, list(names)),
      (prepare._DATA_DIR, str(data)),
      (prepare._DOWNLOAD, True),
      (prepare._OUT, str(out)),
    ):
      prepare.main()
    return capsys.readouterr().out.splitlines()

  with pytest.raises(
    errors.InputError, match='^not prepared: resisc45, svhn_cropped$'
  ):
    run('dtd', 'resisc45', 'svhn', 'clevr_count', 'clevr_dist')
  assert fetched == ['svhn_cropped', 'clevr']
  lines = capsys.readouterr().out.splitlines()
  assert [line.split(maxsplit=2)[:2] for line in lines] == [
    ['dtd', 'was'],
    ['svhn_cropped', 'failed'],
    ['resisc45', 'failed'],
    ['clevr', 'prepared'],
  ]
  assert 'HTTP code: 503' in lines[1]
  assert sorted(p.name for p in out.iterdir()) == [
    'clevr_count',
    'clevr_dist',
    'dtd',
  ]
  # Again: what is there is not prepared again.
  run('dtd', 'clevr_count')
  assert fetched == ['svhn_cropped', 'clevr']


def test_bad_flags_are_refused():
  done = _run('--tasks=dtd')
  assert done.returncode == 1
  assert done.stderr.startswith('error: there is nothing to do; give --out')
  done = _run('--tasks=nope', '--out=/tmp/x')
  assert done.returncode == 1 and "unknown task 'nope'" in done.stderr
