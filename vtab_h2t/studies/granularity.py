"""Selecting features one by one or whole taps (Figures 6 and 10).

features     the features with the highest relevance
taps_mean    the taps whose features have the highest mean relevance
taps_group   the taps with the highest norm under a group lasso whose groups
             are the taps (the released code forgets its coefficient there)
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study

FEATURES, TAPS_MEAN, TAPS_GROUP = 'features', 'taps_mean', 'taps_group'
KINDS = (FEATURES, TAPS_MEAN, TAPS_GROUP)


def counts_of_taps(taps: int) -> list[int]:
  """1, 2, 4 and so on, and all."""
  return [2**i for i in range(taps.bit_length()) if 2**i < taps] + [taps]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.Options):
  """Of the study.

  Attributes:
    fractions: of the features to keep one by one; all of them besides.
  """

  fractions: tuple[float, ...] = fraction_lib.FRACTIONS


class Granularity(study.Study):
  """Accuracy against the number of features, for each kind of selection."""

  name = 'granularity'
  options_type = Options

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    size, seeds, examples = options.target_size, plan.seeds, plan.examples
    layout = data.features.layouts[size]
    sizes = tuple(b.size for b in layout.blocks)
    problem = data.heads.problem(
      size,
      examples,
      [
        sweep.HeadSpec(
          options.learning_rate, (seed, interface.FIRST), options.coefficient
        )
        for seed in seeds
      ],
      groups=sizes,
    )
    ((_, grouped),) = data.heads.train([problem], options.steps, 'l21')
    sets = []
    for seed, scores, group_head in zip(
      seeds, study.relevance(data, examples, options, seeds), grouped
    ):
      for fraction in (*options.fractions, 1.0):
        sets.append(
          study.FeatureSet(
            {'kind': FEATURES, 'fraction': fraction},
            size,
            fraction_lib.select(scores, fraction),
            seed,
          )
        )
      of_taps = {
        TAPS_MEAN: by_tap(scores, sizes, np.mean),
        TAPS_GROUP: by_tap(
          fraction_lib.relevance_scores(group_head.kernel),
          sizes,
          np.linalg.norm,
        ),
      }
      for kind, tap_scores in of_taps.items():
        order = np.argsort(-tap_scores, kind='stable')
        for count in counts_of_taps(len(order)):
          taps = [layout.blocks[i].tap for i in order[:count]]
          sets.append(
            study.FeatureSet(
              {'kind': kind, 'num_taps': count},
              size,
              study.columns_of(layout, taps),
              seed,
            )
          )
    yield from study.train(data, examples, sets, options)


def by_tap(
  scores: np.ndarray, sizes: Sequence[int], reduce: Callable[..., Any]
) -> np.ndarray:
  """One number for each run of `sizes` consecutive scores."""
  return np.array(
    [reduce(part) for part in np.split(scores, np.cumsum(sizes)[:-1])]
  )
