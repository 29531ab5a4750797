import json
import re

import nbformat
import pytest

from tools import tour

_NUMBER = re.compile(r'\d+(?:\.\d+)?')


def _printed(notebook):
  """What each cell of code printed."""
  return [
    '\n'.join(o.text for o in cell.outputs if o.output_type == 'stream')
    for cell in notebook.cells
    if cell.cell_type == 'code'
  ]


@pytest.fixture
def committed():
  return nbformat.read(tour.NOTEBOOK, as_version=4)


def test_the_notebook_is_small_and_was_run_from_its_beginning(committed):
  assert tour.NOTEBOOK.stat().st_size < 300_000
  nbformat.validate(committed)
  code = [cell for cell in committed.cells if cell.cell_type == 'code']
  assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
  assert 'WARNING' not in json.dumps(committed)
  drawn = [
    o for c in code for o in c.outputs if 'image/png' in o.get('data', {})
  ]
  assert len(drawn) == 3
  for output in drawn:  # It is the picture's alternative text on the site.
    assert len(output.data['text/plain']) > 20


@pytest.mark.soak
def test_the_notebook_prints_what_is_committed(committed):
  for found, wanted in zip(
    _printed(tour.executed()), _printed(committed), strict=True
  ):
    assert _NUMBER.sub('#', found) == _NUMBER.sub('#', wanted)
    for number, other in zip(_NUMBER.findall(found), _NUMBER.findall(wanted)):
      # Another processor rounds otherwise, and may choose another setting.
      assert abs(float(number) - float(other)) <= max(10, float(other) / 8)


def test_what_a_machine_says_is_left_out(tmp_path):
  cell = nbformat.v4.new_code_cell(
    'import sys\nprint("a")\nprint("b", file=sys.stderr)\nprint("c")'
  )
  path = tmp_path / 'some.ipynb'
  nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
  found = tour.executed(path).cells[0]
  assert [o.text for o in found.outputs] == ['a\nc\n']
  assert 'execution' not in found.metadata
