"""Makes all that results/ has again from its rows: nothing is measured.

python -m tools.remake

These are the tables and figures of each run, those that are redrawn from the
paper's numbers, the pages and READMEs, and last what `tools.made_parts` makes.
"""

import os
import subprocess
import sys

from tools import house
from tools import made_parts
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import folder_readme
from vtab_h2t.report import results as results_lib

_COMMANDS = (
  *(
    (runner, '--source=published', '--workdir=results/redrawn')
    for runner in ('reproduce', 'companions')
  ),
  ('report', '--workdir=results', '--out=results/report.html'),
)


def outputs(workdir: str | os.PathLike[str]) -> None:
  """Makes the tables and figures of each run again, those that are there.

  Args:
    workdir: what has a folder for each run.
  """
  for results in results_lib.read_all(ledger_lib.Ledger(workdir)):
    for output in catalogue.of(results.run).values():
      if output.possible(results) and output.is_in(results):
        output.write_results(results)


def main() -> None:
  outputs(made_parts.RESULTS)
  folder_readme.write(made_parts.RESULTS / 'toys', folder_readme.of_toys())
  for runner, *flags in _COMMANDS:
    subprocess.run(
      [sys.executable, '-m', f'runners.{runner}', *flags],
      cwd=house.ROOT,
      check=True,
      stdout=subprocess.DEVNULL,
    )
  made_parts.main()


if __name__ == '__main__':
  main()
