import pathlib
import re

import pytest

from tests import testing
from tests.report import made
from tests.report import made_shifted
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import headline
from vtab_h2t.report import judging
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import run_names
from vtab_h2t.report import standing
from vtab_h2t.report import tables

_TASKS = 'digits', 'mnist_5k', 'sprites_loc', 'shapes_count'


def _rows(**gains):
  """Rows of methods by how many points each is above 50 %, task by task."""
  of = made.run()
  return [
    made.row(of, 'accuracy', m, t, s, 50 + gain)
    for m, by_task in gains.items()
    for t, gain in zip(_TASKS, by_task)
    for s in (0, 1)
  ]


def test_the_answer_is_in_whole_sentences():
  rows = _rows(linear=[0] * 4, head2toe=(9, 10, 11, 12))
  answer = headline.answer(made.results(rows))
  assert answer.startswith(
    'Head2Toe is better than Linear, by 10.5 points on average (95 % interval '
  )
  assert answer.endswith(
    'ahead on 4 of 4 tasks. The difference is +9.5 on natural tasks, +11.5 on '
    'structured tasks; it is largest on shapes_count (+12.0) and smallest on '
    'digits (+9.0).'
  )
  rows = _rows(linear=(9, 10, 11, 12), head2toe=[0] * 4)
  assert headline.answer(made.results(rows)).startswith(
    'Head2Toe is worse than Linear, by 10.5 points on average (95 % interval '
  )


def test_a_difference_whose_interval_contains_0_is_a_tie():
  rows = _rows(linear=[0] * 4, head2toe=(5, -4, 4, -4))
  assert headline.answer(made.results(rows)).startswith(
    'Head2Toe and Linear tie, that is, this run does not tell them apart: the '
    'difference is +0.3 points on average (95 % interval -'
  )


def test_two_tasks_do_not_make_a_tie():
  rows = _rows(linear=(1, -1), all_l1=(5, -4), head2toe=(0, 0))
  said = headline.sentences(made.results(rows))
  assert said[0].startswith(
    '2 tasks are too few to tell Head2Toe from Linear: the difference is '
  )
  assert any(
    s.startswith('2 tasks are too few to tell Head2Toe from +All-l1 (+0.5; ')
    and s.endswith(
      ': in brackets stand the points above (+) or below (-) Head2Toe and '
      'their 95 % interval.'
    )
    for s in said
  )
  assert not any('tie' in s for s in said)


def test_an_interval_of_two_tasks_that_are_alike_is_told_to_be_chance():
  by_chance = ' Of so few tasks an interval may be narrow by chance.'

  def said(tasks):
    gains = {'linear': [-9] * tasks, 'ridge': [-5] * tasks}
    rows = _rows(**gains, head2toe=[0] * tasks)
    sentences = headline.sentences(made.results(rows))
    return next(s for s in sentences if 'better than Ridge' in s)

  assert said(2).endswith(by_chance)
  assert by_chance not in said(4)


def test_a_method_that_lacks_tasks_says_of_how_many_it_is():
  rows = _rows(
    linear=(-9, -10, -11, -9),
    head2toe=[0] * 4,
    ridge=(-9, -8, -8),
    knn=(-9, -8, -8, -9),
  )
  said = headline.sentences(made.results(rows))
  assert 'Head2Toe is better than Ridge on 3 of 4 tasks and k nearest.' in said


def test_one_task_is_no_average():
  of = made.run()
  rows = [
    made.row(of, 'accuracy', m, 'digits', 0, percent)
    for m, percent in (('linear', 80), ('head2toe', 78))
  ]
  assert headline.answer(made.results(rows)) == (
    'On digits, the only task that has both, Head2Toe has 78.0 % and Linear '
    '80.0 %, 2.0 points less. One task gives no interval.'
  )


def test_without_both_methods_it_says_what_was_measured():
  assert headline.answer(made.results()) == (
    'Head2Toe and Linear were not both measured.'
  )
  rows = [r for r in testing.result_rows() if r['method'] == 'linear']
  answer = headline.answer(made.results(rows))
  assert answer.startswith(
    'Head2Toe and Linear were not both measured. Linear has '
  )
  assert answer.endswith(' % on 3 tasks.')


def test_a_run_of_studies_says_what_it_was_made_for():
  of = made.run()
  rows = [made.row(of, 'offset', 'head2toe', 'digits', 0, 60)]
  results = made.results(of=of, offset=rows)
  assert headline.answer(results) == (
    'This run compares no methods. It was made for one study: '
    f'{run_names.job("offset")}.'
  )


def test_what_ties_and_what_does_not_is_said():
  results = made.results(
    _rows(
      linear=(-9, -10, -11, -9),
      all_l1=(5, -5, 4, -4),
      ridge=(-9, -8, -8, -9),
      head2toe=[0] * 4,
    )
  )
  said = headline.sentences(results)
  assert said[0].startswith('Head2Toe is better than Linear, by 9.8 points')
  (ties,) = (s for s in said if 'ties with +All-l1 (+0.0' in s)
  assert 'Ridge' not in ties and ties.endswith(
    'as it contains 0, this run does not tell it from Head2Toe, which does not '
    'mean that they are equal.'
  )
  assert 'Head2Toe is better than Ridge.' in said
  assert said[-1].startswith('In this run, of 93 claims of the paper ')
  holding = headline.claims_that(results, judging.HOLDS)
  assert 'Head2Toe is better than Linear on average.' in holding


_PLACES = (
  'Head2Toe ties with ',
  'Head2Toe is better than ',
  'Head2Toe is worse than ',
  'Head2Toe has no task in common with ',
  'Head2Toe is compared with ',
  'Between Head2Toe and ',
)


def _placed(said):
  """The methods that stand beside Head2Toe, each as often as it is placed.

  Linear, of which the first sentence is, is not among them.
  """
  found = []
  for sentence in said[1:]:
    few = re.match(
      r'[\d or]+ tasks are too few to tell Head2Toe from ', sentence
    )
    start = few[0] if few else next(filter(sentence.startswith, _PLACES), None)
    if start is not None:
      names = re.sub(r' \([^()]*\)', '', sentence.removeprefix(start))
      names = re.sub(r' on \d of \d+ tasks', '', names)
      names = re.split(r'\.$|\. |: | without | there is no verdict', names)[0]
      found += re.split(', | and ', names)
  return sorted(found)


def _labels(results):
  measured = {
    r['method']
    for r in results.of('accuracy')
    if r['split'] == 'test' and r['correct'] is not None
  }
  return sorted(tables.LABELS[m] for m in measured - {'linear', 'head2toe'})


def test_each_method_is_placed_once_beside_head2toe():
  """One for each way to stand, from above to without a common task."""
  gains = {
    'linear': (-9, -10, -11, -9),
    'head2toe': [0] * 4,
    'all_l1': (5, -5, 4, -4),
    'ridge': (-9, -8, -8, -9),
    'all_ridge': (8, 9, 8, 9),
    'finetune': (8, 9, 8, 9),
    'knn': (3,),
  }
  space = made.run().space.changed({'finetune': {'steps': (5000,)}})
  of = made.run(space=space)
  other = made.row(of, 'accuracy', 'logistic', 'solids_azim', 0, 50)
  results = made.results([r | {'run': of.id} for r in _rows(**gains)], of)
  results = made.results([*results.of('accuracy'), other], of)
  said = headline.sentences(results)
  assert 'Head2Toe is worse than +All-ridge.' in said
  assert 'Head2Toe has no task in common with Logistic.' in said
  assert (
    'Head2Toe is compared with k nearest on 1 of 4 tasks (+3.0) without an '
    'interval, as there are too few tasks: in brackets stand the points above '
    '(+) or below (-) Head2Toe.'
  ) in said
  assert _placed(said) == _labels(results)


@pytest.fixture(scope='module')
def committed():
  folder = pathlib.Path(__file__).parents[2] / 'results'
  return results_lib.read_all(ledger_lib.Ledger(folder))


@pytest.mark.soak
def test_each_method_of_each_committed_run_is_placed_once(committed):
  beside = [r for r in committed if len(standing.of_run(r))]
  assert len(beside) >= 5
  for results in beside:
    said = headline.sentences(results)
    assert _placed(said) == _labels(results), results.run.name
    assert 'Linear' in said[0]


def test_what_rounding_makes_a_tie_is_told_of_the_main_run_alone():
  gains = {
    'linear': (-9, -10, -11, -9),
    'all_l1': (-5, -4, -5, -4),
    'ridge': (-9, -8, -8, -9),
    'head2toe': [0] * 4,
  }

  def said(**changes):
    of = made.main_run(**changes)
    results = made.results([r | {'run': of.id} for r in _rows(**gains)], of)
    return results, [
      s for s in headline.sentences(results) if s.startswith('Head2Toe is b')
    ][-1]

  results, sentence = said()
  assert sentence == (
    'Head2Toe is better than +All-l1 and Ridge. But with additions in another '
    'order +All-l1 ties with it, as the 95 % interval then contains 0 '
    '(benchmarks/README.md, "What rounding alone does").'
  )
  holding = headline.claims_that(results, judging.HOLDS)
  assert (
    'Head2Toe is better than +All-l1 on average (undecided with additions in '
    'another order).'
  ) in holding
  assert 'Head2Toe is better than Linear on average.' in holding
  for changes in (
    {'image_size': 96},
    {'backbone': 'efficientnet_lite1'},
    {'normalization': 'once'},
  ):
    assert said(**changes)[1] == 'Head2Toe is better than +All-l1 and Ridge.'


def test_what_follows_from_settings_stands_last():
  rows = _rows(linear=(9, 10, 11, 12), head2toe=[0] * 4)
  failing = headline.claims_that(made.results(rows), judging.FAILS)
  assert failing[0] == 'Head2Toe is better than Linear on average.'
  assert failing[-1].startswith('Validating the fractions adds about ')
  assert failing[-1].endswith(
    ': this follows from the settings, not from measurements.'
  )


def test_verdicts_on_one_given_setting_say_so():
  gains = {'linear': [0] * 4, 'head2toe': (9, 10, 11, 12)}

  def caveats(of, **methods):
    results = made.results([r | {'run': of.id} for r in _rows(**methods)], of)
    found = headline.claims_in_lines(results)['caveat']
    return found, headline.sentences(results)[-1]

  fixed = made.run(space=made.fixed(lr=0.1, steps=500))
  found, counts = caveats(fixed, **gains)
  assert found == (
    'Do not take these verdicts for verdicts on the method: they are on one '
    'setting that was given, and say nothing about the search.'
  )
  assert counts.endswith(f' {found}')
  assert 'verdicts on' not in caveats(fixed, linear=[0] * 4)[1]  # None is.
  assert caveats(made.run(), **gains)[0] == ''


def test_what_follows_from_settings_is_counted_apart():
  results = made.results(_rows(linear=[0] * 4, head2toe=(9, 10, 11, 12)))
  verdicts = [
    v.verdict for v in judging.verdicts(results) if not v.claim.follows
  ]
  said = headline.sentences(results)[-1]
  assert f' {verdicts.count(judging.HOLDS)} hold' in said
  assert f', {verdicts.count(judging.UNTESTABLE)} cannot be tested; ' in said
  assert said.endswith(
    'cannot be tested; the remaining one follows from the settings, not from '
    'measurements, and does not hold.'
  )
  # All together are those that the sentence begins with.
  counts = map(int, re.findall(r'\b(\d+) (?:hold|do|are|is|can)', said))
  assert sum(counts) + 1 == 93


def test_without_a_number_from_settings_there_is_nothing_apart():
  said = headline.sentences(made.results(_rows(linear=[0] * 4)))[-1]
  assert said == 'In this run, of 93 claims of the paper 93 cannot be tested.'


def test_a_run_under_shifts_is_of_claims():
  first, second, *_ = headline.sentences(made_shifted.all_results())
  assert first.startswith('Of 43 claims of the companion papers ')
  assert first.endswith('.') and second.startswith('LP-FT, on ')
