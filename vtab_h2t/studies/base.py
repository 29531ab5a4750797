"""What a study is: heads on feature sets that are made to be compared.

Studies look at one thing at a time, so all but the thing looked at is one
setting for every task; see `protocol.grids.study`.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import Any

import numpy as np

from vtab_h2t.features import pooling
from vtab_h2t.heads import sweep
from vtab_h2t.methods import base
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import linear
from vtab_h2t.selection import fraction as fraction_lib

Fields = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Space:
  """What studies are run with.

  Attributes:
    name: as in result rows.
    folds: numbers of the folds to choose on, where a study chooses.
    setting: of Head2Toe: learning rate, steps, target size, coefficient and
      fraction, each given.
    learning_rates: to choose from, where a study chooses them.
    target_sizes: of pooling, where a study varies it; the setting's among them.
    fractions: where a study varies or chooses it.
  """

  name: str
  folds: tuple[int, ...]
  setting: base.Hparams
  learning_rates: tuple[float, ...]
  target_sizes: tuple[int, ...]
  fractions: tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSet:
  """Columns of a layout that a head is trained on.

  Attributes:
    fields: what sets it apart, for result rows.
    target_size: which layout.
    columns: ascending indices.
    seed: of the head.
    learning_rate: of the head; None for the setting's.
  """

  fields: Fields
  target_size: int
  columns: np.ndarray
  seed: int
  learning_rate: float | None = None


class Study(abc.ABC):
  """A comparison on one task.

  Attributes:
    name: stands in the place of a method's.
  """

  name: str

  def inputs(self) -> Any:
    """A JSON value of what determines the rows besides task and space."""
    return None

  def target_sizes(self, space: Space) -> Sequence[int]:
    """Those whose features it needs."""
    return [space.setting.target_size]

  @abc.abstractmethod
  def measure(self, data: base.TrainingData, folds: Sequence[base.Fold],
              rows: np.ndarray, space: Space, seeds: Sequence[int]
              ) -> Iterator[tuple[Fields, base.FeatureHead | None]]:
    """Trains what is to be compared.

    Args:
      data: features and labels.
      folds: to choose on.
      rows: of the whole training set.
      space: what to run with.
      seeds: of the heads.

    Yields:
      (fields of a row, the head that is to be judged on the test images, or
      None if the row is complete).
    """


def train(data: base.TrainingData, rows: np.ndarray,
          sets: Iterable[FeatureSet], space: Space
          ) -> Iterator[tuple[Fields, base.FeatureHead]]:
  """Trains Head2Toe's second stage on each feature set.

  Yields:
    The fields with number of features, learning rate, steps and seed; the head.
  """
  sets = list(sets)
  rates = [s.learning_rate or space.setting.learning_rate for s in sets]
  problems = [
      data.problem(s.target_size, rows,
                   [sweep.HeadSpec(rate, (s.seed, base.SECOND))], s.columns)
      for s, rate in zip(sets, rates)]
  for i, (head,) in data.train(problems, space.setting.steps):
    one = sets[i]
    yield one.fields | {
        'num_features': len(one.columns), 'seed': one.seed,
        'target_size': one.target_size, 'learning_rate': rates[i],
        'steps': space.setting.steps,
    }, base.FeatureHead(one.target_size, one.columns, head, data.rule)


def validate(data: base.TrainingData, fold: base.Fold,
             sets: Sequence[FeatureSet], space: Space) -> list[int]:
  """Correct answers on a fold of heads that are trained on its rest."""
  found = []
  for one, (_, head) in zip(sets, train(data, fold.train_rows, sets, space)):
    matrix = data.matrix(one.target_size, fold.val_rows, one.columns)
    found.append(data.count_correct(matrix, fold.val_rows, head.head))
  return found


def first_stage(data: base.TrainingData, rows: np.ndarray, space: Space,
                seeds: Sequence[int]) -> list[sweep.Head]:
  """The group-lasso heads of the setting, one for each seed."""
  return linear.fit_first(data, rows, space.setting, seeds, 'l21')


def relevance(data: base.TrainingData, rows: np.ndarray, space: Space,
              seeds: Sequence[int]) -> list[np.ndarray]:
  """Relevance scores `[D]` of the setting, for each seed."""
  return head2toe.relevance(data, rows, space.setting, seeds)


def columns_of(layout: pooling.Layout, taps: Iterable[str]) -> np.ndarray:
  """Ascending columns of some taps."""
  starts, wanted = layout.starts, set(taps)
  return np.concatenate([
      np.arange(starts[i], starts[i + 1])
      for i, b in enumerate(layout.blocks) if b.tap in wanted])
