import os
import re
import subprocess
import sys

from absl import flags
from absl.testing import flagsaver
import pytest

from runners import common
from tests import synthetic_tfds
from vtab_h2t import devices

_LETTERS = flags.DEFINE_list('common_test_letters', ['a'], 'For this test.')
common.check_choices('common_test_letters', ['a', 'b'])


def _program(body, *arguments):
  code = (
    'import errno\nfrom runners import common\nfrom runners import stopping\n'
    'from vtab_h2t import errors\n'
    f'def main():\n  {body}\ncommon.run(main)\n'
  )
  return subprocess.run(
    [sys.executable, '-c', code, *arguments],
    capture_output=True,
    text=True,
    env=os.environ,
  )


@pytest.mark.parametrize(
  'body, status, message',
  [
    ('pass', 0, ''),
    (
      'raise errors.InputError("bad\\nthing; do that")',
      1,
      'error: bad thing; do that\n',
    ),
    (
      'raise OSError(errno.ENOSPC, "No space", "/w/rows")',
      1,
      'error: the disk is full while writing /w/rows; make room; run the '
      'same command again, finished units are kept\n',
    ),
    (
      'open("/nowhere/x")',
      1,
      'error: No such file or directory: /nowhere/x; '
      'check that the path exists and is writable\n',
    ),
    (
      'raise KeyboardInterrupt',
      130,
      'interrupted; run the same command again, finished units are kept\n',
    ),
    (
      'with stopping.keeping("the half"):\n    raise KeyboardInterrupt',
      130,
      'interrupted; the half\n',
    ),
    (
      'with stopping.keeping("half"):\n'
      '    raise OSError(errno.ENOSPC, "", "/w")',
      1,
      'error: the disk is full while writing /w; make room; half\n',
    ),
    ('import warnings; warnings.warn("a library says so")', 0, ''),
  ],
)
def test_errors_are_one_line_and_set_the_status(body, status, message):
  done = _program(body)
  assert (done.returncode, done.stderr) == (status, message)


@pytest.mark.parametrize(
  'argument, message',
  [
    ('--count=x', 'error: flag --count=x: '),
    ('--count=7', 'error: flag --count=7: must be small'),
    ('--count=5', 'error: five is too many'),
    ('--cuont=1', "error: Unknown command line flag 'cuont'. Did you mean: c"),
  ],
)
def test_what_is_wrong_with_flags_is_one_line(argument, message):
  body = (
    'pass\n'
    'from absl import flags\n'
    'flags.DEFINE_integer("count", 1, "")\n'
    'flags.register_validator("count", lambda v: v < 7, "must be small")\n'
    '@flags.validator("count")\n'
    'def check(value):\n'
    '  if value == 5:\n'
    '    raise errors.InputError("five is too many")\n'
    '  return True\n'
  )
  done = _program(body, argument)
  assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
  assert done.stderr.startswith(message)
  assert _program(body, '--count=2').returncode == 0


def test_devices_are_told_in_a_line(capsys):
  common.say_devices()
  common.say_devices('something else')
  out, err = capsys.readouterr()
  assert not out and err == (
    f'computes on {devices.summary()}\ncomputes on something else\n'
  )


def test_what_is_no_input_error_keeps_its_traceback():
  done = _program('1 / 0')
  assert done.returncode == 1 and 'ZeroDivisionError' in done.stderr
  assert 'Traceback' in done.stderr


def test_stray_arguments_are_a_usage_error():
  done = _program('pass', 'stray')
  assert done.returncode == 1
  assert "unexpected argument 'stray'" in done.stdout + done.stderr


def test_a_reader_that_has_enough_is_no_error():
  done = subprocess.run(
    f'{sys.executable} -c "from runners import common\n'
    'common.run(lambda: [print(i) for i in range(100000)] and None)" | head -1',
    shell=True,
    capture_output=True,
    text=True,
  )
  assert (done.stdout, done.stderr) == ('0\n', '')


def test_an_installed_package_names_its_own_command(monkeypatch):
  text = 'see python -m runners.adapt --help, or runners.adapt'
  assert common.as_called(text) == text
  monkeypatch.setattr(common, '__package__', 'vtab_h2t.runners')
  assert common.as_called(text) == 'see vtab-h2t adapt --help, or runners.adapt'


def test_choices():
  with flagsaver.flagsaver(common_test_letters=['a', 'b']):
    assert _LETTERS.value == ['a', 'b']
  with (
    pytest.raises(flags.IllegalFlagValueError, match="'c'; choose from a"),
    flagsaver.flagsaver(common_test_letters=['a', 'c']),
  ):
    pass


def test_one_download_that_fails_does_not_stop_the_others(
  tmp_path, monkeypatch, capsys
):
  import tensorflow_datasets as tfds

  synthetic_tfds.prepare('dtd', tmp_path)
  capsys.readouterr()
  fetched, is_down = [], True

  class Builder:
    def __init__(self, spec, **_):
      self._name = spec.split(':')[0]

    def download_and_prepare(self):
      fetched.append(self._name)
      if self._name == 'svhn_cropped' and is_down:
        raise tfds.download.DownloadError('HTTP code: 503')
      folder = tmp_path / self._name / '3.3.3'
      folder.mkdir(parents=True)
      (folder / 'dataset_info.json').touch()

  monkeypatch.setattr(tfds, 'builder', Builder)
  names = ['dtd', 'svhn', 'resisc45', 'clevr_count', 'clevr_dist']

  def run():
    failed = common.download(names, tmp_path)
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 4
    lines = captured.out.splitlines()
    return failed, [re.split('  +', line)[-2:] for line in lines]

  failed, lines = run()
  assert failed == ['svhn_cropped', 'resisc45']
  assert fetched == ['svhn_cropped', 'clevr']
  assert lines[0] == ['was there', f'{tmp_path}/dtd/3.0.1']
  assert 'could not be downloaded (HTTP code: 503)' in lines[1][1]
  assert lines[3][1] == f'{tmp_path}/clevr/3.3.3'
  is_down = False
  failed, lines = run()
  assert failed == ['resisc45']
  assert fetched == ['svhn_cropped', 'clevr', 'svhn_cropped']
  assert lines[3] == ['was there', f'{tmp_path}/clevr/3.3.3']
