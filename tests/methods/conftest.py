import dataclasses
import functools

import numpy as np
import pytest

from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import base
from vtab_h2t.training import network
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.protocol import grids


@pytest.fixture
def grid():
  return grids.Grid(
      'test', (1, 4), (0.1, 0.01), (20,), (30,), (0.1, 0.5),
      {'l1': (1e-5, 1e-3), 'l2': (1e-5,), 'l21': (1e-5, 1e-4, 1e-3)},
      (1e-5, 1e-3))


@pytest.fixture
def task():
  return testing.tiny_task()


@pytest.fixture
def data(tmp_path, task):
  return testing.training_data(tmp_path, task, (30,))


@pytest.fixture(scope='session')
def net():
  """A small trainable network; tests reset it before use."""
  return network.Network(testing.normed_backbone())


@pytest.fixture
def tunable(tmp_path, task):
  """Data for the methods that train the backbone."""
  backbone = testing.normed_backbone()
  extractor = extraction.Extractor(backbone, (30,))
  features = store.open_or_compute(
      tmp_path / 'features', extractor, task.train, testing.no_progress)
  inputs = np.concatenate(
      [b.numpy() for _, b in extraction.read(backbone, task.train)])
  net = functools.cache(lambda: network.Network(backbone))
  return base.TrainingData(
      features, task.train.labels, task.num_classes, 'selected', 2 ** 30,
      tuned.Images(lambda: inputs, net, tmp_path / 'runs'))


@pytest.fixture
def tuning_grid(grid):
  return dataclasses.replace(grid, tuning=tuned.Tuning(
      learning_rates=(0.1, 0.01), steps=(12,), batch=32,
      lp_ft_learning_rates=(1e-2, 1e-3), surgical_learning_rates=(1e-2,),
      surgical_steps=(12,), taus=(0, 3), snr_threshold=0.5))


@pytest.fixture
def folds(task):
  return folds_lib.folds(task, (1, 4))


@pytest.fixture
def rows():
  return np.random.default_rng(0).permutation(300)
