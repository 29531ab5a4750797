from tests import testing
from tests.report import made
from vtab_h2t.report import frames
from vtab_h2t.report import page_tables
from vtab_h2t.report import sections
from vtab_h2t.report import standing
from vtab_h2t.report import statistics


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
  assert story.startswith('Do not compare sizes')
  assert (
    'The paper says of its own, on VTAB-1k: ResNet-50 +8.8 on average (natural '
    '+5.3, '
  ) in story
  assert '; ViT-B/16 +10.4 on average (natural +11.6, ' in story
  assert story.endswith(
    '(natural +11.6, specialized +4.5, structured +12.4). The group that gains '
    'most is natural with these rows; in the paper it is structured with both '
    'networks.'
  )
  own = made.run('vit_b16', suite='vtab')
  rows = [r | {'backbone': 'vit_b16'} for r in rows]
  story = sections.of_run(made.results(rows, own))['comparison']
  assert story.startswith('The paper, on VTAB-1k: ViT-B/16 ')
  assert 'ResNet-50' not in story
  assert story.endswith('in the paper it is structured with the ViT-B/16.')
  # 15.65, as the page of the paper's own numbers has it.
  own = made.run('resnet50', suite='vtab')
  rows = [r | {'backbone': 'resnet50'} for r in rows]
  story = sections.of_run(made.results(rows, own))['comparison']
  for text in (story, *sections.of_the_paper()[0]['sentences']):
    assert 'structured' not in text or '+15.7' in text


def test_equal_numbers_are_both_the_best():
  of = made.run()
  rows = [
    made.row(of, 'accuracy', m, 'digits', 0, percent, total=100_000)
    for m, percent in (('linear', 50.01), ('all_l1', 50.0), ('all_l2', 49.9))
  ]
  found = page_tables.table1(statistics.summarise(rows), False)
  cells = found['lines'][0]['cells'][1:]
  assert [cell['best'] for cell in cells] == [True, True, False]


def test_methods_stand_beside_head2toe():
  rows = testing.result_rows()
  lines = page_tables.standing_lines(
    statistics.summarise(rows), standing.table(rows)
  )
  by_method = {line['method']: line for line in lines}
  assert by_method['Linear']['points'] == '-10.0'
  assert by_method['Linear']['reading'] == standing.TIE  # Three tasks.
  assert by_method['Head2Toe']['reading'] == ''
  assert list(by_method['Head2Toe']['means'])[-1] == 'all'
  linear = [r for r in rows if r['method'] == 'linear']
  assert not page_tables.standing_lines(
    statistics.summarise(linear), standing.table(linear)
  )
  ridge = [r | {'method': 'ridge'} for r in linear if r['task'] != 'x']
  lines = page_tables.standing_lines(
    statistics.summarise(rows + ridge), standing.table(rows + ridge)
  )
  (reading,) = (line['reading'] for line in lines if line['method'] == 'Ridge')
  assert reading == f'{standing.FEW}, on 2 of 3 tasks'


def test_a_reading_that_hangs_on_rounding_says_so():
  rows = [
    r | {'method': 'all_l1' if r['method'] == 'linear' else r['method']}
    for r in testing.result_rows()
  ]
  found = standing.table(rows).assign(reading=standing.WORSE)
  summary = statistics.summarise(rows)
  for is_rounded, reading in (
    (True, 'worse, but a tie with additions in another order'),
    (False, standing.WORSE),
  ):
    lines = page_tables.standing_lines(summary, found, is_rounded)
    readings = {line['method']: line['reading'] for line in lines}
    assert readings == {'+All-l1': reading, 'Head2Toe': ''}


def test_deviations_are_told_where_there_are_some():
  rows = testing.result_rows()
  one = [r for r in rows if r['seed'] == 0]
  for some, has in ((rows, True), (one, False)):
    found = page_tables.table1(statistics.summarise(some), False)
    assert found['has_deviations'] == has
