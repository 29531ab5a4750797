"""Reads the zip files that `torch.save` writes since version 1.6.

Of a folder of any name, `data.pkl` has the pickle, `data/KEY` the bytes of the
storage KEY, and `byteorder`, since 2.1, says 'little' or 'big'.
"""

from collections.abc import Iterable
import io
import zipfile

import numpy as np

from vtab_h2t.backbones import importing
from vtab_h2t.backbones import torch_pickle
from vtab_h2t.backbones import torch_state

_PICKLE = 'data.pkl'


def is_one(names: Iterable[str]) -> bool:
  """Whether the entries of a zip file are those of torch."""
  return any(n.count('/') == 1 and n.endswith(f'/{_PICKLE}') for n in names)


def read(
  archive: zipfile.ZipFile,
) -> tuple[dict[str, np.ndarray], str, tuple[str, ...]]:
  """Reads the state dict of a zip file.

  Args:
    archive: with entries of which `is_one` is true.

  Returns:
    Arrays of the types they are stored in by name, in the file's order; where
    in the file they were, and what is beside them, see
    `torch_state.state_dict`.

  Raises:
    torch_state.RefusedError: it is more, or less, than a plain state dict.
    Exception: of many kinds, if it is damaged.
  """
  entries = {entry.filename: entry for entry in archive.infolist()}
  pickled = next(name for name in entries if is_one([name]))
  folder = pickled.removesuffix(_PICKLE)
  if any(not name.startswith(folder) for name in entries):
    raise torch_state.RefusedError(
      f'has entries outside of {importing.one_line(folder)}'
    )
  if len(entries) < len(archive.infolist()):
    raise torch_state.RefusedError('has two entries of one name')
  if f'{folder}constants.pkl' in entries:
    raise torch_state.RefusedError('is a TorchScript program')
  if any(e.compress_type != zipfile.ZIP_STORED for e in entries.values()):
    raise torch_state.RefusedError('is compressed, which torch does not do')
  if entries[pickled].file_size > torch_pickle.MAX_BYTES:
    raise torch_state.RefusedError('has too large a pickle for a state dict')
  order = entries.get(f'{folder}byteorder')
  if order is not None and archive.read(order) != b'little':
    raise torch_state.RefusedError('is not little-endian')

  value = torch_pickle.Machine().run(io.BytesIO(archive.read(pickled)))
  tensors, place, beside = torch_state.state_dict(value)

  def read_storage(storage: torch_state.Storage) -> bytes:
    entry = entries.get(f'{folder}data/{storage.key}')
    if entry is None:
      raise ValueError('its values are not in the file')
    if entry.file_size != storage.nbytes:
      raise ValueError('it has another size than its values')
    return archive.read(entry)

  return torch_state.arrays(tensors, read_storage), place, beside
