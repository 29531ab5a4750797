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


def _answers(counts, file):
  """Of right answers of 100 at checkpoints, of each setting and fold."""
  found = choosing._Answers(len(counts[0]), file)
  settings = [
    linear.Setting(learning_rate=0.1 / (1 + i), steps=0)
    for i in range(len(counts))
  ]
  for fold in range(len(counts[0])):
    for checkpoint in range(len(counts[0][0])):
      for i, setting in enumerate(settings):
        said = np.full((100, 2), 100 * fold + 10 * checkpoint + i, np.float32)
        right = counts[i][fold][checkpoint]
        found.add(setting, fold, checkpoint, right, said)
  return found, settings


@pytest.mark.parametrize(
  'counts, best',
  [
    # The last one that is as good, but for chance.
    ([[(90, 91, 90)]], (0, 2)),
    ([[(96, 97, 80)]], (0, 1)),
    ([[(50, 70, 71)], [(50, 72, 60)]], (1, 1)),
    ([[(50, 70, 71)], [(50, 71, 71)]], (0, 2)),
    # Over two folds.
    ([[(80, 90, 60), (80, 60, 91)], [(10, 75, 75), (10, 75, 75)]], (0, 0)),
  ],
)
def test_the_best_setting_and_its_checkpoint_over_all_folds(
  tmp_path, counts, best
):
  with open(tmp_path / 'logits', 'w+b') as file:
    found, settings = _answers(counts, file)
    setting, checkpoint = found.best()
    assert (settings.index(setting), checkpoint) == best
    for fold in range(len(counts[0])):
      said = found.logits(setting, fold, checkpoint)
      assert (said == 100 * fold + 10 * checkpoint + best[0]).all()
      assert said.shape == (100, 2)
    if len(counts[0]) == 1:  # One place for each setting.
      assert file.seek(0, 2) == len(counts) * 100 * 2 * 4


def test_a_checkpoint_that_a_fold_did_not_reach_is_not_chosen(tmp_path):
  with open(tmp_path / 'logits', 'w+b') as file:
    found = choosing._Answers(2, file)
    setting = linear.Setting(learning_rate=0.1, steps=0)
    said = np.zeros((10, 2), np.float32)
    for fold, checkpoint, right in ((0, 0, 1), (0, 1, 9), (1, 0, 1)):
      found.add(setting, fold, checkpoint, right, said)
    assert found.best() == (setting, 0)
