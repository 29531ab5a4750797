import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.tasks import task as task_lib


def test_folds_are_contiguous_fifths_and_the_rest():
  task = testing.tiny_task(train=300)
  folds = folds_lib.folds(task, range(5))
  for i, fold in enumerate(folds):
    assert fold.number == i
    np.testing.assert_array_equal(fold.val, np.arange(60 * i, 60 * i + 60))
    np.testing.assert_array_equal(
      np.sort(fold.train), np.setdiff1d(np.arange(300), fold.val)
    )
    assert (np.diff(fold.train) < 0).any()  # Not in the split's order.
  (last,) = folds_lib.folds(task, (4,))
  np.testing.assert_array_equal(last.train, folds[4].train)


def _sorted_task(every_class=True):
  labels = np.repeat(np.arange(5), 20)
  split = task_lib.array_split('x', testing.images(100), labels, range(100))
  return task_lib.Task(
    'embedded',
    'sorted',
    'natural',
    5,
    lambda: task_lib.Examples.in_order(split, split),
    every_class=every_class,
  )


def test_a_class_absent_from_a_fold_is_one_line():
  with pytest.raises(
    errors.InputError,
    match='task sorted: class 2 has no training example in fold 2; give',
  ):
    folds_lib.folds(_sorted_task(), range(2, 5))
  assert len(folds_lib.folds(_sorted_task(every_class=False), range(5))) == 5


def test_order_is_fixed():
  examples = np.arange(10, 60)
  order = folds_lib.training_order(examples)
  np.testing.assert_array_equal(order, folds_lib.training_order(examples))
  np.testing.assert_array_equal(np.sort(order), examples)
