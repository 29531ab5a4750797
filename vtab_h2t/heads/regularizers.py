"""Keras regularisers of linear heads: l1, l2 and the group lasso l2,1.

For a kernel `W` of shape `[features, classes]` with rows `w_i`:

    l1:   coefficient * sum_ij |w_ij|
    l2:   coefficient * sum_ij w_ij^2
    l21:  coefficient * sum_i ||w_i||_2        (Head2Toe, equation 3 summed)
          coefficient * sum_g ||W_g||_F        with groups of rows (layers)

l1 and l2 are Keras' own classes. The released group lasso has no finite
gradient at a zero row, and drops the coefficient where groups are given.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

_TINY = 1e-30  # Squared norms up to this have gradient zero.


@keras.saving.register_keras_serializable(package='vtab_h2t')
class L21(keras.regularizers.Regularizer):
  """Group lasso over the rows of a kernel, or over groups of rows."""

  def __init__(
    self, coefficient: float, group_sizes: Sequence[int] | None = None
  ) -> None:
    """Initialises.

    Args:
      coefficient: strength, at least 0.
      group_sizes: numbers of consecutive rows that form the groups, adding up
        to the kernel's rows; without it every row is a group.

    Raises:
      ValueError: a negative coefficient or a group size below 1.
    """
    if coefficient < 0:
      raise ValueError(f'coefficient must be at least 0, not {coefficient}')
    if group_sizes is not None and min(group_sizes, default=0) < 1:
      raise ValueError(f'group sizes must be at least 1, not {group_sizes}')
    self.coefficient = float(coefficient)
    self.group_sizes = (
      None if group_sizes is None else tuple(int(s) for s in group_sizes)
    )

  def __call__(self, x: keras.KerasTensor) -> keras.KerasTensor:
    """The penalty of a kernel `[features, classes]`, a scalar.

    Raises:
      ValueError: the group sizes do not add up to the kernel's rows.
    """
    squared = ops.sum(ops.square(x), axis=1)
    if self.group_sizes is not None:
      if sum(self.group_sizes) != x.shape[0]:
        raise ValueError(
          f'groups of {sum(self.group_sizes)} rows in all do '
          f'not fit a kernel of {x.shape[0]}'
        )
      index = [g for g, n in enumerate(self.group_sizes) for _ in range(n)]
      squared = ops.segment_sum(
        squared, ops.array(index, 'int32'), num_segments=len(self.group_sizes)
      )
    # The square root's gradient is infinite at zero; there 1 takes its place.
    zero = squared <= _TINY
    norm = ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squared)))
    return self.coefficient * ops.sum(norm)

  def get_config(self) -> dict[str, Any]:
    return {'coefficient': self.coefficient, 'group_sizes': self.group_sizes}


def get(
  penalty: str | None, coefficient: float
) -> keras.regularizers.Regularizer | None:
  """The regulariser of a penalty id: 'l1', 'l2', 'l21' or None.

  Raises:
    ValueError: unknown penalty.
  """
  if penalty is None:
    return None
  try:
    factory = {
      'l1': keras.regularizers.L1,
      'l2': keras.regularizers.L2,
      'l21': L21,
    }[penalty]
  except KeyError:
    raise ValueError(f'unknown penalty {penalty!r}') from None
  return factory(coefficient)
