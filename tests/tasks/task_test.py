import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.tasks import task as task_lib


def test_dataset_gives_the_images_in_order():
  images = testing.images(5)
  split = task_lib.array_split('x', images, [0, 1, 2, 0, 1], range(5))
  assert split.ids == ('x/0', 'x/1', 'x/2', 'x/3', 'x/4')
  np.testing.assert_array_equal(
    np.stack(list(split.images().as_numpy_iterator())), images
  )


def test_fingerprints_cover_images_order_ids_and_labels():
  images, labels = testing.images(4), np.array([0, 1, 0, 1])
  split = task_lib.array_split('x', images, labels, range(4))
  same = task_lib.array_split('x', images.copy(), labels, range(4))
  relabelled = task_lib.array_split('x', images, 1 - labels, range(4))
  reordered = task_lib.array_split('x', images[::-1], labels, range(4))
  renamed = task_lib.array_split('y', images, labels, range(4))
  assert same.sha256 == split.sha256
  assert same.manifest_sha256() == split.manifest_sha256()
  assert relabelled.sha256 == split.sha256  # The images are the same ones.
  assert relabelled.manifest_sha256() != split.manifest_sha256()
  assert len({split.sha256, reordered.sha256, renamed.sha256}) == 3


@pytest.mark.parametrize(
  'images, labels',
  [
    (np.zeros((2, 4, 4, 3), np.float32), [0, 1]),
    (np.zeros((2, 4, 4, 1), np.uint8), [0, 1]),
    (np.zeros((2, 4, 4, 3), np.uint8), [0]),
  ],
)
def test_refuses_what_is_not_labelled_rgb(images, labels):
  with pytest.raises(ValueError):
    task_lib.array_split('x', images, labels, range(2))


@given(
  st.integers(1, 6), st.integers(6, 80), st.floats(0.01, 1), st.integers(0, 9)
)
def test_balanced_parts(classes, count, fraction, seed):
  """Appendix I: int(n * fraction / C) of each class, at least one."""
  labels = np.random.default_rng(seed).integers(0, classes, count)
  rows = task_lib.balanced(labels, classes, fraction, seed)
  assert (np.diff(rows) > 0).all()
  shots = max(1, int(count * fraction / classes))
  had = np.bincount(labels, minlength=classes)
  kept = np.bincount(labels[rows], minlength=classes)
  np.testing.assert_array_equal(kept, np.minimum(had, shots))
  smaller = task_lib.balanced(labels, classes, fraction / 2, seed)
  assert set(smaller) <= set(rows)


@pytest.mark.parametrize(
  'classes, fraction, shots',
  [(10, 0.1, 10), (10, 0.75, 75), (397, 0.75, 1), (397, 0.1, 1), (6, 0.25, 41)],
)
def test_shots_are_the_papers(classes, fraction, shots):
  """Of 1000 examples; SUN397's fractions below 0.75 are one shot, too."""
  labels = np.arange(1000) % classes
  rows = task_lib.balanced(labels, classes, fraction, 0)
  assert np.bincount(labels[rows]).tolist() == [shots] * classes


def test_balanced_parts_follow_the_seed():
  labels = np.arange(100) % 4
  draws = {tuple(task_lib.balanced(labels, 4, 0.2, seed)) for seed in (0, 0, 1)}
  assert len(draws) == 2


@pytest.mark.parametrize('fraction', [0, -0.1, 1.1, float('nan')])
def test_refuses_what_is_no_fraction_of_the_examples(fraction):
  with pytest.raises(ValueError, match='a fraction is above 0'):
    testing.tiny_task().reduced(fraction, 0)


def test_reduced_task_uses_fewer_rows_of_the_same_images():
  task = testing.tiny_task(train=300)
  part = task.reduced(0.1, seed=0)
  assert part.train is task.train and part.test is task.test
  assert len(part.final_examples) == len(part.cv_examples) == 30
  assert (
    np.bincount(task.train.labels[part.final_examples]).tolist() == [10] * 3
  )
  assert set(part.examples.val200) <= set(task.examples.val200)
  assert task.reduced(1, 0) is task


def test_final_examples_and_folds_are_reduced_each_by_itself():
  whole = testing.tiny_task(train=300)
  labels = whole.train.labels
  less = np.arange(120)  # Cross-validation has fewer examples.
  examples = dataclasses.replace(whole.examples, cv=less)
  part = dataclasses.replace(whole, load=lambda: examples).reduced(0.25, 0)
  assert np.bincount(labels[part.final_examples]).tolist() == [25] * 3
  cv = np.bincount(labels[part.cv_examples])
  had = np.bincount(labels[less])
  assert cv.tolist() == np.minimum(had, 10).tolist()
  assert set(part.cv_examples) <= set(less)


def test_a_task_of_ones_own_arrays():
  pixels, labels = testing.images(10), np.arange(10) % 3
  task = task_lib.Task.of_arrays('mine', (pixels, labels), (pixels, labels))
  assert task.num_classes == 3 and task.group == 'own'
  assert len(task.examples.train800) == 8 and len(task.examples.val200) == 2
  order = [int(i.rpartition('/')[2]) for i in task.train.ids]
  assert sorted(order) == list(range(10)) and order != sorted(order)
  np.testing.assert_array_equal(task.train.labels, labels[order])
  np.testing.assert_array_equal(
    list(task.train.images().as_numpy_iterator()), pixels[order]
  )
  np.testing.assert_array_equal(task.test.labels, labels)
  other = task_lib.Task.of_arrays(
    'mine', (pixels, labels), (pixels, labels), seed=1
  )
  assert other.train.ids != task.train.ids


@pytest.mark.parametrize(
  'pixels, labels, message',
  [
    (np.zeros((2, 4, 4, 3)), [0, 1], 'train images are float64'),
    (testing.images(2)[..., 0], [0, 1], 'not uint8'),
    (testing.images(2), [0, 1, 1], 'a whole number for each of 2 images'),
    (testing.images(2), [0.5, 1], 'train labels are float64'),
    (testing.images(0), np.zeros(0, int), 'train labels'),
    (testing.images(2), [-1, 1], 'has label -1'),
  ],
)
def test_arrays_of_another_form_are_one_line(pixels, labels, message):
  good = testing.images(2), [0, 1]
  with pytest.raises(errors.InputError, match=message):
    task_lib.Task.of_arrays('mine', (pixels, labels), good)


def _with_further(labels):
  split = task_lib.array_split('far', testing.images(2), labels, range(2))
  calls = []

  def load():
    calls.append(1)
    return split

  whole = testing.tiny_task(train=300)
  return dataclasses.replace(whole, further={'far': load}), split, calls


def test_further_test_sets_are_loaded_once_when_asked_for():
  task, split, calls = _with_further([0, 2])
  assert task.train and not calls
  assert task.further_tests == {'far': split}
  assert task.further_tests['far'] is split and len(calls) == 1
  part = task.reduced(0.1, seed=0)
  assert part.further_tests == {'far': split} and part.source is None
  assert testing.tiny_task().further_tests == {}


def test_a_label_of_a_further_set_that_is_no_class_is_one_line():
  task, *_ = _with_further([0, 3])
  with pytest.raises(errors.InputError, match='tiny, far: far/1 has label 3'):
    _ = task.further_tests


def test_a_made_split_is_that_of_its_images():
  images = testing.images(3)
  made = task_lib.made_split(('x/0', 'x/1', 'x/2'), [0, 1, 0], lambda: images)
  held = task_lib.array_split('x', images, [0, 1, 0], range(3))
  assert made.manifest_sha256() == held.manifest_sha256()
  np.testing.assert_array_equal(
    np.stack(list(made.images().as_numpy_iterator())), images
  )
