"""Fine-tuning the whole network, from pretrained or from random weights.

SGD with momentum and a cosine schedule over VTAB's lightweight sweep. The head
reads the embedding at unit norm, as the released code has it, or as it is.
"""

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
  """Of `scratch` and `finetune`.

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
      trainer_lib.Recipe(optimizer=options.optimizer, batch=setting.batch),
    )
    trainer.start(initial.layers(sizes, (seed, interface.HEAD)))
    return tuned.Start(trainer=trainer)
