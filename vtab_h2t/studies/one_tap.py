"""One additional tap at a time (Figures 4, 8 and 9).

A linear head reads the embedding and the features of one tap more, which are
about as many. The learning rate is chosen on the folds for each tap, as
Linear's is. The tap that is best by test is the paper's oracle. The embedding
alone is measured in the same way, as what the taps are compared with.
"""

import dataclasses

import numpy as np

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study

NO_TAP = 'none'  # In place of a tap: the embedding alone.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(study.Options):
  """Of the study.

  Attributes:
    learning_rates: to choose from for each tap; without folds `learning_rate`.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01)


class OneTap(study.Study):
  """A head for the embedding alone, and one for each other tap beside it."""

  name = 'one_tap'
  options_type = Options

  def compare(
    self, data: data_lib.TrainingData, plan: interface.Plan, options: Options
  ) -> study.Pairs:
    size = options.target_size
    layout = data.features.layouts[size]
    embedding = data.features.layouts[None].blocks[0].tap

    def feature_set(tap: str, seed: int, rate: float) -> study.FeatureSet:
      return study.FeatureSet(
        {'tap': tap},
        size,
        study.columns_of(layout, (embedding, tap)),
        seed,
        rate,
      )

    known = {row['tap']: row for row in plan.known}
    others = [b.tap for b in layout.blocks if b.tap != embedding]
    for tap in (NO_TAP, *others):
      rate = options.learning_rate
      if plan.folds:
        chosen = known.get(tap) or self._choose(
          data,
          plan,
          options,
          [
            feature_set(tap, plan.seed, rate) for rate in options.learning_rates
          ],
        )
        rate = chosen['learning_rate']
        yield chosen, None
      yield from study.train(
        data,
        plan.examples,
        [feature_set(tap, seed, rate) for seed in plan.seeds],
        options,
      )

  def _choose(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: Options,
    candidates: list[study.FeatureSet],
  ) -> interface.Fields:
    """The validation row of the best learning rate of a tap."""
    correct = np.zeros(len(candidates), np.int64)
    for fold in plan.folds:
      correct += study.validate(data, fold, candidates, options)
    best = int(correct.argmax())
    return candidates[best].fields | {
      'fold': None,
      'split': 'val',
      'seed': plan.seed,
      'learning_rate': options.learning_rates[best],
      'correct': int(correct[best]),
      'total': sum(len(f.val) for f in plan.folds),
    }
