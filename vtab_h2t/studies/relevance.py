"""Which features are selected (Figures 11, 12 and 15).

A row for each seed: how many features of each tap, and all of them as a bitmap,
so that selections can be compared between tasks and seeds.
"""

import base64

import numpy as np

from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import data as data_lib
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

  def compare(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: study.Options,
  ) -> study.Pairs:
    layout = data.features.layouts[options.target_size]
    for seed, scores in zip(
      plan.seeds, study.relevance(data, plan.examples, options, plan.seeds)
    ):
      columns = fraction_lib.select(scores, options.fraction)
      kept = np.diff(np.searchsorted(columns, layout.starts)).tolist()
      yield (
        options.setting.as_row()
        | {
          'fold': None,
          'seed': seed,
          'split': 'selection',
          'correct': None,
          'total': None,
          'num_features': layout.size,
          'selected': pack(columns, layout.size),
          'selected_by_tap': {
            b.tap: [n, b.size] for b, n in zip(layout.blocks, kept)
          },
        },
        None,
      )
