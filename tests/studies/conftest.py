import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.methods import interface
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.studies import base as study


@pytest.fixture(scope='session')
def space():
  """One setting for every study, and little to choose from."""
  study = {
    'learning_rate': 0.05,
    'steps': 20,
    'target_size': 30,
    'coefficient': 1e-5,
  }
  kept = study | {'kept': 6}
  return testing.tiny_space(
    folds=(4,),
    **dict.fromkeys(('scores', 'one_tap'), study),
    **dict.fromkeys(('relevance', 'offset', 'transfer'), kept),
    coefficient=kept | {'coefficients': (0.0, 1e-5, 1.0)},
    granularity=kept | {'fractions': (0.05, 0.5)},
    scaling=study | {'target_sizes': (30, 60), 'fractions': (0.05, 0.5)},
  )


@pytest.fixture(scope='session')
def options(space):
  """What studies have alike that select among candidates."""
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


@pytest.fixture(scope='module', autouse=True)
def units():
  """Of the tiny network, 'early' and 'tokens' are of one unit."""
  real = backbone_lib.unit_of
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(
      backbone_lib,
      'unit_of',
      lambda tap: 'unit' if tap in ('early', 'tokens') else real(tap),
    )
    yield


@pytest.fixture
def candidates(layout):
  return study.Candidates.of(layout)


@pytest.fixture(scope='module')
def ranked(data, options):
  """Relevance scores of candidates, seed by seed."""
  candidates = study.Candidates.of(data.features.layouts[30])
  scores = candidates.ranked(data, np.arange(300), options, (0, 1))
  return dict(enumerate(scores))


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
