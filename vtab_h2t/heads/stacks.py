"""Stacks of heads: their variables, and how features are cut for them.

A stack has `S` feature matrices of `D` features, with `G` heads of `C` classes
on each; see `sweep` and `loop`.
"""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import finite
from vtab_h2t.heads import initial
from vtab_h2t.heads import loop

if TYPE_CHECKING:
  import tensorflow as tf

BATCH_SIZE = 128

_COLUMNS = 2**16  # Of a block.

# Arrays of a kernel's size that are held at once: U, m, v, and of one block
# gradient and temporaries; of a wide one the three, the result, and a block's.
_KERNEL_COPIES, _WIDE_KERNEL_COPIES = 7, 4.5


@dataclasses.dataclass(frozen=True)
class HeadSpec:
  """What distinguishes heads of one sweep.

  Attributes:
    learning_rate: the initial one, above 0.
    seed: of the initial kernel.
    coefficient: of the sweep's penalty.
    deviation: standard deviation of a normal initial kernel; None for a uniform
      one (see `initial`).
  """

  learning_rate: float
  seed: tuple[int, ...]
  coefficient: float = 0.0
  deviation: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
  """A trained linear head.

  Attributes:
    kernel: float32 `[C, D]`.
    bias: float32 `[C]`.
  """

  kernel: 'tf.Tensor'
  bias: 'tf.Tensor'

  def logits(self, matrix: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """Logits `[n, C]` of normalised features, float32 `[n, D]`."""
    import tensorflow as tf

    return tf.matmul(matrix, self.kernel, transpose_b=True) + self.bias


def head_bytes(num_features: int, classes: int) -> int:
  """Memory that one head takes while it is trained, in bytes."""
  copies = _KERNEL_COPIES if num_features <= _COLUMNS else _WIDE_KERNEL_COPIES
  return int(copies * 4 * num_features * classes)


def cut(matrices: Sequence['np.ndarray | tf.Tensor']) -> 'tf.Tensor':
  """`S` matrices `[K * 128, ...]` to batches `[K, S, 128, ...]`."""
  import tensorflow as tf

  batches = [tf.reshape(x, [-1, 1, BATCH_SIZE, *x.shape[1:]]) for x in matrices]
  # One matrix is only looked at in another shape; several are copied.
  return batches[0] if len(batches) == 1 else tf.concat(batches, axis=1)


def blocks(
  matrices: Sequence[Iterable['tf.Tensor']], shape: tuple[int, int]
) -> list['tf.Tensor']:
  """Cuts `S` matrices that come part by part, none of which is ever whole.

  Args:
    matrices: parts of each, float32 `[K * 128, d]`, side by side in the order
      of their columns.
    shape: of each matrix, `K * 128` and `D`.

  Returns:
    `[K, S, 128, D_j]` of each of `column_blocks`.

  Raises:
    ValueError: what comes is not parts of such matrices.
  """
  joined = (_joined(parts, shape) for parts in matrices)
  return [cut(alike) for alike in zip(*joined, strict=True)]


def _joined(
  parts: Iterable['tf.Tensor'], shape: tuple[int, int]
) -> Iterator['tf.Tensor']:
  """Parts of a matrix, as its blocks of columns."""
  import tensorflow as tf

  coming = _checked(parts, shape)
  part, taken = next(coming), 0
  for block in column_blocks(shape[1]):
    pieces: list[tf.Tensor] = []
    missing = block.stop - block.start
    while missing:
      if taken == part.shape[1]:
        part, taken = next(coming), 0
      pieces.append(part[:, taken : taken + missing])
      taken += pieces[-1].shape[1]
      missing -= pieces[-1].shape[1]
    joined = pieces[0] if len(pieces) == 1 else tf.concat(pieces, axis=1)
    pieces.clear()  # They are not held while the next parts come.
    yield joined
  next(coming, None)  # There is no more, or it raises.


def _checked(
  parts: Iterable['tf.Tensor'], shape: tuple[int, int]
) -> Iterator['tf.Tensor']:
  """Parts of a matrix, if they are."""
  rows, features = shape
  columns = 0
  for part in parts:
    if len(part.shape) != 2 or part.shape[0] != rows or part.dtype != 'float32':
      raise ValueError(
        f'a matrix comes in parts of shape [{rows}, d] and float32, not of '
        f'{tuple(part.shape)} and {part.dtype.name}; a whole one is a list of '
        'one part'
      )
    columns += part.shape[1]
    if columns > features:
      break
    yield part
  if columns != features:
    raise ValueError(
      f'the parts of a matrix have {columns} columns, not {features}; they are '
      'asked for again in each loop'
    )


def column_blocks(features: int) -> list[slice]:
  """The blocks of a matrix of so many columns."""
  return [
    slice(first, min(first + _COLUMNS, features))
    for first in range(0, features, _COLUMNS)
  ]


def per_head(heads: Sequence[Sequence[HeadSpec]], option: str) -> 'tf.Tensor':
  """An option of all heads of a stack, float32 `[S, G]`."""
  import tensorflow as tf

  return tf.constant(
    np.array([[getattr(h, option) for h in of] for of in heads], np.float32)
  )


def start(
  heads: Sequence[Sequence[HeadSpec]],
  features: int,
  classes: int,
  optimizer: str = loop.ADAM,
) -> loop.Variables:
  """What the loop changes of a stack, before the first step.

  Args:
    heads: of each of the `S` matrices, `G` of them.
    features: `D`.
    classes: `C`.
    optimizer: of `loop.OPTIMIZERS`.
  """
  blocks = column_blocks(features)
  count = len(heads[0])
  kernels = [
    np.empty((len(heads), count * classes, b.stop - b.start), np.float32)
    for b in blocks
  ]
  for i, of in enumerate(heads):
    for j, row in enumerate(_initial_rows(of, features, classes)):
      for kernel, block in zip(kernels, blocks):
        kernel[i, j] = row[block]
  variables = []
  while kernels:  # One goes as the other comes.
    variables.append(loop.Slots.start(kernels.pop(0), optimizer))
  bias = np.zeros((len(heads), count, classes), np.float32)
  return loop.Variables(variables, loop.Slots.start(bias, optimizer))


def trained(
  variables: loop.Variables, rates: 'tf.Tensor', classes: int
) -> list[list[Head]]:
  """Undoes the scaling and takes a stack apart; the variables are used up.

  Args:
    variables: of the stack.
    rates: initial learning rates, `[S, G]`.
    classes: `C`.

  Returns:
    `G` heads for each of the `S` matrices.

  Raises:
    errors.InputError: a head is not finite.
  """
  import tensorflow as tf

  s, g = rates.shape
  kernels = []
  while variables.blocks:  # They go as their parts of the result come.
    u = variables.blocks.pop(0).value
    kernels.append(tf.reshape(u, [s, g, classes, -1]) * rates[:, :, None, None])
    del u
  kernel = tf.concat(kernels, axis=3)
  del kernels
  bias = variables.bias.value * rates[:, :, None]
  if finite.first_fault({'kernel': kernel, 'bias': bias}):
    raise errors.InputError(
      'training a head gave values that are not finite; check the features '
      'and lower the learning rate'
    )
  return [[Head(kernel[i, j], bias[i, j]) for j in range(g)] for i in range(s)]


def _initial_rows(
  heads: Sequence[HeadSpec], features: int, classes: int
) -> Iterator[np.ndarray]:
  """Rows of U = W / lr of some heads, one head after the other."""
  for head in heads:
    for row in initial.rows(head.seed, features, classes, head.deviation):
      yield row / np.float32(head.learning_rate)
