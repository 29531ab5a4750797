"""Reads the tensors of any weights file: of one format as of another."""

from collections.abc import Iterable, Mapping
import dataclasses
import json
import os
import pathlib
from typing import Any

import ml_dtypes
import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import tensor_errors
from vtab_h2t.backbones import tensor_formats

_FLOATS = frozenset(('float64', 'float32', 'float16', 'bfloat16'))
_MAX_NAME = 300
_MAX_INDEX = 8 * 2**20  # Bytes of an index of shards.


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Tensors:
  """The tensors of a weights file.

  Attributes:
    arrays: by name, in the file's order: float32 for all types of floats,
      whole numbers and truth values as they are stored. They may be read-only.
    format: what the file is, for people.
    dtypes: the types that it stores, such as 'bfloat16', in alphabetical order;
      one file may mix them.
    within: where in a file of torch the state dict was, 'model' for example, or
      'teacher'; '' for its top, and of other formats.
    beside: of a file of torch, what it has beside the state dict, by names.
    sha256: of the file; of an index of shards, of it and of the shards.
  """

  arrays: Mapping[str, np.ndarray]
  format: str
  dtypes: tuple[str, ...]
  within: str
  sha256: str
  beside: tuple[str, ...] = ()

  def __str__(self) -> str:
    place = f', in {self.within!r}' if self.within else ''
    return f'{self.format} of {" and ".join(self.dtypes)}{place}'


def read(path: str | os.PathLike[str]) -> Tensors:
  """Reads a weights file, without trusting it.

  Args:
    path: of a file of safetensors, npz, h5 (Keras) or `torch.save`, by content
      and not by name; or of an index whose shards are in the same folder.

  Returns:
    The tensors. Names are the file's own, but of Keras' h5 they are
    '<layer>/<weight>'; see `without_prefix`.

  Raises:
    errors.InputError: it cannot be read; the line says why, and what to do.
  """
  if tensor_formats.is_json(tensor_formats.head_of(path)):
    stored, parts = _read_shards(path)
    sha256 = files.fingerprint([[p.name, files.sha256_file(p)] for p in parts])
  else:
    stored = tensor_formats.read(path)
    sha256 = files.sha256_file(path)
  if not stored.arrays:
    raise tensor_errors.cannot_be_read(
      path, 'it holds no tensors', 'name another file'
    )
  arrays = {n: _checked(path, n, a) for n, a in stored.arrays.items()}
  importing.check_size(
    path,
    (
      a.size * 4 if a.dtype.name in _FLOATS else a.nbytes
      for a in arrays.values()
    ),
  )
  dtypes = tuple(sorted({a.dtype.name for a in arrays.values()}))
  stored.arrays.clear()
  with np.errstate(all='ignore'):  # Infinities and NaN stay what they are.
    for name, array in arrays.items():  # In place: each is freed in turn.
      is_float = array.dtype.name in _FLOATS
      wanted = np.dtype('f4') if is_float else array.dtype.newbyteorder('=')
      arrays[name] = np.asarray(array, wanted, order='C')
  return Tensors(
    arrays=arrays,
    format=stored.format,
    dtypes=dtypes,
    within=stored.within,
    sha256=sha256,
    beside=stored.beside,
  )


def without_prefix(
  names: Iterable[str], anchors: Iterable[str], file: str
) -> dict[str, str]:
  """Finds what a file puts before the names of an architecture.

  Wrappers put `module.`, `backbone.`, `model.` or `encoder.` before all names.

  Args:
    names: of a file's tensors.
    anchors: names of which the architecture has one at least, and has it once.
    file: where the names are from, for messages.

  Returns:
    The names with the prefix that an anchor has, by what follows it; names with
    another beginning are left out. Empty if there is no anchor.

  Raises:
    errors.InputError: anchors have several prefixes, of which none is the
      beginning of the others.
  """
  names = list(names)
  prefixes = sorted(
    {
      name.removesuffix(anchor)
      for anchor in anchors
      for name in names
      if name == anchor or name.endswith((f'.{anchor}', f'/{anchor}'))
    },
    key=lambda prefix: (len(prefix), prefix),
  )
  if not prefixes:
    return {}
  prefix = prefixes[0]
  if not all(other.startswith(prefix) for other in prefixes):
    raise errors.InputError(
      f'{file} holds several networks, under {" and ".join(prefixes)}; save '
      'the one that is meant alone'
    )
  return {n.removeprefix(prefix): n for n in names if n.startswith(prefix)}


def _checked(
  path: str | os.PathLike[str], name: str, array: np.ndarray
) -> np.ndarray:
  """The array, with NumPy's way to keep bfloat16 undone.

  Raises:
    errors.InputError: it holds no numbers, or its name cannot be shown.
  """
  if not (name.isprintable() and 0 < len(name) <= _MAX_NAME):
    raise tensor_errors.cannot_be_read(
      path,
      f'{importing.one_line(name)!r} is no name of a tensor',
      'fetch it again',
    )
  if array.dtype == 'V2':  # Files of JAX's networks have such arrays.
    array = array.view(ml_dtypes.bfloat16)
  if array.dtype.name not in _FLOATS and array.dtype.kind not in 'iub':
    raise tensor_errors.unknown_type(path, name, str(array.dtype))
  return array


def _read_shards(
  path: str | os.PathLike[str],
) -> tuple[tensor_formats.Stored, list[pathlib.Path]]:
  """Reads all shards of an index, as Hugging Face's libraries write it.

  Returns:
    The tensors, and the paths of the index and its shards.
  """
  index = pathlib.Path(path)
  shard_of = _index(index)
  parts = [index.parent / name for name in dict.fromkeys(shard_of.values())]
  for part in parts:
    if not part.is_file():
      raise tensor_errors.cannot_be_read(
        path, f'its shard {part} is not there', 'fetch all shards'
      )
  importing.check_size(path, (part.stat().st_size for part in parts))
  arrays: dict[str, np.ndarray] = {}
  formats = set()
  for part in parts:
    stored = tensor_formats.read(part)
    formats.add(stored.format)
    for name, array in stored.arrays.items():
      if shard_of.get(name) != part.name:
        raise tensor_errors.cannot_be_read(
          path,
          f'its shard {part} holds {importing.one_line(name)}, which it does '
          'not name',
          'fetch all shards again',
        )
      arrays[name] = array
  missing = [name for name in shard_of if name not in arrays]
  if missing:
    raise tensor_errors.cannot_be_read(
      path,
      f'its shards lack {importing.one_line(missing[0])}',
      'fetch all shards again',
    )
  return (
    tensor_formats.Stored(
      f'{" and ".join(sorted(formats))} in {len(parts)} files', arrays
    ),
    [index, *parts],
  )


def _index(path: pathlib.Path) -> dict[str, str]:
  """Names of shards by names of tensors."""
  try:
    if path.stat().st_size > _MAX_INDEX:
      raise ValueError('too long')
    value: Any = json.loads(path.read_bytes())
    shard_of = value['weight_map']
    good = all(
      isinstance(shard, str)
      and shard.isprintable()
      and shard == os.path.basename(shard)
      and shard not in ('', '.', '..')
      for shard in shard_of.values()
    )
  except Exception as e:  # Any JSON may have any shape, or be none.
    raise tensor_errors.cannot_be_read(
      path, 'it is JSON, but no index of shards', 'name the weights file'
    ) from e
  if not good:
    raise tensor_errors.cannot_be_read(
      path,
      'it names shards that are not beside it',
      'put all shards into its folder, and their names into it',
    )
  return dict(shard_of)
