"""Reads torch's legacy stream format without torch and without trusting it.

Files written by `torch.save` before version 1.6 are a sequence of pickles
(magic number, protocol version, system information, the object, the storage
keys) followed by each storage's element count (int64) and raw bytes. Of a file
whose sha256 is known, it is checked before anything is parsed.
"""

import io
import os
from typing import BinaryIO

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import torch_pickle
from vtab_h2t.backbones import torch_state

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def is_one(head: bytes) -> bool:
  """Whether a file that begins so is torch's legacy stream."""
  return head.startswith(b'\x80') and _MAGIC.to_bytes(10, 'little') in head[:32]


def read_state_dict(
  path: str | os.PathLike[str], sha256: str
) -> dict[str, np.ndarray]:
  """Reads a legacy-format state dict whose hash is known.

  Args:
    path: the `.pth` file.
    sha256: its expected hash, hexadecimal.

  Returns:
    Tensor name to array of the type it is stored in, in file order.

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
    return read(io.BytesIO(data))[0]
  except Exception as e:  # A hostile pickle may raise anything; all mean: no.
    raise errors.InputError(
      f'weights file {path} is not a plain torch legacy state dict '
      f'({importing.one_line(e)}); use the original file'
    ) from e


def read(
  file: BinaryIO,
) -> tuple[dict[str, np.ndarray], str, tuple[str, ...]]:
  """Reads a legacy-format file.

  Args:
    file: at its beginning.

  Returns:
    Arrays of the types they are stored in by name, in the file's order; where
    in the file they were, and what is beside them, see
    `torch_state.state_dict`.

  Raises:
    torch_state.RefusedError: it is more, or less, than a plain state dict.
    Exception: of many kinds, if it is damaged.
  """
  machine = torch_pickle.Machine()
  head = io.BytesIO(file.read(torch_pickle.MAX_BYTES))
  if machine.run(head) != _MAGIC or machine.run(head) != _PROTOCOL:
    raise ValueError('wrong magic number or protocol')
  if machine.run(head).get('little_endian') is not True:
    raise torch_state.RefusedError('is not little-endian')
  tensors, place, beside = torch_state.state_dict(machine.run(head))
  keys = machine.run(head)
  if (
    not isinstance(keys, list)
    or not all(isinstance(key, str) for key in keys)
    or sorted(keys) != sorted(machine.storages)
  ):
    raise ValueError('storage keys and tensors differ')

  starts = {}
  start, end = head.tell(), file.seek(0, os.SEEK_END)
  for key in keys:
    starts[key] = start
    start += 8 + machine.storages[key].nbytes
  if start != end:
    raise ValueError(
      'it is cut short' if start > end else 'it has bytes after its end'
    )

  def read_storage(storage: torch_state.Storage) -> bytes:
    file.seek(starts[storage.key])
    if int.from_bytes(file.read(8), 'little') != storage.size:
      raise ValueError('it has another size than its values')
    return file.read(storage.nbytes)

  return torch_state.arrays(tensors, read_storage), place, beside
