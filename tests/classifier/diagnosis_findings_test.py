import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.classifier import diagnosis_test
from vtab_h2t.classifier import diagnosis_findings as findings
from vtab_h2t.classifier import held_out
from vtab_h2t.classifier import intervals


@pytest.fixture(scope='module')
def found():
  return diagnosis_test.diagnosed()


def _text(found, section):
  return ' '.join(f.text for f in findings.of(found) if f.section == section)


def test_what_was_found_is_said_with_its_number(found):
  count = found.suspects.likely_wrong.sum()
  assert f'{count} of 60 labels may be wrong' in _text(found, findings.LABELS)
  twins = _text(found, findings.TWINS)
  assert found.duplicates.across_classes.sum() == 1
  assert '1 pair of images in two different classes is so alike' in twins
  assert 'in every pixel' in twins
  assert f'accuracy is {found.unmatched}' in twins
  assert '1 image is unlike all others' in _text(found, findings.UNUSUAL)
  assert '--min_confidence=0.9' in _text(found, findings.SURE)


def test_labels_that_were_not_looked_at_are_counted(found):
  assert 'Nothing is known' not in _text(found, findings.LABELS)
  part = dataclasses.replace(found, suspects=found.suspects.iloc[:20])
  text = _text(part, findings.LABELS)
  assert 'of 20 labels may be wrong' in text
  assert 'labels of the other 40 images, which were never held out' in text


def test_nothing_is_said_of_what_was_not_found(found):
  quiet = dataclasses.replace(
    found,
    suspects=found.suspects.assign(likely_wrong=False),
    duplicates=found.duplicates.iloc[:0],
    matched=0,
    unusual=found.unusual.assign(unusual=False),
    coverage=found.coverage.assign(mistakes_in_all=0),
    learning_curve=found.learning_curve.iloc[-1:],
  )
  assert not list(findings.of(quiet))


@pytest.mark.parametrize(
  'few, many, total, said',
  [
    (600, 800, 1000, 'would most likely help'),
    (800, 802, 1000, 'cannot be told'),
    (99_000, 99_010, 100_000, 'would hardly help'),
  ],
)
def test_more_photographs_are_judged_by_the_interval(
  found, few, many, total, said
):
  points = [held_out.Accuracy.of(c, total) for c in (few, many)]
  curve = pd.DataFrame(
    {
      'images': [400, 800],
      'accuracy': [p.correct / total for p in points],
      'low': [p.low for p in points],
      'high': [p.high for p in points],
    }
  )
  (text,) = findings.more(dataclasses.replace(found, learning_curve=curve))
  assert said in text and '800 images instead of 400' in text


def test_a_difference_is_newcombes():
  """Example (a) of his Table II: 56 of 70 less 48 of 80."""
  lines = [
    pd.Series({'accuracy': p.correct / p.total, 'low': p.low, 'high': p.high})
    for p in (held_out.Accuracy.of(48, 80), held_out.Accuracy.of(56, 70))
  ]
  np.testing.assert_allclose(
    findings.difference(*lines), (0.2, 0.0524, 0.3339), atol=1e-4
  )


def test_very_many_twins_are_doubted(found):
  many = dataclasses.replace(found, matched=20, unmatched=None)
  text = _text(many, findings.TWINS)
  assert '20 held-out images had' in text and 'frames of a film' in text
  assert 'nothing is known of new photographs' in text


def test_uneven_classes_and_a_class_of_one_are_explained(found):
  labels = np.zeros(60, int)
  labels[:3] = 1
  labels[3] = 2
  adapted = dataclasses.replace(found.adapted, labels=labels)
  text = _text(dataclasses.replace(found, adapted=adapted), findings.CLASSES)
  assert 'cat' in text and 'never held out' in text
  assert 'ant would be right for 93.3' in text


def test_a_class_that_is_worse_than_the_others_is_named(found):
  table = found.classes.assign(
    recall=[0.2, 0.9, 0.9],
    held_out=[20, 20, 20],
    recall_low=[0.1, 0.8, 0.8],
    recall_high=[0.3, 1.0, 1.0],
  )
  pairs = pd.DataFrame(
    {'given': ['ant'], 'predicted': ['cat'], 'images': [9], 'share': [0.5]}
  )
  text = _text(
    dataclasses.replace(found, classes=table, pairs=pairs), findings.CLASSES
  )
  assert 'Of the images of ant only 20.0 % are recognised' in text
  assert 'taken for cat' in text


def test_the_worst_of_many_classes_is_not_named_for_chance(found):
  """Of a hundred equal classes some lie below the interval's end."""
  right = np.random.default_rng(0).binomial(20, 0.8, 100)
  classes = pd.DataFrame(
    {
      'class': [f'c{i}' for i in range(100)],
      'held_out': 20,
      'recall': right / 20,
    }
  )
  classes['recall_low'], classes['recall_high'] = intervals.wilson(
    right, np.full(100, 20)
  )
  accuracy = held_out.Accuracy.of(int(right.sum()), 2000)
  adapted = dataclasses.replace(found.adapted, accuracy=accuracy)
  assert (classes.recall_high < 0.8).any()
  many = dataclasses.replace(found, adapted=adapted, classes=classes)
  assert 'are recognised' not in _text(many, findings.CLASSES)
