r"""Writes one self-contained HTML page of all that a work directory has.

  python -m runners.report --workdir=results --out=report.html
  python -m runners.report --source=published --out=paper.html
"""

import pathlib

from absl import flags as absl_flags

from vtab_h2t import errors
from vtab_h2t import files

from . import common
from . import shared_flags

_WORKDIR = shared_flags.workdir()
_SOURCE = shared_flags.source()
_OUT = absl_flags.DEFINE_string('out', 'report.html', 'The page to write.')


def main() -> None:
  common.prepare_tensorflow()
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.report import page
  from vtab_h2t.report import results as results_lib
  from vtab_h2t.toys import tables as toys
  measured, with_published = [], True
  if _SOURCE.value == shared_flags.MEASURED:
    measured = results_lib.read_all(ledger_lib.Ledger(_WORKDIR.value))
    with_published = (
        pathlib.Path(_WORKDIR.value) / common.PUBLISHED_FOLDER).is_dir()
    if not measured and not with_published:
      raise errors.InputError(
          f'{_WORKDIR.value} has no results; choose the --workdir of a run')
  text = page.build(measured, with_published, toys.tables())
  with files.atomic_write(pathlib.Path(_OUT.value)) as f:
    f.write(text)
  print(f'report: {_OUT.value}')


if __name__ == '__main__':
  common.run(main)
