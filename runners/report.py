r"""Writes HTML pages of all that a work directory has.

The first page, FILE.html, has what was found; of several runs, each has a page
of its own in a folder FILE beside it. Pages need no other file. Of what was
measured, a summary in Markdown is written beside them, and a README into each
run's folder. The toy problems are as `runners.toys` left them there, or else
are solved.

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
  from vtab_h2t.report import run_readme
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
    measured_cost.suffices(one.own_measurements) for one in measured
  ) or any(one.of(kind) for one in measured for kind in retapping.KINDS):
    # Counts a network's operations, and the taps that Table 6 moves.
    common.prepare_tensorflow()
  pages = page.build(
    measured,
    with_published,
    toys.read(workdir / 'toys') or toys.tables(),
    out.stem,
  )
  for name, text in pages.items():
    with files.atomic_write(out.parent / name) as f:
      f.write(text)
  for path in sorted(out.with_suffix('').glob('*.html')):
    is_made = path.read_text(encoding='utf-8').startswith(page.MARK)
    if is_made and f'{out.stem}/{path.name}' not in pages:
      path.unlink()  # Of a run that is no more.
  print(f'report: {out}')
  if measured:
    beside = out.with_suffix('.md')
    with files.atomic_write(beside) as f:
      f.write(summary.markdown(measured, out.parent))
    print(f'summary: {beside}')
    for one in measured:
      run_readme.write(one)
    print(f'READMEs: {workdir}/*/{run_readme.NAME}')


if __name__ == '__main__':
  common.run(main)
