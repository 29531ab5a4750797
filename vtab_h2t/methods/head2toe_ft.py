"""Head2Toe-FT: backbone and head are tuned together on selected features.

Features are selected as `head2toe` does, with the setting that it chose; then
everything is trained as in fine-tuning. The head starts afresh, as released, or
from Head2Toe's. Head2Toe-FT+ takes, for each task, whichever of Head2Toe and
Head2Toe-FT has the better validation accuracy.
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import initial
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

FRESH, HEAD2TOE = 'fresh', 'head2toe'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.StepOptions):
  """Of `head2toe_ft`; features are selected with the options of `head2toe`.

  Attributes:
    optimizer: 'sgd' (momentum 0.9) or 'adam', as the released code has it.
    head_init: what the head starts from: 'fresh' (as released) or 'head2toe'.
  """

  optimizer: str = trainer_lib.SGD
  head_init: str = FRESH


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(tuned.StepSetting):
  """Of `head2toe_ft`.

  Attributes:
    selection: Head2Toe's setting, which selects the features.
  """

  selection: head2toe.Setting

  def as_row(self) -> dict[str, float | int | str]:
    own = dataclasses.asdict(self)
    selection = own.pop('selection')
    return own | {f'selection_{k}': v for k, v in selection.items()}


class Head2ToeFt(tuned.BySteps):
  """Selection, then fine-tuning."""

  name = 'head2toe_ft'
  options_type = Options
  _selecting = head2toe.Head2Toe()

  def check(self, space: space_lib.Space) -> None:
    super().check(space)
    self._selecting.check(space)

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return self._selecting.target_sizes(space)

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Setting]:
    candidates = self._selecting.candidates(space)
    if folds and len(candidates) > 1:
      chosen = space_lib.choose(
        self._selecting.validate(data, folds, space, seed)
      )
    else:
      chosen = space_lib.only(self._selecting.name, candidates)
    return [
      Setting(
        learning_rate=c.learning_rate,
        steps=c.steps,
        batch=c.batch,
        selection=chosen,
      )
      for c in self.candidates(space)
    ]

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Setting,
    options: Options,
    seed: int,
  ) -> tuned.Start:
    network = tuned.networks_of(data).network()
    network.reset()
    selection = setting.selection
    (scores,) = head2toe.relevance(data, examples, selection, [seed])
    columns = fraction_lib.select(scores, selection.fraction)
    sizes = (len(columns), data.classes)
    if options.head_init == HEAD2TOE:
      (frozen,) = head2toe.fit(data, examples, selection, [seed])
      own = data.trained(frozen)
      head = [(own.kernel.numpy(), own.bias.numpy())]
    else:
      head = initial.layers(sizes, (seed, interface.HEAD))
    readout = readout_lib.Selected(
      data.features.layouts[selection.target_size],
      columns,
      data.rule,
      data.moments(selection.target_size),
    )
    trainer = network.trainer(
      readout,
      sizes,
      range(len(network.variables)),
      trainer_lib.Recipe(optimizer=options.optimizer, batch=setting.batch),
    )
    trainer.start(head)
    return tuned.Start(trainer=trainer)


class Head2ToeFtPlus(interface.Derived):
  """The better of two methods, by validation; derived from their rows."""

  name = 'head2toe_ft_plus'
  requires = ('head2toe', 'head2toe_ft')

  def check(self, space: space_lib.Space) -> None:
    if not space.folds:
      raise errors.InputError(
        f'{self.name} chooses by validation, and the grid has no folds; '
        'choose --grid=quick or paper'
      )

  def derive(
    self, rows: Mapping[str, Sequence[interface.Fields]]
  ) -> list[interface.Fields]:
    """Rows of the method whose best setting validates better.

    Ties go to the frozen one. Each row says which it is, in `chosen`.
    """

    def best(method: str) -> float:
      correct: dict[str, float] = {}
      for row in rows[method]:
        if row['split'] == 'val':
          key = files.canonical_json(interface.setting_of(row))
          failed = row['correct'] is None
          correct[key] = correct.get(key, 0) + (
            -np.inf if failed else row['correct']
          )
      return max(correct.values())

    chosen = max(self.requires, key=best)
    return [
      {**row, 'method': self.name, 'chosen': chosen} for row in rows[chosen]
    ]
