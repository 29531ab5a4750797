"""What a user should know of labelled photographs before they are learned."""

import collections
from collections.abc import Iterator, Sequence
import unicodedata

import numpy as np

from vtab_h2t.tasks import image_files
from vtab_h2t.tasks import labelled_pictures

# Of the largest class to the smallest: from here on they are called uneven.
UNEVEN = 10
_SHOWN = 3  # How many of many things a line names.
_PARTS = {'dev', 'test', 'train', 'training', 'val', 'valid', 'validation'}


def of(found: labelled_pictures.Pictures) -> Iterator[str]:
  """A line for each thing that does not stop the work but may spoil it.

  Args:
    found: the photographs.

  Yields:
    That files were passed over; that classes seem to be parts of a data set;
    that names of classes differ in nothing that is seen at once; that files
    with the same bytes are in two classes, or are copies in one;
    that classes have one image, or very different numbers of them.
  """
  passed_over = image_files.describe(found.passed_over)
  if passed_over:
    yield f'passed over {passed_over}, which are no images or in no class'
  if {name.lower() for name in found.classes} <= _PARTS:
    yield (
      f'the classes are called {", ".join(found.classes)}; if these are parts '
      'of a data set, give one of them as --train_dir'
    )
  yield from _alike_names(found.classes)
  yield from _copies(found)
  yield from of_sizes(found.labels, found.classes)


def _alike_names(classes: Sequence[str]) -> Iterator[str]:
  """A line about names that are one to a reader, as 'Cat' and 'cat '."""
  alike: dict[str, list[str]] = collections.defaultdict(list)
  for name in classes:
    seen = ''.join(unicodedata.normalize('NFKC', name).casefold().split())
    alike[seen].append(name)
  groups = [g for g in alike.values() if len(g) > 1]
  if groups:
    named = '; '.join(' = '.join(map(repr, g)) for g in groups[:_SHOWN])
    yield (
      f'classes whose names differ in case, blanks or code points alone: '
      f'{named}{_more(groups)}; give them one name if they are one'
    )


def _copies(found: labelled_pictures.Pictures) -> Iterator[str]:
  """Lines about files that are alike in every byte."""
  alike: dict[str, list[int]] = collections.defaultdict(list)
  for i, sha256 in enumerate(found.sha256):
    alike[sha256].append(i)
  groups = [g for g in alike.values() if len(g) > 1]
  torn = [g for g in groups if len({found.labels[i] for i in g}) > 1]
  if torn:
    named = '; '.join(
      ' = '.join(
        f'{found.paths[i]} ({found.classes[found.labels[i]]})'
        for i in group[:_SHOWN]
      )
      for group in torn[:_SHOWN]
    )
    yield (
      f'{_count(len(torn), "image")} with the same bytes in several classes: '
      f'{named}{_more(torn)}; leave each in one class'
    )
  copies = sum(len(g) - 1 for g in groups) - sum(len(g) - 1 for g in torn)
  if copies:
    first = next(g for g in groups if g not in torn)
    yield (
      f'{_count(copies, "file")} with the same bytes as another of the class '
      f'({found.paths[first[0]]} = {found.paths[first[1]]}); where one of them '
      'is held out, accuracy looks better than it is'
    )


def of_sizes(labels: np.ndarray, classes: Sequence[str]) -> Iterator[str]:
  """Lines about how many images classes have.

  Args:
    labels: int `[n]`.
    classes: names.
  """
  counts = np.bincount(labels, minlength=len(classes))
  alone = [classes[i] for i in np.flatnonzero(counts == 1).tolist()]
  if alone:
    yield (
      f'{_count(len(alone), "class", "es")} with one image '
      f'({", ".join(alone[:_SHOWN])}{_more(alone)}): an image alone is never '
      'held out, so nothing is known of how well its class is recognised; '
      'add more'
    )
  most, least = int(counts.argmax()), int(counts.argmin())
  if counts[most] >= UNEVEN * counts[least]:
    share = counts[most] / counts.sum()
    yield (
      f'classes of very uneven size: {classes[most]} has '
      f'{counts[most]:,} images, {classes[least]} has '
      f'{counts[least]:,}; always saying {classes[most]} would be right '
      f'for {share:.1%}, so look at each class and not at accuracy alone'
    )


def _count(number: int, what: str, plural: str = 's') -> str:
  return f'{number:,} {what}{plural if number != 1 else ""}'


def _more(several: Sequence[object]) -> str:
  rest = len(several) - _SHOWN
  return f' and {rest:,} more' if rest > 0 else ''
