"""Which picture is a crop from? Real images that scientific packages ship.

`photo_patches` uses photographs, `scan_patches` pictures taken with special
instruments (telescope, microscope, fundus camera). Every picture is cut into
tiles, in diagonal stripes; a tile belongs to one of the five cross-validation
folds or to the test set, and a crop never leaves its tile: no two of these
parts share a pixel.
"""

from collections.abc import Sequence
import pathlib

import numpy as np

from vtab_h2t import errors
from vtab_h2t.tasks import task as task_lib

# Class order. Grey pictures become RGB with equal channels.
PHOTOS = (
  'astronaut',
  'camera',
  'chelsea',
  'china',
  'coffee',
  'flower',
  'motorcycle',
  'rocket',
)
SCANS = ('cell', 'hubble', 'ihc', 'moon', 'retina')

TILE, CROP = 96, 64  # Sides in pixels.
_FOLDS, _FOLD_SIZE, _TEST_SIZE = 5, 200, 1000
TEST_STRIPES = (5, 6)  # The stripe of a fold has its number.
_SKIMAGE_FILES = {
  'hubble': 'hubble_deep_field.jpg',
  'motorcycle': 'motorcycle_left.png',
  'retina': 'retina.jpg',
  'rocket': 'rocket.jpg',
}


def _path(name: str) -> pathlib.Path:
  """File of a picture in the package that ships it; nothing is downloaded."""
  if name in ('china', 'flower'):
    import sklearn.datasets as package

    return pathlib.Path(package.__file__).parent / 'images' / f'{name}.jpg'
  import skimage as package

  file = _SKIMAGE_FILES.get(name, f'{name}.png')
  return pathlib.Path(package.__file__).parent / 'data' / file


def read_picture(path: pathlib.Path) -> np.ndarray:
  """A picture as uint8 RGB `[H, W, 3]`.

  Raises:
    errors.InputError: the file is missing or no readable image.
  """
  from PIL import Image

  try:
    with Image.open(path) as image:
      return np.asarray(image.convert('RGB'))
  except (OSError, SyntaxError, ValueError) as e:
    raise errors.InputError(
      f'image {path} cannot be read ({e}); restore the file, or reinstall '
      'the package that it belongs to'
    ) from e


def stripes(rows: int, columns: int) -> np.ndarray:
  """The diagonal stripe, 0 to 6, of each tile of a picture.

  Args:
    rows: tiles from top to bottom.
    columns: tiles from left to right.

  Returns:
    Integers `[rows, columns]`; seven neighbours have seven stripes.
  """
  return (np.arange(rows)[:, None] * 3 + np.arange(columns)) % 7


def read(names: Sequence[str]) -> list[np.ndarray]:
  """Packaged pictures as uint8 RGB `[H, W, 3]`, by the names above."""
  return [read_picture(_path(n)) for n in names]


def cut(
  pictures: Sequence[np.ndarray],
  of_stripes: Sequence[int],
  count: int,
  rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """Random crops from the tiles of some stripes, pictures in turn.

  Args:
    pictures: uint8 `[H, W, 3]` each.
    of_stripes: which stripes' tiles, each of 0 to 6.
    count: how many crops.
    rng: draws them and their order.

  Returns:
    Crops, uint8 `[count, CROP, CROP, 3]`, and the picture's index `[count]`.
  """
  images, labels = [], []
  for i in range(count):
    label = i % len(pictures)
    picture = pictures[label]
    tiles = stripes(picture.shape[0] // TILE, picture.shape[1] // TILE)
    choices = np.argwhere(np.isin(tiles, of_stripes))
    corner = choices[rng.integers(len(choices))] * TILE
    y, x = corner + rng.integers(0, TILE - CROP + 1, 2)
    images.append(picture[y : y + CROP, x : x + CROP])
    labels.append(label)
  order = rng.permutation(count)
  return np.stack(images)[order], np.array(labels)[order]


def load(
  prefix: str, names: tuple[str, ...], seed: int
) -> tuple[task_lib.Split, task_lib.Split]:
  """Train (five blocks of 200, one for each fold) and test (1000) crops."""
  pictures = read(names)
  rng = np.random.default_rng(seed)
  blocks = [cut(pictures, (fold,), _FOLD_SIZE, rng) for fold in range(_FOLDS)]
  images, labels = (np.concatenate(part) for part in zip(*blocks))
  test = cut(pictures, TEST_STRIPES, _TEST_SIZE, rng)
  return (
    task_lib.array_split(f'{prefix}/train', images, labels, range(len(images))),
    task_lib.array_split(f'{prefix}/test', *test, range(_TEST_SIZE)),
  )
