"""Reads torch's legacy stream format without torch and without trusting it.

Files written by `torch.save` before version 1.6 are a sequence of pickles
(magic number, protocol version, system information, the object, the storage
keys) followed by each storage's element count (int64) and raw bytes. The
unpickler here resolves four names and refuses every other one, so a hostile
file cannot run code; the sha256 is checked before anything is parsed.
"""

import collections
import io
import math
import os
import pickle
from typing import Any, NamedTuple

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class _StorageType(NamedTuple):
  dtype: str


class _Storage(NamedTuple):
  dtype: str
  key: str
  numel: int


class _Tensor(NamedTuple):
  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  stride: tuple[int, ...]  # In elements, not bytes.

  def view(self, storage: np.ndarray) -> np.ndarray:
    strides = tuple(s * storage.itemsize for s in self.stride)
    return np.lib.stride_tricks.as_strided(
      storage[self.offset :], self.shape, strides, writeable=False
    ).copy()


def _rebuild_tensor(
  storage: Any, offset: Any, shape: Any, stride: Any, *unused: Any
) -> _Tensor:
  """Stands in for `torch._utils._rebuild_tensor_v2`; trusts no argument."""
  del unused  # requires_grad and backward hooks mean nothing here.
  shape, stride = tuple(shape), tuple(stride)
  natural = all(type(n) is int and n >= 0 for n in (offset, *shape, *stride))
  if (
    not natural
    or not isinstance(storage, _Storage)
    or len(shape) != len(stride)
    or 0 in shape
  ):
    raise pickle.UnpicklingError('not a plain tensor')
  last = offset + sum((n - 1) * s for n, s in zip(shape, stride))
  if last >= storage.numel or math.prod(shape) > storage.numel:
    raise pickle.UnpicklingError('tensor reaches outside its storage')
  return _Tensor(storage, offset, shape, stride)


_ALLOWED = {
  ('collections', 'OrderedDict'): collections.OrderedDict,
  ('torch._utils', '_rebuild_tensor_v2'): _rebuild_tensor,
  ('torch', 'FloatStorage'): _StorageType('<f4'),
  ('torch', 'LongStorage'): _StorageType('<i8'),
}


class _Unpickler(pickle._Unpickler):  # pylint: disable=protected-access
  """Resolves only what a plain state dict of float and long tensors needs.

  It is the Python one: the C one allocates a table as large as any memo index
  that a damaged file names, gigabytes for one wrong byte.
  """

  def find_class(self, module: str, name: str) -> Any:
    try:
      return _ALLOWED[module, name]
    except KeyError:
      raise pickle.UnpicklingError(f'refuses to load {module}.{name}') from None

  def persistent_load(self, pid: Any) -> _Storage:
    if not (
      isinstance(pid, tuple)
      and len(pid) == 6
      and pid[0] == 'storage'
      and isinstance(pid[1], _StorageType)
      and isinstance(pid[2], str)
      and isinstance(pid[4], int)
      and pid[4] >= 0
      and pid[5] is None
    ):
      raise pickle.UnpicklingError('unknown kind of persistent object')
    return _Storage(pid[1].dtype, pid[2], pid[4])


def read_state_dict(
  path: str | os.PathLike[str], sha256: str
) -> dict[str, np.ndarray]:
  """Reads a legacy-format state dict.

  Args:
    path: the `.pth` file.
    sha256: its expected hash, hexadecimal.

  Returns:
    Tensor name to float32 or int64 array, in file order.

  Raises:
    errors.InputError: the file is missing, its hash differs, it needs a name
      outside the allow-list, or it is not a whole legacy-format state dict.
  """
  try:
    with open(path, 'rb') as f:
      data = f.read()
  except OSError as e:
    raise errors.InputError(
      f'weights file {path} cannot be read ({e.strerror}); reinstall the '
      'package that provides it'
    ) from e
  found = files.sha256(data)
  if found != sha256:
    raise errors.InputError(
      f'weights file {path} has sha256 {found}, not {sha256}; it is corrupt '
      'or another version: reinstall the package that provides it'
    )
  try:
    return _parse(data)
  except Exception as e:  # A hostile pickle may raise anything; all mean: no.
    raise errors.InputError(
      f'weights file {path} is not a plain torch legacy state dict ({e}); '
      'use the original file'
    ) from e


def _read_storage(stream: io.BytesIO, storage: _Storage) -> np.ndarray:
  dtype, numel = np.dtype(storage.dtype), storage.numel
  if int.from_bytes(stream.read(8), 'little') != numel:
    raise ValueError(f'storage {storage.key} has another size')
  raw = stream.read(numel * dtype.itemsize)
  if len(raw) != numel * dtype.itemsize:
    raise ValueError('truncated')
  return np.frombuffer(raw, dtype)


def _parse(data: bytes) -> dict[str, np.ndarray]:
  stream = io.BytesIO(data)

  def load() -> Any:
    return _Unpickler(stream, encoding='utf-8').load()

  if load() != _MAGIC or load() != _PROTOCOL:
    raise ValueError('wrong magic number or protocol')
  if load().get('little_endian') is not True:
    raise ValueError('not little-endian')
  state, keys = load(), load()
  if not isinstance(state, dict) or not isinstance(keys, list):
    raise ValueError('not a state dict')
  tensors = {k: v for k, v in state.items() if isinstance(v, _Tensor)}
  if len(tensors) != len(state):
    raise ValueError('holds something that is not a tensor')
  storages = {t.storage.key: t.storage for t in tensors.values()}
  if sorted(keys) != sorted(storages):
    raise ValueError('storage keys and tensors differ')
  arrays = {}
  for key in keys:
    arrays[key] = _read_storage(stream, storages[key])
  if stream.read(1):
    raise ValueError('has bytes after its end')
  return {name: t.view(arrays[t.storage.key]) for name, t in tensors.items()}
