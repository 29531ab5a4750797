"""Claims and contradictions as a terminal shows them."""

from tests.report import made
from vtab_h2t.report import catalogue
from vtab_h2t.report import claim_tables
from vtab_h2t.report import judging


def test_contradictions_have_their_numbers():
  frames = catalogue.OUTPUTS['contradictions'].of_paper()
  text = claim_tables.contradictions(frames['contradictions'], 60)
  assert ' 93.21' in text and '(95 % interval' in text
  assert 'nan' not in text.split()


def test_a_claim_has_its_value_and_verdict():
  table = judging.of_paper('resnet50')
  text = claim_tables.claims(table, 'Judged on something.', 100)
  lines = text.splitlines()
  assert lines[0] == 'Judged on something.'
  first = lines.index('natural_head2toe_not_above_finetune')
  assert lines[first + 1] == (
    '  -7.5 (95 % interval -14.4 to -0.7): does not hold'
  )
  # Each claim is named once, and those without a value by their reason.
  words = text.replace(',', ' ').split()
  assert all(words.count(name) == 1 for name in table.id)
  assert any(line.startswith('Not testable, the paper') for line in lines)
  assert 'nan' not in words


def test_what_has_no_interval_says_why():
  table = judging.of_paper('resnet50').query('low != low')
  line = table[table.id == 'selection_overhead_18_percent']
  text = claim_tables.claims(line, 'x', 100)
  assert (
    '-18.85 (follows from the fractions tried, not measured): does not hold'
  ) in text
  # Paper and run have different heads, and the same page of the terminal.
  derived = line.rename(columns={'measured': 'derived'})
  assert claim_tables.claims(derived, 'x', 100) == text


def test_a_run_in_which_nothing_has_a_value_has_reasons_only(capsys):
  rows = [made.row(made.run(), 'accuracy', 'linear', 'digits', 0, 50)]
  frames = {'claims': judging.of_run(made.results(rows))}
  catalogue.OUTPUTS['claims'].show(frames, 'the run')
  text = capsys.readouterr().out
  assert 'Judged on the run.' in text and 'interval' not in text
  assert 'Not testable, no rows of head2toe' in text


def test_reasons_for_no_verdict_stand_below_the_claims_once():
  table = judging.of_paper('resnet50').query('measured == measured').head(3)
  table = table.assign(verdict=judging.UNTESTABLE, rows=['few', 'few', 'none'])
  text = ' '.join(claim_tables.claims(table, 'x', 100).split())
  assert text.count('[1]') == 3 and text.count('[2]') == 2
  assert '[1] few [2] none' in text
