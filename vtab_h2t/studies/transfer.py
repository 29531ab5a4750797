"""Features that another task selected (Figure 7, left)."""

from collections.abc import Mapping

from vtab_h2t import files
from vtab_h2t.studies import base as study
from vtab_h2t.studies import relevance


class Transfer(study.Study):
  """A head on the selection of each task, by seed."""

  name = 'transfer'

  def __init__(self, selections: Mapping[str, Mapping[int, str]]):
    """Initialises.

    Args:
      selections: for each task and seed the bitmap of `relevance`; of one
        setting and one layout.
    """
    self._selections = selections

  def inputs(self):
    return files.fingerprint([
        [task, seed, bitmap] for task, by_seed in self._selections.items()
        for seed, bitmap in by_seed.items()])

  def measure(self, data, folds, rows, space, seeds):
    del folds
    yield from study.train(data, rows, [
        study.FeatureSet(
            {'source': task}, space.setting.target_size,
            relevance.unpack(by_seed[seed]), seed)
        for task, by_seed in self._selections.items() for seed in seeds], space)
