import re

from tests.report import made_shifted as made
from vtab_h2t.report import companion_answer
from vtab_h2t.report import companion_rows

_RESULTS = made.results()


def test_claims_are_counted_and_numbers_told():
  text = companion_answer.answer(_RESULTS)
  counts = re.match(
    r'Of 43 claims of the companion papers (\d+) hold, (\d+) are undecided, '
    r'(\d+) cannot be tested\. ',
    text,
  )
  assert sum(map(int, counts.groups())) == 43
  assert (
    'On 3 pairs fine-tuning is 10.0 points above linear probing in '
    'distribution and 10.0 points below it out of distribution; LP-FT is 1.0 '
    'points above fine-tuning in distribution and 12.0 points above it out of '
    'distribution. '
  ) in text
  assert (
    'The block of small_net whose tuning alone gives the best test accuracy is '
    'block1 under input shifts (2.0 points above tuning all layers), block3 '
    'under feature shifts (1.0 points above tuning all layers), last under '
    'output shifts (35.0 points above tuning all layers). '
  ) in text
  assert not re.search(r'\. [a-z]', text)
  assert 'a rank correlation of +1.00 with the energy, and the best tau' in text
  assert 'common training loss' not in text
  assert text.endswith('.')


def test_trainings_that_missed_the_common_loss_are_told():
  job = companion_rows.HEAD_PROBE
  results = made.results(
    {job: [r | {'reached': r['tau'] > 0} for r in _RESULTS.of(job)]}
  )
  text = companion_answer.answer(results)
  # Of 60 trainings those without probing, of two tasks with two heads.
  assert ', and 12 of 60 trainings after probing ended above the' in text


def test_what_was_not_measured_is_not_told():
  job = companion_rows.SURGICAL
  results = made.results(
    {job: [r for r in _RESULTS.of(job) if r['tuned'] != 'all']}, small=False
  )
  text = companion_answer.answer(results)
  assert 'pairs' not in text and 'energy' not in text
  assert '. The block of made whose tuning' in text and 'all layers' not in text
