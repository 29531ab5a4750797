"""Heads of many settings, trained side by side on examples of any number.

A trial is a setting and where its head starts. Trials on all features are heads
on one matrix; those of Head2Toe's second stage read a selection each.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import learning
from vtab_h2t.features import normalization
from vtab_h2t.features import store
from vtab_h2t.heads import epochs as epochs_lib
from vtab_h2t.heads import stacks
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear

if TYPE_CHECKING:
  import tensorflow as tf

# Heads up to so many bytes are trained side by side; more one part after the
# other, each in passes of its own. It does not follow the memory that is
# allowed, as sums of numbers may be rounded otherwise with other heads beside.
SIDE_BY_SIDE = 2**29


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
  """A head that is to be trained.

  Attributes:
    setting: it has; its steps are those of the grid, which do not count.
    head: where it starts.
    columns: ascending indices of the features that it reads; None for all.
  """

  setting: linear.Setting
  head: stacks.HeadSpec
  columns: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
  """Trials that read the same layout, and the features that they read.

  Attributes:
    every: the trials; all read all features, or each a selection.
    size: target size of the layout; None for the embedding.
    penalty: of `sweep.PENALTIES`.
    features: the store, or one of the columns that any trial reads.
    columns: of the store, that `features` has; None for all.
  """

  every: Sequence[Trial]
  size: int | None
  penalty: str | None
  features: store.FeatureStore
  columns: np.ndarray | None = None

  @functools.cached_property
  def stacks(self) -> list[list[int]]:
    """Numbers of the trials of each stack."""
    if self.every[0].columns is None:
      return [list(range(len(self.every)))]
    alike: dict[int, list[int]] = {}
    for i, trial in enumerate(self.every):
      alike.setdefault(self._width(trial), []).append(i)
    return list(alike.values())

  def _width(self, trial: Trial) -> int:
    if trial.columns is not None:
      return len(trial.columns)
    return self.features.layouts[self.size].size

  def matrices_bytes(self) -> int:
    """Of one example, as all trials read it."""
    if self.every[0].columns is None:
      return 4 * self._width(self.every[0])
    return 4 * sum(map(self._width, self.every))

  def heads_bytes(self, classes: int) -> int:
    """Of all heads, while they are trained."""
    return sum(stacks.head_bytes(self._width(t), classes) for t in self.every)

  def groups(self, classes: int, most: int) -> Iterator['Trials']:
    """Parts whose heads take no more bytes, or are alone; see `heads_bytes`."""
    part: list[Trial] = []
    taken = 0
    for trial in self.every:
      own = stacks.head_bytes(self._width(trial), classes)
      if part and taken + own > most:
        yield dataclasses.replace(self, every=part)
        part, taken = [], 0
      part.append(trial)
      taken += own
    yield dataclasses.replace(self, every=part)

  def read(
    self, rows: np.ndarray, first: int, last: int
  ) -> list[list['np.ndarray | tf.Tensor']]:
    """Matrices of each stack, of some rows; see `epochs.Examples.read`."""
    blocks = self.features.rows(self.size, rows[first:last])
    layout = self.features.layouts[self.size]
    if self.every[0].columns is None:
      return [[normalization.design_matrix(blocks, layout)]]
    wanted = [t.columns for t in self.every if t.columns is not None]
    if self.columns is not None:
      wanted = [np.searchsorted(self.columns, c) for c in wanted]
    found = normalization.selections(blocks, layout, wanted)
    return [[found[i] for i in stack] for stack in self.stacks]

  def heads(self) -> list[epochs_lib.Stack]:
    """The stacks as `epochs.Training` takes them."""
    found = []
    for stack in self.stacks:
      specs = [self.every[i].head for i in stack]
      of_all = self.every[stack[0]].columns is None
      found.append(
        epochs_lib.Stack(
          [specs] if of_all else [[s] for s in specs],
          self._width(self.every[stack[0]]),
        )
      )
    return found

  def of(self, by_stack: Sequence[Any]) -> Iterator[tuple[Trial, Any]]:
    """Each trial with what is its own of `[S][G]` things of each stack."""
    for stack, things in zip(self.stacks, by_stack, strict=True):
      of_all = self.every[stack[0]].columns is None
      for place, i in enumerate(stack):
        own = things[0][place] if of_all else things[place][0]
        yield self.every[i], own


class Run:
  """Trials while they are trained on some rows, and others to judge them on."""

  def __init__(
    self,
    data: learning.Data,
    trials: Trials,
    rows: np.ndarray,
    judged: np.ndarray | None = None,
  ) -> None:
    """Initialises.

    Args:
      data: what is learned from.
      trials: what is trained.
      rows: of the examples to train on, in the order of batches.
      judged: of those to judge on, or None.
    """
    self._trials = trials
    self.epochs = data.epochs(len(rows))
    self._done = 0
    allowance = epochs_lib.Allowance(
      data.memory.left() - needed_bytes(data, trials)
    )
    batches = epochs_lib.section_batches(
      data.features.layouts[trials.size].size
    )

    def sections(of: np.ndarray) -> epochs_lib.Sections:
      return epochs_lib.Sections(
        epochs_lib.Examples(
          lambda first, last: trials.read(of, first, last),
          data.labels[of],
          batches,
        ),
        data.classes,
        allowance,
      )

    self._training = epochs_lib.Training(
      trials.heads(),
      sections(rows),
      classes=data.classes,
      penalty=trials.penalty,
      epochs=self.epochs,
      seed=(data.seed, interface.ORDER),
    )
    self._judged = None if judged is None else sections(judged)

  @property
  def steps(self) -> int:
    """How many steps were done."""
    return self._training.done

  def train_to(self, share: float, tell: Callable[[int, int], None]) -> None:
    """Trains up to a share of the schedule, in whole epochs, at least one."""
    until = max(1, round(share * self.epochs))
    self._training.train(until - self._done, tell)
    self._done = until

  def logits(self) -> Iterator[tuple[slice, list[tuple[Trial, np.ndarray]]]]:
    """What the heads say now of what is judged, a section at a time.

    Yields:
      Which of what is judged, and of each trial the logits, float32 `[m, C]`.
    """
    if self._judged is None:
      raise ValueError('there is nothing to judge')
    for rows, by_stack in self._training.logits(self._judged):
      yield rows, list(self._trials.of(by_stack))

  def heads(self) -> list[tuple[Trial, stacks.Head]]:
    """Each trial and its head; ends the training."""
    return list(self._trials.of(self._training.heads()))


def groups(data: learning.Data, trials: Trials) -> Iterator[Trials]:
  """Trials in parts that are trained one after the other; mostly one part."""
  return trials.groups(data.classes, SIDE_BY_SIDE)


def needed_bytes(data: learning.Data, trials: Trials) -> int:
  """Memory that training trials takes, if nothing is kept."""
  size = data.features.layouts[trials.size].size
  return trials.heads_bytes(data.classes) + section_bytes(
    size, trials.matrices_bytes()
  )


def section_bytes(size: int, matrices: int) -> int:
  """Memory of the sections that are in use.

  Args:
    size: of the layout.
    matrices: bytes of an example, as heads read it.
  """
  rows = epochs_lib.section_batches(size) * stacks.BATCH_SIZE
  return epochs_lib.IN_FLIGHT * rows * max(matrices, 4 * size)
