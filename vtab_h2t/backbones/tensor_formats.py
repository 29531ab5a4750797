"""The formats of weights files, told apart by how the files begin.

Each reader gives arrays of the types that a file stores; `tensors.read` is what
importers call. Nothing that a file says is run, and no pickle is loaded but by
`torch_pickle`.
"""

from collections.abc import Callable
import json
import math
import os
from typing import IO, NamedTuple
import zipfile

import ml_dtypes
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import tensor_errors
from vtab_h2t.backbones import torch_state
from vtab_h2t.backbones import torch_stream
from vtab_h2t.backbones import torch_zip

_HEAD = 512  # Bytes that tell a format.
_MAX_JSON = 100 * 10**6  # The longest header that safetensors may have,
_MAX_HEADER = 16 * 2**20  # and that is read: of a hundred thousand tensors.
# Types of safetensors that NumPy has, with ml_dtypes.
_SAFETENSORS: dict[str, type] = {
  'F64': np.float64,
  'F32': np.float32,
  'F16': np.float16,
  'BF16': ml_dtypes.bfloat16,
  'I64': np.int64,
  'I32': np.int32,
  'I16': np.int16,
  'I8': np.int8,
  'U64': np.uint64,
  'U32': np.uint32,
  'U16': np.uint16,
  'U8': np.uint8,
  'BOOL': np.bool_,
}


class Stored(NamedTuple):
  """What a file holds.

  Attributes:
    format: its format's name, for people.
    arrays: by name, in the file's order, of the types they are stored in.
    within, beside: where in the file they were, and what else was there, see
      `torch_state.state_dict`.
  """

  format: str
  arrays: dict[str, np.ndarray]
  within: str = ''
  beside: tuple[str, ...] = ()


def head_of(path: str | os.PathLike[str]) -> bytes:
  """A file's first bytes.

  Raises:
    errors.InputError: it is no file, or cannot be opened.
  """
  try:
    if os.path.isdir(path):
      raise tensor_errors.cannot_be_read(
        path, 'it is a folder', 'name the file in it'
      )
    if not os.path.isfile(path) and os.path.exists(path):
      raise tensor_errors.cannot_be_read(
        path, 'it is no regular file', 'name a file'
      )
    with open(path, 'rb') as f:
      return f.read(_HEAD)
  except (OSError, ValueError) as e:  # The latter if a path has a null byte.
    reason = getattr(e, 'strerror', None) or importing.one_line(e)
    raise tensor_errors.cannot_be_read(path, reason, 'check the path') from e


def is_json(head: bytes) -> bool:
  """Whether a file that begins so may be JSON, such as an index of shards."""
  return not _is_safetensors(head) and head.lstrip().startswith(b'{')


def read(path: str | os.PathLike[str]) -> Stored:
  """Reads one file of any format.

  Raises:
    errors.InputError: it is in no format that is read, damaged, too large, or
      needs more to be read than plain arrays do.
  """
  head = head_of(path)
  reader = next((reader for fits, reader in _READERS if fits(head)), None)
  if reader is None:
    raise tensor_errors.cannot_be_read(path, *tensor_errors.foreign(head))
  try:
    return reader(path)
  except errors.InputError:
    raise
  except torch_state.RefusedError as e:
    raise tensor_errors.cannot_be_read(
      path,
      f'it {e}',
      'save its state dict alone, torch.save(model.state_dict(), FILE), or '
      'as safetensors',
    ) from e
  except Exception as e:  # Damage shows as errors of a dozen kinds.
    raise tensor_errors.cannot_be_read(
      path,
      f'it is damaged or cut short ({importing.reason(e)})',
      'fetch it again',
    ) from e


def _is_safetensors(head: bytes) -> bool:
  length = int.from_bytes(head[:8], 'little')
  return head[8:9] == b'{' and length <= _MAX_JSON


def _read_safetensors(path: str | os.PathLike[str]) -> Stored:
  import safetensors

  importing.check_size(path, [os.path.getsize(path)])
  with open(path, 'rb') as f:
    length = int.from_bytes(f.read(8), 'little')
    if length > _MAX_HEADER:
      raise ValueError('its header is longer than one of weights')
    # Checks the header, also that the values lie side by side, none of them
    # twice; what the library returns has neither an order nor bfloat16.
    with safetensors.safe_open(path, framework='numpy'):
      pass
    header = json.loads(f.read(length))
    header.pop('__metadata__', None)
    arrays = {}
    for name, tensor in header.items():
      if tensor['dtype'] not in _SAFETENSORS:
        raise tensor_errors.unknown_type(path, name, tensor['dtype'])
      dtype = np.dtype(_SAFETENSORS[tensor['dtype']])
      start, end = tensor['data_offsets']
      f.seek(8 + length + start)
      values = np.frombuffer(f.read(end - start), dtype)
      arrays[name] = values.reshape(tensor['shape'])
  return Stored('safetensors', arrays)


def _read_zip(path: str | os.PathLike[str]) -> Stored:
  with zipfile.ZipFile(path) as archive:
    names = archive.namelist()
    importing.check_size(path, (e.file_size for e in archive.infolist()))
    if torch_zip.is_one(names):
      return Stored('torch zip', *torch_zip.read(archive))
    if 'model.weights.h5' in names:
      raise tensor_errors.cannot_be_read(
        path,
        'it is a whole model of Keras',
        'load it with Keras and save it as h5, model.save("FILE.h5")',
      )
    others = [name for name in names if not name.endswith('.npy')]
    if others:
      raise tensor_errors.cannot_be_read(
        path,
        'it is a zip file, but neither npz nor of torch.save (it holds '
        f'{importing.one_line(others[0])})',
        'save the tensors as npz or safetensors',
      )
    arrays = {}
    for entry in archive.infolist():
      name = entry.filename.removesuffix('.npy')
      if name in arrays:
        raise ValueError(f'{importing.one_line(name)} is there twice')
      with importing.naming(name), archive.open(entry) as f:
        arrays[name] = _read_npy(path, name, f, entry.file_size)
  return Stored('npz', arrays)


def _read_npy(
  path: str | os.PathLike[str], name: str, file: IO[bytes], size: int
) -> np.ndarray:
  """An array of an npz file; no memory is taken that is not in the file.

  Args:
    path, name: of the npz file and of the array, for messages.
    file: of NumPy's format, at its beginning.
    size: its length in bytes.

  Raises:
    errors.InputError: it holds Python's objects.
    Exception: of many kinds, if it is damaged.
  """
  if np.lib.format.read_magic(file) == (1, 0):
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
  else:  # Version 3 is only written for structures with names beyond Latin-1.
    shape, in_columns, dtype = np.lib.format.read_array_header_2_0(file)
  if dtype.hasobject:
    raise tensor_errors.unknown_type(path, name, 'objects of Python')
  if size - file.tell() != math.prod(shape) * dtype.itemsize:
    raise ValueError('it has another size than its values')
  values = np.frombuffer(file.read(), dtype)
  return values.reshape(shape, order='F' if in_columns else 'C')


def _read_stream(path: str | os.PathLike[str]) -> Stored:
  importing.check_size(path, [os.path.getsize(path)])
  with open(path, 'rb') as f:
    return Stored('torch stream', *torch_stream.read(f))


def _read_h5(path: str | os.PathLike[str]) -> Stored:
  """Of Keras: names are '<layer>/<weight>' where these two suffice."""
  import h5py

  found: dict[str, h5py.Dataset] = {}

  def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
    if isinstance(item, h5py.Dataset):
      name = name.removesuffix(':0')
      if name in found:
        raise ValueError(f'{importing.one_line(name)} is there twice')
      if item.external or item.is_virtual:
        raise tensor_errors.cannot_be_read(
          path,
          f'the values of {importing.one_line(name)} are in another file',
          'save them in this one',
        )
      found[name] = item

  with h5py.File(path, 'r') as f:
    # Links to other files are not followed, here as in `visititems`.
    link = f.get('model_weights', getlink=True)
    (f['model_weights'] if isinstance(link, h5py.HardLink) else f).visititems(
      visit
    )
    importing.check_size(path, (item.nbytes for item in found.values()))
    arrays = {}
    for name, item in found.items():
      with importing.naming(name):
        arrays[name] = np.asarray(item[()])
  # Files of Keras 2 repeat a layer's name; those of Keras 3 number the weights.
  short = {
    name: f'{name.split("/")[0]}/{name.split("/")[-1]}' for name in found
  }
  if len(set(short.values())) == len(found) and not any(
    '/vars/' in name for name in found
  ):
    arrays = {short[name]: array for name, array in arrays.items()}
  return Stored('h5', arrays)


_READERS: list[
  tuple[Callable[[bytes], bool], Callable[[str | os.PathLike[str]], Stored]]
] = [
  (_is_safetensors, _read_safetensors),
  (lambda head: head.startswith((b'PK\3\4', b'PK\5\6')), _read_zip),
  (lambda head: head.startswith(b'\x89HDF\r\n\x1a\n'), _read_h5),
  (torch_stream.is_one, _read_stream),
]
