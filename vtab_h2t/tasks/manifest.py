"""Which examples a task's splits hold, and which classes they cover."""

from typing import Any

import numpy as np

from vtab_h2t import files
from vtab_h2t.tasks import task as task_lib


def _indices(task: task_lib.Task) -> dict[str, np.ndarray]:
  """Indices into the train split for each split that is learned from."""
  examples = task.examples
  folds = {f'fold{i}': part for i, part in enumerate(task.folds)}
  return {
    'train800': examples.train800,
    'val200': examples.val200,
    'train800val200': task.final_examples,
    'cv': examples.cv,
  } | folds


def sha256(task: task_lib.Task) -> str:
  """Identifies a task's examples, labels and splits, and its source's."""
  parts: dict[str, Any] = {
    'train': task.train.manifest_sha256(),
    'test': task.test.manifest_sha256(),
    'rows': {name: part.tolist() for name, part in _indices(task).items()},
  }
  if task.further:
    parts['further'] = {
      name: split.manifest_sha256()
      for name, split in task.further_tests.items()
    }
  if task.source:
    parts['source'] = sha256(task.source)
  return files.fingerprint(parts)


def describe(task: task_lib.Task) -> dict[str, Any]:
  """The manifest: a JSON value.

  Returns:
    'suite', 'task', 'classes', 'sha256', and 'splits': for each of train800,
    val200, train800val200, cv (and its folds' validation parts fold0 to fold4),
    test, and further/NAME of each further test set, its 'size', 'sha256' (over
    ids and labels), 'classes_present', 'classes_absent' and example 'ids'. A
    task that has a source also has 'source', the same of that. A task that is
    read from encoded images also has 'encodings': for all training images and
    for test, how many are encoded in which way. It is part of no hash.
  """
  parts = {
    name: ([task.train.ids[i] for i in part], task.train.labels[part])
    for name, part in _indices(task).items()
  }
  parts['test'] = list(task.test.ids), task.test.labels
  for name, split in task.further_tests.items():
    parts[f'further/{name}'] = list(split.ids), split.labels
  splits = {}
  for name, (ids, labels) in parts.items():
    absent = np.setdiff1d(np.arange(task.num_classes), labels)
    splits[name] = {
      'size': len(ids),
      'sha256': files.fingerprint([ids, labels.tolist()]),
      'classes_present': task.num_classes - len(absent),
      'classes_absent': absent.tolist(),
      'ids': ids,
    }
  found = {
    'suite': task.suite,
    'task': task.name,
    'classes': task.num_classes,
    'sha256': sha256(task),
    'splits': splits,
  }
  encodings = {
    'train': dict(task.train.encodings()),
    'test': dict(task.test.encodings()),
  }
  if any(encodings.values()):
    found['encodings'] = encodings
  if task.source:
    found['source'] = describe(task.source)
  return found
