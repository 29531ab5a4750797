"""What heads are trained on, and for how long."""

import dataclasses
import pathlib

import numpy as np

from vtab_h2t.classifier import budget
from vtab_h2t.features import store
from vtab_h2t.heads import stacks

# An epoch is a pass over all examples. Few examples have more passes, so that
# a head takes at least as many steps as in the paper's shorter protocol.
EPOCHS, STEPS = 10, 500


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Data:
  """What is learned from, and with how much.

  Attributes:
    features: of all examples.
    labels: int64 `[n]`.
    order: all examples, in a random order that batches are taken from.
    classes: how many.
    seed: of heads and of the order of batches.
    memory: that may be taken.
    folder: for what does not fit in it.
    steps: that a head takes at least.
  """

  features: store.FeatureStore
  labels: np.ndarray
  order: np.ndarray
  classes: int
  seed: int
  memory: budget.Memory
  folder: pathlib.Path
  steps: int = STEPS

  def rows(self, examples: np.ndarray) -> np.ndarray:
    """Examples in the order in which batches are taken."""
    return self.order[np.isin(self.order, examples)]

  def part(self, rows: np.ndarray, share: float) -> np.ndarray:
    """The first ones of each class, at least one, in the same order."""
    labels = self.labels[rows]
    kept = np.zeros(len(rows), bool)
    for label in range(self.classes):
      own = np.flatnonzero(labels == label)
      kept[own[: max(1, round(share * len(own)))]] = True
    return rows[kept]

  def epochs(self, count: int) -> int:
    """Passes over so many examples that training takes."""
    return max(EPOCHS, -(-self.steps // -(-count // stacks.BATCH_SIZE)))
