"""Accuracy against the place in the ranking (Figure 11).

As many consecutive features of the ranking as the setting's fraction keeps,
starting at 0, 1, 2 and so on times that number.
"""

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study

_PLACES = 10


class Offset(study.Study):
  """A head for each of the first places of the ranking."""

  name = 'offset'

  def compare(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: study.Options,
  ) -> study.Pairs:
    sets = []
    for seed, scores in zip(
      plan.seeds, study.relevance(data, plan.examples, options, plan.seeds)
    ):
      order = np.argsort(-scores, kind='stable')
      count = fraction_lib.num_kept(len(scores), options.fraction)
      for offset in range(
        0, min(_PLACES * count, len(scores) - count + 1), count
      ):
        sets.append(
          study.FeatureSet(
            {'offset': offset},
            options.target_size,
            np.sort(order[offset : offset + count]),
            seed,
          )
        )
    yield from study.train(data, plan.examples, sets, options)
