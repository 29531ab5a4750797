"""Accuracy against the place in the ranking (Figure 11, right).

The candidates of Figure 6 are ranked by relevance. Of the ranking `kept`
consecutive features at a time are used: from its beginning, from where those
end, and so on, as often as there are so many left.
"""

import numpy as np

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study


class Offset(study.Study):
  """A head for each part of the ranking."""

  name = 'offset'
  options_type = study.SelectingOptions

  def compare(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: study.SelectingOptions,
  ) -> study.Pairs:
    candidates = study.Candidates.of(data.features.layouts[options.target_size])
    count = candidates.num_kept(options)
    sets = []
    for seed, scores in zip(
      plan.seeds,
      candidates.ranked(data, plan.examples, options, plan.seeds),
      strict=True,
    ):
      order = np.argsort(-scores, kind='stable')
      for offset in range(0, len(order) - count + 1, count):
        sets.append(
          study.FeatureSet(
            {'offset': offset},
            options.target_size,
            candidates.columns[np.sort(order[offset : offset + count])],
            seed,
          )
        )
    yield from study.train(data, plan.examples, sets, options)
