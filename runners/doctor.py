r"""Says whether the data of VTAB-1k are ready, without starting a run.

For each task a line: prepared, downloadable, manual (the files named have to be
fetched by hand) or broken, and what to do. Exit status 1 unless all are
prepared.

  python -m runners.doctor
  python -m runners.doctor --data_dir=DIR --tasks=resisc45,dtd
  python -m runners.doctor --data_source=archive --data_dir=DIR
"""

import sys

from vtab_h2t.tasks import diagnosis

from . import common
from . import shared_flags

_DATA_SOURCE = shared_flags.data_source()
_DATA_DIR = shared_flags.data_dir()
_TASKS = shared_flags.tasks()


def main() -> None:
  common.prepare_tensorflow()
  found = diagnosis.diagnose(_TASKS.value, _DATA_DIR.value, _DATA_SOURCE.value)
  width = max(len(name) for name in found)
  for name, (status, advice) in found.items():
    print(f'{name:{width}}  {status:12}  {advice}'.rstrip())
  if any(status != diagnosis.PREPARED for status, _ in found.values()):
    sys.exit(1)


if __name__ == '__main__':
  common.run(main)
