"""Fine-tuning the whole network, from pretrained or from random weights.

SGD with momentum and a cosine schedule over VTAB's lightweight sweep. The head
reads the embedding at unit norm, as the released code has it, or as it is.

Where the start is pretrained, a row has the `displacement` of the network, as
section 3.1 of the paper is about how little its weights change.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from vtab_h2t.heads import initial
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import tuned
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(tuned.StepOptions):
  """Of `scratch`, `finetune` and `linearized`.

  Attributes:
    optimizer: 'sgd' (momentum 0.9) or 'adam', as the released code has it.
    unit_norm: whether the head reads the embedding at unit norm.
  """

  optimizer: str = trainer_lib.SGD
  unit_norm: bool = True


class Finetune(tuned.BySteps):
  """`finetune`, and `scratch` if nothing pretrained is left."""

  options_type = Options

  def __init__(self, name: str, scratch: bool) -> None:
    """Initialises.

    Args:
      name: method id.
      scratch: whether the weights start from random ones.
    """
    self.name = name
    self._scratch = scratch

  def recipe(
    self, setting: tuned.StepSetting, options: Options
  ) -> trainer_lib.Recipe:
    """How the network is trained."""
    return trainer_lib.Recipe(optimizer=options.optimizer, batch=setting.batch)

  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: tuned.StepSetting,
    options: Options,
    seed: int,
  ) -> tuned.Start:
    network = tuned.networks_of(data).network()
    if self._scratch:
      network.randomise(seed)
    else:
      network.reset()
    size = data.num_features(None)
    readout = readout_lib.Embedding(
      network.backbone.embedding, size, options.unit_norm
    )
    sizes = (size, data.classes)
    trainer = network.trainer(
      readout,
      sizes,
      range(len(network.variables)),
      self.recipe(setting, options),
    )
    trainer.start(initial.layers(sizes, (seed, interface.HEAD)))
    if self._scratch:
      return tuned.Start(trainer=trainer)
    pretrained = trainer.values[: len(network.variables)]
    return tuned.Start(
      trainer=trainer,
      measure=lambda: {'displacement': displacement(pretrained, trainer)},
    )


def displacement(
  start: Sequence[np.ndarray], trainer: trainer_lib.Trainer
) -> float:
  """How far a network's weights have moved, in units of where they were.

  Args:
    start: the values of its trained variables at the start, without the head's.
    trainer: has their values at the end.

  Returns:
    The l2 norm of the change over that of the start.
  """
  squares = [
    (
      np.square(now - then, dtype=float).sum(),
      np.square(then, dtype=float).sum(),
    )
    for then, now in zip(start, trainer.values)
  ]
  change, size = np.sum(squares, axis=0)
  return float(np.sqrt(change / size))
