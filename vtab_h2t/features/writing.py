"""Writes a feature store, so that what a killed process wrote is not lost.

Files grow in `<key>.part/`, next to the store, which it becomes by a rename.
Every `_EVERY` images what is written is flushed to disk and noted with its
checksums; whoever computes the same store later begins there. One process is at
work in such a folder; others that want the same store at the same time compute
it by themselves, as there is nobody to wait for where one is killed.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
from typing import IO, Self

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.features import extraction
from vtab_h2t.features import pooling
from vtab_h2t.tasks import task as task_lib

META = 'meta.json'
_EVERY = 1024  # Images; a multiple of those of a batch.
_BEGUN, _LOCK = 'begun.json', 'lock'
_PIECE = 2**24  # Bytes that are hashed at a time.


def part_of(path: pathlib.Path) -> pathlib.Path:
  """Where a store is while it grows."""
  return path.with_name(f'{path.name}.part')


@contextlib.contextmanager
def folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder that becomes `path` if the block succeeds.

  If it fails and something is noted in the folder, it stays, to go on with,
  unless what was given is wrong.
  """
  part = part_of(path)
  part.mkdir(parents=True, exist_ok=True)
  with open(part / _LOCK, 'ab') as lock:
    if not _is_ours(lock, part / _LOCK):
      with files.atomic_directory(path) as temporary:
        yield temporary
      return
    try:
      yield part
      try:
        os.rename(part, path)
      except OSError:
        if not path.is_dir():
          raise
        shutil.rmtree(part)  # Another process has finished the same.
      (path / _LOCK).unlink(missing_ok=True)
    except BaseException as e:
      if isinstance(e, errors.InputError) or not (part / _BEGUN).exists():
        shutil.rmtree(part, ignore_errors=True)
      raise


def _is_ours(lock: IO[bytes], path: pathlib.Path) -> bool:
  """Locks an open file, unless another process has, or has moved it away."""
  try:
    import fcntl
  except ModuleNotFoundError:  # Windows: nothing is gone on with.
    return False
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.path.samestat(os.fstat(lock.fileno()), path.stat())
  except OSError:
    return False


def write(
  path: pathlib.Path,
  extractor: extraction.Extractor,
  split: task_lib.Split,
  dtype: np.dtype,
  progress: Callable[[int, int], None],
) -> None:
  """Embeds a split, writing each batch to the blocks' files as it comes.

  Plain writes, because a full disk makes them fail with an error; through a
  memory map it would kill the process.

  Args:
    path: of a folder that `folder` gave.
    extractor: what computes the features.
    split: the examples.
    dtype: of the files.
    progress: called with (images done, images in all).

  Raises:
    errors.InputError: a feature is not finite, or too large for the type.
  """
  total = len(split.ids)
  with contextlib.ExitStack() as stack:
    done, outputs = _begin(path, extractor.blocks, total, dtype)
    for output in outputs.values():
      stack.enter_context(output.file)
    if done:
      progress(done, total)
    for before, batch in extractor(_rest(split, done)) if done < total else ():
      for name, output in outputs.items():
        output.add(_stored(np.asarray(batch[name]), dtype, name).data)
      now = done + before + len(batch[name])
      progress(now, total)
      if now % _EVERY == 0 and now < total:
        _note(path, now, outputs)
    for output in outputs.values():
      output.file.flush()
  with files.atomic_write(path / META) as f:
    json.dump(
      {
        b.name: {
          'sha256': outputs[b.name].hash.hexdigest(),
          'shape': [total, b.size],
        }
        for b in extractor.blocks
      },
      f,
      indent=1,
      sort_keys=True,
    )
  (path / _BEGUN).unlink(missing_ok=True)


def header(dtype: np.dtype, shape: tuple[int, int]) -> bytes:
  """How a .npy file begins."""
  found = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    found, {'descr': dtype.str, 'fortran_order': False, 'shape': shape}
  )
  return found.getvalue()


@dataclasses.dataclass(frozen=True, eq=False)
class _Output:
  """A file that grows, and the hash of what it has."""

  file: IO[bytes]
  hash: 'hashlib._Hash'

  @classmethod
  def new(cls, path: pathlib.Path, begin: bytes) -> Self:
    """A file with a header."""
    found = cls(open(path, 'wb'), hashlib.sha256())  # noqa: SIM115
    found.add(begin)
    return found

  @classmethod
  def again(cls, path: pathlib.Path, size: int) -> Self:
    """A file that is there, cut to a size in bytes, and read."""
    found = cls(open(path, 'r+b'), hashlib.sha256())  # noqa: SIM115
    left = size
    while left and (piece := found.file.read(min(left, _PIECE))):
      found.hash.update(piece)
      left -= len(piece)
    found.file.seek(size - left)
    found.file.truncate()
    return found

  def add(self, data: bytes | memoryview) -> None:
    """Writes more."""
    self.file.write(data)
    self.hash.update(data)


def _begin(
  path: pathlib.Path,
  blocks: Sequence[pooling.Block],
  total: int,
  dtype: np.dtype,
) -> tuple[int, dict[str, _Output]]:
  """Opens the files, those that are begun or new ones.

  Returns:
    How many images they have, and the file of each block.
  """
  begins = {b.name: header(dtype, (total, b.size)) for b in blocks}
  try:
    noted = json.loads((path / _BEGUN).read_text('utf-8'))
    done, wanted = int(noted['done']), noted['sha256']
    found = {
      b.name: _Output.again(
        path / f'{b.name}.npy',
        len(begins[b.name]) + done * b.size * dtype.itemsize,
      )
      for b in blocks
    }
    if {n: o.hash.hexdigest() for n, o in found.items()} == wanted:
      return done, found
    for output in found.values():
      output.file.close()
  except (OSError, ValueError, KeyError, TypeError):
    pass  # Nothing is noted, or not what is there.
  (path / _BEGUN).unlink(missing_ok=True)
  return 0, {
    b.name: _Output.new(path / f'{b.name}.npy', begins[b.name]) for b in blocks
  }


def _note(path: pathlib.Path, done: int, outputs: dict[str, _Output]) -> None:
  """Notes how far the files are, once that is on disk."""
  for output in outputs.values():
    output.file.flush()
    os.fsync(output.file.fileno())
  with files.atomic_write(path / _BEGUN) as f:
    sums = {name: o.hash.hexdigest() for name, o in outputs.items()}
    json.dump({'done': done, 'sha256': sums}, f)


def _rest(split: task_lib.Split, done: int) -> task_lib.Split:
  """The examples of a split after the first ones."""
  if not done:
    return split
  rows = np.arange(done, len(split.ids))
  if split.in_order is not None:
    return split.in_order(rows)
  return dataclasses.replace(
    split,
    ids=split.ids[done:],
    labels=split.labels[done:],
    images=lambda: split.images().skip(done),
  )


def _stored(value: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
  """Features as they are in the file.

  Raises:
    errors.InputError: one is too large for the type.
  """
  if dtype.itemsize < value.dtype.itemsize:
    largest = float(np.abs(value).max(initial=0))
    if largest > float(np.finfo(dtype).max):
      raise errors.InputError(
        f'features {name} are up to {largest:.3g}, too large for {dtype.name}; '
        'keep them in float32'
      )
  return np.ascontiguousarray(value, dtype)
