"""Head2Toe with other relevance scores; see `heads.scores`.

The paper has no such comparison; its released code offers most of the scores.
"""

import dataclasses
import functools

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import scores as scores_lib
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.Options):
  """Of the study.

  Attributes:
    fraction: of the features to keep.
  """

  fraction: float


class Scores(study.Study):
  """A head for each score, on as many features."""

  name = 'scores'
  options_type = Options

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    size, sets = options.target_size, []
    raw = data.raw(size, plan.examples).numpy()
    normalised = data.matrix(size, plan.examples).numpy()

    @functools.cache
    def of_data(name: str, seed: int) -> np.ndarray:
      return scores_lib.of_data(
        name,
        normalised if name in scores_lib.NORMALISED else raw,
        data.labels[plan.examples],
        seed,
        coefficient=options.coefficient,
      )

    for seed, head in zip(
      plan.seeds, study.first_stage(data, plan.examples, options, plan.seeds)
    ):
      for name in scores_lib.SCORES:
        if name in scores_lib.OF_KERNEL:
          found = scores_lib.of_kernel(name, head.kernel)
        else:
          found = of_data(
            name, seed if name in scores_lib.SEEDED else plan.seed
          )
        sets.append(
          study.FeatureSet(
            {'score': name, 'fraction': options.fraction},
            size,
            fraction_lib.select(found, options.fraction),
            seed,
          )
        )
    yield from study.train(data, plan.examples, sets, options)
