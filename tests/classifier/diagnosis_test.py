import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import diagnosis
from vtab_h2t.classifier import held_out
from vtab_h2t.classifier import neighbours
from vtab_h2t.features import extraction
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import linear

# A classifier whose numbers are made up, which other tests use, too.
CLASSES = ('ant', 'bee & wasp', 'cat')
COUNT = 60
# Images with another label than their answers want.
WRONG = (4, 17, 40)
# Two images in two classes, identical; and two alike in one class and two
# folds.
TORN, TWINS = (10, 11), (30, 33)
ODD = 50


def pictures():
  """Noise, `[COUNT, 16, 16, 3]` uint8, in which `TORN` are one."""
  found = testing.images(COUNT)
  found[TORN[1]] = found[TORN[0]]
  return found


def adapted(**changes):
  """Of three classes and five folds, right but for `WRONG` and a few more."""
  import tensorflow as tf

  rng = np.random.default_rng(0)
  true = np.arange(COUNT) % 3
  labels = true.copy()
  labels[list(WRONG)] = (true[list(WRONG)] + 1) % 3
  logits = (9 * np.eye(3)[true] + rng.normal(0, 3, (COUNT, 3))).astype(
    np.float32
  )
  found = held_out.HeldOut(
    examples=np.arange(COUNT), logits=logits, folds=np.arange(COUNT) % 5
  )
  # Images of a class are alike, but not as twins are.
  rows = np.eye(3, 40)[true] + rng.normal(0, 0.12, (COUNT, 40))
  for one, other in (TORN, TWINS):
    rows[other] = rows[one]
  rows[ODD] = rng.normal(0, 1, 40)
  backbone = testing.normed_backbone()
  layout = extraction.layout_of(backbone, 40)
  head = sweep.Head(
    tf.constant(rng.normal(0, 1, (3, layout.size)), tf.float32), tf.zeros(3)
  )
  accuracy = found.accuracy(labels)
  return dataclasses.replace(
    adapting.Adapted(
      classes=CLASSES,
      backbone=backbone,
      method='all_l2',
      setting=linear.Setting(
        learning_rate=0.1, steps=5, target_size=40, coefficient=1e-5
      ),
      head=data_lib.FeatureHead(40, None, head, 'selected'),
      accuracy=accuracy,
      apart=held_out.Accuracy.of(accuracy.correct - 1, COUNT),
      linear=accuracy,
      ids=tuple(f'photos/{CLASSES[c]}/{i}.jpg' for i, c in enumerate(labels)),
      labels=labels,
      held_out=found,
      linear_held_out=found,
      said=found,
      tried={'all_l2': accuracy},
      temperature=calibration.fitted(logits, labels),
      neighbours=neighbours.nearest(rows.astype(np.float32), labels),
      learning_curve=(
        held_out.CurvePoint(12, held_out.Accuracy.of(30, COUNT)),
        held_out.CurvePoint(24, held_out.Accuracy.of(40, COUNT)),
        held_out.CurvePoint(48, accuracy),
      ),
    ),
    **changes,
  )


def diagnosed(**changes):
  """Its diagnosis."""
  images = pictures()
  return diagnosis.diagnose(adapted(**changes), lambda i: images[i])


@pytest.fixture(scope='module')
def found():
  return diagnosed()


def test_wrong_labels_are_the_first_suspects(found):
  assert set(found.suspects.index[:3]) == set(WRONG)
  assert found.suspects.likely_wrong.iloc[:3].all()
  assert sorted(found.suspects.index) == list(range(COUNT))
  ids = found.adapted.ids
  assert [ids[i] for i in found.suspects.index] == found.suspects.path.tolist()


def test_tables_agree_with_the_accuracy(found):
  accuracy = found.adapted.accuracy
  cells = found.confusion.to_numpy()
  assert cells.sum() == accuracy.total == COUNT
  assert np.trace(cells) == accuracy.correct
  assert found.pairs.images.sum() == accuracy.total - accuracy.correct
  assert found.classes['class'].tolist() == list(CLASSES)
  assert found.coverage.mistakes_in_all.iloc[0] == found.pairs.images.sum()
  for _, table in found.reliability.groupby('temperature_scaled'):
    assert table.images.sum() == COUNT


def test_twins_are_named_and_left_out_of_an_accuracy(found):
  pairs = found.duplicates.set_index(['first', 'second'])
  assert pairs.across_classes[TORN] and pairs.identical[TORN]
  assert not pairs.across_classes[TWINS] and not pairs.identical[TWINS]
  assert pairs.across_folds[TORN] and pairs.across_folds[TWINS]
  twins = {*found.duplicates['first'], *found.duplicates['second']}
  assert found.matched == len(twins)
  assert found.unmatched.total == COUNT - len(twins)


def test_the_odd_one_is_found(found):
  assert found.unusual.index[0] == ODD and found.unusual.unusual.iloc[0]


def test_the_temperature_is_judged_on_other_images(found):
  error = found.calibration
  held, labels = found.adapted.held_out, found.adapted.labels
  sure = calibration.cross_fitted(held.logits, labels).max(axis=1)
  right = held.logits.argmax(axis=1) == labels
  assert error.after == calibration.calibration_error(
    calibration.reliability(sure, right)
  )
  assert error.after != error.before and 0 < error.by_chance < 1


def test_mistakes_are_explained_and_right_answers(found):
  given, held_out = zip(*[(e.given, e.held_out) for e in found.examples])
  mistakes = [g != h for g, h in zip(given, held_out)]
  assert mistakes == sorted(mistakes, reverse=True) and len(set(mistakes)) == 2
  explanation = found.examples[0].explanation
  np.testing.assert_array_equal(
    explanation.seen, pictures()[found.examples[0].index]
  )


def test_it_is_the_same_each_time(found):
  again = diagnosed()
  for name, table in found.tables().items():
    pd.testing.assert_frame_equal(table, again.tables()[name])


def test_all_is_written_and_can_be_read_again(found, tmp_path):
  paths = found.save(tmp_path)
  assert paths[0] == tmp_path / 'report.html' and paths[0].stat().st_size
  assert {p.stem for p in paths[1:]} == set(found.tables())
  for path in paths[1:]:
    read = pd.read_csv(path)
    table = found.tables()[path.stem].reset_index(drop=True)
    pd.testing.assert_frame_equal(
      read, table, check_dtype=False, rtol=1e-4, check_names=False
    )
  before = {path: path.read_bytes() for path in paths}
  diagnosed().save(tmp_path)
  assert before == {path: path.read_bytes() for path in paths}


def test_one_hold_out_of_a_part_is_diagnosed():
  """The images that are never held out are always trained on."""
  whole = adapted()
  kept = np.array([10, 20, 30, 33, 41])
  part = held_out.HeldOut(
    examples=kept,
    logits=whole.held_out.logits[kept],
    folds=np.zeros(len(kept), int),
  )
  found = diagnosed(
    held_out=part,
    said=part,
    accuracy=part.accuracy(whole.labels),
    learning_curve=(),
  )
  pairs = found.duplicates.set_index(['first', 'second'])
  assert pairs.across_folds[TORN] and not pairs.across_folds[TWINS]
  assert set(found.suspects.index) == set(kept)
  assert len(found.unusual) == COUNT


def test_an_image_that_is_gone_is_named():
  def gone(index):
    raise errors.InputError(f'image {index} is not there')

  with pytest.raises(errors.InputError, match='is not there'):
    diagnosis.diagnose(adapted(), gone)
