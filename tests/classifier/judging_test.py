import numpy as np
import pytest

from vtab_h2t.classifier import judging
from vtab_h2t.methods import linear


def _answers(counts, file):
  """Of right answers of 100 at checkpoints, of each setting and fold."""
  found = judging.Answers([100] * len(counts[0]), 2, file)
  settings = [
    linear.Setting(learning_rate=0.1 / (1 + i), steps=0)
    for i in range(len(counts))
  ]
  labels = np.zeros(100, int)
  for fold in range(len(counts[0])):
    for checkpoint in range(len(counts[0][0])):
      said = [
        (part, [(s, _said(i, fold, checkpoint, counts)[part])])
        for i, s in enumerate(settings)
        for part in (slice(0, 60), slice(60, 100))
      ]
      right = found.add(fold, checkpoint, labels, said)
      assert list(right.values()) == [c[fold][checkpoint] for c in counts]
  return found, settings


def _said(i, fold, checkpoint, counts):
  """Logits that are right so often, and that tell whose they are."""
  right = counts[i][fold][checkpoint]
  own = 100 * fold + 10 * checkpoint + i
  second = np.where(np.arange(100) < right, own - 1, own + 1)
  return np.stack([np.full(100, own), second], axis=1).astype(np.float32)


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
      wanted = _said(best[0], fold, checkpoint, counts)
      np.testing.assert_array_equal(said, wanted)
    sizes, several = [100] * len(counts[0]), len(counts[0]) > 1
    most = judging.file_bytes(sizes, len(counts), 2)
    assert file.seek(0, 2) <= most
    if several:  # All are kept; here, at three checkpoints of ten.
      assert file.seek(0, 2) == most * 3 // 10


def test_a_checkpoint_that_a_fold_did_not_reach_is_not_chosen(tmp_path):
  setting = linear.Setting(learning_rate=0.1, steps=0)
  labels = np.zeros(10, int)
  with open(tmp_path / 'logits', 'w+b') as file:
    found = judging.Answers([10, 10], 2, file)
    for fold, checkpoint, right in ((0, 0, 1), (0, 1, 9), (1, 0, 1)):
      said = np.float32([[1, 0]] * right + [[0, 1]] * (10 - right))
      found.add(fold, checkpoint, labels, [(slice(0, 10), [(setting, said)])])
    assert found.best() == (setting, 0)


def test_a_setting_that_has_ended_is_passed_over(tmp_path):
  setting = linear.Setting(learning_rate=0.1, steps=0)
  with open(tmp_path / 'logits', 'w+b') as file:
    found = judging.Answers([10], 2, file)
    said = [(slice(0, 10), [(setting, np.zeros((10, 2), np.float32))])]
    assert found.add(0, 0, np.zeros(10, int), said) == {setting: 10}
    assert found.add(0, 1, np.zeros(10, int), said, {setting}) == {}


def test_guessing_settings_look_good_but_not_where_they_are_chosen_apart(
  tmp_path,
):
  """Of fifty settings that guess, the best is right too often by chance."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 200)
  settings = [linear.Setting(learning_rate=0.1 + i, steps=0) for i in range(50)]
  with open(tmp_path / 'logits', 'w+b') as file:
    for folds in ([200], [40] * 5):
      found = judging.Answers(folds, 2, file)
      for fold, size in enumerate(folds):
        said = [
          (
            slice(0, size),
            [(s, rng.normal(size=(size, 2)).astype('f4')) for s in settings],
          )
        ]
        found.add(fold, 0, labels[:size], said)
      parts = found.parts()
      assert [p.total for p in parts] == [40] * 5
      setting, _ = found.best()
      best = sum(
        (found.logits(setting, f, 0).argmax(axis=1) == labels[:n]).sum()
        for f, n in enumerate(folds)
      )
      assert best > 108  # 100 by chance.
      assert judging.accuracy_apart([parts]).correct < best - 8


def test_methods_are_chosen_apart_too():
  one = [judging.Part(10, 3, 5), judging.Part(8, 4, 5)]
  other = [judging.Part(11, 1, 5), judging.Part(8, 2, 5)]
  found = judging.accuracy_apart([one, other])
  assert (found.correct, found.total) == (1 + 4, 10)


def test_an_image_that_is_held_out_alone_is_judged(tmp_path):
  setting = linear.Setting(learning_rate=0.1, steps=0)
  with open(tmp_path / 'logits', 'w+b') as file:
    found = judging.Answers([1], 2, file)
    said = [(slice(0, 1), [(setting, np.float32([[1, 0]]))])]
    found.add(0, 0, np.array([0]), said)
    assert judging.accuracy_apart([found.parts()]).correct == 1
