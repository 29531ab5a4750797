import os
import signal
import subprocess
import sys

import pytest

from runners import stopping
from vtab_h2t import files

_PROGRAM = """
import os, signal, time
from runners import common, stopping
from vtab_h2t import files

def main():
  with (
    stopping.keeping('nothing is kept'),
    files.temporary_directory(os.environ['WORK']) as folder,
  ):
    (folder / 'features').touch()
    print(folder, flush=True)
    time.sleep(600)

# Whoever started the tests may have had them ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
common.run(main)
"""


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGKILL'])
def test_what_is_stopped_leaves_nothing_behind(tmp_path, name):
  process = subprocess.Popen(
    [sys.executable, '-c', _PROGRAM],
    env=os.environ | {'WORK': str(tmp_path / 'work')},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  folder = process.stdout.readline().strip()
  assert os.listdir(folder) == ['features']
  number = getattr(signal, name)
  process.send_signal(number)
  _, err = process.communicate()
  if name == 'SIGKILL':  # The next of this name clears up.
    assert os.listdir(folder) == ['features']
    with files.temporary_directory(tmp_path / 'work'):
      pass
  else:
    assert process.returncode == 128 + number
    said = 'interrupted' if name == 'SIGINT' else f'stopped by {name}'
    assert err == f'{said}; nothing is kept\n'
  assert not os.listdir(tmp_path)


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  usual = signal.getsignal(signal.SIGTERM)
  try:
    with (
      pytest.raises(stopping.Stopped, match='SIGTERM'),
      stopping.on_signals(),
    ):
      os.kill(os.getpid(), signal.SIGHUP)
      os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == usual
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
  finally:
    signal.signal(signal.SIGHUP, before)


def test_the_innermost_work_says_what_is_kept():
  with (
    pytest.raises(OSError) as found,
    stopping.keeping('outer'),
    stopping.keeping('inner'),
  ):
    raise OSError
  assert stopping.kept(found.value) == 'inner'
  assert stopping.kept(OSError()) == stopping.KEPT
