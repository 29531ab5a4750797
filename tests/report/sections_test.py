import pandas as pd

from tests import testing
from tests.report import made
from tests.report import made_shifted
from vtab_h2t.report import frames
from vtab_h2t.report import plotting
from vtab_h2t.report import sections


def test_missing_numbers_are_blank_and_long_ones_whole():
  text = sections.html(pd.DataFrame({'a': [1.23456, 12345.6, None], 'b': '<'}))
  assert '1.235' in text and '12346' in text and '&lt;' in text
  assert 'nan' not in text.lower()


def test_the_answer_is_of_medians():
  # Head2Toe has 20 of 200 more on each task.
  answer = sections.answer(made.results(testing.result_rows()))
  assert answer.startswith(
    'Head2Toe against Linear: +10.0 points on average (95 % interval '
  )
  assert (
    'better on 3 of 3 tasks. By group: natural +10.0, structured +10.0. '
    'Most on '
  ) in answer


def test_there_is_no_answer_without_both_methods():
  for rows in (
    [],
    [r for r in testing.result_rows() if r['method'] == 'linear'],
  ):
    assert sections.answer(made.results(rows)) == (
      'Head2Toe and Linear were not both measured.'
    )


def test_a_section_says_what_failed_and_where_numbers_come_from(tmp_path):
  rows = [
    r | {'method': {'head2toe': 'all_l1'}.get(r['method'], r['method'])}
    for r in testing.result_rows()
  ]
  rows[0] |= {'correct': None, 'failed': 'not finite'}
  of = made.run()
  section = sections.of_run(made.results(rows, of))
  assert section['failures'] == ['linear on x, test, seed 0: not finite']
  assert section['name'] == of.name and not section['cost']
  assert of.id in section['provenance'] and '5a' in section['provenance']
  assert section['protocol'].startswith('Test accuracy in percent, embedded')


def test_published_numbers_stand_in_the_cells_where_it_is_fair():
  of = made.run('resnet50', suite='vtab')
  rows = [
    made.row(of, 'accuracy', m, 'svhn', s, 75)
    for m in ('linear', 'all_l1')
    for s in (0, 1)
  ]
  section = sections.of_run(made.results(rows, of))
  theirs = (
    frames.published_accuracies('resnet50')
    .set_index(['method', 'task'])
    .percent['linear', 'svhn']
  )
  line = section['lines'][0]['cells']
  linear = line[section['head'].index('Linear')]
  assert (linear['text'], linear['below']) == (
    '75.0',
    f'{theirs:.1f} {75 - theirs:+.1f}',
  )
  assert section['published']
  other = sections.of_run(
    made.results(
      [r | {'suite': 'embedded'} for r in rows], made.run('resnet50')
    )
  )
  assert not other['published']
  assert other['lines'][0]['cells'][2]['below'] == '± 0.0'


_SETTING = {
  'learning_rate': 0.1,
  'steps': 500,
  'target_size': 30,
  'coefficient': 1e-5,
  'fraction': 0.1,
}


def test_the_papers_story_is_told_with_its_networks():
  """Head2Toe has 10 points more on each task."""
  rows = [r | {'backbone': 'made'} | _SETTING for r in testing.result_rows()]
  story = sections.of_run(made.results(rows))['comparison']
  assert story.startswith(
    'The paper, on VTAB-1k: ResNet-50 +8.8 on average (natural +5.3, '
  )
  assert '; ViT-B/16 +10.4 on average (natural +11.6, ' in story
  assert story.endswith(
    'in the paper it is structured with the ResNet-50, structured with the '
    'ViT-B/16.'
  )
  own = made.run('vit_b16', suite='vtab')
  rows = [r | {'backbone': 'vit_b16'} for r in rows]
  assert (
    'ResNet-50' not in sections.of_run(made.results(rows, own))['comparison']
  )


def test_claims_say_what_could_be_seen_and_why_they_have_no_verdict():
  of = made.run()
  space = of.space.changed({'finetune': {'steps': (80,), 'batch': 64}})
  of = made.run(space=space)
  rows = [
    made.row(of, 'accuracy', m, t, s, level + s, **_SETTING)
    for m, level in (('head2toe', 60), ('linear', 40), ('finetune', 50))
    for t in ('a', 'b', 'c')
    for s in (0, 1, 2)
  ]
  lines = sections.of_run(made.results(rows, of))['claims']
  found = {line['claim']: line for line in lines}
  no = found['Head2Toe is better than fine-tuning on average.']
  assert (no['verdict'], no['mark']) == ('no verdict', 'open')
  assert no['rows'] == 'trained for 500 steps of 128 images against 80 of 64'
  yes = found['Head2Toe is better than Linear on average.']
  assert (yes['verdict'], yes['mark']) == ('holds', 'holds')
  assert float(yes['detectable']) > 0
  assert yes['where'] == 'sections 1, 4.1, 4.2 (ResNet-50, ViT-B/16)'


def test_a_run_under_shifts_has_its_own_outputs_and_claims(monkeypatch):
  monkeypatch.setattr(plotting, 'png', lambda drawn, dpi: b'')
  section = sections.of_run(made_shifted.results())
  assert section['answer'].startswith('Of 43 claims of the companion papers ')
  assert len(section['claims']) == 43
  first = section['claims'][0]
  assert first['where'] == 'Kumar et al., 2022, abstract'
  assert first['published'].startswith('2 points on ten data sets')
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
