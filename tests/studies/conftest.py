import numpy as np
import pytest

from tests import testing
from vtab_h2t.methods import base
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.studies import base as study


@pytest.fixture(scope='session')
def space():
  return study.Space(
      'study', (4,), base.Hparams(0.05, 20, 30, 1e-5, 0.1), (0.1, 0.01),
      (30, 60), (0.05, 0.5))


@pytest.fixture(scope='session')
def task():
  return testing.tiny_task()


@pytest.fixture(scope='session')
def data(tmp_path_factory, task, space):
  return testing.training_data(
      tmp_path_factory.mktemp('features'), task, space.target_sizes)


@pytest.fixture
def layout(data):
  return data.features.layouts[30]


@pytest.fixture
def measured(data, task, space):
  """What a study yields, as a list; each head reads what its row says."""
  def measure(one, seeds=(0, 1), space=space):
    found = list(one.measure(
        data, folds_lib.folds(task, space.folds), np.arange(300), space, seeds))
    for fields, head in found:
      if head is not None:
        assert fields['num_features'] == len(head.columns)
        assert head.head.kernel.shape == (3, len(head.columns))
        assert head.target_size == fields['target_size']
        assert (np.diff(head.columns) > 0).all()
    return found
  return measure
