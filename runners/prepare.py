r"""Lets TensorFlow Datasets prepare VTAB-1k, and writes it as archives.

With --download, data sets that are not prepared are downloaded and prepared,
one after the other. One that fails does not stop the others; the same command
goes on with what is missing, and files that were fetched whole are not fetched
again. At the end there is a line for each, and the exit status is 1 if one
failed.

With --out, each task becomes a folder of --out with the images as they are
stored, byte for byte (dSprites' 0 and 1 become 0 and 255, as PNG), the lists
train800.txt, val200.txt, train800val200.txt and test.txt, and label_names.txt.
Folders that are there already are left alone.

  python -m runners.prepare --tasks=dtd,eurosat --data_dir=DIR --out=OUT
  python -m runners.prepare --download
  python -m runners.prepare --download --out=OUT
"""

from collections.abc import Sequence
import pathlib

from absl import flags

from vtab_h2t import errors
from vtab_h2t.tasks import vtab

from . import common
from . import progress as progress_lib
from . import shared_flags

_DATA_DIR = shared_flags.data_dir()
_DOWNLOAD = shared_flags.download()
_TASKS = shared_flags.tasks()
_OUT = flags.DEFINE_string(
  'out', None, 'Where archives go; none are written by default.'
)


def main() -> None:
  names = vtab.names(_TASKS.value)
  if _OUT.value is None and not _DOWNLOAD.value:
    raise errors.InputError(
      'there is nothing to do; give --out for archives, --download to let '
      'TensorFlow Datasets prepare what is missing, or both'
    )
  common.prepare_tensorflow()
  failures = []
  if _DOWNLOAD.value:
    failed = common.download(names, _DATA_DIR.value)
    if failed:
      failures.append(f'not prepared: {", ".join(failed)}')
    names = [n for n in names if vtab.ENTRIES[n].source.spec not in failed]
  if _OUT.value is not None:
    failures += _write(names, pathlib.Path(_OUT.value))
  if failures:
    raise errors.InputError('; '.join(failures))


def _write(names: Sequence[str], out: pathlib.Path) -> list[str]:
  """Writes the archives of tasks; returns what went wrong."""
  failures = []
  with progress_lib.Progress(len(names), 'tasks') as progress:
    for name in names:
      progress.start(name)
      progress.stage('write', 0, 1)
      try:
        folder, written = vtab.write_archive(name, _DATA_DIR.value, out)
      except errors.InputError as e:
        failures.append(f'{name}: {e}')
        progress.finish(f'{name}: failed')
      else:
        progress.finish(
          f'{name}: {folder}' + ('' if written else ' was there already')
        )
  return failures


if __name__ == '__main__':
  common.run(main)
