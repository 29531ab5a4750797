r"""Writes VTAB-1k as archives, from what TensorFlow Datasets has prepared.

Each task becomes a folder of --out with the images as they are stored, byte for
byte (dSprites' 0 and 1 become 0 and 255, as PNG), the lists train800.txt,
val200.txt, train800val200.txt and test.txt, and label_names.txt. Folders that
are there already are left alone.

  python -m runners.prepare --tasks=dtd,eurosat --data_dir=DIR --out=OUT
  python -m runners.prepare --download --out=OUT
"""

import pathlib

from absl import flags

from vtab_h2t import errors
from vtab_h2t.tasks import vtab

from . import common
from . import shared_flags

_DATA_DIR = shared_flags.data_dir()
_DOWNLOAD = shared_flags.download()
_TASKS = shared_flags.tasks()
_OUT = flags.DEFINE_string('out', None, 'Where the archives go.', required=True)


def main() -> None:
  names = vtab.names(_TASKS.value)
  common.prepare_tensorflow()
  failures = []
  with common.Progress(len(names), 'tasks') as progress:
    for name in names:
      progress.start(name)
      progress.stage('write', 0, 1)
      try:
        folder, written = vtab.write_archive(
          name, _DATA_DIR.value, pathlib.Path(_OUT.value), _DOWNLOAD.value
        )
      except errors.InputError as e:
        failures.append(f'{name}: {e}')
        progress.finish(f'{name}: failed')
      else:
        progress.finish(
          f'{name}: {folder}' + ('' if written else ' was there already')
        )
  if failures:
    raise errors.InputError('; '.join(failures))


if __name__ == '__main__':
  common.run(main)
