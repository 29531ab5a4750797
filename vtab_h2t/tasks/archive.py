"""VTAB-1k as the folders that PyTorch harnesses share, read unmodified.

  <data_dir>/<folder>/train800.txt, val200.txt, test.txt   lines: path label
  <data_dir>/<folder>/label_names.txt                      optional

Paths are relative to the folder. Archives hold train[:800] and VTAB's 200
validation images, so cross-validation runs over these 1000 (the released code's
runs over train[:1000]).
"""

from collections.abc import Iterable, Mapping, Sequence
import functools
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.tasks import encodings
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf

_LISTS = ('train800.txt', 'val200.txt', 'test.txt')


def is_archive(folder: pathlib.Path) -> bool:
  """Whether a folder has this form."""
  return (folder / _LISTS[0]).is_file()


def count_classes(folder: pathlib.Path) -> int:
  """Number of classes of a folder: its label names, or its largest label."""
  names = folder / 'label_names.txt'
  if names.is_file():
    return len(names.read_text(encoding='utf-8').splitlines())
  return 1 + max(
    label for name in _LISTS for _, label in _read_list(folder / name)
  )


def _read_list(path: pathlib.Path) -> list[tuple[str, int]]:
  """The (image, label) lines of a list file."""
  try:
    lines = path.read_text(encoding='utf-8').splitlines()
  except (OSError, UnicodeDecodeError) as e:
    raise errors.InputError(
      f"list {path} cannot be read ({e}); a task's folder needs "
      f'{", ".join(_LISTS)}'
    ) from e
  pairs = []
  for number, line in enumerate(lines, 1):
    image, _, label = line.rpartition(' ')
    parts = pathlib.PurePosixPath(image).parts
    if (
      not label.isdecimal()
      or not image
      or image.startswith('/')
      or '..' in parts
      or '\0' in image
    ):
      raise errors.InputError(
        f'{path} line {number} is {line!r}; it must be a path inside the '
        'folder, a space and a label'
      )
    pairs.append((image, int(label)))
  if not pairs:
    raise errors.InputError(f'list {path} is empty; restore it')
  return pairs


def _split(
  folder: pathlib.Path,
  prefix: str,
  pairs: Sequence[tuple[str, int]],
  by_content: bool,
) -> task_lib.Split:
  """A split of image files, decoded as they are read."""
  content = []
  for image, _ in pairs:
    path = folder / image
    try:
      # Sizes stand for contents: reading gigabytes to hash them would not do.
      content.append(
        files.sha256_file(path) if by_content else path.stat().st_size
      )
    except OSError as e:
      raise errors.InputError(
        f'image {path} is listed but not there; restore it'
      ) from e
  paths = [str(folder / image) for image, _ in pairs]

  def dataset() -> 'tf.data.Dataset':
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(paths).map(
      _decode, num_parallel_calls=tf.data.AUTOTUNE
    )

  def name_unreadable() -> None:
    for path in paths:
      try:
        _decode(path)
      except Exception as e:  # Whatever TensorFlow says, the file is at fault.
        raise errors.InputError(
          f'image {path} cannot be decoded; restore the file'
        ) from e

  return task_lib.Split(
    ids=tuple(f'{prefix}/{image}' for image, _ in pairs),
    labels=np.array([label for _, label in pairs], np.int64),
    images=dataset,
    content=files.fingerprint(content),
    name_unreadable=name_unreadable,
    encodings=functools.cache(lambda: encodings.count(paths)),
  )


def _decode(path: 'str | tf.Tensor') -> 'tf.Tensor':
  """An image file as uint8 `[H, W, 3]`."""
  import tensorflow as tf

  image = tf.io.decode_image(
    tf.io.read_file(path), channels=3, expand_animations=False
  )
  tf.debugging.assert_less(
    tf.size(image, tf.int64) // 3,
    tf.constant(pictures.MAX_PIXELS, tf.int64),
    'too many pixels',
  )
  return tf.ensure_shape(image, [None, None, 3])


def load(
  folder: pathlib.Path, classes: int, images: str | None = None
) -> task_lib.Examples:
  """The examples of a folder.

  Args:
    folder: the archive.
    classes: number of classes.
    images: where another folder may hold the same images with other labels, a
      name for them; such splits are then recognised by the training images'
      bytes.

  Raises:
    errors.InputError: a list or a listed image is missing, a line is not as it
      must be, or a label is out of range.
  """
  train, val, test = (_read_list(folder / name) for name in _LISTS)
  prefix = images or folder.name
  splits = (
    _split(folder, prefix, train + val, by_content=bool(images)),
    _split(folder, prefix, test, by_content=False),
  )
  for split in splits:
    task_lib.check_labels(str(folder), split, classes)
  return task_lib.Examples.in_order(*splits, first=len(train))


def write(
  folder: pathlib.Path,
  names: Sequence[str] | None,
  splits: Mapping[str, Iterable[tuple[bytes, int]]],
) -> None:
  """Writes a folder of encoded images; it appears whole or not at all.

  Args:
    folder: where; it must not be there yet.
    names: of the classes, if known.
    splits: (encoded image, label) of each of train800, val200 and test.
  """
  with files.atomic_directory(folder) as temporary:
    for split, examples in splits.items():
      part = f'images/{split.rstrip("0123456789")}'
      (temporary / part).mkdir(parents=True)
      lines = []
      for i, (data, label) in enumerate(examples):
        image = f'{part}/{i:06d}.{_extension(data)}'
        (temporary / image).write_bytes(data)
        lines.append(f'{image} {label}\n')
      (temporary / f'{split}.txt').write_text(''.join(lines), 'utf-8')
    both = [(temporary / name).read_text('utf-8') for name in _LISTS[:2]]
    (temporary / 'train800val200.txt').write_text(''.join(both), 'utf-8')
    if names:
      (temporary / 'label_names.txt').write_text(
        ''.join(f'{name}\n' for name in names), 'utf-8'
      )


def _extension(data: bytes) -> str:
  return 'png' if data.startswith(b'\x89PNG') else 'jpg'
