import shutil

from tools import made_parts
from tools import remake


def test_outputs_that_are_there_are_made_again_from_rows(tmp_path):
  """The same bytes; what nobody made is not made."""
  run = 'embedded-lite0-64px-random'
  folder = tmp_path / run
  shutil.copytree(made_parts.RESULTS / run, folder)
  (folder / 'table1.md').write_text('Not this.')
  (folder / 'table2.md').unlink()
  remake.outputs(tmp_path)
  original = made_parts.RESULTS / run / 'table1.md'
  assert (folder / 'table1.md').read_bytes() == original.read_bytes()
  assert not (folder / 'table2.md').exists()
