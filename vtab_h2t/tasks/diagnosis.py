"""Whether the data of VTAB-1k are ready, task by task, without using them."""

from collections.abc import Sequence
import os
import pathlib

from vtab_h2t import errors
from vtab_h2t.tasks import encodings
from vtab_h2t.tasks import preparing
from vtab_h2t.tasks import registry
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.tasks import tfds_source
from vtab_h2t.tasks import vtab

PREPARED, DOWNLOADABLE = 'prepared', 'downloadable'
MANUAL, BROKEN = 'manual', 'broken'


def diagnose(
  names: Sequence[str] | None,
  data_dir: str | os.PathLike[str] | None,
  source: str,
) -> dict[str, tuple[str, str]]:
  """Status and remedy of each task.

  Args:
    names: task ids; None for all of the suite 'vtab'.
    data_dir: where the data are; None for TFDS's default.
    source: one of `registry.SOURCES`.

  Returns:
    Task id to (`PREPARED`, `DOWNLOADABLE`, `MANUAL` or `BROKEN`; where it is,
    or what is wrong and what to do). Archives that are not there are MANUAL,
    and so is what TFDS cannot prepare before the user has done something.

  Raises:
    errors.InputError: unknown task, or no such directory.
  """
  found = {}
  for task in registry.tasks('vtab', names, data_dir, source):
    if source == registry.TFDS:
      found[task.name] = _prepared_by_tfds(
        vtab.ENTRIES[task.name], tfds_source.root(data_dir)
      )
    else:
      assert data_dir is not None  # Or `registry.tasks` had raised.
      found[task.name] = _archive(task, pathlib.Path(data_dir))
  return found


def _prepared_by_tfds(entry: vtab.Entry, root: pathlib.Path) -> tuple[str, str]:
  source = entry.source
  path = tfds_source.find(source, root)
  if path is None:
    steps = preparing.by_hand(source, root)
    if steps:
      return MANUAL, '; '.join(
        [*steps, 'a run with --download then prepares it']
      )
    return DOWNLOADABLE, preparing.outlook(source, root)
  try:
    builder = tfds_source.open_builder(source, root)
    tfds_source.check_classes(entry.rule, builder, entry.classes)
    tfds_source.slices_of(source, builder)
  except errors.InputError as e:
    return BROKEN, str(e)
  other = tfds_source.other_sizes(source, builder)
  return PREPARED, f'{path}' + (
    f' (not the data of VTAB-1k: {other})' if other else ''
  )


def _archive(task: task_lib.Task, root: pathlib.Path) -> tuple[str, str]:
  folder = root / vtab.folder_of(task.name)
  if not folder.exists():
    return MANUAL, (
      f'put the archive at {folder}, or make it with python -m '
      f'runners.prepare --tasks={task.name} --out={root}'
    )
  if task.name in vtab.ENTRIES:
    # What would be logged is part of what is returned.
    task = vtab.from_archive(task.name, root, warns=False)
  try:
    examples = task.examples
    for split in (examples.train, examples.test):
      split.name_unreadable()
  except errors.InputError as e:
    return BROKEN, str(e)
  found = vtab.lossy_copy(
    task.name,
    encodings.added([examples.train.encodings(), examples.test.encodings()]),
  )
  return PREPARED, (
    f'{folder} ({len(examples.train800)} + '
    f'{len(examples.val200)} train, {len(examples.test.ids)} '
    f'test){found and f"; warning: {found}"}'
  )
