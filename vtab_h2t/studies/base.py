"""What studies share: heads on feature sets that are made to be compared.

Studies look at one thing at a time, so all but the thing looked at is one
setting for every task; see `protocol.grids`.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import Any, ClassVar

import numpy as np

from vtab_h2t.features import pooling
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import space as space_lib

Pairs = Iterator[tuple[interface.Fields, data_lib.FeatureHead | None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """The setting of Head2Toe that a study is made with.

  Attributes:
    learning_rate, steps: of each head.
    target_size: of pooling.
    coefficient: of the group lasso that selects.
    fraction: of the features to keep.
  """

  learning_rate: float
  steps: int
  target_size: int
  coefficient: float
  fraction: float

  @property
  def setting(self) -> head2toe.Setting:
    """The same for `head2toe`."""
    return head2toe.Setting(
      learning_rate=self.learning_rate,
      steps=self.steps,
      target_size=self.target_size,
      coefficient=self.coefficient,
      fraction=self.fraction,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSet:
  """Columns of a layout that a head is trained on.

  Attributes:
    fields: what sets it apart, for result rows.
    target_size: which layout.
    columns: ascending indices.
    seed: of the head.
    learning_rate: of the head; None for the options'.
  """

  fields: interface.Fields
  target_size: int
  columns: np.ndarray
  seed: int
  learning_rate: float | None = None


class Study(interface.Measured):
  """A comparison on one task; a frozen network's heads are compared."""

  options_type: ClassVar[type[Options]] = Options
  folder = 'studies'

  def check(self, space: space_lib.Space) -> None:
    space.of(self.name)

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return [space.of(self.name).target_size]

  def measure(self, data: data_lib.TrainingData, plan: interface.Plan) -> Pairs:
    return self.compare(data, plan, plan.space.of(self.name))

  @abc.abstractmethod
  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Any
  ) -> Pairs:
    """`measure` with the study's options."""


def train(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  sets: Iterable[FeatureSet],
  options: Options,
) -> Iterator[tuple[interface.Fields, data_lib.FeatureHead]]:
  """Trains Head2Toe's second stage on each feature set.

  Yields:
    The fields with number of features, learning rate, steps and seed; the head.
  """
  sets = list(sets)
  rates = [s.learning_rate or options.learning_rate for s in sets]
  problems = [
    data.heads.problem(
      s.target_size,
      examples,
      [sweep.HeadSpec(rate, (s.seed, interface.SECOND))],
      s.columns,
    )
    for s, rate in zip(sets, rates)
  ]
  for i, (head,) in data.heads.train(problems, options.steps):
    one = sets[i]
    yield (
      one.fields
      | {
        'num_features': len(one.columns),
        'seed': one.seed,
        'target_size': one.target_size,
        'learning_rate': rates[i],
        'steps': options.steps,
      },
      data.predictor(one.target_size, one.columns, head),
    )


def validate(
  data: data_lib.TrainingData,
  fold: interface.Fold,
  sets: Sequence[FeatureSet],
  options: Options,
) -> list[int]:
  """Correct answers on a fold of heads that are trained on its rest."""
  return [
    data.heads.correct(one.target_size, fold.val, head.head, one.columns)
    for one, (_, head) in zip(sets, train(data, fold.train, sets, options))
  ]


def first_stage(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  options: Options,
  seeds: Sequence[int],
) -> list[sweep.Head]:
  """The group-lasso heads of the setting, one for each seed."""
  return linear.fit_first(data, examples, options.setting, seeds, 'l21')


def relevance(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  options: Options,
  seeds: Sequence[int],
) -> list[np.ndarray]:
  """Relevance scores `[D]` of the setting, for each seed."""
  return head2toe.relevance(data, examples, options.setting, seeds)


def columns_of(layout: pooling.Layout, taps: Iterable[str]) -> np.ndarray:
  """Ascending columns of some taps."""
  starts, wanted = layout.starts, set(taps)
  return np.concatenate(
    [
      np.arange(starts[i], starts[i + 1])
      for i, b in enumerate(layout.blocks)
      if b.tap in wanted
    ]
  )
