"""The four rules of normalisation, and the matrix that heads read.

The released code gathers the selected columns and then scales each tap's part
of each example to unit norm; the paper describes one normalisation, after
pooling. `SELECTED` is the former and the default, `ONCE` the latter; they
agree where nothing is selected. Section 3.3 of the paper compares with two
others: `FEATURE` standardises each feature by its mean and variance over the
training images, `NONE` leaves the pooled features as they are.
"""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.features import pooling

if TYPE_CHECKING:
  import tensorflow as tf

SELECTED, ONCE, FEATURE, NONE = 'selected', 'once', 'feature', 'none'
# Those by which an image's features depend on that image alone.
RULES_OF_AN_IMAGE = (SELECTED, ONCE, NONE)
RULES = (SELECTED, ONCE, FEATURE, NONE)

_TINY = 1e-24  # Squared norms up to this count as zero.
_EPSILON = 1e-5  # Added to variances, as the released code does.
_EXAMPLES = 64  # Of which moments look at once.
_TOGETHER = 32  # Examples that selections are taken of at once.


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
  """What `FEATURE` takes of each feature of a layout, and divides it by.

  Attributes:
    mean: over the examples, float32 `[D]`.
    deviation: root of the variance and 1e-5, float32 `[D]`, above 0.
  """

  mean: np.ndarray
  deviation: np.ndarray

  @classmethod
  def of(
    cls, blocks: Sequence[np.ndarray], examples: np.ndarray | None = None
  ) -> 'Moments':
    """Those of features, summed up in float64.

    Few rows are read at a time, so memory does not grow with the blocks.

    Args:
      blocks: pooled features, an `[n, size]` array or memory map each.
      examples: indices of those that count, at least one, or all.
    """
    parts = [_moments(block, examples) for block in blocks]
    mean, variance = (np.concatenate(part) for part in zip(*parts, strict=True))
    return cls(
      mean.astype(np.float32), np.sqrt(variance + _EPSILON).astype(np.float32)
    )

  def standardised(
    self, features: 'tf.Tensor', columns: slice | np.ndarray
  ) -> 'tf.Tensor':
    """Features `[n, k]` that are those columns, less mean, over deviation."""
    return (features - self.mean[columns]) / self.deviation[columns]

  def folded(
    self, kernel: np.ndarray, bias: np.ndarray, columns: np.ndarray | None
  ) -> tuple[np.ndarray, np.ndarray]:
    """A head for features as they are, from one for standardised features.

    Args:
      kernel: float32 `[C, k]`.
      bias: float32 `[C]`.
      columns: indices `[k]` of the features that it reads, or None for all.

    Returns:
      float32 kernel and bias that give the same logits.
    """
    mean, deviation = self._of(columns)
    found = (kernel / deviation).astype(np.float32)
    # With the kernel as it is rounded, so that its rounding is multiplied by a
    # feature's distance from the mean and not by the feature.
    return found, (bias - found @ mean).astype(np.float32)

  def unfolded(
    self, kernel: np.ndarray, bias: np.ndarray, columns: np.ndarray | None
  ) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `folded`."""
    mean, deviation = self._of(columns)
    return (
      (kernel * deviation).astype(np.float32),
      (bias + kernel @ mean).astype(np.float32),
    )

  def _of(self, columns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of some columns, float64 `[k]`."""
    wanted = slice(None) if columns is None else columns
    return (
      self.mean[wanted].astype(np.float64),
      self.deviation[wanted].astype(np.float64),
    )


def _moments(
  block: np.ndarray, examples: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and variance of a block's columns, float64 `[size]`."""
  chosen = np.arange(len(block)) if examples is None else examples
  parts = [
    chosen[first : first + _EXAMPLES]
    for first in range(0, len(chosen), _EXAMPLES)
  ]
  mean = np.zeros(block.shape[1])
  for part in parts:
    mean += block[part].sum(axis=0, dtype=np.float64)
  mean /= len(chosen)
  variance = np.zeros_like(mean)
  for part in parts:
    variance += np.square(block[part] - mean).sum(axis=0)
  return mean, variance / len(chosen)


def unit_norm(x: 'tf.Tensor') -> 'tf.Tensor':
  """Scales the rows of `[n, d]` to unit l2 norm; zero rows stay zero.

  The divisor of a zero row is 1, so its gradient is finite (the released code
  divides zero by zero there, and its gradient is NaN).
  """
  import tensorflow as tf

  squared = tf.reduce_sum(x * x, axis=-1, keepdims=True)
  return x * tf.math.rsqrt(tf.where(squared > _TINY, squared, 1.0))


def selections(
  blocks: Sequence[np.ndarray],
  layout: pooling.Layout,
  columns: Sequence[np.ndarray],
) -> list[np.ndarray]:
  """What `design_matrix` gives for several selections, by the rule `SELECTED`.

  All are taken at once from a few examples at a time, which stay in the
  processor's cache meanwhile.

  Args:
    blocks: pooled features, one float32 `[n, size]` array for each block.
    layout: names the columns.
    columns: ascending indices of the wanted features, of each selection at
      least one.

  Returns:
    float32 `[n, len(columns)]` of each.
  """
  raw = np.concatenate(blocks, axis=1)
  wanted = np.concatenate(columns)
  edges = np.cumsum([0, *map(len, columns)])
  # A part is what a selection has of a block; it has one norm.
  block_of = np.searchsorted(layout.starts, wanted, side='right')
  starts = np.union1d(np.flatnonzero(np.diff(block_of)) + 1, edges[:-1])
  part_of = np.repeat(
    np.arange(len(starts)), np.diff(starts, append=len(wanted))
  )
  found = [np.empty((len(raw), len(c)), np.float32) for c in columns]
  values, scales = np.empty((2, _TOGETHER, len(wanted)), np.float32)
  for first in range(0, len(raw), _TOGETHER):
    rows = raw[first : first + _TOGETHER]
    x, scale = values[: len(rows)], scales[: len(rows)]
    # Indices are in range; 'clip' only saves a copy.
    np.take(rows, wanted, axis=1, out=x, mode='clip')
    squared = np.add.reduceat(np.multiply(x, x, out=scale), starts, axis=1)
    norms = np.sqrt(np.where(squared > _TINY, squared, np.float32(1)))
    np.take(1 / norms, part_of, axis=1, out=scale, mode='clip')
    for matrix, start, end in zip(found, edges, edges[1:]):
      np.multiply(
        x[:, start:end],
        scale[:, start:end],
        out=matrix[first : first + len(rows)],
      )
  return found


def design_matrix(
  blocks: Sequence['np.ndarray | tf.Tensor'],
  layout: pooling.Layout,
  examples: np.ndarray | None = None,
  columns: np.ndarray | None = None,
  rule: str = SELECTED,
  moments: Moments | None = None,
) -> 'tf.Tensor':
  """The normalised features that a head reads.

  Args:
    blocks: pooled features, one `[n, size]` array, memory map or tensor for
      each block of `layout`.
    layout: names the columns.
    examples: indices of the wanted ones (arrays only), or all.
    columns: ascending indices of the wanted features, or all.
    rule: one of `RULES`.
    moments: those of the layout; `FEATURE` needs them.

  Returns:
    float32 `[len(examples), len(columns)]`.

  Raises:
    ValueError: an unknown rule, or `FEATURE` without moments.
  """
  import tensorflow as tf

  parts = design_parts(blocks, layout, examples, columns, rule, moments)
  return tf.concat(list(parts), axis=1)


def design_parts(
  blocks: Sequence['np.ndarray | tf.Tensor'],
  layout: pooling.Layout,
  examples: np.ndarray | None = None,
  columns: np.ndarray | None = None,
  rule: str = SELECTED,
  moments: Moments | None = None,
) -> Iterator['tf.Tensor']:
  """What `design_matrix` gives, block by block, so that few are held at a time.

  Args:
    blocks: as of `design_matrix`, like all the others.
    layout: names the columns.
    examples: indices of the wanted ones, or all.
    columns: ascending indices of the wanted features, or all.
    rule: one of `RULES`.
    moments: those of the layout.

  Yields:
    float32 `[len(examples), k]` of each block that has wanted columns, in
    column order.

  Raises:
    ValueError: an unknown rule, or `FEATURE` without moments.
  """
  if rule not in RULES:
    raise ValueError(f'unknown normalization rule {rule!r}')
  if rule == FEATURE and moments is None:
    raise ValueError(f'normalization rule {rule!r} needs moments')
  starts = layout.starts
  for i, block in enumerate(blocks):
    local = None
    if columns is not None:
      first, last = np.searchsorted(columns, starts[i : i + 2])
      if first == last:
        continue
      local = columns[first:last] - starts[i]
    if rule == ONCE:
      yield _take(unit_norm(_take(block, examples, None)), None, local)
      continue
    part = _take(block, examples, local)
    if rule == SELECTED:
      part = unit_norm(part)
    elif moments is not None and rule == FEATURE:
      part = moments.standardised(
        part,
        slice(starts[i], starts[i + 1])
        if columns is None
        else columns[first:last],
      )
    yield part


def _take(
  block: 'np.ndarray | tf.Tensor',
  examples: np.ndarray | None,
  columns: np.ndarray | None,
) -> 'tf.Tensor':
  """`block[examples][:, columns]`, reading only those cells of a memory map."""
  import tensorflow as tf

  if isinstance(block, np.ndarray):
    if examples is not None and columns is not None:
      block = block[np.ix_(examples, columns)]
    elif examples is not None:
      block = block[examples]
    elif columns is not None:
      block = block[:, columns]
    return tf.convert_to_tensor(np.ascontiguousarray(block))
  if examples is not None:
    raise ValueError('examples can be chosen from arrays only')
  return block if columns is None else tf.gather(block, columns, axis=1)
