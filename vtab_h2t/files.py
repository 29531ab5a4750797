"""Hashes, canonical JSON and atomic writes.

Everything this package leaves on disk goes through `atomic_write` or
`atomic_directory`: a reader sees a whole file or none, whenever a writer dies.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
from typing import Any, IO

from vtab_h2t import errors

_TEMPORARY = '.tmp-'


def check_name(what: str, name: str) -> None:
  """Raises InputError unless a name can be part of a path as it is."""
  if not re.fullmatch(r'[a-z0-9][a-z0-9_.-]*', name):
    raise errors.InputError(
      f'{what} {name!r}: a name has lower-case letters, digits, and after '
      'the first also _.-'
    )


def sha256(data: bytes | memoryview) -> str:
  """Of bytes, as 64 hexadecimal digits."""
  return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
  """Of a file's content, as 64 hexadecimal digits."""
  with open(path, 'rb') as f:
    return hashlib.file_digest(f, 'sha256').hexdigest()


def canonical_json(value: Any) -> str:
  """JSON with sorted keys, no spaces and no NaN: equal values, equal text."""
  return json.dumps(
    value, sort_keys=True, separators=(',', ':'), allow_nan=False
  )


def fingerprint(value: Any) -> str:
  """sha256 of the canonical JSON of `value`."""
  return sha256(canonical_json(value).encode())


def _owner() -> str:
  return f'{socket.gethostname()}-{os.getpid()}-'


@contextlib.contextmanager
def atomic_write(
  path: str | os.PathLike[str], binary: bool = False
) -> Iterator[IO[Any]]:
  """Opens a file that appears at `path` only if the block succeeds."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  remove_abandoned(path)
  fd, temporary = tempfile.mkstemp(
    prefix=f'{path.name}{_TEMPORARY}{_owner()}', dir=path.parent
  )
  try:
    with (
      os.fdopen(fd, 'wb')
      if binary
      else os.fdopen(fd, 'w', encoding='utf-8', newline='')
    ) as f:
      yield f
      f.flush()
      os.fsync(f.fileno())
    os.chmod(temporary, 0o666 & ~_umask())
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(temporary)
    raise


def _directory_beside(path: pathlib.Path) -> pathlib.Path:
  """A new temporary directory; of a killed process none stays there."""
  path.parent.mkdir(parents=True, exist_ok=True)
  remove_abandoned(path)
  return pathlib.Path(
    tempfile.mkdtemp(
      prefix=f'{path.name}{_TEMPORARY}{_owner()}', dir=path.parent
    )
  )


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a temporary directory that is renamed to `path` on success.

  If another process finished the same directory first, its copy stays and this
  one is dropped: both hold the same content.
  """
  path = pathlib.Path(path)
  temporary = _directory_beside(path)
  try:
    yield temporary
    os.chmod(temporary, 0o777 & ~_umask())
    try:
      os.rename(temporary, path)
    except OSError:
      if not path.is_dir():
        raise
      shutil.rmtree(temporary)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise


@contextlib.contextmanager
def temporary_directory(
  path: str | os.PathLike[str],
) -> Iterator[pathlib.Path]:
  """Yields a directory whose name begins as `path`; it is deleted at the end.

  What a process that was killed left of the same path is deleted first.
  """
  temporary = _directory_beside(pathlib.Path(path))
  try:
    yield temporary
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def check_is_new(path: str | os.PathLike[str]) -> None:
  """Raises InputError unless a directory can be made at a path.

  It is for the beginning of long work, and so tries to write beside the path.
  """
  path = pathlib.Path(path)
  if path.exists() or path.is_symlink():
    raise errors.InputError(f'{path} is there already; choose another --out')
  parent = next(p for p in path.absolute().parents if p.exists())
  try:
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=parent):
      pass
  except OSError as e:
    raise errors.InputError(
      f'{path} cannot be written ({e.strerror}: {parent}); choose another --out'
    ) from e


def discard(path: pathlib.Path) -> None:
  """Deletes a directory; another process may do the same, or still write."""
  aside = pathlib.Path(
    tempfile.mkdtemp(
      prefix=f'{path.name}{_TEMPORARY}{_owner()}', dir=path.parent
    )
  )
  with contextlib.suppress(FileNotFoundError):
    os.rename(path, aside)  # Over an empty directory, at once.
  shutil.rmtree(aside, ignore_errors=True)


def remove_abandoned(path: pathlib.Path) -> None:
  """Deletes what dead processes of this host left of `path`'s writing."""
  for stale in path.parent.glob(f'{path.name}{_TEMPORARY}*'):
    host, _, rest = (
      stale.name.split(_TEMPORARY, 1)[1].rpartition('-')[0].rpartition('-')
    )
    if (
      host == socket.gethostname() and rest.isdigit() and not _alive(int(rest))
    ):
      if stale.is_dir():
        shutil.rmtree(stale, ignore_errors=True)
      else:
        stale.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    pass
  return True


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask
