"""Trains stacks of heads in epochs, on features that need not fit in memory.

Examples are in sections of a few batches. A section is read from the disk while
the one before it is used; as many as there is memory for are kept, so that
features which all fit are read once. Each epoch takes the sections in another
order, and the batches of a section, too. Sections, batches and orders do not
depend on the memory, and so neither does the result.

The steps are those of `sweep`, on a cosine over the epochs that were planned;
whoever calls looks at held-out examples between epochs, and may stop early.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import dataclasses
import itertools
from typing import NamedTuple, TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t.heads import loop
from vtab_h2t.heads import stacks as stacks_lib

if TYPE_CHECKING:
  import tensorflow as tf

_BATCH = stacks_lib.BATCH_SIZE
_SECTION_BYTES = 2**26
_MOST_BATCHES = 128  # Of a section.

# Sections that are in memory besides those that are kept: the one that is used,
# and the next, which is read, put together and cut.
IN_FLIGHT = 4


def section_batches(num_features: int) -> int:
  """How many batches a section has, where examples have so many features."""
  batch = 4 * _BATCH * num_features
  return min(max(1, _SECTION_BYTES // batch), _MOST_BATCHES)


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
  """Labelled examples, whose features are read a section at a time.

  Attributes:
    read: of the examples from the first to before the last it gives, for each
      stack, `S` matrices, float32 `[last - first, D]`.
    labels: integers `[N]`, N at least 1.
    batches: that a section has, the last one perhaps fewer.
  """

  read: Callable[[int, int], Sequence[Sequence['np.ndarray | tf.Tensor']]]
  labels: np.ndarray
  batches: int


class Allowance:
  """Bytes that are left for sections to be kept.

  Attributes:
    left: how many.
  """

  def __init__(self, left: int) -> None:
    self.left = left

  def take(self, count: int) -> bool:
    """Takes so many, if they are there."""
    if count > self.left:
      return False
    self.left -= count
    return True


class Section(NamedTuple):
  """A section as the loop reads it.

  Attributes:
    features: of each stack, the blocks of columns `[K, S, 128, D_j]`.
    labels: one-hot, `[K, 1, 128, C]`.
    weights: of the rows of batches, `[K, 128]`; 0 of those that fill up.
  """

  features: list[list['tf.Tensor']]
  labels: 'tf.Tensor'
  weights: 'tf.Tensor'


class Sections:
  """Examples in sections, some of which are kept.

  Attributes:
    batches: how many each section has.
    total: how many all examples have.
  """

  def __init__(
    self, examples: Examples, classes: int, allowance: Allowance
  ) -> None:
    """Initialises.

    Args:
      examples: what is read.
      classes: number of classes.
      allowance: for what is kept.
    """
    self._examples = examples
    self._classes = classes
    self._allowance = allowance
    self._device = devices.names()[0]
    self._kept: dict[int, Section] = {}
    self.total = -(-len(examples.labels) // _BATCH)
    whole, rest = divmod(self.total, examples.batches)
    self.batches = [examples.batches] * whole + ([rest] if rest else [])

  def rows(self, number: int) -> slice:
    """The examples of a section."""
    first = number * self._examples.batches * _BATCH
    last = first + self.batches[number] * _BATCH
    return slice(first, min(last, len(self._examples.labels)))

  def each(self, numbers: Sequence[int]) -> Iterator[Section]:
    """Sections in this order; the next is read while one is used."""
    with futures.ThreadPoolExecutor(1) as pool:
      coming: list[futures.Future[Section]] = []
      for number in numbers:
        coming.append(pool.submit(self._get, number))
        if len(coming) > 1:
          yield coming.pop(0).result()
      if coming:
        yield coming.pop().result()

  def _get(self, number: int) -> Section:
    if number in self._kept:
      return self._kept[number]
    section = self._load(number)
    size = sum(
      4 * int(np.prod(x.shape)) for blocks in section.features for x in blocks
    )
    if self._allowance.take(size):
      self._kept[number] = section
    return section

  def _load(self, number: int) -> Section:
    """Reads a section and cuts it to batches."""
    import tensorflow as tf

    rows = self.rows(number)
    count, padded = rows.stop - rows.start, self.batches[number] * _BATCH
    one_hot = np.zeros((padded, self._classes), np.float32)
    one_hot[np.arange(count), self._examples.labels[rows]] = 1
    weights = np.zeros(padded, np.float32)
    weights[:count] = 1 / _BATCH
    with tf.device('CPU:0'):
      features = []
      for matrices in self._examples.read(rows.start, rows.stop):
        if padded > count:
          filling = [[0, padded - count], [0, 0]]
          matrices = [tf.pad(x, filling) for x in matrices]
        features.append(
          stacks_lib.blocks(
            [[x] for x in matrices], (padded, matrices[0].shape[1])
          )
        )
    with tf.device(self._device):
      return Section(
        [[tf.identity(x) for x in blocks] for blocks in features],
        stacks_lib.cut([tf.constant(one_hot)]),
        tf.constant(weights.reshape(-1, _BATCH)),
      )


@dataclasses.dataclass(frozen=True, eq=False)
class Stack:
  """Heads on `S` matrices of the same width; see `stacks`.

  Attributes:
    heads: of each matrix, `G` of them.
    num_features: `D`.
  """

  heads: Sequence[Sequence[stacks_lib.HeadSpec]]
  num_features: int


class Training:
  """Heads while they are trained.

  Attributes:
    done: steps so far.
    horizon: after how many the learning rate is 0.
  """

  def __init__(
    self,
    stacks: Sequence[Stack],
    sections: Sections,
    *,
    classes: int,
    penalty: str | None,
    epochs: int,
    seed: Sequence[int],
  ) -> None:
    """Initialises.

    Args:
      stacks: heads, in the order in which the examples' features come.
      sections: what is trained on.
      classes: number of classes.
      penalty: of `sweep.PENALTIES`, for all heads.
      epochs: after how many the learning rate is 0.
      seed: of the order of sections and batches.
    """
    import tensorflow as tf

    self._sections = sections
    self._classes = classes
    self._seed = tuple(seed)
    self._epoch = self.done = 0
    self.horizon = epochs * sections.total
    device = devices.names()[0]
    xla = devices.needs_xla(device)
    self._scope = lambda: tf.device(device)
    self._loop = loop.compiled(penalty, xla)
    self._logits = loop.compiled_logits(xla)
    with self._scope():
      self._rates = [
        stacks_lib.per_head(s.heads, 'learning_rate') for s in stacks
      ]
      self._coefficients = [
        stacks_lib.per_head(s.heads, 'coefficient') for s in stacks
      ]
      self._variables = [
        stacks_lib.start(s.heads, s.num_features, classes) for s in stacks
      ]

  def train(
    self, epochs: int, tell: Callable[[int, int], None] = lambda *_: None
  ) -> None:
    """Trains for so many further epochs.

    Args:
      epochs: how many; not more in all than were planned.
      tell: called with (steps done, steps planned).
    """
    plan = [
      part
      for epoch in range(self._epoch, self._epoch + epochs)
      for part in self._order(epoch)
    ]
    self._epoch += epochs
    # Where the same section comes again it is one call.
    merged = [
      (number, np.concatenate([batches for _, batches in parts]))
      for number, parts in itertools.groupby(plan, lambda part: part[0])
    ]
    every = self._sections.each([number for number, _ in merged])
    for section, (_, batches) in zip(every, merged, strict=True):
      with self._scope():
        self._loop(
          [
            loop.Constants(x, section.labels, rates, coefficients, None)
            for x, rates, coefficients in zip(
              section.features, self._rates, self._coefficients, strict=True
            )
          ],
          self._variables,
          section.weights,
          loop.Steps.of(batches, self.done, len(batches), self.horizon),
        )
      self.done += len(batches)
      tell(self.done, self.horizon)

  def _order(self, epoch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Sections, and batches of each, of an epoch."""
    rng = np.random.default_rng((*self._seed, epoch))
    for number in rng.permutation(len(self._sections.batches)).tolist():
      yield number, rng.permutation(self._sections.batches[number])

  def logits(
    self, sections: Sections
  ) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """What the heads say of examples now.

    Args:
      sections: of the examples.

    Yields:
      Which examples, and of each stack the logits, float32 `[S, G, m, C]`.
    """
    import tensorflow as tf

    numbers = range(len(sections.batches))
    for number, section in zip(numbers, sections.each(numbers), strict=True):
      rows = sections.rows(number)
      found = []
      for x, variables, rates in zip(
        section.features, self._variables, self._rates, strict=True
      ):
        with self._scope():
          said = self._logits(x, variables, rates)  # [K, S, 128, G, C]
          said = tf.transpose(said, [1, 3, 0, 2, 4]).numpy()
        flat = said.reshape(*said.shape[:2], -1, self._classes)
        found.append(flat[:, :, : rows.stop - rows.start])
      yield rows, found

  def heads(self) -> list[list[list[stacks_lib.Head]]]:
    """`G` heads for each of the `S` matrices of each stack; ends the training.

    Raises:
      errors.InputError: a head is not finite.
    """
    variables, self._variables = self._variables, []
    with self._scope():
      return [
        stacks_lib.trained(v, rates, self._classes)
        for v, rates in zip(variables, self._rates, strict=True)
      ]
