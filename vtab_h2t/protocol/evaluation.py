"""One pass over the test images counts the correct answers of every head."""

from collections.abc import Callable, Sequence
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf


def count_correct(
  extractor: extraction.Extractor,
  split: task_lib.Split,
  judged: Sequence[tuple[data_lib.FeatureHead, np.ndarray]],
  progress: Callable[[int, int], None],
) -> list[int]:
  """Streams a split through the backbone and all heads.

  Only one batch of features is held at a time.

  Args:
    extractor: computes the features.
    split: the examples.
    judged: heads, and the labels of the split that each should give: int64
      `[n]` (tasks that share images differ in them).
    progress: called with (images done, images in all).

  Returns:
    Correct answers of each head.

  Raises:
    errors.InputError: as `Extractor.__call__` raises.
  """
  correct = np.zeros(len(judged), np.int64)
  for done, batch in extractor(split):
    # Heads on all features of a layout share its matrix.
    whole: dict[Any, Any] = {}
    size = len(next(iter(batch.values())))
    for i, (head, labels) in enumerate(judged):
      if head.columns is None:
        key = head.target_size, head.rule
        if key not in whole:
          whole[key] = _matrix(extractor, batch, head)
        matrix = whole[key]
      else:
        matrix = _matrix(extractor, batch, head)
      correct[i] += counting.correct(
        head.head.logits(matrix), labels[done : done + size]
      )
    progress(done + size, len(split.ids))
  return correct.tolist()


def _matrix(
  extractor: extraction.Extractor,
  batch: dict[str, 'tf.Tensor'],
  head: data_lib.FeatureHead,
) -> 'tf.Tensor':
  """The features that a head reads."""
  return normalization.design_matrix(
    extractor.select(batch, head.target_size),
    extractor.layouts[head.target_size],
    columns=head.columns,
    rule=head.rule,
  )


def count_correct_of_network(
  backbone: backbone_lib.Backbone,
  split: task_lib.Split,
  predict: Callable[['tf.Tensor'], np.ndarray],
  progress: Callable[[int, int], None],
) -> int:
  """Streams a split through a network of its own.

  Args:
    backbone: says how images are read.
    split: the examples.
    predict: classes of a batch of inputs.
    progress: called with (images done, images in all).

  Returns:
    Its correct answers.

  Raises:
    errors.InputError: as `extraction.read` raises.
  """
  correct = 0
  for done, images in extraction.read(backbone, split):
    end = done + len(images)
    correct += counting.correct(predict(images), split.labels[done:end])
    progress(end, len(split.ids))
  return correct


def embed_images(
  backbone: backbone_lib.Backbone,
  split: task_lib.Split,
  embed: Callable[['tf.Tensor'], np.ndarray],
  progress: Callable[[int, int], None],
) -> np.ndarray:
  """Streams a split through what embeds batches of inputs.

  Args:
    backbone: says how images are read.
    split: the examples.
    embed: from a batch of inputs to their embeddings `[B, E]`.
    progress: called with (images done, images in all).

  Returns:
    float32 `[n, E]`.

  Raises:
    errors.InputError: as `extraction.read` raises.
  """
  found = []
  for done, images in extraction.read(backbone, split):
    found.append(embed(images))
    progress(done + len(images), len(split.ids))
  return np.concatenate(found)
