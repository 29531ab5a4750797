"""Whether wrong labels of real photographs are found, and probabilities true.

The numbers in docs/diagnosis.md are this file's.
"""

import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
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
def diagnose(tmp_path_factory):
  """Diagnoses pets of which a share has another label; gives those, too."""
  found = labelled_pictures.read(_PETS)
  backbone = registry.load('efficientnet_lite0', 'imagenet', 224)
  backbone = dataclasses.replace(
    backbone, input=registry.for_photographs(backbone.input)
  )
  folder = tmp_path_factory.mktemp('features')

  def run(share):
    rng = np.random.default_rng(0)
    labels = found.labels.copy()
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, len(wrong))) % 3
    adapted = adapting.adapt(
      dataclasses.replace(found.split(), labels=labels),
      found.classes,
      backbone,
      folder,
    )
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
