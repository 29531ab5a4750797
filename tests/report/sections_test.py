import pandas as pd

from tests import testing
from tests.report import made
from vtab_h2t.report import frames
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
