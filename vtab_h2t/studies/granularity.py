"""Selecting features one by one or whole taps (Figures 6 and 10).

Among the features of the first tap of each unit, by three kinds of score:

features     each feature's relevance
taps_mean    the mean relevance of its tap's features
taps_group   the norm of its tap's weights under a group lasso whose groups are
             the taps (the released code forgets its coefficient there)

All kinds keep the same numbers of features, those with the highest scores. As
the features of a tap have one score, the last tap may be kept in part, from its
first feature on; the released code does the same.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study

FEATURES, TAPS_MEAN, TAPS_GROUP = 'features', 'taps_mean', 'taps_group'
KINDS = (FEATURES, TAPS_MEAN, TAPS_GROUP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.SelectingOptions):
  """Of the study.

  Attributes:
    fractions: of the candidates to keep; `kept` and all of them besides.
  """

  fractions: tuple[float, ...] = fraction_lib.FRACTIONS


class Granularity(study.Study):
  """Accuracy against the number of features, for each kind of selection."""

  name = 'granularity'
  options_type = Options

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    candidates = study.Candidates.of(data.features.layouts[options.target_size])
    total = len(candidates.columns)
    counts = sorted(
      {fraction_lib.num_kept(total, f) for f in options.fractions}
      | {candidates.num_kept(options), total}
    )
    sizes = tuple(b.size for b in candidates.layout.blocks)
    sets = []
    for seed, scores, group_head in zip(
      plan.seeds,
      candidates.ranked(data, plan.examples, options, plan.seeds),
      _grouped(data, plan, options, candidates.columns, sizes),
      strict=True,
    ):
      of_group_head = fraction_lib.relevance_scores(group_head.kernel)
      for kind, found in (
        (FEATURES, scores),
        (TAPS_MEAN, by_tap(scores, sizes, np.mean)),
        (TAPS_GROUP, by_tap(of_group_head, sizes, np.linalg.norm)),
      ):
        for count in counts:
          chosen = fraction_lib.highest(found, count)
          sets.append(
            study.FeatureSet(
              {
                'kind': kind,
                'selected_by_tap': head2toe.selected_by_tap(
                  candidates.layout, chosen
                ),
              },
              options.target_size,
              candidates.columns[chosen],
              seed,
            )
          )
    yield from study.train(data, plan.examples, sets, options)


def _grouped(
  data: data_lib.TrainingData,
  plan: interface.Plan,
  options: Options,
  columns: np.ndarray,
  sizes: tuple[int, ...],
) -> list[sweep.Head]:
  """Heads under the group lasso whose groups are the taps, for each seed."""
  problem = data.heads.problem(
    options.target_size,
    plan.examples,
    study.selecting(options, plan.seeds),
    columns,
    sizes,
  )
  ((_, grouped),) = data.heads.train([problem], options.steps, 'l21')
  return grouped


def by_tap(
  scores: np.ndarray, sizes: Sequence[int], reduce: Callable[..., Any]
) -> np.ndarray:
  """Scores of features, each replaced by one number of its tap.

  Args:
    scores: `[D]`.
    sizes: of the taps, each of so many consecutive features.
    reduce: from the scores of a tap to the number.

  Returns:
    `[D]`.
  """
  parts = np.split(scores, np.cumsum(sizes)[:-1])
  return np.repeat([reduce(part) for part in parts], sizes)
