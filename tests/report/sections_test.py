from tests import testing
from tests.report import made
from tests.report import made_shifted
from vtab_h2t.report import plotting
from vtab_h2t.report import sections


def test_a_section_says_what_failed_and_where_numbers_come_from(tmp_path):
  rows = [
    r | {'method': {'head2toe': 'all_l1'}.get(r['method'], r['method'])}
    for r in testing.result_rows()
  ]
  rows[0] |= {'correct': None, 'failed': 'not finite'}
  of = made.run()
  section = sections.of_run(made.results(rows, of))
  assert section['failures'] == ['linear on x, test, seed 0: not finite']
  assert section['name'] == of.name and not section['costs']
  assert of.id in section['provenance'] and '5a' in section['provenance']
  assert section['protocol'].startswith('Test accuracy in percent, made')


def test_a_run_under_shifts_has_its_own_outputs_and_claims(monkeypatch):
  monkeypatch.setattr(plotting, 'png', lambda drawn, dpi: b'')
  section = sections.of_run(made_shifted.all_results())
  assert section['sentences'][0].startswith(
    'Of 43 claims of the companion papers '
  )
  claims = section['claims']
  assert len(claims['tested']) + claims['untested'] == 43
  first = next(
    line
    for line in claims['tested']
    if line['details']['where the paper says it']
    == 'Kumar et al., 2022, abstract'
  )
  assert first['published'][0].startswith('2 points on ten data sets')
  assert {f['name'] for f in section['figures']} == {
    'lp_ft_figure',
    'surgical_figure',
    'head_probe_figure',
  }
  titled = [
    t['title'].partition(':')[0] for t in section['tables'] if t['title']
  ]
  assert titled == ['LP-FT', 'Surgical fine-tuning', 'Head probing']
  assert 'lines' not in section and not section['failures']
  notes = [t['note'] for t in section['tables']]
  assert all(notes)
  assert sum('not measured here' in note for note in notes) == 2


def test_under_table_1_stands_how_far_its_numbers_move():
  section = sections.summary_of_run(made.results(testing.result_rows()))
  assert section['moves'].startswith('The largest difference between seeds is ')
