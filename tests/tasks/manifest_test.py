import dataclasses

import numpy as np

from tests import testing
from vtab_h2t.tasks import manifest
from vtab_h2t.tasks import task as task_lib


def test_each_split_has_ids_hash_and_coverage():
  labels = np.arange(50) % 3  # Class 3 of 4 has no example.
  split = task_lib.array_split('x', testing.images(50), labels, range(50))
  task = task_lib.Task(
    'vtab',
    'x',
    'own',
    4,
    lambda: task_lib.Examples(
      split, split, np.arange(30), np.arange(40, 50), np.arange(40)
    ),
  )
  found = manifest.describe(task)
  splits = found['splits']
  assert found['classes'] == 4 and found['sha256'] == manifest.sha256(task)
  assert {n: s['size'] for n, s in splits.items()} == {
    'train800': 30,
    'val200': 10,
    'train800val200': 40,
    'cv': 40,
    'fold0': 8,
    'fold1': 8,
    'fold2': 8,
    'fold3': 8,
    'fold4': 8,
    'test': 50,
  }
  assert splits['val200']['ids'] == [f'x/{i}' for i in range(40, 50)]
  assert splits['train800val200']['ids'] == [
    f'x/{i}' for i in (*range(30), *range(40, 50))
  ]
  assert splits['fold1']['ids'] == [f'x/{i}' for i in range(8, 16)]
  assert all(
    s['classes_present'] == 3 and s['classes_absent'] == [3]
    for s in splits.values()
  )
  assert len({s['sha256'] for s in splits.values()}) == 10


def test_hash_covers_labels_and_splits():
  task = testing.tiny_task()
  labels = task.train.labels.copy()
  labels[0] = (labels[0] + 1) % 3
  whole = task.examples
  others = [
    dataclasses.replace(
      whole, train=dataclasses.replace(whole.train, labels=labels)
    ),
    dataclasses.replace(whole, cv=whole.cv[1:]),
    dataclasses.replace(whole, train800=whole.train800[1:]),
    dataclasses.replace(whole, test=whole.train),
  ]
  hashes = {manifest.sha256(task)} | {
    manifest.sha256(dataclasses.replace(task, load=lambda o=other: o))
    for other in others
  }
  assert len(hashes) == 5
  assert manifest.sha256(testing.tiny_task()) == manifest.sha256(task)


def test_further_sets_and_source_are_part_of_it_where_there_are_any():
  task = testing.tiny_task()
  far = {'far': lambda: task.train}
  others = [
    dataclasses.replace(task, further=far),
    dataclasses.replace(task, further={'near': far['far']}),
    dataclasses.replace(task, further={'far': lambda: task.test}),
    dataclasses.replace(task, source=task),
    dataclasses.replace(task, source=testing.tiny_task(train=90)),
  ]
  assert len({manifest.sha256(t) for t in (task, *others)}) == 6
  plain = manifest.describe(task)
  assert 'source' not in plain and 'further/far' not in plain['splits']
  found = manifest.describe(others[0])['splits']['further/far']
  assert found['ids'] == list(task.train.ids)
  assert manifest.describe(others[3])['source'] == plain


def test_encodings_are_told_and_in_no_hash():
  task = testing.tiny_task()
  assert 'encodings' not in manifest.describe(task)
  counts = {'JPEG of quality 75': 299, 'PNG': 1}
  whole = task.examples
  encoded = dataclasses.replace(
    task,
    load=lambda: dataclasses.replace(
      whole,
      train=dataclasses.replace(whole.train, encodings=lambda: counts),
    ),
  )
  found = manifest.describe(encoded)
  assert found.pop('encodings') == {'train': counts, 'test': {}}
  assert found == manifest.describe(task)
