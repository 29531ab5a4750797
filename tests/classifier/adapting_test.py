import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import budget
from vtab_h2t.classifier import folds

_SPACE = testing.tiny_space(
  folds=(),
  linear={'steps': (40,)},
  head2toe={'steps': (40,), 'coefficients': (1e-5,)},
)


@pytest.fixture(scope='module')
def adapted(tmp_path_factory):
  task = testing.tiny_task()
  return adapting.adapt(
    task.train,
    ('a', 'b', 'c'),
    testing.tiny_backbone(),
    tmp_path_factory.mktemp('work'),
    space=_SPACE,
    steps=40,
  )


def test_it_chooses_trains_and_says_how_good_it_is(adapted):
  assert adapted.classes == ('a', 'b', 'c') and adapted.method == 'head2toe'
  assert adapted.setting.fraction in _SPACE.of('head2toe').fractions
  assert adapted.accuracy.total == adapted.linear.total == 300
  assert adapted.accuracy.correct > 200  # Chance is 100.
  # Chosen anew for each fold.
  assert adapted.apart.total == 300
  assert 190 < adapted.apart.correct <= adapted.accuracy.correct + 5
  assert adapted.head.head.kernel.shape == (3, len(adapted.head.columns))


def test_taps_add_up(adapted):
  table = adapted.taps()
  assert table.selected.sum() == len(adapted.head.columns)
  assert table.share.sum() == pytest.approx(1)
  assert set(table.tap) <= {'early', 'tokens', 'pooled'}
  assert (table.selected <= table.features).all()


def test_linear_reads_the_embedding(tmp_path):
  task = testing.tiny_task()
  found = adapting.adapt(
    task.train,
    ('a', 'b', 'c'),
    testing.tiny_backbone(),
    tmp_path,
    method='linear',
    space=_SPACE,
    steps=40,
    val_fraction=0.2,
  )
  assert found.accuracy == found.linear and found.accuracy.total == 60
  # A share was asked for, and so nothing is said of the others.
  np.testing.assert_array_equal(found.said.examples, found.held_out.examples)
  assert found.taps().tap.tolist() == ['pooled']
  assert found.taps().selected.tolist() == [9]


def test_labels_that_were_replaced_are_what_is_learned(tmp_path):
  train = testing.tiny_task().train
  changed = dataclasses.replace(train, labels=(train.labels + 1) % 3)
  found = adapting.adapt(
    changed,
    ('a', 'b', 'c'),
    testing.tiny_backbone(),
    tmp_path,
    method='linear',
    space=_SPACE,
    val_fraction=0.2,
  )
  answers = found.held_out.logits.argmax(axis=1)
  held = found.held_out.examples
  # Chance is a third.
  assert (answers == changed.labels[held]).mean() > 0.5
  assert (answers == train.labels[held]).mean() < 0.3
  np.testing.assert_array_equal(found.labels, changed.labels)


def test_of_many_images_all_are_looked_at_for_wrong_labels(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(folds, 'MOST_FOLDED', 200)
  found = adapting.adapt(
    testing.tiny_task().train,
    ('a', 'b', 'c'),
    testing.tiny_backbone(),
    tmp_path,
    method='best',
    space=_SPACE,
    steps=40,
  )
  assert found.accuracy.total == found.apart.total == 60
  assert found.apart.correct <= found.accuracy.correct + 2
  assert len(found.held_out.examples) == 60
  assert found.said.examples.tolist() == list(range(300))
  np.testing.assert_array_equal(
    found.said.logits[found.held_out.examples], found.held_out.logits
  )
  assert (found.said.logits.argmax(axis=1) == found.labels).mean() > 0.6


def test_a_disk_without_room_is_found_before_the_work(tmp_path, monkeypatch):
  """Also where it is what is said of held-out images that needs it."""
  monkeypatch.setattr(budget, 'free', lambda _: 2**17)
  for classes in ('abc', [str(i) for i in range(1000)]):
    with pytest.raises(errors.InputError, match='choosing a setting'):
      adapting.adapt(
        testing.tiny_task().train,
        classes,
        testing.tiny_backbone(),
        tmp_path,
        space=_SPACE,
      )
  assert list(tmp_path.rglob('*.npy')) == []


def test_an_unknown_method_is_one_line(tmp_path):
  with pytest.raises(errors.InputError, match="unknown method 'finetune'"):
    adapting.adapt(
      testing.tiny_task().train,
      'abc',
      testing.tiny_backbone(),
      tmp_path,
      method='finetune',
    )


def test_what_was_held_out_is_kept_with_what_it_is_of(adapted):
  labels = adapted.labels
  assert len(adapted.ids) == len(labels) == 300
  for held_out, accuracy in (
    (adapted.held_out, adapted.accuracy),
    (adapted.linear_held_out, adapted.linear),
  ):
    assert held_out.examples.tolist() == list(range(300))
    assert held_out.logits.shape == (300, 3)
    assert held_out.accuracy(labels) == accuracy
  assert adapted.temperature > 0
  assert adapted.neighbours.indices.shape == (300, 10)
  assert adapted.learning_curve[-1].accuracy == adapted.accuracy
