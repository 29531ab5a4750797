"""More candidate features (Figures 7 right, 14 and 16).

Head2Toe on every tap, every fourth or every sixteenth, counted from the last,
pooled to each target size. The fraction to keep is chosen on the folds.
"""

import numpy as np

from vtab_h2t.heads import sweep
from vtab_h2t.methods import base
from vtab_h2t.selection import fraction as fraction_lib
from vtab_h2t.studies import base as study

STRIDES = (16, 4, 1)  # Of the taps that are used.


class Scaling(study.Study):
  """Head2Toe for each pair of target size and share of taps."""

  name = 'scaling'

  def target_sizes(self, space):
    return space.target_sizes

  def measure(self, data, folds, rows, space, seeds):
    for size in space.target_sizes:
      layout = data.features.layouts[size]
      taps = [b.tap for b in layout.blocks]
      for stride in STRIDES:
        columns = study.columns_of(layout, taps[::-1][::stride])
        fields = {'tap_stride': stride, 'num_candidates': len(columns)}
        yield from self._measure(data, folds, rows, space, seeds, size,
                                 columns, fields)

  def _measure(self, data, folds, rows, space, seeds, size, columns, fields):
    def select(some_rows, seed):
      setting = space.setting
      problem = data.problem(size, some_rows, [sweep.HeadSpec(
          setting.learning_rate, (seed, base.FIRST), setting.coefficient)],
                             columns)
      (_, (head,)), = data.train([problem], setting.steps, 'l21')
      scores = fraction_lib.relevance_scores(head.kernel)
      return lambda fraction: study.FeatureSet(
          fields | {'fraction': fraction}, size,
          columns[fraction_lib.select(scores, fraction)], seed)

    correct = np.zeros(len(space.fractions), np.int64)
    for fold in folds:
      keep = select(fold.train_rows, seeds[0])
      correct += study.validate(
          data, fold, [keep(f) for f in space.fractions], space)
    best = space.fractions[int(correct.argmax())]
    yield from study.train(
        data, rows, [select(rows, seed)(best) for seed in seeds], space)
