import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import data as data_lib
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.training import network


@pytest.fixture(scope='session')
def space():
  """Few settings of every method, for a few steps."""
  tuned = {'learning_rates': (0.1, 0.01), 'steps': (12,), 'batch': 32}
  by_epochs = {'learning_rates': (1e-2,), 'epochs': (2,), 'batch': 32}
  return testing.tiny_space(
    folds=(1, 4),
    all_l2={'coefficients': (1e-5,)},
    all_l21={'coefficients': (1e-5, 1e-4, 1e-3)},
    scratch=tuned,
    finetune=tuned,
    linearized=tuned,
    head2toe_ft=tuned,
    lp_ft=by_epochs | {'learning_rates': (1e-2, 1e-3)},
    surgical=by_epochs,
    auto_rgn=by_epochs,
    auto_snr=by_epochs | {'threshold': 0.5},
    head_probe=by_epochs | {'learning_rates': (0.1, 0.01), 'taus': (0, 3)},
  )


@pytest.fixture(scope='session')
def task():
  return testing.tiny_task()


@pytest.fixture(scope='session')
def folds(task):
  """Two, of 240 examples to train on and 60 to judge on."""
  return folds_lib.folds(task, (1, 4))


@pytest.fixture(scope='session')
def examples():
  """The whole training set."""
  return np.random.default_rng(0).permutation(300)


def _features(folder, backbone, task):
  return store.open_or_compute(
    folder,
    extraction.Extractor(
      backbone, (30, extraction.LAST_BLOCKS, extraction.BLOCK_TOKENS)
    ),
    task.train,
    testing.no_progress,
  )


@pytest.fixture(scope='session')
def frozen_features(tmp_path_factory, task):
  return _features(
    tmp_path_factory.mktemp('frozen'), testing.tiny_backbone(), task
  )


@pytest.fixture
def data(frozen_features, task):
  """What frozen methods learn from; no head is trained yet."""
  return data_lib.TrainingData(
    frozen_features, task.train.labels, task.num_classes, 'selected', 2**30
  )


@pytest.fixture
def hard(data):
  """The same with labels of which some are wrong, so that settings differ."""
  rng = np.random.default_rng(0)
  wrong = rng.random(len(data.labels)) < 0.6
  labels = np.where(wrong, rng.integers(0, 3, len(wrong)), data.labels)
  return data_lib.TrainingData(
    data.features, labels, data.classes, data.rule, data.memory_bytes
  )


@pytest.fixture(scope='session')
def net():
  """A small trainable network; who trains it resets it before."""
  # As a program does. Where a test of programs did it after steps were
  # compiled, a network that is compiled later would round otherwise.
  tf.config.experimental.enable_op_determinism()
  return network.Network(testing.normed_backbone())


@pytest.fixture(scope='session')
def inputs(task):
  return np.concatenate(
    [
      batch.numpy()
      for _, batch in extraction.read(testing.normed_backbone(), task.train)
    ]
  )


@pytest.fixture(scope='session')
def tunable_features(tmp_path_factory, task):
  return _features(
    tmp_path_factory.mktemp('tunable'), testing.normed_backbone(), task
  )


@pytest.fixture
def tunable(tunable_features, inputs, net, task, tmp_path):
  """What methods learn from that train a network; none is trained yet."""
  return data_lib.TrainingData(
    tunable_features,
    task.train.labels,
    task.num_classes,
    'selected',
    2**30,
    data_lib.Networks(lambda: inputs, lambda: net, tmp_path / 'unfinished', {}),
  )


@pytest.fixture
def train(tunable, examples, space):
  """Trains one network with a setting, and options that differ."""

  def with_setting(method, setting, seed=0, **changes):
    (later,) = method.fit(
      tunable, examples, setting, space.changed({method.name: changes}), [seed]
    )
    return later()

  return with_setting
