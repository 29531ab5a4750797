"""Trains many linear heads in one compiled loop (`loop`).

The algorithm is the released code's, for every head: softmax cross-entropy and
a penalty, Adam (Keras' defaults), cosine decay to 0, batches of 128 in one
fixed order, the loss and the penalty of a partial batch both divided by 128.
In Adam's place there may be SGD with momentum.

A head's result is that of training it alone in Keras; what is shared is work:

  * Kernels are transposed and stacked, `[S, G * C, D]` for `S` feature
    matrices, `G` heads on each, `C` classes, `D` features; one product with a
    batch `[S, B, D]` gives all logits and one more all gradients, in closed
    form: with P the softmax, Y the labels, dL/dW = (P - Y)^T X / 128.
  * An update is one fused operation, although learning rates differ: the
    variables hold U = W / lr, whose steps need no learning rate, and the
    logits are multiplied by lr.
  * Batches are cut once, padded to 128 rows that a zero weight mutes, so that
    taking one is a view and one trace serves all shapes.
  * Wide matrices and their kernels are cut into blocks of columns: gradients
    and temporaries are a block's, so three arrays of a kernel's size are all
    that training holds. A matrix comes part by part, and only a part of it is
    there twice while it is cut.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
import dataclasses
from typing import NamedTuple, Self, TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.heads import loop
from vtab_h2t.heads import stacks

if TYPE_CHECKING:
  import tensorflow as tf

BATCH_SIZE = stacks.BATCH_SIZE
HeadSpec = stacks.HeadSpec
Head = stacks.Head
# Columns that may be there twice while a matrix is cut: the parts that come,
# what they were made of, and the block that they make.
_CUT_AT_ONCE = 2**18
PENALTIES = (None, 'l1', 'l2', 'l21')


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
  """Heads on one feature matrix.

  Attributes:
    load: returns the matrix when its turn comes, in parts `[M, d]` that are
      side by side and of `num_features` columns together: float32, normalised,
      rows in the order of training. `M` is the number of labels rounded up to
      whole batches (see `padded`); the rows beyond count for nothing. It is
      called again for each loop that trains some of the heads. Parts
      of more than 2**16 columns take memory that is not counted.
    num_features: `D`.
    labels: integers `[N]`.
    heads: what to train on it.
    groups: sizes of the groups of consecutive features whose kernels the
      penalty 'l21' shrinks together; None for each feature by itself.
  """

  load: Callable[[], Iterable['tf.Tensor']]
  num_features: int
  labels: np.ndarray
  heads: Sequence[HeadSpec]
  groups: tuple[int, ...] | None = None


def padded(examples: np.ndarray) -> np.ndarray:
  """Indices `[N]` filled up to whole batches by repeating the first."""
  missing = -len(examples) % BATCH_SIZE
  return np.concatenate([examples, np.repeat(examples[:1], missing)])


class _Memory(NamedTuple):
  """What problems that are trained in one loop take, in bytes.

  Attributes:
    batches: their features.
    cutting: while these are cut, besides them.
    heads: while they are trained, besides the features.
  """

  batches: int = 0
  cutting: int = 0
  heads: int = 0

  @classmethod
  def of(
    cls, num_examples: int, num_features: int, classes: int, heads: int
  ) -> Self:
    """Of some heads on one matrix."""
    return cls(
      _feature_bytes(num_examples, num_features),
      _feature_bytes(num_examples, min(num_features, _CUT_AT_ONCE)),
      heads * stacks.head_bytes(num_features, classes),
    )

  def beside(self, other: '_Memory') -> '_Memory':
    """Of the problems of both."""
    return _Memory(*map(sum, zip(self, other)))

  @property
  def most(self) -> int:
    """The most that is held at a time; there are heads once all is cut."""
    return self.batches + max(self.cutting, self.heads)


def _feature_bytes(num_examples: int, num_features: int) -> int:
  """Of a matrix, and a tenth more for what the allocator was seen to add."""
  padded = num_examples + -num_examples % BATCH_SIZE
  return int(1.1 * 4 * padded * num_features)


def needed_bytes(num_examples: int, num_features: int, classes: int) -> int:
  """Memory that training one head takes, in bytes.

  Args:
    num_examples: to train on.
    num_features: that the head reads.
    classes: number of classes.
  """
  return _Memory.of(num_examples, num_features, classes, 1).most


def check_memory(
  num_examples: int, num_features: int, classes: int, memory_bytes: int
) -> None:
  """Asks whether a head could be trained, before there is one.

  Args:
    num_examples: to train on.
    num_features: that the head reads.
    classes: number of classes.
    memory_bytes: what a piece of work may take; see `devices.memory`.

  Raises:
    errors.InputError: not even one such head fits the memory.
  """
  needed = needed_bytes(num_examples, num_features, classes)
  if needed > memory_bytes:
    raise errors.InputError(
      f'a head of {classes} classes on {num_features} features needs '
      f'{needed / 2**30:.1f} GiB, more than the allowed '
      f'{memory_bytes / 2**30:.1f}; raise --memory_gib or choose a smaller '
      'target size'
    )


def train(
  problems: Sequence[Problem],
  *,
  classes: int,
  steps: int,
  penalty: str | None,
  memory_bytes: int,
  optimizer: str = loop.ADAM,
) -> Iterator[tuple[int, list[Head]]]:
  """Trains every head of every problem.

  As many heads as fit `memory_bytes` are trained in one loop, and as many loops
  at a time as there are devices; a head's result does not depend on its company
  but for rounding.

  Args:
    problems: what to train.
    classes: number of classes `C`; labels are below it.
    steps: optimisation steps, also the horizon of the cosine decay.
    penalty: one of `PENALTIES`, for all heads.
    memory_bytes: working memory, batches included; see `devices.memory`.
    optimizer: of `loop.OPTIMIZERS`.

  Yields:
    (index of a problem, its trained heads), for each problem in order.

  Raises:
    errors.InputError: not even one head fits the memory, or training gave
      values that are not finite.
    ValueError: an unknown penalty or optimiser, labels out of range, no head
      or no feature, groups that do not add up to the features or have no
      penalty 'l21', or features that do not come as `Problem.load` says.
  """
  if penalty not in PENALTIES:
    raise ValueError(f'unknown penalty {penalty!r}; choose from {PENALTIES}')
  if optimizer not in loop.OPTIMIZERS:
    raise ValueError(
      f'unknown optimizer {optimizer!r}; choose from {loop.OPTIMIZERS}'
    )
  for p in problems:
    if p.labels.min() < 0 or p.labels.max() >= classes:
      raise ValueError(f'labels must be 0 to {classes - 1}')
    if not p.heads or p.num_features < 1:
      raise ValueError('a problem has at least one head and one feature')
    if p.groups is not None and (
      penalty != 'l21' or sum(p.groups) != p.num_features
    ):
      raise ValueError(
        f'groups of {sum(p.groups)} features do not fit '
        f'{p.num_features} and penalty {penalty!r}'
      )
  waiting: list[Head] = []
  index = 0
  chunks = _chunks(problems, classes, devices.memory(memory_bytes))
  for parts in devices.spread(
    lambda chunk, device: _train_together(
      chunk, classes, steps, penalty, optimizer, devices.needs_xla(device)
    ),
    chunks,
  ):
    for part in parts:
      waiting.extend(part)
      if len(waiting) == len(problems[index].heads):
        yield index, waiting
        waiting, index = [], index + 1


def _chunks(
  problems: Sequence[Problem], classes: int, memory_bytes: int
) -> Iterator[list[Problem]]:
  """Cuts problems, in order, into lists that are trained in one loop each.

  A problem whose heads do not fit together is cut into several.
  """
  chunk: list[Problem] = []
  taken = _Memory()
  for problem in problems:
    size = len(problem.labels), problem.num_features, classes
    check_memory(*size, memory_bytes)
    one = _Memory.of(*size, 1)
    most = (memory_bytes - one.batches) // one.heads
    for first in range(0, len(problem.heads), most):
      part = dataclasses.replace(
        problem, heads=problem.heads[first : first + most]
      )
      own = _Memory.of(*size, len(part.heads))
      if chunk and (
        taken.beside(own).most > memory_bytes
        or len(chunk[0].labels) != len(part.labels)
      ):
        yield chunk
        chunk, taken = [], _Memory()
      chunk.append(part)
      taken = taken.beside(own)
  if chunk:
    yield chunk


def _train_together(
  problems: Sequence[Problem],
  classes: int,
  steps: int,
  penalty: str | None,
  optimizer: str,
  xla: bool,
) -> list[list[Head]]:
  """Trains problems with equally many examples in one loop."""
  import tensorflow as tf

  num_examples = len(problems[0].labels)
  num_batches = -(-num_examples // BATCH_SIZE)
  weights: np.ndarray = np.zeros(num_batches * BATCH_SIZE, np.float32)
  weights[:num_examples] = 1 / BATCH_SIZE
  weights = weights.reshape(num_batches, BATCH_SIZE)
  alike: dict[tuple[int, int, tuple[int, ...] | None], list[int]] = {}
  for i, p in enumerate(problems):
    alike.setdefault((p.num_features, len(p.heads), p.groups), []).append(i)
  together = [[problems[i] for i in stack] for stack in alike.values()]
  cut = [_constants(stack, classes) for stack in together]
  # Only now, as the memory that cutting takes is counted without heads.
  states = [
    _State(
      constants,
      stacks.start(
        [p.heads for p in stack], stack[0].num_features, classes, optimizer
      ),
    )
    for constants, stack in zip(cut, together)
  ]
  del cut  # Else the features would be held while results are taken apart.
  loop.compiled(penalty, xla, optimizer)(
    [s.constants for s in states],
    [s.variables for s in states],
    tf.constant(weights),
    loop.Steps.of(np.arange(num_batches), 0, steps, steps),
  )
  trained: dict[int, list[Head]] = {}
  for stack, state in zip(alike.values(), states):
    trained.update(zip(stack, state.heads(classes)))
  return [trained[i] for i in range(len(problems))]


@dataclasses.dataclass(eq=False)
class _State:
  """What the loop reads and changes for one stack of problems."""

  constants: loop.Constants
  variables: loop.Variables

  def heads(self, classes: int) -> list[list[Head]]:
    """Undoes the scaling and takes the stack apart; the state is used up."""
    rates = self.constants.rates
    del self.constants  # The features go before a result comes.
    return stacks.trained(self.variables, rates, classes)


def _constants(stack: Sequence[Problem], classes: int) -> loop.Constants:
  """What the loop reads for problems of one shape; loads their features."""
  import tensorflow as tf

  groups = stack[0].groups
  labels = [padded(p.labels) for p in stack]
  one_hot = np.eye(classes, dtype=np.float32)
  heads = [p.heads for p in stack]
  return loop.Constants(
    stacks.blocks(
      [p.load() for p in stack], (len(labels[0]), stack[0].num_features)
    ),
    stacks.cut([one_hot[own] for own in labels]),
    stacks.per_head(heads, 'learning_rate'),
    stacks.per_head(heads, 'coefficient'),
    None
    if groups is None
    else tf.constant(np.repeat(np.arange(len(groups)), groups), tf.int32),
  )
