"""Linear probing, with or without all intermediate features.

`linear` reads the embedding only; `all_l2`, `all_l1` and `all_l21` read the
pooled features of all taps and penalise the kernel (the paper's "+All").
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools

import numpy as np

from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of `linear` (Head2Toe, Appendix A).

  Attributes:
    learning_rates: initial ones, of Adam.
    steps: numbers of optimisation steps.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01)
  steps: tuple[int, ...] = (500, 5000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllOptions(Options):
  """Of the `all_` methods.

  Attributes:
    target_sizes: of pooling.
    coefficients: of the penalty.
  """

  target_sizes: tuple[int, ...]
  coefficients: tuple[float, ...] = (1e-5, 1e-4, 1e-3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.TrainedSetting):
  """Of a linear head.

  Attributes:
    steps: optimisation steps.
    target_size: of pooling; None for the embedding.
    coefficient: of the penalty.
  """

  steps: int
  target_size: int | None = None
  coefficient: float | None = None


class Linear(interface.Searched):
  """A linear head on the embedding."""

  name = 'linear'
  options_type = Options

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return ()

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    return [
      Setting(learning_rate=rate, steps=steps)
      for steps, rate in itertools.product(
        space_lib.require(self.name, 'steps', options.steps),
        space_lib.require(self.name, 'lr', options.learning_rates),
      )
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    options, found = space.of(self.name), {}
    heads = stack_of(options.learning_rates, (0.0,), seed)
    for steps in options.steps:
      results = data.heads.validate(None, folds, heads, steps, None)
      for i, head in enumerate(heads):
        setting = Setting(learning_rate=head.learning_rate, steps=steps)
        found[setting] = [fold[i].correct for fold in results]
    return {c: found[c] for c in self.candidates(space)}

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    for head in fit_first(data, examples, setting, seeds, None):
      yield data.predictor(None, None, head)


class All(interface.Searched):
  """A penalised linear head on all features."""

  options_type = AllOptions

  def __init__(self, name: str, penalty: str) -> None:
    """Initialises.

    Args:
      name: method id.
      penalty: 'l1', 'l2' or 'l21', of the kernel.
    """
    self.name = name
    self._penalty = penalty

  def _stacks(self, space: space_lib.Space) -> list[tuple[float, ...]]:
    """Coefficients, in sets that are trained together.

    Those that Head2Toe selects features with are a set of their own, the same
    whether Head2Toe is run beside or not, so that the two share them.
    """
    every = space.of(self.name).coefficients
    if self._penalty != 'l21' or 'head2toe' not in space.options:
      return [every]
    selecting = space.of('head2toe').coefficients
    shared = tuple(c for c in selecting if c in every)
    return [
      s for s in (shared, tuple(c for c in every if c not in shared)) if s
    ]

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return space.of(self.name).target_sizes

  def candidates(self, space: space_lib.Space) -> Sequence[Setting]:
    options = space.of(self.name)
    need = functools.partial(space_lib.require, self.name)
    return [
      Setting(
        learning_rate=rate,
        steps=steps,
        target_size=size,
        coefficient=coefficient,
      )
      for size, steps, coefficient, rate in itertools.product(
        need('target_size', options.target_sizes),
        need('steps', options.steps),
        need(self._penalty, options.coefficients),
        need('lr', options.learning_rates),
      )
    ]

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Setting, space_lib.Counts]:
    options, found = space.of(self.name), {}
    data.heads.check_memory(options.target_sizes)
    for size, steps, stack in itertools.product(
      options.target_sizes, options.steps, self._stacks(space)
    ):
      heads = stack_of(options.learning_rates, stack, seed)
      results = data.heads.validate(size, folds, heads, steps, self._penalty)
      for i, head in enumerate(heads):
        found[
          Setting(
            learning_rate=head.learning_rate,
            steps=steps,
            target_size=size,
            coefficient=head.coefficient,
          )
        ] = [fold[i].correct for fold in results]
    return {c: found[c] for c in self.candidates(space)}

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    for head in fit_first(data, examples, setting, seeds, self._penalty):
      yield data.predictor(setting.target_size, None, head)


def stack_of(
  learning_rates: Sequence[float], coefficients: Sequence[float], seed: int
) -> list[sweep.HeadSpec]:
  """First-stage heads for every pair of learning rate and coefficient."""
  return [
    sweep.HeadSpec(rate, (seed, interface.FIRST), c)
    for c, rate in itertools.product(coefficients, learning_rates)
  ]


def fit_first(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  setting: Setting,
  seeds: Sequence[int],
  penalty: str | None,
) -> list[sweep.Head]:
  """First-stage heads of one setting, one for each seed."""
  heads = [
    sweep.HeadSpec(
      setting.learning_rate, (seed, interface.FIRST), setting.coefficient or 0.0
    )
    for seed in seeds
  ]
  return data.heads.fit(
    setting.target_size, examples, heads, setting.steps, penalty
  )
