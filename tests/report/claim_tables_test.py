"""Claims and contradictions as a terminal shows them."""

import pytest

from tests.report import made
from vtab_h2t.report import catalogue
from vtab_h2t.report import claim_tables
from vtab_h2t.report import judging


def _lines(capsys):
  return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize('name', ['claims', 'contradictions'])
def test_output_that_is_no_terminal_has_a_hundred_columns(name, capsys):
  output = catalogue.OUTPUTS[name]
  output.show(output.of_paper(), 'published')
  lines = _lines(capsys)
  assert len(lines) > 50 and max(map(len, lines)) <= claim_tables.WIDTH
  assert 'nan' not in ' '.join(lines).split()


def test_a_claim_has_its_value_and_verdict(capsys):
  table = judging.of_paper('resnet50')
  claim_tables.print_claims(table, 'Judged on something.', 120)
  lines = _lines(capsys)
  assert lines[0] == 'Judged on something.'
  (first,) = [
    i
    for i, line in enumerate(lines)
    if line.split()[:1] == ['natural_head2toe_not_above_finetune']
  ]
  assert '-7.53' in lines[first] and '-14.38 to -0.68' in lines[first + 1]
  assert 'does not' in lines[first]
  # Each claim is named once, and those without a value by their reason.
  words = ' '.join(lines).replace(',', ' ').split()
  assert all(words.count(name) == 1 for name in table.id)
  assert any(line.startswith('Not testable, the paper') for line in lines)


def test_a_run_in_which_nothing_has_a_value_has_reasons_only(capsys):
  rows = [made.row(made.run(), 'accuracy', 'linear', 'digits', 0, 50)]
  frames = {'claims': judging.of_run(made.results(rows))}
  catalogue.OUTPUTS['claims'].show(frames, 'the run')
  text = '\n'.join(_lines(capsys))
  assert 'Judged on the run.' in text and 'verdict' not in text
  assert 'Not testable, no rows of head2toe' in text


def test_markup_in_texts_is_shown_as_it_is(capsys):
  table = judging.of_paper('resnet50').head(1)
  table = table.assign(claim='Of [red] things.', verdict='holds')
  claim_tables.print_claims(table, 'x', 100)
  assert '[red]' in '\n'.join(_lines(capsys))


def test_reasons_for_no_verdict_stand_below_the_table_once(capsys):
  table = judging.of_paper('resnet50').query('measured == measured').head(3)
  table = table.assign(verdict=judging.UNTESTABLE, rows=['few', 'few', 'none'])
  claim_tables.print_claims(table, 'x', 100)
  text = ' '.join(' '.join(_lines(capsys)).split())
  assert text.count('[1]') == 3 and text.count('[2]') == 2
  assert '[1] few [2] none' in text
