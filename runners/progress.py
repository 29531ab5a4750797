"""How far a program is: a bar on a terminal, elsewhere a line now and then."""

import sys
import threading
import time
from types import TracebackType

EVERY = 30.0  # Seconds after which a line is due where there is no terminal.
_SHORT = 5.0  # A stage that begins sooner after a line gets none of its own.


class Progress:
  """A bar on a terminal; elsewhere lines on stderr.

  Those are one for each piece of work that is finished, one for each stage that
  begins, and one whenever `EVERY` seconds have passed, whatever the work does.
  Use as a context manager around the whole work.
  """

  def __init__(self, total: int, unit: str, has_bar: bool = True) -> None:
    """Initialises.

    Args:
      total: how many pieces of work there are.
      unit: what a piece is.
      has_bar: False where nothing is to be shown on a terminal.
    """
    from rich import console
    from rich import progress

    self._console = console.Console(stderr=True)
    self._bar = progress.Progress(
      progress.TextColumn('{task.description}'),
      progress.BarColumn(),
      progress.MofNCompleteColumn(),
      progress.TimeElapsedColumn(),
      console=self._console,
      transient=True,
      # Else what is printed while it runs would go to stderr.
      redirect_stdout=sys.stdout.isatty(),
      disable=not (self._console.is_terminal and has_bar),
    )
    self._whole = self._bar.add_task(unit, total=total)
    self._stage = self._bar.add_task('starting', total=None)
    self._name = ''
    self._at: tuple[str, int, int] = ('', 0, 0)
    self._began = self._said = time.monotonic()
    self._ended = threading.Event()
    self._teller = threading.Thread(target=self._tell_all, daemon=True)

  def __enter__(self) -> 'Progress':
    self._bar.start()
    if not self._console.is_terminal:
      self._teller.start()
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    self._ended.set()
    if self._teller.is_alive():
      self._teller.join()
    self._bar.stop()

  def start(self, name: str) -> None:
    """Names the piece of work that begins."""
    self._name = name

  def stage(self, stage: str, done: int, total: int) -> None:
    """Tells how far a stage of it is."""
    is_new = stage != self._at[0]
    self._at = stage, done, total
    self._bar.update(
      self._stage,
      description=f'{self._name}: {stage}' if self._name else stage,
      completed=done,
      total=total,
    )
    if (
      is_new
      and not self._console.is_terminal
      and time.monotonic() - self._said > _SHORT
    ):
      self._tell()

  def finish(self, message: str, count: int = 1) -> None:
    """Ends the piece of work, which counts so much, with a line that stays."""
    self._bar.update(self._whole, advance=count)
    self._print(message)

  def _print(self, message: str) -> None:
    self._said = time.monotonic()
    self._console.print(message, highlight=False, soft_wrap=True, markup=False)

  def _tell(self) -> None:
    """Prints where the work is."""
    self._said = time.monotonic()
    if self._at[0]:
      self._print(line(self._name, *self._at, self._said - self._began))

  def _tell_all(self) -> None:
    """Prints where the work is whenever nothing was said for a while."""
    due = EVERY
    while not self._ended.wait(due):
      due = self._said + EVERY - time.monotonic()
      if due <= 0:
        self._tell()
        due = EVERY


def line(name: str, stage: str, done: int, total: int, seconds: float) -> str:
  """Where the work is, as '1:02:03 pets: embed images, 640 of 2,000'.

  Args:
    name: of the piece of work; '' where there is but one.
    stage: of it.
    done: how much of the stage.
    total: of how much.
    seconds: since the beginning.
  """
  minutes, rest = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  since = f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'
  return f'{since} {name + ": " if name else ""}{stage}, {done:,} of {total:,}'
