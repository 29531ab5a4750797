import re

from tests.report import made_shifted as made
from vtab_h2t.report import companion_answer
from vtab_h2t.report import companion_rows

_RESULTS = made.all_results()


def _answer(results):
  return ' '.join(companion_answer.sentences(results))


def test_claims_are_counted_and_numbers_told():
  text = _answer(_RESULTS)
  counts = re.match(
    r'Of 43 claims of the companion papers (\d+) hold, (\d+) are undecided, '
    r'(\d+) cannot be tested\. ',
    text,
  )
  assert sum(map(int, counts.groups())) == 43
  verdict = r'\((holds|undecided)\)'
  assert re.search(
    'LP-FT, on 3 pairs: in distribution fine-tuning is 10.0 points above '
    rf'linear probing {verdict}, and out of distribution 10.0 points below it '
    rf'{verdict}. In distribution LP-FT is 1.0 points above fine-tuning '
    rf'{verdict}, and out of distribution 12.0 points above it {verdict}. '
    'These differences are taken seed by seed, ',
    text,
  )
  assert (
    'Surgical fine-tuning of small_net: if one block alone is tuned, the best '
    'is block1 under input shifts (2.0 points above tuning all layers), block3 '
    'under feature shifts (1.0 points above tuning all layers), last under '
    'output shifts (35.0 points above tuning all layers). '
  ) in text
  assert not re.search(r'\. [a-z]', text)
  assert 'a rank correlation of +1.00 with the energy, which is how' in text
  assert 'training loss' not in text
  assert text.endswith('.')


def test_trainings_that_missed_the_common_loss_are_told():
  job = companion_rows.HEAD_PROBE
  results = made.results(
    {job: [r | {'reached': r['tau'] > 0} for r in _RESULTS.of(job)]}
  )
  # Of 60 trainings those without probing, of two tasks with two heads.
  assert ' 12 of 60 trainings after probing ended above the' in _answer(results)
  first, *_ = (r['task'] for r in results.of(job))
  missed = made.results(
    {job: [r | {'reached': r['task'] != first} for r in _RESULTS.of(job)]}
  )
  assert (
    f' 30 of 60 trainings after probing, among them all of {first}, ended above'
  ) in _answer(missed)


def test_what_probing_adds_is_told_by_task():
  (by_task,) = re.findall(
    r'points (?:above|below) the better of these two \(\w+; (.*?)\)\.',
    _answer(_RESULTS),
  )
  tasks = dict.fromkeys(
    r['task'] for r in _RESULTS.of(companion_rows.HEAD_PROBE)
  )
  said = [
    re.fullmatch(r'[+-][\d.]+ on (\w+)', p)[1] for p in by_task.split(', ')
  ]
  assert said == list(tasks)


def test_what_was_not_measured_is_not_told():
  job = companion_rows.SURGICAL
  results = made.results(
    {job: [r for r in _RESULTS.of(job) if r['tuned'] != 'all']}, small=False
  )
  text = _answer(results)
  assert 'pairs' not in text and 'energy' not in text
  assert ' Surgical fine-tuning of made: if' in text
  assert 'all layers' not in text
