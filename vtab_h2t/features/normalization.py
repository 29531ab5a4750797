"""Per-tap unit norm and the matrix that heads read.

The released code gathers the selected columns and then scales each tap's part
of each example to unit norm; the paper describes one normalisation, after
pooling. `SELECTED` is the former and the default, `ONCE` the latter; they
agree where nothing is selected.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.features import pooling

if TYPE_CHECKING:
  import tensorflow as tf

SELECTED, ONCE = 'selected', 'once'
RULES = (SELECTED, ONCE)

_TINY = 1e-24  # Squared norms up to this count as zero.


def unit_norm(x: 'tf.Tensor') -> 'tf.Tensor':
  """Scales the rows of `[n, d]` to unit l2 norm; zero rows stay zero.

  The divisor of a zero row is 1, so its gradient is finite (the released code
  divides zero by zero there, and its gradient is NaN).
  """
  import tensorflow as tf

  squared = tf.reduce_sum(x * x, axis=-1, keepdims=True)
  return x * tf.math.rsqrt(tf.where(squared > _TINY, squared, 1.0))


def design_matrix(
  blocks: Sequence['np.ndarray | tf.Tensor'],
  layout: pooling.Layout,
  examples: np.ndarray | None = None,
  columns: np.ndarray | None = None,
  rule: str = SELECTED,
) -> 'tf.Tensor':
  """The normalised features that a head reads.

  Args:
    blocks: pooled features, one `[n, size]` array, memory map or tensor for
      each block of `layout`.
    layout: names the columns.
    examples: indices of the wanted ones (arrays only), or all.
    columns: ascending indices of the wanted features, or all.
    rule: `SELECTED` or `ONCE`.

  Returns:
    float32 `[len(examples), len(columns)]`.
  """
  import tensorflow as tf

  if rule not in RULES:
    raise ValueError(f'unknown normalization rule {rule!r}')
  parts = []
  starts = layout.starts
  for i, block in enumerate(blocks):
    local = None
    if columns is not None:
      first, last = np.searchsorted(columns, starts[i : i + 2])
      if first == last:
        continue
      local = columns[first:last] - starts[i]
    if rule == ONCE:
      parts.append(_take(unit_norm(_take(block, examples, None)), None, local))
    else:
      parts.append(unit_norm(_take(block, examples, local)))
  return tf.concat(parts, axis=1)


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
