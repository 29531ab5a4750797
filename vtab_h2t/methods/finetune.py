"""Fine-tuning the whole network, from pretrained or from random weights.

SGD with momentum and a cosine schedule over VTAB's lightweight sweep. The head
reads the embedding at unit norm, as the released code has it, or as it is.
"""

from vtab_h2t.methods import readout as readout_lib
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned


class Finetune(tuned.Tuned):
  """`finetune`, and `scratch` if nothing pretrained is left."""

  batch = 128

  def __init__(self, name: str, scratch: bool):
    self.name = name
    self._scratch = scratch

  def train(self, data, rows, hparams, grid, seed, run):
    tuning, network = grid.tuning, data.images.network()
    if self._scratch:
      network.randomise(seed)
    else:
      network.reset()
    size = data.num_features(None)
    readout = readout_lib.Embedding(
        network.backbone.embedding, size, tuning.unit_norm)
    sizes = (size, data.classes)
    trainer = network.trainer(
        readout, sizes, range(len(network.variables)), trainer_lib.Recipe(
            tuning.optimizer, hparams.batch))
    trainer.start(readout_lib.glorot(sizes, (seed, tuned.HEAD)))
    self.run(trainer, data, rows, hparams, seed, run)
    return tuned.NetworkPredictor(trainer, {})
