import numpy as np
import pytest
from sklearn import metrics

from vtab_h2t.classifier import confusion

_CLASSES = ('ant', 'bee', 'cat', 'dog')


@pytest.fixture(scope='module')
def answers():
  rng = np.random.default_rng(0)
  labels = rng.choice(4, 200, p=(0.5, 0.3, 0.15, 0.05))
  wrong = rng.random(200) < 0.3
  return labels, np.where(wrong, rng.integers(0, 4, 200), labels)


def test_the_matrix_is_scikit_learns(answers):
  table = confusion.matrix(*answers, _CLASSES)
  np.testing.assert_array_equal(table, metrics.confusion_matrix(*answers))
  assert tuple(table.index) == tuple(table.columns) == _CLASSES
  assert (table.index.name, table.columns.name) == ('given', 'predicted')


def test_precision_recall_and_balanced_accuracy_are_scikit_learns(answers):
  table = confusion.matrix(*answers, _CLASSES)
  images = np.bincount(answers[0]) + 2
  found = confusion.by_class(table, images)
  precision, recall, _, support = metrics.precision_recall_fscore_support(
    *answers
  )
  np.testing.assert_allclose(found.precision, precision)
  np.testing.assert_allclose(found.recall, recall)
  np.testing.assert_array_equal(found.held_out, support)
  np.testing.assert_array_equal(found.images, images)
  for share in ('precision', 'recall'):
    assert (found[f'{share}_low'] < found[share]).all()
    assert (found[share] < found[f'{share}_high']).all()
  accuracy, (low, high) = confusion.balanced_accuracy(table)
  assert accuracy == pytest.approx(metrics.balanced_accuracy_score(*answers))
  assert low < accuracy < high


def test_a_class_that_was_not_held_out_has_no_recall():
  table = confusion.matrix(np.array([0, 0]), np.array([0, 1]), _CLASSES)
  found = confusion.by_class(table, np.array([2, 1, 1, 5]))
  assert found.recall.isna().tolist() == [False, True, True, True]
  assert found.precision.isna().tolist() == [False, False, True, True]
  assert found.precision[1] == 0
  assert confusion.balanced_accuracy(table)[0] == 0.5


def test_the_most_confused_pair_is_first(answers):
  labels = np.array([0, 0, 0, 1, 1, 2, 2, 2])
  predicted = np.array([0, 1, 1, 0, 1, 2, 3, 0])
  found = confusion.pairs(confusion.matrix(labels, predicted, _CLASSES))
  assert found.to_dict('list') == {
    'given': ['ant', 'bee', 'cat', 'cat'],
    'predicted': ['bee', 'ant', 'ant', 'dog'],
    'images': [2, 1, 1, 1],
    'share': pytest.approx([2 / 3, 1 / 2, 1 / 3, 1 / 3]),
  }
  perfect = confusion.matrix(labels, labels, _CLASSES)
  assert not len(confusion.pairs(perfect))
