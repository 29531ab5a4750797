"""Which of Figure 6's candidates are selected (Figures 7 and 11).

A row for each seed: how many features of each tap, and all of them as a bitmap,
so that selections can be compared between tasks and seeds (Figure 11, centre)
and used for another task (Figure 7, left).
"""

import base64

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study


def pack(columns: np.ndarray, num_features: int) -> str:
  """A bitmap of `num_features` bits, in base64."""
  bits = np.zeros(num_features, bool)
  bits[columns] = True
  return base64.b64encode(np.packbits(bits).tobytes()).decode('ascii')


def unpack(text: str) -> np.ndarray:
  """The ascending columns that `pack` was given."""
  data = np.frombuffer(base64.b64decode(text), np.uint8)
  return np.flatnonzero(np.unpackbits(data))


class Relevance(study.Study):
  """The selection of the setting, for each seed."""

  name = 'relevance'
  options_type = study.SelectingOptions

  def compare(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: study.SelectingOptions,
  ) -> study.Pairs:
    candidates = study.Candidates.of(data.features.layouts[options.target_size])
    total = len(candidates.columns)
    for seed, scores in zip(
      plan.seeds,
      candidates.ranked(data, plan.examples, options, plan.seeds),
      strict=True,
    ):
      chosen = fraction_lib.highest(scores, candidates.num_kept(options))
      yield (
        {
          'learning_rate': options.learning_rate,
          'steps': options.steps,
          'target_size': options.target_size,
          'coefficient': options.coefficient,
          'fold': None,
          'seed': seed,
          'split': 'selection',
          'correct': None,
          'total': None,
          'num_features': total,
          'selected': pack(chosen, total),
          'selected_by_tap': head2toe.selected_by_tap(
            candidates.layout, chosen
          ),
        },
        None,
      )
