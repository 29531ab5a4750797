"""Picture files: what is in them, and splits of them.

Files are decoded by Pillow, which knows more of what cameras and phones write
than TensorFlow does: EXIF rotation is applied, CMYK, grey, palettes and 16 bits
become RGB, transparency becomes white, and of an animation the first frame is
taken. A file that claims more than `MAX_PIXELS` is not opened. AVIF is read
where Pillow was built with it, HEIC where pillow-heif is installed.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import contextlib
import functools
import importlib.util
import io
import os
import pathlib
from typing import IO, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.tasks import image_files
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  from PIL import Image
  import tensorflow as tf

MAX_PIXELS = 89_000_000  # Where Pillow begins to warn.
_FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'TIFF', 'WEBP')
# How files of ISO's media format name what is in them, from their ninth byte.
_ISO_BRANDS = {
  b'avif': 'AVIF',
  b'avis': 'AVIF',
  b'heic': 'HEIF',
  b'heix': 'HEIF',
  b'hevc': 'HEIF',
  b'mif1': 'HEIF',
  b'msf1': 'HEIF',
}
FAIL, SKIP = 'fail', 'skip'
# Called with (files examined, files in all).
Progress = Callable[[int, int], None]
_AT_ONCE = 512  # Files that wait to be examined.


def split_of(
  paths: Sequence[str],
  labels: np.ndarray,
  sha256: Sequence[str] | None = None,
) -> task_lib.Split:
  """A split of picture files.

  Args:
    paths: of the files.
    labels: int64 `[n]`.
    sha256: of each file's content; by default the files are read for it.
  """
  wrong: dict[int, str] = {}
  hashes = list(sha256 or map(files.sha256_file, paths))

  def read(number: int, path: str) -> np.ndarray:
    try:
      return decode(path)
    except errors.InputError as e:
      wrong[number] = str(e)
      raise

  def name_unreadable() -> None:
    # An image is given out after all before it, so the first is among these.
    if wrong:
      raise errors.InputError(wrong[min(wrong)])

  return task_lib.Split(
    ids=tuple(paths),
    labels=labels,
    images=lambda: _dataset(paths, read),
    content=files.fingerprint(hashes),
    name_unreadable=name_unreadable,
    in_order=lambda rows: split_of(
      [paths[r] for r in rows], labels[rows], [hashes[r] for r in rows]
    ),
  )


def unlabelled(paths: Sequence[str], wrong: dict[int, str]) -> task_lib.Split:
  """A split of files to be classified, of which each is read once.

  A file that cannot be decoded is a black pixel, and is put into `wrong` before
  its batch is given out. Nothing is hashed, so no features are stored of it.

  Args:
    paths: of the files.
    wrong: is filled with what is wrong with files, by their index.
  """

  def read(number: int, path: str) -> np.ndarray:
    try:
      return decode(path)
    except errors.InputError as e:
      wrong[number] = str(e)
      return np.zeros((1, 1, 3), np.uint8)

  return task_lib.Split(
    ids=tuple(paths),
    labels=np.zeros(len(paths), np.int64),
    images=lambda: _dataset(paths, read),
    content='',
  )


def _dataset(
  paths: Sequence[str], read: Callable[[int, str], np.ndarray]
) -> 'tf.data.Dataset':
  """What `read` makes of each file's index and path, in order."""
  import tensorflow as tf

  def image(number: 'tf.Tensor', path: 'tf.Tensor') -> 'tf.Tensor':
    found = tf.numpy_function(
      lambda i, p: read(int(i), os.fsdecode(p)),
      [number, path],
      tf.uint8,
      stateful=False,
    )
    return tf.ensure_shape(found, [None, None, 3])

  return (
    tf.data.Dataset.from_tensor_slices(list(map(os.fsencode, paths)))
    .enumerate()
    .map(image, num_parallel_calls=tf.data.AUTOTUNE)
  )


def decode(path: str | os.PathLike[str]) -> np.ndarray:
  """An image file as uint8 `[H, W, 3]`.

  Raises:
    errors.InputError: it is no image, damaged, too large, or of a kind that
      needs a package.
  """
  with _named(path), open(path, 'rb') as file:
    return _pixels(file)


def examine(path: str) -> tuple[str, str]:
  """What a file is, from one reading.

  Args:
    path: of the file.

  Returns:
    sha256 of its content, and what is wrong with it; '' where there is none.
  """
  sha256 = ''
  try:
    with _named(path):
      data = pathlib.Path(path).read_bytes()
      sha256 = files.sha256(data)
      _pixels(io.BytesIO(data), is_small=True)
  except errors.InputError as e:
    return sha256, str(e)
  return sha256, ''


class _NeedsPackageError(Exception):
  """The message says which."""


@contextlib.contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
  """What is raised of a file is an InputError that names it."""
  from PIL import Image
  from PIL import UnidentifiedImageError

  try:
    yield
  except Image.DecompressionBombError as e:
    raise errors.InputError(
      f'image {path} claims to be too large ({e}); make it smaller'
    ) from e
  except FileNotFoundError as e:
    raise errors.InputError(
      f'image {path} is not there; check the path'
      + (
        ', in which folders are separated by / here and not by \\'
        if '\\' in os.fspath(path) and os.sep == '/'
        else ''
      )
    ) from e
  except IsADirectoryError as e:
    raise errors.InputError(
      f'image {path} is a folder; name the files in it'
    ) from e
  except _NeedsPackageError as e:
    raise errors.InputError(f'image {path} {e}') from e
  except UnidentifiedImageError as e:
    raise errors.InputError(
      f'image {path} cannot be decoded (it begins as no image does); restore '
      'or remove the file'
    ) from e
  # Pillow's readers raise many kinds for a damaged file.
  except Exception as e:
    raise errors.InputError(
      f'image {path} cannot be decoded ({e}); restore or remove the file'
    ) from e


def _pixels(file: IO[bytes], is_small: bool = False) -> np.ndarray:
  """An open file as uint8 `[H, W, 3]`.

  Args:
    file: from its beginning.
    is_small: whether a JPEG may have an eighth of its size, which takes a third
      of the time and fails where the whole does.
  """
  from PIL import Image
  from PIL import ImageOps

  kind = _iso_kind(file)
  if kind and kind not in _formats():
    raise _NeedsPackageError(
      f"is {kind}, which needs a package: pip install 'vtab_h2t[heic]'"
    )
  with Image.open(file, formats=_formats()) as image:
    if image.width * image.height > MAX_PIXELS:
      raise Image.DecompressionBombError(
        f'{image.width} x {image.height} pixels'
      )
    image.seek(0)
    if is_small:
      image.draft(None, (1, 1))
    return np.asarray(_rgb(ImageOps.exif_transpose(image)))


@functools.cache
def _formats() -> tuple[str, ...]:
  """What can be read, as Pillow names it."""
  from PIL import features

  found = list(_FORMATS)
  if features.check('avif'):
    found.append('AVIF')
  if importlib.util.find_spec('pillow_heif'):
    import pillow_heif

    pillow_heif.register_heif_opener()
    found.append('HEIF')
  return tuple(found)


def _iso_kind(file: IO[bytes]) -> str:
  """'HEIF' or 'AVIF' if an open file begins as one, else ''."""
  start = file.read(12)
  file.seek(0)
  return _ISO_BRANDS.get(start[8:], '') if start[4:8] == b'ftyp' else ''


def _rgb(image: 'Image.Image') -> 'Image.Image':
  """A Pillow image in RGB; what shows through is white."""
  from PIL import Image

  if image.mode.startswith('I;16') or image.mode in ('I', 'F'):
    # To 8 bits; Pillow itself would cut the values off at 255. Floating-point
    # ones are often shares.
    values = np.asarray(image, np.float64)
    most = values.max()
    top = 65535 if most > 255 else 255 if most > 1 or image.mode != 'F' else 1
    image = Image.fromarray(np.uint8(np.clip(values / top, 0, 1) * 255))
  if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    image = Image.alpha_composite(white, image)
  return image.convert('RGB')


def examine_all(
  paths: Sequence[str], progress: Progress
) -> list[tuple[str, str]]:
  """What `examine` says of each file.

  Args:
    paths: of the files.
    progress: called with (files examined, files in all).
  """
  found: list[tuple[str, str]] = []
  with futures.ThreadPoolExecutor() as pool:
    for start in range(0, len(paths), _AT_ONCE):
      found += pool.map(examine, paths[start : start + _AT_ONCE])
      progress(len(found), len(paths))
  return found


def list_images(path: str | os.PathLike[str]) -> list[str]:
  """Image files without labels; see `image_files.listed`."""
  return list(image_files.listed(path).paths)


def unreadable(paths: Sequence[str]) -> dict[str, str]:
  """The files that cannot be decoded, and why, in order."""
  seen = examine_all(paths, lambda *_: None)
  return {path: why for path, (_, why) in zip(paths, seen) if why}
