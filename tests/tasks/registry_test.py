"""The promises that every embedded task makes."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.tasks import registry
from vtab_h2t.tasks import shifted
from vtab_h2t.tasks import task as task_lib

_TASKS = registry.tasks('embedded')
# Their images take seconds to draw, and their twins share them.
_LONG = 'shapes_count', 'solids_azim'


@pytest.mark.parametrize(
  'task',
  [
    pytest.param(t, marks=pytest.mark.soak) if t.name in _LONG else t
    for t in _TASKS
  ],
  ids=[t.name for t in _TASKS],
)
def test_embedded_task(task):
  assert task.suite == 'embedded' and task.group in task_lib.GROUPS
  assert len(task.train.ids) == 1000
  assert len(task.test.ids) == (797 if task.name == 'digits' else 1000)
  names = set(task.train.ids) | set(task.test.ids)
  assert len(names) == len(task.train.ids) + len(task.test.ids)
  for split in (task.train, task.test):
    assert split.labels.min() == 0
    assert split.labels.max() == task.num_classes - 1
    image = next(iter(split.images().take(1)))
    assert image.dtype == 'uint8' and image.shape[2] == 3
  for fold in np.array_split(task.cv_examples, 5):
    rest = np.setdiff1d(task.cv_examples, fold)
    counts = np.bincount(task.train.labels[rest], minlength=task.num_classes)
    assert counts.min() >= 10
  # No task is solved by always answering the commonest class.
  share = np.bincount(task.test.labels).max() / len(task.test.ids)
  assert share < 2.1 / task.num_classes


def test_groups_and_order_of_columns():
  groups = [t.group for t in _TASKS]
  assert groups == sorted(groups, key=task_lib.GROUPS.index)
  assert set(groups) == {'natural', 'specialized', 'structured'}


@pytest.mark.soak
def test_tasks_are_the_same_in_another_process():
  names = ['sprites_ori', 'digits', 'photo_patches']
  code = (
    'from vtab_h2t.tasks import registry\n'
    f'for t in registry.tasks("embedded", {names}) + '
    'registry.tasks("shifted", ["digits.noise5", "digits.permuted"]):\n'
    '  print(t.name, t.train.manifest_sha256(),'
    ' t.test.manifest_sha256())'
  )
  printed = {
    subprocess.run(
      [sys.executable, '-c', code],
      check=True,
      text=True,
      capture_output=True,
      env=os.environ | {'PYTHONHASHSEED': seed},
    ).stdout
    for seed in ('1', '2')
  }
  assert len(printed) == 1 and len(printed.pop().splitlines()) == 5


def test_related_tasks_share_their_images():
  by_name = {t.name: t for t in _TASKS}
  for one, two in (
    ('sprites_loc', 'sprites_ori'),
    ('shapes_count', 'shapes_dist'),
    ('solids_azim', 'solids_elev'),
  ):
    assert by_name[one].train.sha256 == by_name[two].train.sha256
    assert (by_name[one].train.labels != by_name[two].train.labels).any()


def test_unknown_names_are_one_line():
  with pytest.raises(errors.InputError, match='unknown suite'):
    registry.tasks('nope')
  with pytest.raises(errors.InputError, match='unknown task .nope.*digits'):
    registry.tasks('embedded', ['digits', 'nope'])


def test_shifted_tasks_declared_ones_first():
  declared = registry.order('shifted')
  found = registry.tasks('shifted')
  assert [t.name for t in found] == declared == list(shifted.names())
  assert registry.IMAGE_SIZES['shifted'] == 64
  asked = ['digits.noise1', declared[3], declared[0], 'digits.noise1', 'digits']
  names = [t.name for t in registry.tasks('shifted', asked)]
  assert names == [declared[0], declared[3], 'digits.noise1', 'digits']
  # Tasks of one base have different test images, sources or labels.
  assert registry.sharing_images(found) == [[t] for t in found]
  with pytest.raises(errors.InputError, match='unknown task .nope. in suite'):
    registry.tasks('shifted', ['digits', 'nope'])
  with pytest.raises(errors.InputError, match='the shifted suite takes no'):
    registry.tasks('shifted', data_dir='x')


def test_registered_tasks_are_the_suite_own(monkeypatch):
  monkeypatch.setattr(registry, '_registered', {})
  with pytest.raises(errors.InputError, match='own has no tasks; --plugins'):
    registry.tasks('own')
  task = testing.tiny_task('mine')
  registry.register(task)
  (found,) = registry.tasks('own', ['mine'])
  assert found.suite == 'own' and found.name == 'mine'
  assert found.train.ids == task.train.ids
  with pytest.raises(errors.InputError, match='there is a task mine already'):
    registry.register(task)
  with pytest.raises(errors.InputError, match='lower-case letters'):
    registry.register(testing.tiny_task('../mine'))
  with pytest.raises(errors.InputError, match="unknown group 'new'"):
    registry.register(dataclasses.replace(task, name='b', group='new'))
  with pytest.raises(errors.InputError, match='unknown task .*from mine'):
    registry.tasks('own', ['digits'])
  with pytest.raises(errors.InputError, match='the own suite takes no'):
    registry.tasks('own', data_dir='x')
