"""The formats of weights files, told apart by how the files begin.

Each reader gives arrays of the types that a file stores; `tensors.read` is what
importers call. Nothing that a file says is run, and no pickle is loaded but by
`torch_pickle`.
"""

import codecs
from collections.abc import Callable
import os
import pathlib
import re
from typing import NamedTuple
import zipfile

import ml_dtypes
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import torch_state
from vtab_h2t.backbones import torch_stream
from vtab_h2t.backbones import torch_zip

_HEAD = 512  # Bytes that tell a format.
_MAX_JSON = 100 * 10**6  # The longest header that safetensors may have.
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
    within: where in the file they were, see `torch_state.state_dict`.
  """

  format: str
  arrays: dict[str, np.ndarray]
  within: str = ''


def head_of(path: str | os.PathLike[str]) -> bytes:
  """A file's first bytes.

  Raises:
    errors.InputError: it is no file, or cannot be opened.
  """
  try:
    if os.path.isdir(path):
      raise cannot_be_read(path, 'it is a folder', 'name the file in it')
    if not os.path.isfile(path) and os.path.exists(path):
      raise cannot_be_read(path, 'it is no regular file', 'name a file')
    with open(path, 'rb') as f:
      return f.read(_HEAD)
  except OSError as e:
    raise cannot_be_read(
      path, e.strerror or type(e).__name__, 'check the path'
    ) from e


def is_json(head: bytes) -> bool:
  """Whether a file that begins so may be JSON, such as an index of shards."""
  return not _is_safetensors(head) and head.lstrip().startswith(b'{')


def cannot_be_read(
  path: str | os.PathLike[str], why: str, remedy: str
) -> errors.InputError:
  """The one line about a weights file that is not read."""
  return errors.InputError(
    f'weights file {path} cannot be read: {why}; {remedy}'
  )


def unknown_type(
  path: str | os.PathLike[str], name: str, dtype: str
) -> errors.InputError:
  """The one line about a tensor of a type that is not read."""
  return cannot_be_read(
    path,
    f'{importing.one_line(name)} is stored as {importing.one_line(dtype)}',
    'convert it to float32',
  )


def read(path: str | os.PathLike[str]) -> Stored:
  """Reads one file of any format.

  Raises:
    errors.InputError: it is in no format that is read, damaged, too large, or
      needs more to be read than plain arrays do.
  """
  head = head_of(path)
  reader = next((reader for fits, reader in _READERS if fits(head)), None)
  if reader is None:
    raise cannot_be_read(path, *_foreign(head))
  try:
    return reader(path)
  except errors.InputError:
    raise
  except torch_state.RefusedError as e:
    raise cannot_be_read(
      path,
      f'it {e}',
      'save its state dict alone, torch.save(model.state_dict(), FILE), or '
      'as safetensors',
    ) from e
  except Exception as e:  # Damage shows as errors of a dozen kinds.
    raise cannot_be_read(
      path, importing.one_line(e) or type(e).__name__, 'fetch it again'
    ) from e


def _is_safetensors(head: bytes) -> bool:
  length = int.from_bytes(head[:8], 'little')
  return head[8:9] == b'{' and length <= _MAX_JSON


def _read_safetensors(path: str | os.PathLike[str]) -> Stored:
  import safetensors

  importing.check_size(path, [os.path.getsize(path)])
  arrays = {}
  for name, tensor in safetensors.deserialize(pathlib.Path(path).read_bytes()):
    if tensor['dtype'] not in _SAFETENSORS:
      raise unknown_type(path, name, tensor['dtype'])
    dtype = np.dtype(_SAFETENSORS[tensor['dtype']])
    arrays[name] = np.frombuffer(tensor['data'], dtype).reshape(tensor['shape'])
  return Stored('safetensors', arrays)


def _read_zip(path: str | os.PathLike[str]) -> Stored:
  with zipfile.ZipFile(path) as archive:
    names = archive.namelist()
    importing.check_size(path, (e.file_size for e in archive.infolist()))
    if torch_zip.is_one(names):
      return Stored('torch zip', *torch_zip.read(archive))
  others = [name for name in names if not name.endswith('.npy')]
  if others or not names:
    raise cannot_be_read(
      path,
      'it is a zip file, but neither npz nor of torch.save'
      + (f' (it holds {importing.one_line(others[0])})' if others else ''),
      'save the tensors as npz or safetensors',
    )
  with np.load(path, allow_pickle=False) as file:
    arrays = {name: file[name] for name in file.files}
  # What is no array comes as bytes.
  if not all(isinstance(array, np.ndarray) for array in arrays.values()):
    raise ValueError('an entry is no array')
  return Stored('npz', arrays)


def _read_stream(path: str | os.PathLike[str]) -> Stored:
  importing.check_size(path, [os.path.getsize(path)])
  with open(path, 'rb') as f:
    return Stored('torch stream', *torch_stream.read(f))


def _read_h5(path: str | os.PathLike[str]) -> Stored:
  """Of Keras: names are '<layer>/<weight>' where these two suffice."""
  import h5py

  found = {}

  def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
    if isinstance(item, h5py.Dataset):
      if item.external or item.is_virtual:
        raise cannot_be_read(
          path,
          f'the values of {importing.one_line(name)} are in another file',
          'save them in this one',
        )
      found[re.sub(r':\d+$', '', name)] = item

  with h5py.File(path, 'r') as f:
    f.get('model_weights', f).visititems(visit)
    importing.check_size(path, (item.nbytes for item in found.values()))
    arrays = {name: np.asarray(item[()]) for name, item in found.items()}
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


# What people name instead of a weights file, and what to do then.
_FOREIGN: list[tuple[tuple[bytes, ...], str, str]] = [
  (
    (b'version https://git-lfs',),
    'it is a pointer of git-lfs in place of the file',
    'run `git lfs pull`',
  ),
  (
    (b'<',),
    'it is a web page or an answer of a server',
    'fetch the file itself',
  ),
  (
    (b'\x1f\x8b', b'BZh', b'\xfd7zXZ', b'\x28\xb5\x2f\xfd'),
    'it is compressed',
    'unpack it first',
  ),
  (
    (b'\x80',),
    'it is a pickle that torch.save did not write, which may run code',
    'save the tensors as npz or safetensors',
  ),
  (
    (b'\x93NUMPY',),
    'it is a single array without a name',
    'save the tensors as npz or safetensors',
  ),
]


def _foreign(head: bytes) -> tuple[str, str]:
  """Why a file that begins so is not read, and the remedy."""
  if not head:
    return 'it is empty', 'fetch it again'
  if head[257:262] == b'ustar':
    return 'it is a tar archive', 'unpack it first'
  for beginnings, why, remedy in _FOREIGN:
    if head.lstrip().startswith(beginnings):
      return why, remedy
  try:
    text = codecs.getincrementaldecoder('utf-8')().decode(head)
  except UnicodeDecodeError:
    text = '\0'
  if '\0' not in text:
    return f'it is text, "{importing.one_line(text)}"', 'fetch it again'
  return (
    'it is neither safetensors, npz, a file of torch.save nor h5',
    'fetch it again, or save the tensors as safetensors',
  )
