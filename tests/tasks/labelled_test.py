from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from tests import testing
from vtab_h2t.tasks import labelled
from vtab_h2t.tasks import task as task_lib


def _some(count=4):
  pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3))
  return labelled.Labelled.numbered(
    'x', pixels.astype(np.uint8), np.arange(count)
  )


def test_images_are_resized_by_pillows_antialiased_filter():
  images = np.random.default_rng(0).integers(0, 256, (2, 96, 80, 3), np.uint8)
  found = labelled.resized(images)
  for image, small in zip(images, found):
    wanted = Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small, np.asarray(wanted))
  assert labelled.resized(found) is found


def test_a_split_in_order_at_64_pixels():
  images, labels = testing.images(5), np.array([0, 1, 2, 0, 1])
  split = task_lib.array_split('x', images, labels, range(5))
  found = labelled.Labelled.of_split(split)
  assert found.ids == split.ids and found.labels.tolist() == labels.tolist()
  np.testing.assert_array_equal(found.images, labelled.resized(images))


def test_rows_and_joined():
  some = _some()
  two = labelled.joined(some.rows(np.array([3])), some.rows(np.array([0])))
  assert two.ids == ('x/3', 'x/0') and two.labels.tolist() == [3, 0]
  np.testing.assert_array_equal(two.images, some.images[[3, 0]])


def test_changed_images_are_made_as_they_are_read():
  some, times = _some(), []

  def change(clean):
    times.append(len(clean.ids))
    return 255 - clean.images

  split = some.split(change, '/new')
  before = len(times)
  assert split.ids == ('x/0/new', 'x/1/new', 'x/2/new', 'x/3/new')
  for _ in range(2):
    found = np.stack(list(split.images().as_numpy_iterator()))
    np.testing.assert_array_equal(found, 255 - some.images)
  assert len(times) == before + 2
  again = task_lib.made_split(split.ids, some.labels, lambda: 255 - some.images)
  assert split.manifest_sha256() == again.manifest_sha256()
  assert split.content != some.split().content


def test_randomness_follows_the_words():
  draws = [
    labelled.generator(*words).random()
    for words in (('a', 1), ('a', 1), ('a', 2), ('b', 1))
  ]
  assert draws[0] == draws[1] and len(set(draws)) == 3
  assert draws[0] == pytest.approx(0.6458, abs=5e-5)  # In every process.


@given(st.integers(1, 5), st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_parts_are_balanced_and_have_nothing_in_common(classes, sizes):
  named = {str(i): size for i, size in enumerate(sizes)}
  labels = np.random.default_rng(0).permutation(
    np.repeat(np.arange(classes), max(1, sum(sizes)))
  )
  parts = labelled.divided(labels, named, np.random.default_rng(1))
  every = np.concatenate(list(parts.values()))
  assert len(set(every)) == len(every)
  for name, size in named.items():
    counts = np.bincount(labels[parts[name]], minlength=classes)
    assert counts.tolist() == [size] * classes


def test_too_few_examples_to_divide():
  with pytest.raises(ValueError, match='1 examples of a class'):
    labelled.divided(
      np.array([0, 0, 1]), {'a': 1, 'b': 1}, np.random.default_rng(0)
    )
