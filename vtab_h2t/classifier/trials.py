"""Heads of many settings, trained side by side on examples of any number.

A trial is a setting and where its head starts. Trials on all features are heads
on one matrix; those of Head2Toe's second stage read a selection each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import pathlib
import tempfile
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import budget
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling
from vtab_h2t.features import store
from vtab_h2t.heads import epochs as epochs_lib
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import stacks
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib

if TYPE_CHECKING:
  import tensorflow as tf

# An epoch is a pass over all examples. Few examples have more passes, so that
# a head takes at least as many steps as in the paper's shorter protocol.
EPOCHS, STEPS = 10, 500

_PENALTIES = {
  'linear': None,
  'all_l2': 'l2',
  'all_l1': 'l1',
  'all_l21': 'l21',
  'head2toe': None,
}

# Called with what is done, steps done, steps planned.
Tell = Callable[[str, int, int], None]


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
  ) -> list[list['tf.Tensor']]:
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
    data: Data,
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

  def logits(self) -> list[tuple[Trial, np.ndarray]]:
    """Each trial and what it says of what is judged, float32 `[m, C]`."""
    if self._judged is None:
      raise ValueError('there is nothing to judge')
    parts: dict[int, list[np.ndarray]] = {}
    by_id = {id(t): t for t in self._trials.every}
    for _, by_stack in self._training.logits(self._judged):
      for trial, own in self._trials.of(by_stack):
        parts.setdefault(id(trial), []).append(own)
    return [(by_id[i], np.concatenate(own)) for i, own in parts.items()]

  def heads(self) -> list[tuple[Trial, stacks.Head]]:
    """Each trial and its head; ends the training."""
    return list(self._trials.of(self._training.heads()))


def groups(data: Data, trials: Trials) -> Iterator[Trials]:
  """Trials in parts that are trained one after the other.

  There is one part, unless heads would take more than half of what is left.
  """
  return trials.groups(data.classes, max(0, data.memory.left() // 2))


def needed_bytes(data: Data, trials: Trials) -> int:
  """Memory that training trials takes, if nothing is kept."""
  size = data.features.layouts[trials.size].size
  return trials.heads_bytes(data.classes) + _section_bytes(
    size, trials.matrices_bytes()
  )


def _section_bytes(size: int, matrices: int) -> int:
  """Memory of the sections that are in use.

  Args:
    size: of the layout.
    matrices: bytes of an example, as heads read it.
  """
  rows = epochs_lib.section_batches(size) * stacks.BATCH_SIZE
  return epochs_lib.IN_FLIGHT * rows * max(matrices, 4 * size)


def least_bytes(
  layouts: Mapping[int | None, pooling.Layout],
  method: str,
  space: space_lib.Space,
  classes: int,
) -> int:
  """Memory that a method's heads take where nothing is kept.

  Args:
    layouts: of the network, by their target sizes.
    method: of `methods.registry.FROZEN`.
    space: the settings.
    classes: how many.
  """
  options = space.of(method)
  coefficients = getattr(options, 'coefficients', (0.0,))
  heads = len(options.learning_rates) * len(coefficients)
  found = 0
  for target in methods.FROZEN[method].target_sizes(space) or (None,):
    size = layouts[target].size
    selected = 4 * size * heads * sum(getattr(options, 'fractions', ()))
    found = max(
      found,
      stacks.head_bytes(size, classes) + _section_bytes(size, int(selected)),
    )
  return found


@contextlib.contextmanager
def of_method(
  data: Data,
  method: str,
  options: linear.Options,
  size: int | None,
  rows: np.ndarray,
  judged: int,
  tell: Tell,
) -> Iterator[Trials]:
  """The trials of a method at a target size.

  Those of Head2Toe's second stage read what a first stage selects, which is
  trained on the rows. Where the selections do not fit in memory, the columns
  that any of them has are written to a file, so that each epoch reads little.

  Args:
    data: what is learned from.
    method: of `methods.registry.FROZEN`.
    options: of the method; how many steps they say does not count.
    size: the target size, or None for the embedding.
    rows: of the examples to train on, in the order of batches.
    judged: how many others are judged.
    tell: is told how far it is.
  """
  if not isinstance(options, head2toe.Options):
    coefficients = getattr(options, 'coefficients', (0.0,))
    specs = linear.stack_of(options.learning_rates, coefficients, data.seed)
    yield Trials(
      every=[
        Trial(
          setting=linear.Setting(
            learning_rate=spec.learning_rate,
            steps=0,
            target_size=size,
            coefficient=spec.coefficient if size is not None else None,
          ),
          head=spec,
        )
        for spec in specs
      ],
      size=size,
      penalty=_PENALTIES[method],
      features=data.features,
    )
    return
  trials = _second_stage(data, options, size, rows, tell)
  total = (len(rows) + judged) * trials.matrices_bytes()
  columns = np.unique(
    np.concatenate([t.columns for t in trials.every if t.columns is not None])
  )
  if total <= data.memory.left() - needed_bytes(data, trials) or 4 * len(
    data.labels
  ) * len(columns) > budget.free(data.folder):
    yield trials
    return
  with tempfile.TemporaryDirectory(dir=data.folder) as folder:
    narrow = data.features.narrowed(size, columns, pathlib.Path(folder))
    yield dataclasses.replace(trials, features=narrow, columns=columns)


def _second_stage(
  data: Data,
  options: head2toe.Options,
  size: int | None,
  rows: np.ndarray,
  tell: Tell,
) -> Trials:
  """Trains the first stage, and gives the trials of what it selects."""
  first = Trials(
    every=[
      Trial(
        setting=linear.Setting(
          learning_rate=spec.learning_rate,
          steps=0,
          target_size=size,
          coefficient=spec.coefficient,
        ),
        head=spec,
      )
      for spec in linear.stack_of(
        options.learning_rates, options.coefficients, data.seed
      )
    ],
    size=size,
    penalty='l21',
    features=data.features,
  )
  every = []
  for part in groups(data, first):
    run = Run(data, part, rows)
    run.train_to(1, functools.partial(tell, 'select features'))
    for trial, head in run.heads():
      scores = fraction_lib.relevance_scores(head.kernel)
      for share in options.fractions:
        every.append(
          Trial(
            setting=head2toe.Setting(
              **(vars(trial.setting) | {'fraction': share})
            ),
            head=stacks.HeadSpec(
              trial.setting.learning_rate, (data.seed, interface.SECOND)
            ),
            columns=fraction_lib.select(scores, share),
          )
        )
  return Trials(every=every, size=size, penalty=None, features=data.features)
