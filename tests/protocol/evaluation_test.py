import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data
from vtab_h2t.methods import knn
from vtab_h2t.protocol import evaluation
from vtab_h2t.tasks import task as task_lib


def _head(size, columns, features, seed, rule='selected'):
  rng = np.random.default_rng(seed)
  return data.FeatureHead(
    size,
    columns,
    sweep.Head(
      tf.constant(rng.normal(size=(3, features)), tf.float32),
      tf.constant(rng.normal(size=3), tf.float32),
    ),
    rule,
  )


@pytest.mark.parametrize('batch_size', [16, 7])
def test_counts_are_those_of_all_features_at_once(batch_size):
  split = testing.tiny_task(test=90).test
  extractor = extraction.Extractor(testing.tiny_backbone(), (6, 30), batch_size)
  size = {t: l.size for t, l in extractor.layouts.items()}
  columns = np.array([0, 3, 5, 40, size[30] - 1])
  heads = [
    _head(None, None, 9, 0),
    _head(30, None, size[30], 1),
    _head(30, None, size[30], 2),
    _head(6, None, size[6], 3),
    _head(30, columns, 5, 4),
    _head(30, columns, 5, 4, 'once'),
  ]
  calls = []
  counts = evaluation.count_correct(
    extractor,
    split,
    [(h, split.labels) for h in heads],
    lambda *a: calls.append(a),
  )
  assert calls[-1] == (90, 90)
  batches = [batch for _, batch in extractor(split)]
  for head, counted in zip(heads, counts):
    blocks = [
      np.concatenate(
        [extractor.select(b, head.target_size)[i] for b in batches]
      )
      for i in range(len(extractor.layouts[head.target_size].blocks))
    ]
    x = normalization.design_matrix(
      blocks, extractor.layouts[head.target_size], None, head.columns, head.rule
    )
    wanted = np.argmax(x @ tf.transpose(head.head.kernel) + head.head.bias, 1)
    assert counted == (wanted == split.labels).sum()
  assert len(set(counts)) > 2


def test_each_head_is_judged_by_its_own_labels():
  split = testing.tiny_task(test=90).test
  extractor = extraction.Extractor(testing.tiny_backbone(), (6,))
  head = _head(None, None, 9, 0)
  predicted = np.concatenate(
    [
      head.head.logits(
        normalization.design_matrix(
          extractor.select(b, None),
          extractor.layouts[None],
          None,
          None,
          'selected',
        )
      )
      .numpy()
      .argmax(1)
      for _, b in extractor(split)
    ]
  )
  assert evaluation.count_correct(
    extractor,
    split,
    [(head, predicted), (head, (predicted + 1) % 3)],
    testing.no_progress,
  ) == [90, 0]


def test_a_head_may_be_of_another_kind(tmp_path):
  """Neighbours vote, batch by batch, on one device or as on several."""
  task = testing.tiny_task(test=90)
  own = testing.training_data(tmp_path, task, ())
  method, space = knn.Knn(), testing.tiny_space()
  heads = [
    (next(method.fit(own, np.arange(200), setting, space, (0,))), labels)
    for setting in method.candidates(space)
    for labels in (task.test.labels, (task.test.labels + 1) % 3)
  ]
  plain, scope = (
    contextlib.nullcontext(),
    tf.distribute.OneDeviceStrategy('/cpu:0').scope(),
  )
  found = []
  for context in (plain, scope):
    with context:
      extractor = extraction.Extractor(testing.tiny_backbone(), (), 16)
      found.append(
        evaluation.count_correct(
          extractor, task.test, heads, testing.no_progress
        )
      )
  assert found[0] == found[1]
  extractor = extraction.Extractor(testing.tiny_backbone(), ())
  embedding = np.concatenate(
    [extractor.select(batch, None)[0] for _, batch in extractor(task.test)]
  )
  unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
  similar = unit(embedding) @ unit(own.embedding(np.arange(200))).T
  weights = np.exp(similar / 0.07)
  wanted = []
  for setting in method.candidates(space):
    least = np.sort(similar, axis=1)[:, -setting.neighbours][:, None]
    votes = np.where(similar >= least, weights, 0) @ np.eye(3)[own.labels[:200]]
    for labels in (task.test.labels, (task.test.labels + 1) % 3):
      wanted.append((votes.argmax(axis=1) == labels).sum())
  assert np.abs(np.array(found[0]) - wanted).max() <= 1  # Near ties.
  assert len(set(wanted)) > 2


def test_images_are_read_as_they_are_needed():
  """Memory does not grow with the test set: only some batches are ahead."""
  read = []

  def images():
    def generate():
      for i in range(3000):
        read.append(i)
        yield np.full((4, 4, 3), i % 256, np.uint8)

    return tf.data.Dataset.from_generator(
      generate, output_signature=tf.TensorSpec((4, 4, 3), tf.uint8)
    )

  split = task_lib.Split(
    tuple(map(str, range(3000))), np.zeros(3000, np.int64), images, ''
  )
  extractor = extraction.Extractor(testing.tiny_backbone(), (), 10)
  ahead = []
  evaluation.count_correct(
    extractor,
    split,
    [(_head(None, None, 9, 0), split.labels)],
    lambda done, total: ahead.append(len(read) - done),
  )
  assert len(ahead) == 300 and len(read) == 3000
  assert max(ahead) < 300
