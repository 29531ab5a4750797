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
  assert len(drawn) == 4
  for output in drawn:  # The alternative text on the site, and in a notebook.
    alternative = output.data['text/plain']
    assert len(alternative) > 20
    assert output.metadata['image/png']['alt'] == alternative


def test_the_last_pictures_text_says_how_long_each_bar_is(committed):
  code = [cell for cell in committed.cells if cell.cell_type == 'code']
  text = code[-1].outputs[0].data['text/plain']
  shares = {
    unit: float(share) for unit, share in re.findall(r'(\w+) (\d+\.\d)%', text)
  }
  units = ['stem', *(f'block{i:02}' for i in range(16))]
  assert list(shares) == [*units, 'head', 'embedding', 'logits']
  assert sum(shares.values()) == pytest.approx(100, abs=0.05 * len(shares))
  (before,) = _NUMBER.findall(code[-1].outputs[1].text)
  early = sum(shares.values()) - shares['embedding'] - shares['logits']
  assert float(before) == pytest.approx(early, abs=1.5)


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
