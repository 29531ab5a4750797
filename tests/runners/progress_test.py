import io
import sys
import threading

import pytest

from runners import progress as progress_lib


def test_progress_prints_a_line_a_task_where_there_is_no_terminal(monkeypatch):
  out = io.StringIO()
  monkeypatch.setattr(sys, 'stderr', out)
  with progress_lib.Progress(2, 'tasks') as progress:
    for name in ('one', 'two'):
      progress.start(name)
      progress.stage('work', 1, 2)
      progress.finish(f'{name}: done')
  assert out.getvalue() == 'one: done\ntwo: done\n'


def test_where_there_is_no_terminal_a_line_comes_now_and_then(monkeypatch):
  """Also when a stage takes long and tells nothing."""
  told = threading.Event()

  class Out(io.StringIO):
    def write(self, text):
      if 'choose' in text:
        told.set()
      return super().write(text)

  out = Out()
  monkeypatch.setattr(sys, 'stderr', out)
  monkeypatch.setattr(progress_lib, 'EVERY', 0.01)
  with progress_lib.Progress(1, 'adapt') as progress:
    progress.start('pets [all]')
    progress.stage('choose', 1, 2000)
    assert told.wait(60)
  assert out.getvalue().startswith('0:00 pets [all]: choose, 1 of 2,000\n')


def test_a_stage_that_begins_later_has_a_line(monkeypatch):
  out = io.StringIO()
  monkeypatch.setattr(sys, 'stderr', out)
  monkeypatch.setattr(progress_lib, '_SHORT', -1.0)
  with progress_lib.Progress(1, 'adapt') as progress:
    progress.stage('embed', 1, 3)
    progress.stage('embed', 2, 3)
    progress.stage('train', 0, 1)
  assert out.getvalue() == '0:00 embed, 1 of 3\n0:00 train, 0 of 1\n'


@pytest.mark.parametrize(
  'seconds, since', [(0.9, '0:00'), (75, '1:15'), (3723.4, '1:02:03')]
)
def test_a_line_says_since_when(seconds, since):
  assert progress_lib.line('', 'embed', 5, 10, seconds) == (
    f'{since} embed, 5 of 10'
  )
