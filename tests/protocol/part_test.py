"""A task of a work unit; what it measures is tested with `unit`."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from vtab_h2t.backbones import preprocessing
from vtab_h2t.methods import lp_ft
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import part as part_lib
from vtab_h2t.studies import registry as studies


@pytest.fixture(scope='module')
def backbone():
  return testing.tiny_backbone()


def _part(backbone, workdir, seeds=(0, 1), methods=('linear',), **changes):
  return part_lib.Part(
    testing.tiny_run(backbone, **changes),
    testing.tiny_task(),
    methods,
    (studies.STUDIES['offset'],),
    seeds,
    backbone,
    ledger_lib.Ledger(workdir),
  )


def test_all_is_missing_where_nothing_is_there(backbone, tmp_path):
  part = _part(backbone, tmp_path)
  assert [m.file for m in part.missing] == ['linear', 'offset']
  assert part.seeds_of(part.missing[0]) == (0, 1)
  assert not any(tmp_path.iterdir())  # Looking makes no folder.


def test_only_the_seeds_that_lack_are_missing(backbone, tmp_path):
  run = testing.tiny_run(backbone)
  testing.measure(
    tmp_path, run, [testing.tiny_task()], backbone, ['linear'], seeds=(1,)
  )
  part = _part(backbone, tmp_path)
  linear, offset = part.missing
  assert part.seeds_of(linear) == (0,) and part.seeds_of(offset) == (0, 1)
  plan = part.plan(linear)
  assert plan.seeds == (0,) and plan.seed == 0
  assert {r['split'] for r in plan.known} == {'val'}
  assert not part.plan(offset).known
  done = _part(backbone, tmp_path, seeds=(1,))
  assert [m.file for m in done.missing] == ['offset']


def test_a_part_of_the_training_set_is_used(backbone, tmp_path):
  whole, tenth = (
    _part(backbone, tmp_path, train_fraction=fraction)
    for fraction in (1.0, 0.1)
  )
  counts = [len(p.plan(p.missing[0]).examples) for p in (whole, tenth)]
  assert counts == [300, 30]


def test_a_derived_method_is_not_measured_itself(backbone, tmp_path):
  part = _part(backbone, tmp_path, methods=('head2toe_ft_plus',))
  assert [m.file for m in part.missing] == [
    'head2toe',
    'head2toe_ft',
    'offset',
  ]


def _source(backbone, workdir, of_source):
  part = part_lib.Part(
    testing.tiny_run(backbone),
    dataclasses.replace(testing.tiny_task(), source=of_source),
    (),
    (),
    (0,),
    backbone,
    ledger_lib.Ledger(workdir),
  )
  return part.networks(lp_ft.LpFt(), None, None, {}, testing.no_progress).source


def test_a_source_is_read_as_its_task_is(backbone, tmp_path, monkeypatch):
  of_source = testing.tiny_task('source', train=40, test=20, seed=3)
  found = _source(backbone, tmp_path, of_source)
  for inputs, labels, split in (
    (found.inputs, found.labels, of_source.train),
    (found.test_inputs, found.test_labels, of_source.test),
  ):
    images = np.stack(list(split.images().as_numpy_iterator()))
    np.testing.assert_array_equal(inputs(), backbone.preprocess(images))
    assert inputs() is inputs()
    np.testing.assert_array_equal(labels, split.labels)
  assert _source(backbone, tmp_path, None) is None
  # What was trained on it is known by all that it follows from.
  ids = [found.id, _source(backbone, tmp_path, testing.tiny_task('source')).id]
  other = dataclasses.replace(backbone, input=preprocessing.HALF)
  ids.append(_source(other, tmp_path, of_source).id)
  monkeypatch.setattr(part_lib, 'VERSION', part_lib.VERSION + 1)
  ids.append(_source(backbone, tmp_path, of_source).id)
  assert len(set(ids)) == 4
