import numpy as np

from tests.classifier import learned
from vtab_h2t.classifier import choosing
from vtab_h2t.classifier import fitting
from vtab_h2t.classifier import folds as folds_lib


def test_of_images_that_were_not_held_out_others_say_what_they_are(tmp_path):
  """So that wrong labels are found among all images."""
  data = learned.data(tmp_path)
  true = data.labels
  wrong = np.random.default_rng(1).choice(len(true), 15, replace=False)
  given = true.copy()
  given[wrong] = (true[wrong] + 1) % 3
  data = learned.data(tmp_path, labels=given)
  folds = folds_lib.folds_of(given, 0.2, 0)
  for method in ('linear', 'head2toe'):
    choice = choosing.choose(data, method, folds, learned.SPACE)
    head = fitting.fit(data, choice, data.order, learned.SPACE)
    rest = folds_lib.others(given, folds[0], 0)
    found = fitting.say_of_all(data, choice, head, rest)
    assert found.examples.tolist() == list(range(len(true)))
    held = choice.held_out.examples
    np.testing.assert_array_equal(found.logits[held], choice.held_out.logits)
    assert set(found.folds[held]) == {0}
    assert sorted(set(found.folds)) == [0, 1, 2, 3, 4]
    answers = found.logits.argmax(axis=1)
    unseen = np.setdiff1d(np.arange(len(true)), held)
    # As good as on what was held out, and wrong labels were not learned.
    right = (answers == true)[unseen].mean()
    assert abs(right - (answers == true)[held].mean()) < 0.15
    few = np.intersect1d(wrong, unseen)
    assert (answers == given)[few].mean() < 0.4
  assert list(tmp_path.iterdir()) == []
