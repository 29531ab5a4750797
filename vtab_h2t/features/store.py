"""Train features on disk: one memory-mapped file for each block.

A store lives in `<root>/<key>/`, where the key covers everything that changes
a value (see `key`). It appears whole, by a rename, and all of it is verified by
checksum when it is opened later; a damaged one is dropped and computed again.
`writing` says how one that is not finished is gone on with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import json
import logging
import pathlib

import numpy as np

from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import pooling
from vtab_h2t.features import writing
from vtab_h2t.tasks import task as task_lib

# Changes whenever extraction would give other values, or files another form.
VERSION = 1

FLOAT32, FLOAT16 = 'float32', 'float16'
_TYPES: dict[str, np.dtype] = {
  FLOAT32: np.dtype('<f4'),
  FLOAT16: np.dtype('<f2'),
}

# Examples are read with those between them if these are not many more.
_GAP = 4
_PIECE = 2**24  # Bytes that are copied at a time.

_LOG = logging.getLogger(__name__)


def key(
  extractor: extraction.Extractor, split: task_lib.Split, dtype: str = FLOAT32
) -> str:
  """Fingerprint of all that determines the stored values."""
  return files.fingerprint(
    {
      'version': VERSION,
      'weights': extractor.backbone.weights_sha256,
      'backbone': extractor.backbone.name,
      'taps': extractor.backbone.taps,
      'blocks': [(b.tap, b.pool, b.size, b.cls) for b in extractor.blocks],
      'pooling': pooling.VERSION,
      'input': extractor.backbone.input_protocol(),
      'precision': extractor.backbone.precision,
      'examples': split.sha256,
      'dtype': dtype,
    }
  )[:32]


def size(
  backbone: backbone_lib.Backbone,
  target_sizes: Sequence[int],
  examples: int,
  dtype: str = FLOAT32,
) -> int:
  """How many bytes a store takes, but for its names and checksums.

  Args:
    backbone: whose features.
    target_sizes: for which; the embedding is always there.
    examples: how many.
    dtype: in which they are kept, `FLOAT32` or `FLOAT16`.
  """
  blocks = pooling.unique_blocks(
    extraction.layout_of(backbone, target)
    for target in (extraction.EMBEDDING, *target_sizes)
  )
  return _TYPES[dtype].itemsize * examples * sum(b.size for b in blocks)


class FeatureStore:
  """Pooled, not yet normalised, features of one split.

  Attributes:
    layouts: target size (or `extraction.EMBEDDING`) to its layout.
  """

  def __init__(
    self,
    arrays: Mapping[str, np.ndarray],
    layouts: Mapping[int | None, pooling.Layout],
  ) -> None:
    self._arrays = arrays
    self.layouts = layouts

  def blocks(self, target_size: int | None) -> Sequence[np.ndarray]:
    """The `[examples, size]` arrays of a layout's blocks, in column order."""
    return [self._arrays[b.name] for b in self.layouts[target_size].blocks]

  def rows(
    self, target_size: int | None, examples: np.ndarray
  ) -> list[np.ndarray]:
    """Some examples of `blocks`, read so that memory holds nothing else.

    What is read through a memory map stays in the process' memory while there
    is room; this reads the files themselves.

    Args:
      target_size: which layout; None for the embedding.
      examples: indices of the wanted ones, at least one.

    Returns:
      Float32 `[len(examples), size]` of each block.
    """
    found = self._read(self.blocks(target_size), examples)
    return [np.asarray(part, np.float32) for part in found]

  def _read(
    self, blocks: Sequence[np.ndarray], examples: np.ndarray
  ) -> list[np.ndarray]:
    """Some examples of blocks, as they are stored."""
    return [
      _from_file(block, examples)
      if isinstance(block, np.memmap)
      else block[examples]
      for block in blocks
    ]

  def narrowed(
    self, target_size: int | None, columns: np.ndarray, folder: pathlib.Path
  ) -> 'FeatureStore':
    """A copy on disk of some columns of a layout, of all examples.

    Args:
      target_size: which layout; None for the embedding.
      columns: ascending indices of its features, at least one.
      folder: where files go; it has to stay while the copy is used.

    Returns:
      A store that has this target size only, and of its layout these columns.
    """
    layout = self.layouts[target_size]
    edges = np.searchsorted(columns, layout.starts)
    arrays, blocks = {}, []
    for block, array, start, first, last in zip(
      layout.blocks,
      self.blocks(target_size),
      layout.starts,
      edges,
      edges[1:],
    ):
      if first == last:
        continue
      blocks.append(dataclasses.replace(block, size=int(last - first)))
      path = folder / f'{block.name}.npy'
      with open(path, 'wb') as output:
        output.write(
          writing.header(array.dtype, (len(array), int(last - first)))
        )
        for examples in _pieces(array):
          (part,) = self._read([array], examples)
          output.write(
            np.ascontiguousarray(part[:, columns[first:last] - start]).data
          )
      arrays[block.name] = np.load(path, mmap_mode='r', allow_pickle=False)
    return FeatureStore(arrays, {target_size: pooling.Layout(tuple(blocks))})


def missing_bytes(
  root: pathlib.Path,
  extractor: extraction.Extractor,
  split: task_lib.Split,
  dtype: str = FLOAT32,
) -> int:
  """How many bytes `open_or_compute` will write; 0 if the store is there."""
  path = root / key(extractor, split, dtype)
  if path.exists():
    return 0
  whole = _TYPES[dtype].itemsize * len(split.ids)
  whole *= sum(block.size for block in extractor.blocks)
  begun = writing.part_of(path).glob('*.npy')
  return max(0, whole - sum(file.stat().st_size for file in begun))


def open_or_compute(
  root: pathlib.Path,
  extractor: extraction.Extractor,
  split: task_lib.Split,
  progress: Callable[[int, int], None],
  dtype: str = FLOAT32,
) -> FeatureStore:
  """Opens the store of a split, computing it first where it is not there.

  Args:
    root: directory of stores.
    extractor: what computes the features.
    split: the examples.
    progress: called with (images done, images in all).
    dtype: in which features are kept, `FLOAT32` or `FLOAT16`.

  Raises:
    errors.InputError: a feature is NaN or infinite, or an image unreadable.
    OSError: the disk is full or the directory not writable.
  """
  path = root / key(extractor, split, dtype)
  if path.exists():
    try:
      return FeatureStore(_open(path), extractor.layouts)
    except _DamagedError as e:
      _LOG.warning(
        'feature store %s is damaged (%s); computing it again', path, e
      )
      files.discard(path)
  with writing.folder(path) as folder:
    writing.write(folder, extractor, split, _TYPES[dtype], progress)
  # What was just written was hashed as it was.
  return FeatureStore(_open(path, is_checked=False), extractor.layouts)


def _from_file(block: np.memmap, examples: np.ndarray) -> np.ndarray:
  """Rows of a memory-mapped array, `[len(examples), size]`, as in the file."""
  width, dtype = block.shape[1], block.dtype
  first, last = int(examples.min()), int(examples.max()) + 1
  with open(str(block.filename), 'rb', buffering=0) as file:
    if last - first <= _GAP * len(examples):
      file.seek(block.offset + first * width * dtype.itemsize)
      near = np.fromfile(file, dtype, (last - first) * width)
      return near.reshape(-1, width)[examples - first]
    found = np.empty((len(examples), width), dtype)
    for row, example in zip(found, examples.tolist()):
      file.seek(block.offset + example * width * dtype.itemsize)
      file.readinto(row.data)
    return found


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
  """Indices of its rows, as many at a time as are a few megabytes."""
  count = max(1, _PIECE // (array.shape[1] * array.dtype.itemsize))
  for first in range(0, len(array), count):
    yield np.arange(first, min(first + count, len(array)))


class _DamagedError(Exception):
  pass


def _open(path: pathlib.Path, is_checked: bool = True) -> dict[str, np.ndarray]:
  """Memory-maps the blocks after checking shapes and, if asked, checksums."""
  try:
    with open(path / writing.META, encoding='utf-8') as f:
      meta = json.load(f)
    arrays = {}
    for name, wanted in meta.items():
      file = path / f'{name}.npy'
      if is_checked and files.sha256_file(file) != wanted['sha256']:
        raise _DamagedError(f'{file.name} has another checksum')
      arrays[name] = np.load(file, mmap_mode='r', allow_pickle=False)
      if list(arrays[name].shape) != wanted['shape']:
        raise _DamagedError(f'{file.name} has another shape')
    return arrays
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
    raise _DamagedError(str(e)) from e
