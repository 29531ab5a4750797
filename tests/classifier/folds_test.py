from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.classifier import folds


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_folds_hold_each_image_out_once_and_are_stratified(sizes, seed):
  labels = np.repeat(np.arange(len(sizes)), sizes)
  if max(sizes) == 1:
    with pytest.raises(errors.InputError, match='no class has two images'):
      folds.folds_of(labels, None, seed)
    return
  found = folds.folds_of(labels, None, seed)
  assert len(found) == min(5, max(sizes))
  held = np.concatenate([f.val for f in found])
  single = np.flatnonzero(np.array(sizes)[labels] == 1)
  assert sorted([*held, *single]) == list(range(len(labels)))
  for fold in found:
    assert len(fold.val) or len(held) < len(found)
    assert sorted([*fold.train, *fold.val]) == list(range(len(labels)))
    # Nobody is held out whole, and classes are spread evenly.
    assert set(labels[fold.train]) == set(labels)
    for label, size in enumerate(sizes):
      count = (labels[fold.val] == label).sum()
      assert count <= -(-size // len(found)) + 1


def test_a_single_hold_out_has_the_share_asked_for():
  labels = np.repeat([0, 1, 2], [40, 10, 2])
  (fold,) = folds.folds_of(labels, 0.2, 0)
  assert np.bincount(labels[fold.val]).tolist() == [8, 2, 1]


@pytest.mark.parametrize(
  'count, held', [(5000, 1000), (6000, 1200), (90_000, 10_000)]
)
def test_of_many_images_some_are_held_out_once(count, held):
  found = folds.folds_of(np.arange(count) % 7, None, 0)
  assert len(found) == (5 if count == 5000 else 1)
  assert abs(len(found[0].val) - held) <= 4


def test_what_was_not_held_out_is_held_out_once_in_others():
  labels = np.repeat([0, 1, 2, 3], [40, 21, 2, 1])
  (fold,) = folds.folds_of(labels, 0.2, 0)
  found = folds.others(labels, fold, 0)
  held = np.concatenate([f.val for f in found])
  # But for the one that is alone in its class.
  assert sorted([*held, *fold.val, 63]) == list(range(64))
  assert [f.number for f in found] == [1, 2, 3, 4]
  for other in found:
    assert sorted([*other.train, *other.val]) == list(range(64))
    assert set(labels[other.train]) == {0, 1, 2, 3}
    np.testing.assert_array_equal(np.sort(other.val), other.val)
