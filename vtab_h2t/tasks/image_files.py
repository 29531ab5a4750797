"""Which files of a folder are images, and which are passed over.

A file is an image by its suffix. Hidden files and folders, and what systems
leave in folders (`__MACOSX`, `Thumbs.db`, `desktop.ini`, `@eaDir`), are passed
over in silence; all others are counted by suffix, so that they can be named.
"""

import collections
from collections.abc import Iterator, Mapping
import dataclasses
import os

from vtab_h2t import errors
from vtab_h2t.tasks import path_tables

SUFFIXES = (
  '.avif',
  '.bmp',
  '.gif',
  '.heic',
  '.heif',
  '.jfif',
  '.jpeg',
  '.jpg',
  '.png',
  '.tif',
  '.tiff',
  '.webp',
)
_OF_SYSTEMS = ('__macosx', '@eadir', 'desktop.ini', 'thumbs.db')


@dataclasses.dataclass(frozen=True)
class Found:
  """What a folder has.

  Attributes:
    paths: its images, ordered folder by folder.
    passed_over: suffix to the number of files that are no images; '' for files
      without one.
  """

  paths: tuple[str, ...]
  passed_over: Mapping[str, int]


def is_shown(name: str) -> bool:
  """Whether a file or folder of this name is the user's, and not hidden."""
  return not name.startswith('.') and name.lower() not in _OF_SYSTEMS


def below(folder: str | os.PathLike[str]) -> Found:
  """All images below a folder. Linked folders are not entered.

  Raises:
    OSError: a folder cannot be read.
  """
  paths, others = [], collections.Counter[str]()
  for entry in _files(os.fspath(folder)):
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES and (entry.is_file() or entry.is_symlink()):
      paths.append(entry.path)
    else:
      others[suffix] += 1
  return Found(tuple(sorted(paths, key=_parts)), others)


def listed(path: str | os.PathLike[str]) -> Found:
  """Images without labels: one file, all below a folder, or a CSV's paths.

  Raises:
    errors.InputError: there is none, or the CSV cannot be read.
  """
  path = os.fspath(path)
  if path_tables.is_table(path):
    rows = path_tables.read(path, ('path',))
    found = Found(tuple(row.path for row in rows), {})
  elif os.path.isdir(path):
    found = below(path)
  elif os.path.exists(path):
    return Found((path,), {})
  else:
    raise errors.InputError(
      f'{path} is not there; name an image, a folder of images or a CSV with '
      'the column path'
    )
  if not found.paths:
    raise errors.InputError(
      f'{path} has no images ({" ".join(SUFFIXES)})'
      f'{_but(describe(found.passed_over))}'
    )
  return found


def describe(passed_over: Mapping[str, int]) -> str:
  """Files that were passed over, as '3 files (2 .txt, 1 .mp4)', or ''."""
  total = sum(passed_over.values())
  if not total:
    return ''
  kinds = ', '.join(
    f'{count} {suffix or "without suffix"}'
    for suffix, count in sorted(passed_over.items(), key=lambda i: (-i[1], i))
  )
  return f'{total} file{"s" if total > 1 else ""} ({kinds})'


def _but(text: str) -> str:
  return f', but {text}' if text else ''


def _files(folder: str) -> Iterator['os.DirEntry[str]']:
  """What is below a folder and no folder, in no order."""
  with os.scandir(folder) as entries:
    for entry in entries:
      if not is_shown(entry.name):
        continue
      if entry.is_dir(follow_symlinks=False):
        yield from _files(entry.path)
      else:
        yield entry


def _parts(path: str) -> list[str]:
  """A key that orders paths folder by folder."""
  return path.split(os.sep)
