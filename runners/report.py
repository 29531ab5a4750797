r"""Writes one self-contained HTML page of all that a work directory has.

  python -m runners.report --workdir=results/embedded --out=report.html
  python -m runners.report --source=published --out=paper.html
"""

import pathlib

from absl import flags

from runners import common
from vtab_h2t import errors
from vtab_h2t import files

_WORKDIR = flags.DEFINE_string('workdir', 'workdir', 'Where rows are.')
_MEASURED, _PUBLISHED = 'measured', 'published'
_SOURCE = flags.DEFINE_enum(
    'source', _MEASURED, [_MEASURED, _PUBLISHED], 'measured: what --workdir '
    'has. published: what the paper prints.')
_OUT = flags.DEFINE_string('out', 'report.html', 'The page to write.')


def main() -> None:
  common.prepare_tensorflow()
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import toys
  from vtab_h2t.report import page
  if _SOURCE.value == _PUBLISHED:
    _write(page.build_published(toys.tables()))
    return
  if not (pathlib.Path(_WORKDIR.value) / 'rows').is_dir():
    raise errors.InputError(
        f'{_WORKDIR.value} has no rows; choose the --workdir of a run')
  ledger = ledger_lib.Ledger(_WORKDIR.value)
  _write(page.build(ledger.rows(), list(ledger.units()), toys.tables()))


def _write(text: str) -> None:
  with files.atomic_write(pathlib.Path(_OUT.value)) as f:
    f.write(text)
  print(f'report: {_OUT.value}')


if __name__ == '__main__':
  common.run(main)
