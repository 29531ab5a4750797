"""What studies share: heads on feature sets that are made to be compared.

Studies look at one thing at a time, so all but the thing looked at is one
setting for every task; see `protocol.grids`.
"""

import abc
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import Any, ClassVar

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib

Pairs = Iterator[tuple[interface.Fields, data_lib.FeatureHead | None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """The setting of Head2Toe that a study is made with.

  Attributes:
    learning_rate, steps: of each head.
    target_size: of pooling.
    coefficient: of the group lasso that selects.
  """

  learning_rate: float
  steps: int
  target_size: int
  coefficient: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectingOptions(Options):
  """Of a study that selects among the candidates of Figure 6.

  Attributes:
    kept: how many candidates to keep; see `num_kept`.
  """

  kept: int


def num_kept(kept: int, candidates: int) -> int:
  """How many candidates are kept: `kept`, but at most half of them.

  So there is something to select in a small network too.
  """
  return min(kept, max(1, candidates // 2))


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
  """The features of Figure 6: of the first tap of each unit of a network.

  The paper takes "the first layer of each of the 18 ResNet blocks", 29,800
  features. A ResNet-50 has 16 residual units; with the root, the last map, the
  embedding and the logits, which are units of their own, the number is that.

  Attributes:
    columns: theirs in the layout of all taps, ascending.
    layout: theirs alone; its i-th feature is that of `columns[i]`.
  """

  columns: np.ndarray
  layout: pooling.Layout

  @classmethod
  def of(cls, layout: pooling.Layout) -> 'Candidates':
    """Those of a layout of all taps."""
    first: dict[str, pooling.Block] = {}
    for block in layout.blocks:
      first.setdefault(backbone_lib.unit_of(block.tap), block)
    return cls(
      columns_of(layout, [b.tap for b in first.values()]),
      pooling.Layout(tuple(first.values())),
    )

  def num_kept(self, options: SelectingOptions) -> int:
    """How many to keep; see the function `num_kept`."""
    return num_kept(options.kept, len(self.columns))

  def ranked(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    options: Options,
    seeds: Sequence[int],
  ) -> list[np.ndarray]:
    """Relevance scores `[len(columns)]` under the group lasso, by seed."""
    return [
      fraction_lib.relevance_scores(head.kernel)
      for head in first_stage(data, examples, options, seeds, self.columns)
    ]


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
    data.heads.correct(
      one.target_size, fold.val, data.trained(head), one.columns
    )
    for one, (_, head) in zip(sets, train(data, fold.train, sets, options))
  ]


def first_stage(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  options: Options,
  seeds: Sequence[int],
  columns: np.ndarray | None = None,
) -> list[sweep.Head]:
  """The group-lasso heads of the setting, one for each seed.

  Args:
    data: what is learned from.
    examples: indices of those to train on, in order.
    options: the setting.
    seeds: of the heads.
    columns: ascending indices of the features they read, or None for all.
  """
  heads = selecting(options, seeds)
  return data.heads.fit(
    options.target_size, examples, heads, options.steps, 'l21', columns
  )


def selecting(options: Options, seeds: Sequence[int]) -> list[sweep.HeadSpec]:
  """The heads that select features, under the group lasso, one a seed."""
  return [
    sweep.HeadSpec(
      options.learning_rate, (seed, interface.FIRST), options.coefficient
    )
    for seed in seeds
  ]


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
