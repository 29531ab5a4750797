"""Head2Toe: select features by group lasso, then a fresh linear head.

Stage 1 trains a group-lasso head on the features of all taps; a feature's
relevance is the norm of its row (equation 3). Stage 2 keeps the best fraction F
and trains a new, unregularised head on it, with the same learning rate and
steps. Relevance is computed once and serves every F.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools

import numpy as np

from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import space as space_lib

_PENALTY = 'l21'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(linear.Options):
  """Of `head2toe` (Head2Toe, Appendix A and Table 2).

  Attributes:
    target_sizes: of pooling.
    coefficients: of the group lasso that selects features.
    fractions: of the features to keep.
  """

  target_sizes: tuple[int, ...]
  coefficients: tuple[float, ...] = (1e-5, 1e-3)
  fractions: tuple[float, ...] = fraction_lib.FRACTIONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(linear.Setting):
  """Of Head2Toe.

  Attributes:
    fraction: of the features to keep.
  """

  fraction: float


class Head2Toe(interface.Searched):
  """The paper's method."""

  name = 'head2toe'
  options_type = Options

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
        fraction=fraction,
      )
      for size, steps, fraction, coefficient, rate in itertools.product(
        need('target_size', options.target_sizes),
        need('steps', options.steps),
        need('fraction', options.fractions),
        need(_PENALTY, options.coefficients),
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
    options = space.of(self.name)
    found: dict[Setting, list[int]] = {c: [] for c in self.candidates(space)}
    stack = linear.stack_of(options.learning_rates, options.coefficients, seed)
    data.heads.check_memory(options.target_sizes)
    for size, steps in itertools.product(options.target_sizes, options.steps):
      first = data.heads.validate(size, folds, stack, steps, _PENALTY)
      work = list(
        itertools.product(
          range(len(folds)), range(len(stack)), options.fractions
        )
      )
      problems, columns = [], []
      for f, h, fraction in work:
        columns.append(fraction_lib.select(first[f][h].ranked(), fraction))
        problems.append(
          _second(
            data,
            size,
            folds[f].train,
            columns[-1],
            stack[h].learning_rate,
            seed,
          )
        )
      for i, (head,) in data.heads.train(problems, steps):
        f, h, fraction = work[i]
        setting = Setting(
          learning_rate=stack[h].learning_rate,
          steps=steps,
          target_size=size,
          coefficient=stack[h].coefficient,
          fraction=fraction,
        )
        found[setting].append(
          data.heads.correct(size, folds[f].val, head, columns[i])
        )
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    return fit(data, examples, setting, seeds)


def fit(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  setting: Setting,
  seeds: Sequence[int],
) -> Iterator[data_lib.FeatureHead]:
  """Both stages with one setting, for each seed."""
  columns = [
    fraction_lib.select(scores, setting.fraction)
    for scores in relevance(data, examples, setting, seeds)
  ]
  problems = [
    _second(data, setting.target_size, examples, c, setting.learning_rate, seed)
    for c, seed in zip(columns, seeds)
  ]
  layout = data.features.layouts[setting.target_size]
  for i, (head,) in data.heads.train(problems, setting.steps):
    yield data.predictor(
      setting.target_size,
      columns[i],
      head,
      num_features=len(columns[i]),
      selected_by_tap=selected_by_tap(layout, columns[i]),
    )


def selected_by_tap(
  layout: pooling.Layout, columns: np.ndarray
) -> dict[str, list[int]]:
  """How many features of each tap are selected (Figures 6, 12 and 15).

  Args:
    layout: whose features are selected.
    columns: ascending indices of the selected ones.

  Returns:
    For each tap, by depth, the number of its features that are selected and
    the number of all its features.
  """
  kept = np.diff(np.searchsorted(columns, layout.starts)).tolist()
  return {b.tap: [n, b.size] for b, n in zip(layout.blocks, kept)}


def _second(
  data: data_lib.TrainingData,
  size: int | None,
  examples: np.ndarray,
  columns: np.ndarray,
  learning_rate: float,
  seed: int,
) -> sweep.Problem:
  """The second stage: one unregularised head on the selected features."""
  head = sweep.HeadSpec(learning_rate, (seed, interface.SECOND))
  return data.heads.problem(size, examples, [head], columns)


def relevance(
  data: data_lib.TrainingData,
  examples: np.ndarray,
  setting: Setting,
  seeds: Sequence[int],
) -> list[np.ndarray]:
  """Relevance scores `[D]` of a setting on examples, for each seed."""
  return [
    fraction_lib.relevance_scores(head.kernel)
    for head in linear.fit_first(data, examples, setting, seeds, _PENALTY)
  ]
