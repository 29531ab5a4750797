"""The suites and their tasks.

The embedded suite needs no download. Its tasks stand in for VTAB's three
groups: the structured ones apply VTAB's label rules to this project's own
renderings. They are not VTAB tasks, and their results are never VTAB results.
The suite 'vtab' is VTAB-1k itself, from TensorFlow Datasets or from archives,
and with the latter the user's own folders beside it. The suite 'shifted' is
made of the embedded one's data, for what the companion papers say about shifts.
The suite 'own' holds what was registered.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import functools
import os
import pathlib
from typing import Any

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.tasks import crops
from vtab_h2t.tasks import handwriting
from vtab_h2t.tasks import shapes
from vtab_h2t.tasks import shifted
from vtab_h2t.tasks import solids
from vtab_h2t.tasks import sprites
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.tasks import tfds_source
from vtab_h2t.tasks import vtab

_SEED = 0  # Draws every embedded task's examples; part of what the task is.


def _embedded() -> dict[str, task_lib.Task]:
  def entry(
    name: str,
    group: str,
    classes: int,
    load: Callable[..., tuple[task_lib.Split, task_lib.Split]],
    *args: Any,
    images: str | None = None,
  ) -> task_lib.Task:
    return task_lib.Task(
      'embedded',
      name,
      group,
      classes,
      lambda: task_lib.Examples.in_order(*load(*args, _SEED)),
      images=images,
    )

  found = (
    entry(
      'photo_patches',
      'natural',
      len(crops.PHOTOS),
      crops.load,
      'photo_patches',
      crops.PHOTOS,
    ),
    entry('digits', 'natural', 10, handwriting.load_digits),
    entry('mnist_5k', 'natural', 10, handwriting.load_mnist_5k),
    entry(
      'scan_patches',
      'specialized',
      len(crops.SCANS),
      crops.load,
      'scan_patches',
      crops.SCANS,
    ),
    entry(
      'sprites_loc',
      'structured',
      16,
      sprites.load,
      'location',
      images='sprites',
    ),
    entry(
      'sprites_ori',
      'structured',
      16,
      sprites.load,
      'orientation',
      images='sprites',
    ),
    entry(
      'shapes_count', 'structured', 8, shapes.load, 'count', images='shapes'
    ),
    entry(
      'shapes_dist', 'structured', 6, shapes.load, 'distance', images='shapes'
    ),
    entry(
      'solids_azim', 'structured', 18, solids.load, 'azimuth', images='solids'
    ),
    entry(
      'solids_elev', 'structured', 9, solids.load, 'elevation', images='solids'
    ),
  )
  return {task.name: task for task in found}


VTAB, OWN = 'vtab', 'own'
SUITES = ('embedded', shifted.SUITE, VTAB, OWN)
TFDS, ARCHIVE = 'tfds', 'archive'
SOURCES = (TFDS, ARCHIVE)

# Side in pixels of what a suite's backbone sees, where the backbone takes any.
IMAGE_SIZES = {'embedded': 64, shifted.SUITE: 64, 'vtab': 224, OWN: 224}
_registered: dict[str, task_lib.Task] = {}


def register(task: task_lib.Task) -> None:
  """Adds a task of the user's own to the suite 'own'.

  Args:
    task: its suite becomes 'own'. For arrays see `Task.of_arrays`.

  Raises:
    errors.InputError: a name that is taken, or cannot be part of a path; an
      unknown group.
  """
  files.check_name('task', task.name)
  if task.name in _registered:
    raise errors.InputError(f'there is a task {task.name} already')
  if task.group not in task_lib.GROUPS:
    raise errors.InputError(
      f'task {task.name}: unknown group {task.group!r}; choose from '
      f'{", ".join(task_lib.GROUPS)}'
    )
  _registered[task.name] = dataclasses.replace(task, suite=OWN)


def tasks(
  suite: str,
  names: Sequence[str] | None = None,
  data_dir: str | os.PathLike[str] | None = None,
  source: str = TFDS,
  download: bool = False,
) -> list[task_lib.Task]:
  """The tasks of a suite, all or the named ones, in the suite's order.

  Nothing is read but the folders' names and the lists of own tasks that are
  asked for; a task that cannot be read fails when it is used.

  Args:
    suite: one of `SUITES`.
    names: task ids; None for all, of the suite 'shifted' for all declared. It
      has more (`shifted.task`), which follow the declared ones.
    data_dir: where the data of the suite 'vtab' are; None for TFDS's default.
    source: one of `SOURCES`, for the suite 'vtab'.
    download: whether TFDS may fetch what is not prepared.

  Raises:
    errors.InputError: unknown suite or task, a data directory that is missing
      or not needed, or own folders whose lists are damaged.
  """
  if suite not in SUITES:
    raise errors.InputError(
      f'unknown suite {suite!r}; choose from {", ".join(SUITES)}'
    )
  if suite != VTAB:
    if data_dir or download:
      raise errors.InputError(
        f'the {suite} suite takes no --data_dir and no --download; use '
        '--suite=vtab with them'
      )
    if suite == shifted.SUITE:
      return _shifted(names)
    found = _registered if suite == OWN else _EMBEDDED
    if not found:
      raise errors.InputError(
        'the suite own has no tasks; --plugins names the code that registers '
        'them'
      )
    makers: Mapping[str, Callable[[], task_lib.Task]] = {
      name: _giving(task) for name, task in found.items()
    }
  else:
    makers = _vtab(data_dir, source, download)
  for name in names or ():
    if name not in makers:
      raise errors.InputError(
        f'unknown task {name!r} in suite {suite}; choose from '
        f'{", ".join(makers)}'
      )
  return [make() for name, make in makers.items() if not names or name in names]


def _shifted(names: Sequence[str] | None) -> list[task_lib.Task]:
  """Tasks of the suite 'shifted': declared ones in order, then others."""
  declared = shifted.names()
  if not names:
    return [shifted.task(name) for name in declared]
  others = [name for name in dict.fromkeys(names) if name not in declared]
  return [
    shifted.task(name)
    for name in (*(n for n in declared if n in names), *others)
  ]


def _giving(task: task_lib.Task) -> Callable[[], task_lib.Task]:
  return lambda: task


def order(suite: str) -> list[str]:
  """Names of a suite's tasks in its order: of the user's own folders none, of
  the suite 'shifted' the declared ones.
  """
  names: dict[str, Iterable[str]] = {
    'embedded': _EMBEDDED,
    shifted.SUITE: shifted.names(),
    'vtab': vtab.ENTRIES,
    OWN: _registered,
  }
  return list(names[suite])


def sharing_images(
  tasks_in_order: Sequence[task_lib.Task],
) -> list[list[task_lib.Task]]:
  """Puts together the tasks that label the same images; order as given."""
  groups: dict[str | tuple[str], list[task_lib.Task]] = {}
  for task in tasks_in_order:
    groups.setdefault(task.images or (task.name,), []).append(task)
  return list(groups.values())


def _vtab(
  data_dir: str | os.PathLike[str] | None, source: str, download: bool
) -> Mapping[str, Callable[[], task_lib.Task]]:
  """What makes the 19 tasks and the user's own, by name."""
  if source == TFDS:
    root = tfds_source.root(data_dir)
    return {
      name: functools.partial(vtab.from_tfds, name, root, download)
      for name in vtab.ENTRIES
    }
  if download:
    raise errors.InputError(
      '--download is for --data_source=tfds; runners.prepare makes archives '
      'of what TFDS has'
    )
  if not data_dir or not pathlib.Path(data_dir).is_dir():
    raise errors.InputError(
      f'--data_source=archive needs a --data_dir with archives; {data_dir!r} '
      'is no directory'
    )
  root = pathlib.Path(data_dir)
  return {
    name: functools.partial(vtab.from_archive, name, root)
    for name in vtab.ENTRIES
  } | {
    name: functools.partial(vtab.own, name, root)
    for name in vtab.own_names(root)
  }


_EMBEDDED = _embedded()
