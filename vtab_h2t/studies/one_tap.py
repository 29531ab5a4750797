"""One additional tap at a time (Figure 4).

A linear head reads the embedding and the features of one tap more. The learning
rate is chosen on the folds for each tap, as Linear's is. The tap that is best
by test is the paper's oracle.
"""

import numpy as np

from vtab_h2t.studies import base as study


class OneTap(study.Study):
  """A head for each tap but the embedding."""

  name = 'one_tap'

  def measure(self, data, folds, rows, space, seeds):
    size = space.setting.target_size
    layout = data.features.layouts[size]
    embedding = data.features.layouts[None].blocks[0].tap
    for tap in (b.tap for b in layout.blocks if b.tap != embedding):
      columns = study.columns_of(layout, (embedding, tap))
      feature_set = lambda seed, rate: study.FeatureSet(
          {'tap': tap}, size, columns, seed, rate)
      candidates = [feature_set(seeds[0], rate)
                    for rate in space.learning_rates]
      correct = np.zeros(len(candidates), np.int64)
      for fold in folds:
        correct += study.validate(data, fold, candidates, space)
      best = int(correct.argmax())
      yield {'tap': tap, 'split': 'val', 'seed': seeds[0],
             'learning_rate': space.learning_rates[best],
             'correct': int(correct[best]),
             'total': sum(len(f.val_rows) for f in folds)}, None
      yield from study.train(
          data, rows, [feature_set(seed, space.learning_rates[best])
                       for seed in seeds], space)
