"""What studies need that train a network, in seconds: small tasks and steps."""

import contextlib
import dataclasses
import functools
from unittest import mock

import numpy as np

from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import network as network_lib

FOLD = 4  # Of 60 examples to choose on; 240 are trained on.


def task(name='tiny', seed=0, **changes):
  """A small task of the suite 'shifted'."""
  changes = {'suite': 'shifted', 'group': 'input'} | changes
  return dataclasses.replace(testing.tiny_task(name, seed=seed), **changes)


def relabelled(split):
  """The same images, each with the label after its own."""
  return dataclasses.replace(split, labels=(split.labels + 1) % 3)


def space(study, **changes):
  """What is tried of one study."""
  return space_lib.Space(
    name='test',
    folds=(FOLD,),
    options={study.name: study.options_type(**changes)},
  )


def plan(of, tried, seeds=(0,), known=()):
  """How a study is measured on a task."""
  return interface.Plan(
    folds=folds_lib.folds(of, tried.folds),
    examples=folds_lib.training_order(of.final_examples),
    space=tried,
    seed=0,
    seeds=seeds,
    known=known,
  )


def data(folder, of, net, source_id='source'):
  """What a study learns from; nothing is trained yet.

  Args:
    folder: for files.
    of: the task.
    net: the network that is trained.
    source_id: of the task's source, if it has one.
  """

  def inputs(split):
    return functools.cache(lambda: extraction.inputs(net.backbone, split))

  source = of.source and data_lib.Source(
    id=source_id,
    inputs=inputs(of.source.train),
    labels=of.source.train.labels,
    test_inputs=inputs(of.source.test),
    test_labels=of.source.test.labels,
  )
  return data_lib.TrainingData(
    store.open_or_compute(
      folder / 'features',
      extraction.Extractor(net.backbone, ()),
      of.train,
      testing.no_progress,
    ),
    of.train.labels,
    of.num_classes,
    'selected',
    2**30,
    data_lib.Networks(
      inputs(of.train),
      lambda: net,
      folder / 'unfinished',
      {},
      source,
      folder / 'sources',
    ),
  )


@contextlib.contextmanager
def always(net):
  """Work units train this network, whose steps are compiled already."""
  with mock.patch.object(network_lib, 'Network', return_value=net):
    yield


def measure(workdir, study, of, tried, net, seeds=(0,)):
  """Measures a study in a work unit and returns all its rows."""
  with always(net):
    return testing.measure(
      workdir,
      testing.tiny_run(net.backbone, suite=of.suite, space=tried),
      [of],
      net.backbone,
      studies=(study,),
      seeds=seeds,
    )


def judged(rows):
  """The rows of test images."""
  return [r for r in rows if r['split'] == 'test']


def is_statistic(net):
  """Which weights of a state are batch norms' statistics."""
  return np.array(['moving' in w.path for w in net._model.weights])


def further(*names):
  """Further test sets; each has images of its own."""
  return {
    name: functools.partial(_split, name, number)
    for number, name in enumerate(names, 1)
  }


def _split(name, seed) -> task_lib.Split:
  return testing.tiny_task(name, train=3, test=40, seed=seed).test
