"""Photographs of the user's own with labels: a folder of classes, or a CSV."""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
import os
import pathlib

import numpy as np

from vtab_h2t import errors
from vtab_h2t.tasks import image_files
from vtab_h2t.tasks import path_tables
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import task as task_lib


@dataclasses.dataclass(frozen=True)
class Pictures:
  """Labelled files.

  Attributes:
    paths: the files, in a fixed order.
    labels: the class of each, int64 `[n]`; see `classes`.
    classes: names, in alphabetical order.
    skipped: files that were left out, and why.
    sha256: of the content of each file of `paths`.
    passed_over: suffix to the number of files that are no images.
  """

  paths: tuple[str, ...]
  labels: np.ndarray
  classes: tuple[str, ...]
  skipped: tuple[tuple[str, str], ...]
  sha256: tuple[str, ...]
  passed_over: Mapping[str, int]

  def split(self, rows: np.ndarray | None = None) -> task_lib.Split:
    """All of them, or some, as a split that decodes as it is read."""
    rows = np.arange(len(self.paths)) if rows is None else rows
    return pictures.split_of(
      [self.paths[r] for r in rows],
      self.labels[rows],
      [self.sha256[r] for r in rows],
    )


def read_folder(
  folder: str | os.PathLike[str],
  on_bad_image: str = pictures.FAIL,
  progress: pictures.Progress = lambda *_: None,
) -> Pictures:
  """A folder with one sub-folder for each class.

  Args:
    folder: the folder; files that are in none of its sub-folders, or that are
      no images by their suffix, are passed over and counted.
    on_bad_image: 'fail', or 'skip' to leave out files that cannot be decoded.
    progress: called with (files examined, files in all).

  Raises:
    errors.InputError: no such folder, fewer than two classes, a class without
      images, or (with 'fail') a bad image.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    raise errors.InputError(
      f'{folder} is not a folder; it must have one sub-folder for each class, '
      f'or be a list of images ({" or ".join(path_tables.SUFFIXES)})'
    )
  rows: list[path_tables.Row] = []
  others = collections.Counter[str]()
  for sub in sorted(
    p for p in folder.iterdir() if image_files.is_shown(p.name)
  ):
    if not sub.is_dir():
      others[sub.suffix.lower()] += 1
      continue
    found = image_files.below(sub)
    others += collections.Counter(found.passed_over)
    if not found.paths:
      raise errors.InputError(
        f'class folder {sub} has no images ({" ".join(image_files.SUFFIXES)}); '
        'fill or remove it'
      )
    rows += [path_tables.Row(p, sub.name, 0) for p in found.paths]
  if not rows:
    raise errors.InputError(
      f'{folder} has no sub-folder with images'
      + (f', but {image_files.describe(others)}' if others else '')
      + '; put the images of each class into a sub-folder of its own'
    )
  return _pictures(str(folder), rows, others, on_bad_image, progress)


def read_csv(
  path: str | os.PathLike[str],
  on_bad_image: str = pictures.FAIL,
  progress: pictures.Progress = lambda *_: None,
) -> Pictures:
  """A CSV with the columns path and label; see `path_tables`.

  Args:
    path: the file; paths in it are relative to its folder, or absolute.
    on_bad_image, progress: as for `read_folder`.

  Raises:
    errors.InputError: the file cannot be read or a line is wrong, fewer than
      two classes, or (with 'fail') a bad image.
  """
  return _pictures(
    str(path), path_tables.read(path), {}, on_bad_image, progress
  )


def read(
  path: str | os.PathLike[str],
  on_bad_image: str = pictures.FAIL,
  progress: pictures.Progress = lambda *_: None,
) -> Pictures:
  """A folder of classes, or a CSV, whichever it is.

  Raises:
    errors.InputError: as of `read_folder` and `read_csv`, or the path is empty.
  """
  if not os.fspath(path):
    raise errors.InputError(
      'the path of the images is empty; name a folder with one sub-folder for '
      f'each class, or a list of images ({" or ".join(path_tables.SUFFIXES)})'
    )
  is_table = path_tables.is_table(path)
  return (read_csv if is_table else read_folder)(path, on_bad_image, progress)


def _pictures(
  source: str,
  rows: Sequence[path_tables.Row],
  passed_over: Mapping[str, int],
  on_bad_image: str,
  progress: pictures.Progress,
) -> Pictures:
  """Those of a list, after looking at each.

  Args:
    source: where they are from, for messages.
    rows: paths and labels.
    passed_over: of `Pictures`.
    on_bad_image, progress: as for `read_folder`.
  """
  seen = pictures.examine_all([row.path for row in rows], progress)
  bad = {
    row.path: (f'{source} line {row.line}: ' if row.line else '') + why
    for row, (_, why) in zip(rows, seen)
    if why
  }
  if bad and on_bad_image == pictures.FAIL:
    what = f'all {len(bad):,} such files' if len(bad) > 1 else 'it'
    raise errors.InputError(
      f'{next(iter(bad.values()))}; or leave {what} out with '
      '--on_bad_image=skip'
    )
  good = [row for row in rows if row.path not in bad]
  classes = sorted({row.label for row in rows})
  filled = {row.label for row in good}
  empty = [c for c in classes if c not in filled]
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
    tuple(row.path for row in good),
    np.array([index[row.label] for row in good], np.int64),
    tuple(classes),
    tuple(bad.items()),
    tuple(sha256 for sha256, why in seen if not why),
    passed_over,
  )
