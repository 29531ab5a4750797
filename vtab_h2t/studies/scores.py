"""Head2Toe with other relevance scores; see `selection.scores`."""

import functools

from vtab_h2t.selection import fraction as fraction_lib
from vtab_h2t.selection import scores as scores_lib
from vtab_h2t.studies import base as study


class Scores(study.Study):
  """A head for each score, on as many features."""

  name = 'scores'

  def measure(self, data, folds, rows, space, seeds):
    del folds
    setting, sets = space.setting, []
    features = data.matrix(setting.target_size, rows).numpy()
    heads = study.first_stage(data, rows, space, seeds)
    of_data = functools.cache(lambda name, seed: scores_lib.of_data(
        name, features, data.labels[rows], seed))
    for seed, head in zip(seeds, heads):
      for name in scores_lib.SCORES:
        if name in scores_lib.OF_KERNEL:
          found = scores_lib.of_kernel(name, head.kernel)
        else:
          found = of_data(
              name, seed if name in scores_lib.SEEDED else seeds[0])
        sets.append(study.FeatureSet(
            {'score': name, 'fraction': setting.fraction}, setting.target_size,
            fraction_lib.select(found, setting.fraction), seed))
    yield from study.train(data, rows, sets, space)
