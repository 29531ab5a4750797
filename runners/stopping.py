"""When a program is stopped: it cleans up, and says what is kept."""

from collections.abc import Iterator
import contextlib
import signal
from types import FrameType

KEPT = 'run the same command again, finished units are kept'
# What asks a program to end; SIGHUP comes when its terminal is closed.
_SIGNALS = [
  getattr(signal, name)
  for name in ('SIGTERM', 'SIGHUP')
  if hasattr(signal, name)
]


class Stopped(BaseException):
  """A signal asks the program to end.

  Attributes:
    number: the signal's.
  """

  def __init__(self, number: int) -> None:
    super().__init__(signal.Signals(number).name)
    self.number = number


@contextlib.contextmanager
def on_signals() -> Iterator[None]:
  """Within, a signal that asks to end raises `Stopped` in the main thread.

  So temporary files are deleted, as they are after Ctrl-C. A signal that is
  ignored, as SIGHUP is under nohup, stays ignored.
  """

  def stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)

  before = {n: signal.getsignal(n) for n in _SIGNALS}
  caught = [n for n, handler in before.items() if handler != signal.SIG_IGN]
  for number in caught:
    signal.signal(number, stop)
  try:
    yield
  finally:
    for number in caught:
      signal.signal(number, before[number])


@contextlib.contextmanager
def keeping(text: str) -> Iterator[None]:
  """Says what is kept of the work within, if it is stopped or the disk is full.

  Args:
    text: what is kept and how to go on; in place of `KEPT`.
  """
  try:
    yield
  except (KeyboardInterrupt, Stopped, OSError) as e:
    e.add_note(text)
    raise


def kept(error: BaseException) -> str:
  """What was said with `keeping` of the work that an error ended."""
  return next(iter(getattr(error, '__notes__', ())), KEPT)
