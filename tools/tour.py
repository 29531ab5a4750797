r"""Runs the notebook of the documentation, and keeps what it printed and drew.

python -m tools.tour
"""

import pathlib
from typing import Any

from tools import house

NOTEBOOK = house.ROOT / 'docs' / 'tour.ipynb'
_SECONDS = 300  # That a cell may take; a whole run takes less than a minute.


def executed(path: pathlib.Path = NOTEBOOK) -> Any:
  """The notebook, run from its beginning in a process of its own.

  Of its outputs what is said on stderr is left out, since it tells of the
  machine, and so are times.

  Raises:
    nbclient.exceptions.CellExecutionError: a cell fails.
  """
  import nbclient
  import nbformat

  notebook = nbformat.read(path, as_version=4)
  nbclient.NotebookClient(
    notebook,
    timeout=_SECONDS,
    record_timing=False,
    coalesce_streams=True,
    resources={'metadata': {'path': str(path.parent)}},
  ).execute()
  for cell in notebook.cells:
    if cell.cell_type == 'code':
      cell.outputs = [o for o in cell.outputs if o.get('name') != 'stderr']
  return notebook


def main() -> None:
  import nbformat

  nbformat.write(executed(), NOTEBOOK)


if __name__ == '__main__':
  main()
