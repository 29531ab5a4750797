"""More candidate features (Figures 7 right, 14 and 16).

Head2Toe on every tap, every fourth or every sixteenth, counted from the last,
pooled to each target size. The embedding is always among them, as in the
released code. The fraction to keep is chosen on the folds.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools

import numpy as np

from vtab_h2t.features import pooling
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.studies import base as study

STRIDES = (16, 4, 1)  # Of the taps that are used.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.Options):
  """Of the study; its single target size is not read.

  Attributes:
    fraction: of the candidates to keep where there are no folds.
    target_sizes: of pooling.
    fractions: to choose from.
  """

  fraction: float
  target_sizes: tuple[int, ...]
  fractions: tuple[float, ...] = fraction_lib.FRACTIONS


class Scaling(study.Study):
  """Head2Toe for each pair of target size and share of taps."""

  name = 'scaling'
  options_type = Options

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return space.of(self.name).target_sizes

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    known = {(row['target_size'], row['tap_stride']): row for row in plan.known}
    embedding = data.features.layouts[None].blocks[0].tap
    data.heads.check_memory(options.target_sizes)
    for size in options.target_sizes:
      layout = data.features.layouts[size]
      for stride in STRIDES:
        columns = columns_of(layout, embedding, stride)
        fields = {'tap_stride': stride, 'num_candidates': len(columns)}
        selector = functools.partial(
          _selector, data, options, size, columns, fields
        )
        fraction = options.fraction
        if plan.folds:
          chosen = known.get((size, stride)) or self._choose(
            data, plan, options, selector, fields | {'target_size': size}
          )
          fraction = chosen['fraction']
          yield chosen, None
        yield from study.train(
          data,
          plan.examples,
          [selector(plan.examples, seed)(fraction) for seed in plan.seeds],
          options,
        )

  def _choose(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: Options,
    selector: '_Selector',
    fields: interface.Fields,
  ) -> interface.Fields:
    """The validation row of the best fraction."""
    correct = np.zeros(len(options.fractions), np.int64)
    for fold in plan.folds:
      keep = selector(fold.train, plan.seed)
      correct += study.validate(
        data, fold, [keep(f) for f in options.fractions], options
      )
    best = int(correct.argmax())
    return fields | {
      'fold': None,
      'split': 'val',
      'seed': plan.seed,
      'fraction': options.fractions[best],
      'correct': int(correct[best]),
      'total': sum(len(f.val) for f in plan.folds),
    }


def columns_of(
  layout: pooling.Layout, embedding: str, stride: int
) -> np.ndarray:
  """Columns `[k]` of every `stride`-th tap from the last, and the embedding."""
  taps = [b.tap for b in layout.blocks]
  return study.columns_of(layout, {embedding, *taps[::-1][::stride]})


# From examples and a seed to the features that a fraction keeps.
_Selector = Callable[[np.ndarray, int], Callable[[float], study.FeatureSet]]


def _selector(
  data: data_lib.TrainingData,
  options: Options,
  size: int,
  columns: np.ndarray,
  fields: interface.Fields,
  examples: np.ndarray,
  seed: int,
) -> Callable[[float], study.FeatureSet]:
  """Ranks some columns on examples."""
  problem = data.heads.problem(
    size, examples, study.selecting(options, [seed]), columns
  )
  ((_, (head,)),) = data.heads.train([problem], options.steps, 'l21')
  scores = fraction_lib.relevance_scores(head.kernel)
  return lambda fraction: study.FeatureSet(
    fields | {'fraction': fraction},
    size,
    columns[fraction_lib.select(scores, fraction)],
    seed,
  )
