from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.classifier import choosing


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_folds_hold_each_image_out_once_and_are_stratified(sizes, seed):
  labels = np.repeat(np.arange(len(sizes)), sizes)
  if max(sizes) == 1:
    with pytest.raises(errors.InputError, match='no class has two images'):
      choosing.folds_of(labels, None, seed)
    return
  folds = choosing.folds_of(labels, None, seed)
  assert len(folds) == min(5, max(sizes))
  held = np.concatenate([f.val for f in folds])
  single = np.flatnonzero(np.array(sizes)[labels] == 1)
  assert sorted([*held, *single]) == list(range(len(labels)))
  for fold in folds:
    assert len(fold.val) or len(held) < len(folds)
    assert sorted([*fold.train, *fold.val]) == list(range(len(labels)))
    # Nobody is held out whole, and classes are spread evenly.
    assert set(labels[fold.train]) == set(labels)
    for label, size in enumerate(sizes):
      count = (labels[fold.val] == label).sum()
      assert count <= -(-size // len(folds)) + 1


def test_a_single_hold_out_has_the_share_asked_for():
  labels = np.repeat([0, 1, 2], [40, 10, 2])
  (fold,) = choosing.folds_of(labels, 0.2, 0)
  assert np.bincount(labels[fold.val]).tolist() == [8, 2, 1]


@pytest.mark.parametrize(
  'count, held', [(5000, 1000), (6000, 1200), (90_000, 10_000)]
)
def test_of_many_images_some_are_held_out_once(count, held):
  folds = choosing.folds_of(np.arange(count) % 7, None, 0)
  assert len(folds) == (5 if count == 5000 else 1)
  assert abs(len(folds[0].val) - held) <= 4
