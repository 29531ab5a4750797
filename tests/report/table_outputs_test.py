from tests.report import made
from vtab_h2t.report import table_outputs

_BY_NAME = {o.name: o for o in table_outputs.OUTPUTS}


def test_every_table_is_there_and_none_is_drawn():
  assert list(_BY_NAME) == [
    *(f'table{n}' for n in range(1, 8)),
    'taylor',
    'normalization',
    'claims',
    'contradictions',
  ]
  assert not any(o.draw for o in table_outputs.OUTPUTS)


def test_claims_of_the_paper_are_judged_by_backbone():
  frames = _BY_NAME['claims'].of_paper()
  assert list(frames) == ['resnet50', 'vit_b16']
  for table in frames.values():
    assert {'claim', 'verdict'} <= set(table) and len(table)
  text = _BY_NAME['claims'].text(frames, 'published')
  assert 'nan' not in text.lower()


def test_contradictions_are_of_the_paper_only():
  output = _BY_NAME['contradictions']
  assert output.measured is None and not output.possible(made.results())
  frames = output.of_paper()
  assert frames['contradictions'].number.notna().any()
  text = output.text(frames, 'published')
  assert '0.907' in text and 'nan' not in text.lower().split()


def test_table3_prints_the_overhead_of_the_search(capsys):
  output = _BY_NAME['table3']
  output.show(output.of_paper(), 'published')
  printed = capsys.readouterr().out
  assert '0.1885' in printed and '0.3885' in printed
