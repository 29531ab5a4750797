"""Where a training run that is cut off goes on.

Beside the state, a checkpoint keeps the correct answers that were counted so
far (`judge.Judge`), so that a run that goes on ends with all of them.
"""

from collections.abc import Sequence
import contextlib
import pathlib
import time
from typing import Any, Protocol
import zipfile

import numpy as np

from vtab_h2t import files

_SECONDS = 60  # Between two checkpoints: shorter runs need none.


class Stateful(Protocol):
  """What has a state; see `trainer.Trainer`."""

  def state(self) -> list[np.ndarray]: ...

  def restore(self, state: Sequence[np.ndarray]) -> None: ...


class Checkpoint:
  """The state of one run, at the end of an epoch; one file, replaced whole."""

  def __init__(self, path: pathlib.Path, seconds: float = _SECONDS) -> None:
    """Initialises.

    Args:
      path: the file.
      seconds: least time between two writings.
    """
    self._path = path
    self._seconds = seconds
    self._last = time.monotonic()

  def load(self, trainer: Stateful) -> tuple[int, list[int]]:
    """Sets the trainer to the last state.

    Returns:
      The steps done, 0 if there is no state, and the counts.
    """
    try:
      with np.load(self._path, allow_pickle=False) as file:
        arrays = [file[f'{i:05d}'] for i in range(len(file.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
      return 0, []  # None, or a damaged one: the run starts at its beginning.
    steps, counts, *state = arrays
    trainer.restore(state)
    return int(steps), counts.tolist()

  def save(self, trainer: Stateful, steps: int, counts: Sequence[int]) -> None:
    """Keeps all after so many steps, if what was kept last is old enough."""
    if time.monotonic() - self._last < self._seconds:
      return
    # Another process may have finished the unit and removed the folder.
    with (
      contextlib.suppress(FileNotFoundError),
      files.atomic_write(self._path, binary=True) as f,
    ):
      arrays: dict[str, Any] = {
        f'{i:05d}': value
        for i, value in enumerate(
          [np.int64(steps), np.array(counts, np.int64), *trainer.state()]
        )
      }
      np.savez(f, **arrays)
    self._last = time.monotonic()

  def remove(self) -> None:
    """Deletes the state of a run that has ended."""
    self._path.unlink(missing_ok=True)
