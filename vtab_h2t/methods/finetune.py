"""Fine-tuning the whole network, from pretrained or from random weights.

SGD with momentum and a cosine schedule over VTAB's lightweight sweep. The head
reads the embedding at unit norm, as the released code has it, or as it is.
"""

import itertools

import numpy as np

from vtab_h2t.methods import base
from vtab_h2t.methods import checkpoint
from vtab_h2t.methods import network as network_lib
from vtab_h2t.methods import tuned

_BATCH = 128


class Finetune(tuned.Tuned):
  """`finetune`, and `scratch` if nothing pretrained is left."""

  def __init__(self, name: str, scratch: bool):
    self.name = name
    self._scratch = scratch

  def candidates(self, grid: base.SearchSpace) -> list[base.Hparams]:
    tuning = grid.tuning
    return [base.Hparams(lr, steps) for steps, lr in itertools.product(
        tuning.steps, tuning.learning_rates)]

  def train(self, data, rows, hparams, grid, seed, run):
    tuning, network = grid.tuning, data.images.network()
    if self._scratch:
      network.randomise(seed)
    else:
      network.reset()
    size = data.num_features(None)
    readout = network_lib.Embedding(
        network.backbone.embedding, size, tuning.unit_norm)
    sizes = (size, data.classes)
    trainer = network.trainer(
        readout, sizes, range(len(network.variables)), network_lib.Recipe(
            tuning.optimizer, tuned.batch_of(grid, _BATCH)))
    trainer.start(network_lib.glorot(sizes, (seed, tuned.HEAD)))
    trainer.run(data.images.inputs(), data.labels, rows, hparams.learning_rate,
                hparams.steps, (seed, tuned.ORDER), checkpoint=
                checkpoint.Checkpoint(data.images.path(run, 'npz')))
    return tuned.NetworkPredictor(trainer, {})
