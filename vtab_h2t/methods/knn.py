"""The nearest neighbours of an embedding vote (Caron et al.; Oquab et al.).

As in DINOv2's evaluation: embeddings have unit norm, whatever the run's
normalisation; the 200 training images with the largest cosine similarity are
found; a softmax over these, of similarity / 0.07, gives each a weight; and a
class's score is the sum of the weights of its images among the first k.

DINOv2 reports each k; here k is chosen by validation. Where k is above 200,
that many share the weight; where there are fewer training images, all do.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.features import normalization
from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib

if TYPE_CHECKING:
  import tensorflow as tf

_RULE = normalization.SELECTED  # Of one tap, all of it: unit norm.
_BATCH_SIZE = 128  # Images that are judged at once in validation.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `knn`.

  Attributes:
    neighbours: values of k, numbers of those that vote.
    nearest: how many share the weight; k, if that is more.
    temperature: divides similarities before the softmax.
  """

  neighbours: tuple[int, ...] = (10, 20, 100, 200)
  nearest: int = 200
  temperature: float = 0.07


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.Setting):
  """Of `knn`.

  Attributes:
    neighbours: k, the number of those that vote.
  """

  neighbours: int


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
  """A predictor that holds its training examples.

  Attributes:
    features: float32 `[n, E]`, rows of unit norm.
    labels: integers `[n]`.
    classes: number of classes.
    count: how many vote.
    options: of the method.
  """

  features: 'tf.Tensor'
  labels: np.ndarray
  classes: int
  count: int
  options: Options

  def logits(self, matrix: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """Sums of weights `[m, classes]` of features of unit norm, `[m, E]`."""
    import tensorflow as tf

    similar, which = tf.math.top_k(
      tf.matmul(matrix, self.features, transpose_b=True),
      min(max(self.options.nearest, self.count), len(self.labels)),
    )
    weights = tf.nn.softmax(similar / self.options.temperature)
    votes = tf.one_hot(
      tf.gather(self.labels, which[:, : self.count]), self.classes
    )
    return tf.linalg.matvec(votes, weights[:, : self.count], transpose_a=True)


class Knn(interface.Searched):
  """A vote of the nearest training examples."""

  name = 'knn'
  options_type = Options
  seeded = False

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return ()

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    return [
      Setting(neighbours=k)
      for k in space_lib.require(self.name, 'k', space.of(self.name).neighbours)
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    del seed
    options = space.of(self.name)
    found: dict[Setting, list[int]] = {c: [] for c in self.candidates(space)}
    for fold in folds:
      one = _neighbours(data, fold.train, 1, options)
      own = [dataclasses.replace(one, count=c.neighbours) for c in found]
      correct = np.zeros(len(own), np.int64)
      for first in range(0, len(fold.val), _BATCH_SIZE):
        examples = fold.val[first : first + _BATCH_SIZE]
        held_out = data.matrix(None, examples, rule=_RULE)
        correct += [
          counting.correct(voting.logits(held_out), data.labels[examples])
          for voting in own
        ]
      for counts, count in zip(found.values(), correct.tolist(), strict=True):
        counts.append(count)
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    predictor = data_lib.FeatureHead(
      None,
      None,
      _neighbours(data, examples, setting.neighbours, space.of(self.name)),
      _RULE,
      {
        'num_features': data.num_features(None),
        'num_examples': len(examples),
      },
    )
    for _ in seeds:
      yield predictor


def _neighbours(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  count: int,
  options: Options,
) -> Neighbours:
  """Training examples of which so many vote."""
  return Neighbours(
    data.matrix(None, examples, rule=_RULE),
    data.labels[examples],
    data.classes,
    count,
    options,
  )
