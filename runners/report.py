r"""Writes one self-contained HTML page of all that a work directory has.

Of what was measured, a summary in Markdown is written beside it, and the toy
problems are as `runners.toys` left them there, or else are solved.

  python -m runners.report --workdir=results --out=report.html
  python -m runners.report --source=published --out=paper.html
"""

import pathlib

from absl import flags as absl_flags

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import retapping

from . import common
from . import shared_flags

_WORKDIR = shared_flags.workdir()
_SOURCE = shared_flags.source()
_OUT = absl_flags.DEFINE_string('out', 'report.html', 'The page to write.')


def main() -> None:
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.report import measured_cost
  from vtab_h2t.report import page
  from vtab_h2t.report import results as results_lib
  from vtab_h2t.report import summary
  from vtab_h2t.toys import tables as toys

  measured: list[results_lib.Results] = []
  with_published = True
  out, workdir = pathlib.Path(_OUT.value), pathlib.Path(_WORKDIR.value)
  if out.suffix == '.md':
    raise errors.InputError(
      f'--out={out} is where the summary goes; name the page FILE.html'
    )
  if _SOURCE.value == shared_flags.MEASURED:
    measured = results_lib.read_all(ledger_lib.Ledger(workdir))
    with_published = (workdir / common.PUBLISHED_FOLDER).is_dir()
    if not measured and not with_published:
      raise errors.InputError(
        f'{workdir} has no results; choose the --workdir of a run'
      )
  if any(
    measured_cost.suffices(m) for one in measured for m in one.measurements
  ) or any(one.of(kind) for one in measured for kind in retapping.KINDS):
    # Counts a network's operations, and the taps that Table 6 moves.
    common.prepare_tensorflow()
  text = page.build(
    measured, with_published, toys.read(workdir / 'toys') or toys.tables()
  )
  with files.atomic_write(out) as f:
    f.write(text)
  print(f'report: {out}')
  if measured:
    beside = out.with_suffix('.md')
    with files.atomic_write(beside) as f:
      f.write(summary.markdown(measured, out.parent))
    print(f'summary: {beside}')


if __name__ == '__main__':
  common.run(main)
