"""By hand from the paper's text and tables."""

import math

import pytest

from vtab_h2t.report import contradictions


def _value(part, of='text'):
  (found,) = [
    c for c in contradictions.CONTRADICTIONS if part in getattr(c, of)
  ]
  return found.number.value


@pytest.mark.parametrize(
  'part, value',
  [
    ('a hundred fold', 1 / 0.010729),
    ('0.5 % of the operations', 0.6295),
    ('performs as well as Linear and Scratch', 8),
    ('not outperform fine-tuning on natural', 63.0 - 70.5),
    ('excels relative', 81.625 - 82.15),
    ('outperforms all other', 65.8 - 68.0),
    ('by 3.5 %', 60.15 - 56.53),
    ('56.53', 57.0 - 56.53),
    ('0.907', 0.868),
    ('1024, 16384, 40000', 0),
    # 0.0005 + 0.001 + 0.002 + 0.005 + 0.01 + 0.02 + 0.05 + 0.1
    ('adds 18 %', 18.85),
    ('fractions up to 0.1', 38.85),
    ('24 values', 24 * 8),
    ('20x20x128', 512),
    ('18 ResNet blocks', 16),
    ('50 convolutional', 49),
    ('1.7 M', 1.696552),
    ('6.6e8', 1.696552 * 3.97),
    ('over a million', 3),  # DTD, sNORB-Azim and SVHN.
    ('6 combinations', 3),
    ('pooled tokens does not', 63.4 - 63.3),
    ('Clevr has 8', 9),
    ('Captions of Figures 14 and 16', 32448),
    ('below 0.75', 1),
    ('a clear trend', -0.546),
  ],
)
def test_numbers_are_those_of_the_published_tables(part, value):
  assert _value(part) == pytest.approx(value, abs=0.03 if value < 1 else 0.01)


def test_out_of_distribution_one_task_decides():
  """dSprites-Location is 64.9 against 94.8, one of nine."""
  ours = _value('ResNet-50, nine tasks', 'tables')
  without = _value('Without dSprites', 'tables')
  assert 9 * ours == pytest.approx(8 * without + 64.9 - 94.8)
  assert ours < 0 < without
  assert _value('ViT-B/16, nine tasks', 'tables') == pytest.approx(
    -4.04, abs=0.01
  )


def test_each_says_what_differs():
  for one in contradictions.CONTRADICTIONS:
    assert one.text.endswith('.') and one.tables


def test_a_claim_has_its_interval_and_other_numbers_have_none():
  table = contradictions.table().set_index('text')
  trend = table.loc[next(t for t in table.index if 'a clear trend' in t)]
  assert trend.low < trend.number < trend.high < 0
  storage = table.iloc[0]
  assert storage.number == pytest.approx(93.21, abs=0.01)
  assert math.isnan(storage.low)


def test_answers_end_in_their_numbers():
  answers = contradictions.answers(contradictions.table())
  assert answers[0] == 'Table 3, its line of averages: by a factor of 93.21'
  assert any(
    answer.endswith(' -0.55 (95 % interval -0.97 to -0.12)')
    for answer in answers
  )
  # Where there is no number, there are the words alone.
  assert 'The ViT half calls the same row +All (Group).' in answers
