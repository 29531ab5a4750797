"""What the head of a trained network reads, and the head itself."""

from collections.abc import Sequence
import dataclasses
from typing import Protocol, TYPE_CHECKING

import numpy as np

from vtab_h2t.features import normalization
from vtab_h2t.features import pooling

if TYPE_CHECKING:
  import tensorflow as tf

# Kernel and bias of a dense layer of a head.
Layer = tuple['np.ndarray | tf.Variable', 'np.ndarray | tf.Variable']


class Readout(Protocol):
  """What a head reads: a function of the taps.

  Attributes:
    taps: those it needs.
    size: number of columns.
  """

  @property
  def taps(self) -> tuple[str, ...]: ...

  @property
  def size(self) -> int: ...

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor': ...


@dataclasses.dataclass(frozen=True)
class Embedding:
  """The embedding, scaled to unit norm as the released code does, or not."""

  tap: str
  size: int
  unit_norm: bool

  @property
  def taps(self) -> tuple[str, ...]:
    return (self.tap,)

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor':
    import tensorflow as tf

    x = tf.cast(outputs[self.tap], tf.float32)
    return normalization.unit_norm(x) if self.unit_norm else x


@dataclasses.dataclass(frozen=True, eq=False)
class Selected:
  """Some features of a layout, normalised.

  Attributes:
    layout: names the features.
    columns: ascending indices of those that are read.
    rule: of `normalization.RULES`.
    moments: those of the layout, which do not change while the network is
      trained; None for rules that have none.
  """

  layout: pooling.Layout
  columns: np.ndarray
  rule: str
  moments: normalization.Moments | None = None

  @property
  def size(self) -> int:
    return len(self.columns)

  @property
  def taps(self) -> tuple[str, ...]:
    starts = self.layout.starts
    edges = np.searchsorted(self.columns, starts)
    return tuple(
      b.tap for i, b in enumerate(self.layout.blocks) if edges[i] < edges[i + 1]
    )

  def __call__(self, outputs: dict[str, 'tf.Tensor']) -> 'tf.Tensor':
    import tensorflow as tf

    # Blocks without a selected column are not read: any tensor will do.
    blocks = [
      b(tf.cast(outputs[b.tap], tf.float32)) if b.tap in self.taps else None
      for b in self.layout.blocks
    ]
    return normalization.design_matrix(
      blocks,
      self.layout,
      columns=self.columns,
      rule=self.rule,
      moments=self.moments,
    )


def apply_head(
  x: 'np.ndarray | tf.Tensor', layers: Sequence[Layer]
) -> 'tf.Tensor':
  """Logits `[n, out]` of dense layers with ReLU between them.

  Args:
    x: float32 `[n, in]`.
    layers: kernel `[out, in]` and bias `[out]` of each, as of
      `heads.initial.layers`.
  """
  import tensorflow as tf

  for i, (kernel, bias) in enumerate(layers):
    x = tf.matmul(tf.nn.relu(x) if i else x, kernel, transpose_b=True) + bias
  return x
