"""How image files are encoded, from their headers: what a copy has lost.

A JPEG copy of an image that was lossless is another image. Where tables of
quantization are those of libjpeg, which Pillow writes, too, they tell the
quality that the copy was written with.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO

import numpy as np

JPEG = 'JPEG'
UNREADABLE = 'unreadable'

# Quantization of luminance at quality 50 (ITU-T T.81, Annex K, Table K.1), row
# by row.
_LUMINANCE = np.array(
  [
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
  ]
)


def _tables() -> np.ndarray:
  """What libjpeg makes of it at the qualities 1 to 100, `[100, 64]`."""
  quality = np.arange(1, 101)[:, np.newaxis]
  percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
  return np.clip((_LUMINANCE * percent + 50) // 100, 1, 255)


_TABLES = _tables()


def quality(table: Sequence[int]) -> tuple[int, bool]:
  """The quality of libjpeg whose table of luminance is nearest.

  Args:
    table: 64 divisors, row by row.

  Returns:
    The quality, 1 to 100, and whether the table is that of libjpeg.
  """
  distances = np.abs(_TABLES - np.asarray(table)).sum(axis=1)
  return int(distances.argmin()) + 1, not distances.min()


def of_image(file: str | IO[bytes]) -> str:
  """Encoding of an image, of which only the header is read.

  Args:
    file: path or open file.

  Returns:
    Pillow's name of the format, of a JPEG with its quality ('JPEG of quality
    75', with 'about' where it is estimated); `UNREADABLE` if it is no image.
  """
  from PIL import Image

  try:
    with Image.open(file) as image:
      kind = str(image.format)
      tables = getattr(image, 'quantization', None)
  except Exception:  # Pillow's readers raise many kinds for a damaged file.
    return UNREADABLE
  if not tables:
    return kind
  number, is_exact = quality(tables[min(tables)])
  return f'{JPEG} of quality {"" if is_exact else "about "}{number}'


def count(images: Iterable[str | IO[bytes]]) -> dict[str, int]:
  """How many images have which encoding, in the order of the names."""
  found: dict[str, int] = {}
  for image in images:
    kind = of_image(image)
    found[kind] = found.get(kind, 0) + 1
  return dict(sorted(found.items()))


def added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
  """Counts of several sets of images as those of all."""
  kinds = sorted({kind for part in counts for kind in part})
  return {kind: sum(part.get(kind, 0) for part in counts) for kind in kinds}


def lossy(counts: Mapping[str, int]) -> dict[str, int]:
  """Those of the counts that are of JPEG."""
  return {k: n for k, n in counts.items() if k.startswith(JPEG)}
