from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.classifier import choosing
from vtab_h2t.methods import linear


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


def _answers(folds, file):
  found = choosing._Answers(folds, file)
  settings = [linear.Setting(learning_rate=r, steps=0) for r in (0.1, 0.01)]
  # Right answers of each setting at three checkpoints, on each fold.
  counts = [[(3, 5, 5), (2, 4, 6)], [(3, 6, 5), (2, 5, 5)]]
  for fold in range(folds):
    for checkpoint in range(3):
      for i, setting in enumerate(settings):
        right = counts[i][fold][checkpoint]
        said = np.full((6, 2), 100 * fold + 10 * checkpoint + i, np.float32)
        found.add(setting, fold, checkpoint, right, said)
  return found, settings


@pytest.mark.parametrize('folds, best', [(1, (1, 1)), (2, (0, 2))])
def test_the_best_setting_and_checkpoint_over_all_folds(tmp_path, folds, best):
  """Of equal ones the first setting, and its last checkpoint."""
  with open(tmp_path / 'logits', 'w+b') as file:
    found, settings = _answers(folds, file)
    setting, checkpoint = found.best()
    assert (settings.index(setting), checkpoint) == best
    for fold in range(folds):
      said = found.logits(setting, fold, checkpoint)
      assert (said == 100 * fold + 10 * checkpoint + best[0]).all()
      assert said.shape == (6, 2)


def test_a_checkpoint_that_a_fold_did_not_reach_is_not_chosen(tmp_path):
  with open(tmp_path / 'logits', 'w+b') as file:
    found = choosing._Answers(2, file)
    setting = linear.Setting(learning_rate=0.1, steps=0)
    said = np.zeros((1, 2), np.float32)
    for fold, checkpoint, right in ((0, 0, 1), (0, 1, 9), (1, 0, 1)):
      found.add(setting, fold, checkpoint, right, said)
    assert found.best() == (setting, 0)
