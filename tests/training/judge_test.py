import numpy as np
import pytest

from vtab_h2t.training import judge


class _Classifier:
  """Has right what is at least a level, and remembers the batches."""

  def __init__(self, level):
    self.level = level
    self.batches = []

  def correct(self, x, y):
    assert x.shape[0] == y.shape[0]
    self.batches.append((x, y))
    return int((x.numpy()[:, 0, 0, 0] >= self.level).sum())


def test_each_call_adds_a_count_of_all_examples():
  inputs = np.arange(300, dtype=np.float32)[:, None, None, None]
  found = judge.Judge(inputs, np.arange(300), np.arange(100, 250))
  assert found.counts == []
  for level in (0, 200, 240):
    found(_Classifier(level))
  assert found.counts == [150, 50, 10]


def test_batches_are_small_and_the_same_each_time():
  """The examples are not copied again."""
  inputs = np.arange(150, dtype=np.float32)[:, None, None, None]
  examples = np.random.default_rng(0).permutation(150)
  found, classifier = (
    judge.Judge(inputs, np.arange(150), examples),
    (_Classifier(0)),
  )
  found(classifier)
  found(classifier)
  first, again = classifier.batches[:3], classifier.batches[3:]
  assert [len(y) for _, y in first] == [64, 64, 22]
  assert np.concatenate([y for _, y in first]).tolist() == examples.tolist()
  for (x, y), (same_x, same_y) in zip(first, again, strict=True):
    assert x is same_x and y is same_y
    assert (x.numpy()[:, 0, 0, 0] == y.numpy()).all()


class _Trained(_Classifier):
  """Has a state, which is its level."""

  def state(self):
    return [np.array(self.level)]

  def restore(self, state):
    (self.level,) = (int(s) for s in state)


def _keeper(*counts):
  """After it has seen these counts, of ten examples."""
  inputs = np.arange(10, dtype=np.float32)[:, None, None, None]
  found = judge.Keeper(inputs, np.arange(10), np.arange(10))
  for count in counts:
    found(_Trained(10 - count))
  return found


@pytest.mark.parametrize(
  'counts, best, correct',
  [
    ((9, 3, 5, 5, 4), 2, 5),  # The start is not eligible; the first best.
    ((9, 5, 3), 1, 5),
    ((9, 0, 0), 1, 0),
    ((0, 1, 2, 3), 3, 3),
  ],
)
def test_the_first_best_epoch_is_kept(counts, best, correct):
  found = _keeper(*counts)
  assert (found.best, found.correct) == (best, correct)
  assert found.counts == list(counts)
  classifier = _Trained(77)
  found.restore(classifier)
  assert classifier.level == 10 - correct


@pytest.mark.parametrize('counts', [(), (9,)])
def test_before_the_first_epoch_nothing_is_kept(counts):
  found = _keeper(*counts)
  assert (found.best, found.correct) == (0, -1)
