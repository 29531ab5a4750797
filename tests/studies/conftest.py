import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.methods import interface
from vtab_h2t.protocol import folds as folds_lib


@pytest.fixture(scope='session')
def space():
  """One setting for every study, and little to choose from."""
  study = {
    'learning_rate': 0.05,
    'steps': 20,
    'target_size': 30,
    'coefficient': 1e-5,
    'fraction': 0.1,
  }
  changes = dict.fromkeys(
    ('relevance', 'offset', 'scores', 'transfer', 'one_tap'), study
  )
  return testing.tiny_space(
    folds=(4,),
    **changes,
    granularity=study | {'fractions': (0.05, 0.5)},
    scaling=study | {'target_sizes': (30, 60), 'fractions': (0.05, 0.5)},
  )


@pytest.fixture(scope='session')
def options(space):
  """What all studies have alike."""
  return space.of('relevance')


@pytest.fixture(scope='session')
def task():
  return testing.tiny_task()


@pytest.fixture(scope='session')
def data(tmp_path_factory, task):
  return testing.training_data(
    tmp_path_factory.mktemp('features'), task, (30, 60)
  )


@pytest.fixture
def layout(data):
  return data.features.layouts[30]


@pytest.fixture(scope='session')
def plan(task, space):
  """How a study is measured, with options that differ."""

  def of(seeds=(0, 1), known=(), folds=space.folds, **changes):
    changed = dataclasses.replace(space, folds=folds).changed(changes)
    return interface.Plan(
      folds=folds_lib.folds(task, folds),
      examples=np.arange(300),
      space=changed,
      seed=0,
      seeds=seeds,
      known=known,
    )

  return of


@pytest.fixture(scope='session')
def measured(data, plan):
  """What a study yields, as a list; each head reads what its row says."""

  def measure(study, seeds=(0, 1), known=(), **changes):
    found = list(
      study.measure(data, plan(seeds, known, **{study.name: changes}))
    )
    for fields, head in found:
      if head is not None:
        assert fields['num_features'] == len(head.columns)
        assert head.head.kernel.shape == (3, len(head.columns))
        assert head.target_size == fields['target_size']
        assert (np.diff(head.columns) > 0).all()
    return found

  return measure
