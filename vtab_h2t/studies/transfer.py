"""Features that another task selected (Figure 7, left)."""

from collections.abc import Sequence

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.studies import base as study
from vtab_h2t.studies import relevance


class Transfer(study.Study):
  """Heads on the selection that one task made, for each of its seeds."""

  name = 'transfer'
  options_type = study.SelectingOptions

  def __init__(
    self, source: str, selections: Sequence[tuple[int, str]]
  ) -> None:
    """Initialises.

    Args:
      source: the task that selected.
      selections: for each seed the bitmap that `relevance` gave it, in the same
        run.
    """
    self._source = source
    self._selections = tuple(selections)

  @property
  def file(self) -> str:
    return f'{self.name}-from-{self._source}'

  def compare(
    self,
    data: data_lib.TrainingData,
    plan: interface.Plan,
    options: study.SelectingOptions,
  ) -> study.Pairs:
    candidates = study.Candidates.of(data.features.layouts[options.target_size])
    selected = dict(self._selections)
    yield from study.train(
      data,
      plan.examples,
      [
        study.FeatureSet(
          {'source': self._source},
          options.target_size,
          candidates.columns[relevance.unpack(selected[seed])],
          seed,
        )
        for seed in plan.seeds
      ],
      options,
    )
