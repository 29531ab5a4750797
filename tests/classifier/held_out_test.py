import numpy as np
import pytest

from vtab_h2t.classifier import held_out


def test_accuracy_has_an_interval():
  accuracy = held_out.Accuracy.of(45, 50)
  assert accuracy.low == pytest.approx(0.786, abs=1e-3)
  assert accuracy.high == pytest.approx(0.957, abs=1e-3)
  assert str(accuracy) == '90.0 % of 50 (95 % interval 78.6 to 95.7)'


def test_answers_are_judged_by_the_labels_of_their_images():
  found = held_out.HeldOut(
    examples=np.array([1, 3]),
    logits=np.array([[0, 1], [2, 1]], np.float32),
    folds=np.array([0, 1]),
  )
  accuracy = found.accuracy(np.array([9, 1, 9, 1]))
  assert (accuracy.correct, accuracy.total) == (1, 2)


def test_what_was_said_of_different_images_is_joined_in_their_order():
  one, other = (
    held_out.HeldOut(
      examples=np.array(examples),
      logits=np.float32([[e, -e] for e in examples]),
      folds=np.full(2, fold),
    )
    for fold, examples in enumerate([(1, 4), (0, 3)])
  )
  found = held_out.HeldOut.joined([one, other])
  assert found.examples.tolist() == [0, 1, 3, 4]
  assert found.logits[:, 0].tolist() == [0, 1, 3, 4]
  assert found.folds.tolist() == [1, 0, 1, 0]
  other = found.renamed(np.array([7, 5, 99, 6, 2]))
  assert other.examples.tolist() == [2, 5, 6, 7]
  assert other.logits[:, 0].tolist() == [4, 1, 3, 0]
  assert other.folds.tolist() == [0, 0, 1, 1]
