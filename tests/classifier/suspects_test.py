import numpy as np
import pytest

from vtab_h2t.classifier import neighbours
from vtab_h2t.classifier import suspects


def test_the_least_probable_label_is_the_first_suspect():
  probabilities = np.array(
    [[0.9, 0.1], [0.02, 0.98], [0.3, 0.7], [0.6, 0.4]], np.float32
  )
  found = suspects.wrong_labels(
    ['a', 'b', 'c', 'd'], np.array([0, 0, 1, 1]), probabilities, ('x', 'y')
  )
  assert found.path.tolist() == ['b', 'd', 'c', 'a']
  assert found.index.tolist() == [1, 3, 2, 0]
  assert found.given.tolist() == ['x', 'y', 'y', 'x']
  assert found.predicted.tolist() == ['y', 'x', 'y', 'x']
  np.testing.assert_allclose(
    found.probability_of_given, [0.02, 0.4, 0.7, 0.9], rtol=1e-6
  )
  np.testing.assert_allclose(
    found.probability_of_predicted, [0.98, 0.6, 0.7, 0.9], rtol=1e-6
  )
  # By hand: images of x have it with 0.46 on average, those of y with 0.55.
  assert found.likely_wrong.tolist() == [True, True, False, False]


def test_wrong_labels_of_a_good_classifier_are_found():
  rng = np.random.default_rng(0)
  true = rng.integers(0, 3, 600)
  given = true.copy()
  wrong = rng.choice(600, 30, replace=False)
  given[wrong] = (given[wrong] + 1) % 3
  logits = 4 * np.eye(3)[true] + rng.normal(0, 1, (600, 3))
  p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  found = suspects.wrong_labels(list(map(str, range(600))), given, p, 'xyz')
  assert len(set(found.index[:30]) & set(wrong)) >= 27
  likely = set(found.index[found.likely_wrong])
  assert len(likely & set(wrong)) >= 20 and len(likely) <= 40


def test_a_class_that_is_never_given_accuses_nobody():
  found = suspects.wrong_labels(
    ['a', 'b'],
    np.array([0, 0]),
    np.array([[0.1, 0.9], [0.2, 0.8]]),
    ('x', 'y'),
  )
  assert not found.likely_wrong.any()


@pytest.fixture(scope='module')
def twins():
  """Images 0 and 3 are identical, 1 and 2 nearly so, 4 is like none."""
  rows = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 1, 0.05], [1, 0, 0], [-1, -1, -1]], np.float32
  )
  labels = np.array([0, 0, 1, 0, 1])
  return labels, neighbours.nearest(rows, labels)


def test_twins_across_classes_come_first(twins):
  labels, found = twins
  asked = []

  def same(one, other):
    asked.append((one, other))
    return True

  table = suspects.twins(
    list('abcde'),
    labels,
    ('x', 'y'),
    np.array([0, 1, 1, 2, -1]),
    found,
    0.99,
    same,
    9,
  )
  assert list(zip(table.path, table.other_path)) == [('b', 'c'), ('a', 'd')]
  assert table.across_classes.tolist() == [True, False]
  assert table.across_folds.tolist() == [False, True]
  assert table.identical.tolist() == [False, True]
  assert asked == [(0, 3)]
  assert table[['first', 'second']].to_numpy().tolist() == [[1, 2], [0, 3]]
  np.testing.assert_allclose(
    table.similarity, [1 / np.sqrt(1 + 0.05**2), 1], rtol=1e-6
  )


def test_no_more_pairs_are_named_than_wanted(twins):
  labels, found = twins
  table = suspects.twins(
    list('abcde'), labels, 'xy', labels, found, 0.99, lambda *_: True, 1
  )
  assert table.path.tolist() == ['b']


def test_no_twins_is_an_empty_table(twins):
  labels, found = twins
  table = suspects.twins(
    list('abcde'), labels, 'xy', labels, found, 1.1, lambda *_: True, 9
  )
  assert not len(table) and 'similarity' in table


def test_the_odd_one_out_is_first():
  rng = np.random.default_rng(0)
  rows = np.abs(rng.normal(1, 0.1, (60, 8))).astype(np.float32)
  rows[17] *= np.array([1, -1] * 4)
  labels = np.zeros(60, int)
  table = suspects.unusual(
    list(map(str, range(60))), labels, 'x', neighbours.nearest(rows, labels)
  )
  assert table.path.iloc[0] == '17' and table.index[0] == 17
  assert table.unusual.iloc[0] and not table.unusual.iloc[1:].all()
  assert (np.diff(table.mean_similarity) >= 0).all()
