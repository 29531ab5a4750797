"""What the studies of the companion papers share: trained networks compared."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from vtab_h2t.heads import initial
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib


class Study(interface.Measured):
  """A comparison of trainings of one network on one task."""

  options_type: ClassVar[type[tuned.Options]]
  trains_network = True
  folder = 'studies'

  def check(self, space: space_lib.Space) -> None:
    space.of(self.name)

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    del space
    return ()


def trainer_of(
  data: data_lib.TrainingData,
  trained: Sequence[int],
  recipe: trainer_lib.Recipe,
  hidden: Sequence[int] = (),
) -> trainer_lib.Trainer:
  """What trains some variables and a head on the embedding as it is.

  Args:
    data: what is learned from.
    trained: numbers of the network's variables that change.
    recipe: how to train.
    hidden: units of the head's hidden layers.
  """
  network, size = network_of(data), data.num_features(None)
  return network.trainer(
    readout_lib.Embedding(network.backbone.embedding, size, False),
    (size, *hidden, data.classes),
    trained,
    recipe,
  )


def network_of(data: data_lib.TrainingData) -> network_lib.Network:
  """The network that is trained."""
  return tuned.networks_of(data).network()


def everything(data: data_lib.TrainingData) -> range:
  """The numbers of all its variables."""
  return range(len(network_of(data).variables))


def random_head(
  data: data_lib.TrainingData, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
  """A linear head on the embedding, as Keras starts one."""
  return initial.layers(
    (data.num_features(None), data.classes), (seed, interface.HEAD)
  )


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
  """Mean cross-entropy in nats of logits `[n, C]` and labels `[n]`."""
  top = logits.max(axis=1)
  log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
  return float((log_sum - logits[np.arange(len(labels)), labels]).mean())
