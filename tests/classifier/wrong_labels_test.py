"""Whether wrong labels of real photographs are found, and probabilities true.

The numbers in docs/diagnosis.md are this file's.
"""

import dataclasses
import functools

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import calibration
from vtab_h2t.classifier import diagnosis
from vtab_h2t.tasks import labelled_pictures
from vtab_h2t.tasks import pictures

_PETS = testing.SHARED / 'images' / 'pets3'

pytestmark = [
  pytest.mark.soak,
  pytest.mark.skipif(
    not _PETS.exists(), reason='../shared/images/pets3 is not there'
  ),
]


@pytest.fixture(scope='module')
def adapt(tmp_path_factory):
  """Adapts to pets of which a share has another label; gives those, too."""
  found = labelled_pictures.read(_PETS)
  folder = tmp_path_factory.mktemp('features')

  @functools.cache
  def run(share, side, count, val_fraction):
    backbone = registry.load('efficientnet_lite0', 'imagenet', side)
    backbone = dataclasses.replace(
      backbone, input=input_names.for_photographs(backbone.input)
    )
    rng = np.random.default_rng(0)
    labels = found.labels.copy()
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, len(wrong))) % 3
    rows = np.arange(len(labels))
    if count is not None:
      rows = np.sort(np.random.default_rng(1).choice(rows, count, False))
    adapted = adapting.adapt(
      dataclasses.replace(found.split(rows), labels=labels[rows]),
      found.classes,
      backbone,
      folder,
      val_fraction=val_fraction,
    )
    return adapted, wrong

  return run


@pytest.fixture
def diagnose(adapt):
  """Diagnoses what is adapted."""

  def run(share):
    adapted, wrong = adapt(share, 224, None, None)
    return (
      diagnosis.diagnose(adapted, lambda i: pictures.decode(adapted.ids[i])),
      wrong,
    )

  return run


def test_most_wrong_labels_are_among_the_first_suspects(diagnose):
  found, wrong = diagnose(0.05)
  order = found.suspects.index.to_numpy()
  hits = [int(np.isin(order[:k], wrong).sum()) for k in (10, 20, 30, 60)]
  likely = found.suspects.index[found.suspects.likely_wrong]
  print(f'wrong among the first 10, 20, 30, 60: {hits} of {len(wrong)}')
  print(f'marked: {len(likely)}, wrong: {np.isin(likely, wrong).sum()}')
  print(found.adapted.accuracy, found.calibration)
  assert hits[0] >= 9 and hits[2] >= 24 and hits[3] >= 27
  assert np.isin(likely, wrong).mean() > 0.7


def test_of_right_labels_few_are_suspected_and_probabilities_are_true(diagnose):
  found, _ = diagnose(0.0)
  print(found.adapted.accuracy, found.calibration)
  print(f'marked: {found.suspects.likely_wrong.sum()}')
  print(found.coverage.to_string())
  print(f'twins: {len(found.duplicates)} from {found.threshold:.3f} on')
  assert found.suspects.likely_wrong.sum() <= 12
  assert found.calibration.after < 0.04
  # Each was looked at: one photograph twice, or two of one scene.
  assert 5 <= len(found.duplicates) <= 20


@pytest.mark.parametrize(
  'side, share, count, is_used',
  [
    (224, 0.0, None, False),
    (224, 0.05, None, False),
    (224, 0.0, 90, False),
    (96, 0.0, None, True),
    (96, 0.05, None, True),
    (96, 0.0, 90, False),
  ],
)
def test_a_temperature_is_used_where_it_helps(
  adapt, side, share, count, is_used
):
  adapted, _ = adapt(share, side, count, None if count is None else 0.3)
  held = adapted.held_out
  labels = adapted.labels[held.examples]
  fitted = calibration.fitted(held.logits, labels)
  errors = calibration.Scaled.of(held.logits, labels, fitted).errors()
  print(side, share, count, adapted.accuracy, f'fitted: {fitted:.2f}')
  print(calibration.gain(held.logits, labels), errors)
  assert (adapted.temperature != 1) == is_used
  if is_used:
    assert errors.after < errors.before
