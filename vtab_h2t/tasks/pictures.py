"""Photographs of one's own: a folder of classes, or a CSV of paths and labels.

Files are decoded by Pillow, which knows more of what cameras and phones write
than TensorFlow does: EXIF rotation is applied, CMYK, grey, palettes and 16 bits
become RGB, transparency becomes white, and of an animation the first frame is
taken. A file that claims more than `MAX_PIXELS` is not opened.
"""

from collections.abc import Sequence
from concurrent import futures
import csv
import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from PIL import Image
  import tensorflow as tf

MAX_PIXELS = 89_000_000  # Where Pillow begins to warn.
SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
_FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'TIFF', 'WEBP')
FAIL, SKIP = 'fail', 'skip'


@dataclasses.dataclass(frozen=True)
class Pictures:
  """Labelled files.

  Attributes:
    paths: the files, in a fixed order.
    labels: the class of each, int64 `[n]`; see `classes`.
    classes: names, in alphabetical order.
    skipped: files that were left out, and why.
  """

  paths: tuple[str, ...]
  labels: np.ndarray
  classes: tuple[str, ...]
  skipped: tuple[tuple[str, str], ...] = ()

  def split(self, rows: np.ndarray | None = None) -> task_lib.Split:
    """All of them, or some, as a split that decodes as it is read."""
    rows = np.arange(len(self.paths)) if rows is None else rows
    return split_of([self.paths[r] for r in rows], self.labels[rows])


def split_of(paths: Sequence[str], labels: np.ndarray) -> task_lib.Split:
  """A split of picture files."""

  def dataset() -> 'tf.data.Dataset':
    import tensorflow as tf

    def read(path: 'tf.Tensor') -> 'tf.Tensor':
      image = tf.numpy_function(
        lambda p: decode(p.decode()), [path], tf.uint8, stateful=False
      )
      return tf.ensure_shape(image, [None, None, 3])

    return tf.data.Dataset.from_tensor_slices(list(paths)).map(
      read, num_parallel_calls=tf.data.AUTOTUNE
    )

  def name_unreadable() -> None:
    for path in paths:
      decode(path)

  return task_lib.Split(
    ids=tuple(paths),
    labels=labels,
    images=dataset,
    content=files.fingerprint([files.sha256_file(p) for p in paths]),
    name_unreadable=name_unreadable,
  )


def decode(path: str | os.PathLike[str]) -> np.ndarray:
  """An image file as uint8 `[H, W, 3]`.

  Raises:
    errors.InputError: it is no image, damaged, or too large.
  """
  from PIL import Image
  from PIL import ImageOps

  try:
    with Image.open(path, formats=_FORMATS) as image:
      if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError(
          f'{image.width} x {image.height} pixels'
        )
      image.seek(0)
      return np.asarray(_rgb(ImageOps.exif_transpose(image)))
  except Image.DecompressionBombError as e:
    raise errors.InputError(
      f'image {path} claims to be too large ({e}); make it smaller'
    ) from e
  except FileNotFoundError as e:
    raise errors.InputError(f'image {path} is not there') from e
  # Pillow's readers raise many kinds for a damaged file.
  except Exception as e:
    raise errors.InputError(
      f'image {path} cannot be decoded ({e}); restore or remove the file'
    ) from e


def _rgb(image: 'Image.Image') -> 'Image.Image':
  """A Pillow image in RGB; what shows through is white."""
  from PIL import Image

  if image.mode.startswith('I;16') or image.mode in ('I', 'F'):
    # 16 bits to 8; Pillow itself would cut the values off at 255.
    values = np.asarray(image, np.float64)
    top = 65535 if values.max() > 255 else 255
    image = Image.fromarray(np.uint8(np.clip(values / top, 0, 1) * 255))
  if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    image = Image.alpha_composite(white, image)
  return image.convert('RGB')


def read_folder(
  folder: str | os.PathLike[str], on_bad_image: str = FAIL
) -> Pictures:
  """A folder with one sub-folder for each class.

  Args:
    folder: the folder; other files in it, and files of other suffixes, are no
      images and passed over, as are hidden ones.
    on_bad_image: 'fail', or 'skip' to leave out files that cannot be decoded.

  Raises:
    errors.InputError: no such folder, fewer than two classes, a class without
      images, or (with 'fail') a bad image.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    raise errors.InputError(
      f'{folder} is not a folder; it must have one sub-folder for each class'
    )
  pairs = []
  for sub in sorted(
    p for p in folder.iterdir() if p.is_dir() and not p.name.startswith('.')
  ):
    found = sorted(
      p
      for p in sub.rglob('*')
      if p.suffix.lower() in SUFFIXES
      and not p.name.startswith('.')
      and p.is_file()
    )
    if not found:
      raise errors.InputError(
        f'class folder {sub} has no images ({" ".join(SUFFIXES)}); fill or '
        'remove it'
      )
    pairs += [(str(p), sub.name) for p in found]
  return _pictures(str(folder), pairs, on_bad_image)


def read_csv(
  path: str | os.PathLike[str], on_bad_image: str = FAIL
) -> Pictures:
  """A CSV with the columns path and label.

  Args:
    path: the file; paths in it are relative to its folder, or absolute.
    on_bad_image: as for `read_folder`.

  Raises:
    errors.InputError: the file cannot be read or lacks a column, fewer than two
      classes, a path twice, or (with 'fail') a bad image.
  """
  path = pathlib.Path(path)
  try:
    with open(path, encoding='utf-8-sig', newline='') as f:
      reader = csv.DictReader(f)
      if not {'path', 'label'} <= set(reader.fieldnames or ()):
        raise errors.InputError(
          f'{path} has no columns path and label in its first line'
        )
      rows = [(r['path'], r['label']) for r in reader]
  except (OSError, UnicodeDecodeError, csv.Error) as e:
    raise errors.InputError(f'{path} cannot be read ({e})') from e
  pairs = []
  for number, (image, label) in enumerate(rows, 2):
    if not image or not label:
      raise errors.InputError(f'{path} line {number} lacks a path or a label')
    pairs.append((str(path.parent / image), label))
  if len({p for p, _ in pairs}) != len(pairs):
    raise errors.InputError(f'{path} lists an image twice')
  return _pictures(str(path), pairs, on_bad_image)


def read(path: str | os.PathLike[str], on_bad_image: str = FAIL) -> Pictures:
  """A folder of classes, or a CSV, whichever it is."""
  if str(path).lower().endswith('.csv'):
    return read_csv(path, on_bad_image)
  return read_folder(path, on_bad_image)


def list_images(path: str | os.PathLike[str]) -> list[str]:
  """Image files without labels: one file, or all below a folder, sorted.

  Raises:
    errors.InputError: there is none.
  """
  path = pathlib.Path(path)
  if path.is_file():
    return [str(path)]
  found = sorted(
    str(p)
    for p in path.rglob('*')
    if p.suffix.lower() in SUFFIXES
    and p.is_file()
    and not p.name.startswith('.')
  )
  if not found:
    raise errors.InputError(
      f'{path} has no images ({" ".join(SUFFIXES)}) and is none'
    )
  return found


def _pictures(
  source: str, pairs: Sequence[tuple[str, str]], on_bad_image: str
) -> Pictures:
  """Those of (path, label), after looking at each.

  Args:
    source: where they are from, for messages.
    pairs: paths and labels.
    on_bad_image: as for `read_folder`.
  """
  bad = unreadable([p for p, _ in pairs])
  if bad and on_bad_image == FAIL:
    raise errors.InputError(
      f'{next(iter(bad.values()))}'
      + (f' ({len(bad)} such files)' if len(bad) > 1 else '')
      + '; or leave them out with --on_bad_image=skip'
    )
  good = [(p, label) for p, label in pairs if p not in bad]
  classes = sorted({label for _, label in pairs})
  empty = [c for c in classes if c not in {label for _, label in good}]
  if len(classes) < 2 or empty:
    raise errors.InputError(
      f'{source} needs at least two classes with images'
      + (
        f'; {", ".join(empty)} has none that can be read'
        if empty
        else f', not {len(classes)}'
      )
    )
  index = {c: i for i, c in enumerate(classes)}
  return Pictures(
    tuple(p for p, _ in good),
    np.array([index[label] for _, label in good], np.int64),
    tuple(classes),
    tuple(bad.items()),
  )


def unreadable(paths: Sequence[str]) -> dict[str, str]:
  """The files that cannot be decoded, and why, in order."""

  def check(path: str) -> tuple[str, str] | None:
    try:
      decode(path)
    except errors.InputError as e:
      return path, str(e)
    return None

  with futures.ThreadPoolExecutor() as pool:
    return dict(found for found in pool.map(check, paths) if found)
