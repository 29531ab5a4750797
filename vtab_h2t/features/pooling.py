"""Pooling taps to a target size (Head2Toe, section 4; released code's rule).

A tap of `C` channels is average-pooled over space or tokens, never over
channels, so that the flattened result has about `T` values:

  maps `[h, w, C]`:   pool = w // floor(sqrt(T // C))    stride = pool, VALID
  tokens `[n, C]`:    pool = floor(n / (T / C))          stride = pool, VALID

and to its mean if `C >= T`. Rows, columns and tokens that do not fill a pool
are dropped. The released code's pool becomes 0, which there means the global
mean, when the map has fewer cells than `T` asks for; here it stays at least 1.

The first of a ViT's tokens is the class token. It is pooled with the others, or
it is all that is kept of the tap, or it stands before the pooled others
(Appendix J, Table 7).
"""

from collections.abc import Iterable, Sequence
import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import keras

# Changes whenever the same tap and pool size would give other values.
VERSION = 1

GLOBAL = 0  # As a pool size: the mean over all positions.

CLS_POOLED, CLS_ONLY, CLS_BOTH = 'pooled', 'only', 'both'
CLS_POOLINGS = (CLS_POOLED, CLS_ONLY, CLS_BOTH)


def pool_size(shape: Sequence[int], target_size: int) -> int:
  """Pool size for a tap of `shape` without the batch axis, GLOBAL for a mean.

  Raises:
    ValueError: `target_size` is below 1 or the tap is not 1-D, 2-D or 3-D.
  """
  if target_size < 1:
    raise ValueError(f'target size must be at least 1, not {target_size}')
  channels = shape[-1]
  if len(shape) == 1:
    return GLOBAL
  if channels >= target_size:
    return GLOBAL
  if len(shape) == 2:
    pool = max(1, int(shape[0] / (target_size / channels)))
    return GLOBAL if pool == shape[0] else pool
  if len(shape) == 3:
    pool = max(1, shape[1] // math.isqrt(target_size // channels))
    return GLOBAL if (pool, pool) == tuple(shape[:2]) else pool
  raise ValueError(f'a tap has 1 to 3 axes without the batch, not {shape}')


def pooled_size(shape: Sequence[int], pool: int) -> int:
  """Number of features that pooling a tap of `shape` gives."""
  *positions, channels = shape
  if pool == GLOBAL:
    return channels
  return math.prod(p // pool for p in positions) * channels


def pool_tap(x: 'keras.KerasTensor', pool: int) -> 'keras.KerasTensor':
  """Average-pools and flattens a batch of a tap to `[B, pooled_size]`."""
  from keras import layers
  from keras import ops

  positions = tuple(range(1, len(x.shape) - 1))
  if not positions:
    return x
  if pool == GLOBAL:
    return ops.mean(x, axis=positions)
  if pool == 1:  # The average of one is itself, and costs nothing.
    return layers.Flatten()(x)
  layer = (
    layers.AveragePooling1D if len(positions) == 1 else layers.AveragePooling2D
  )
  return layers.Flatten()(layer(pool, strides=pool, padding='valid')(x))


@dataclasses.dataclass(frozen=True)
class Block:
  """The columns that one tap contributes at one pool size."""

  tap: str
  pool: int
  size: int
  cls: str = CLS_POOLED

  @property
  def name(self) -> str:
    cls = '' if self.cls == CLS_POOLED else f'.cls_{self.cls}'
    return f'{self.tap}.pool{self.pool}{cls}'

  def __call__(self, x: 'keras.KerasTensor') -> 'keras.KerasTensor':
    """The block's columns `[B, size]` of a batch of the tap."""
    if self.cls == CLS_POOLED:
      return pool_tap(x, self.pool)
    from keras import ops

    if self.cls == CLS_ONLY:
      return x[:, 0]
    return ops.concatenate([x[:, 0], pool_tap(x[:, 1:], self.pool)], axis=1)


def block(
  tap: str, shape: Sequence[int], target_size: int, cls: str = CLS_POOLED
) -> Block:
  """The block of a tap of `shape` at a target size.

  Args:
    tap: its name.
    shape: its shape without the batch axis.
    target_size: number of features to aim at.
    cls: of `CLS_POOLINGS`; says how tokens are treated.

  Raises:
    ValueError: as `pool_size`.
  """
  if len(shape) != 2 or cls == CLS_POOLED:
    pool = pool_size(shape, target_size)
    return Block(tap, pool, pooled_size(shape, pool))
  tokens, channels = shape
  if cls == CLS_ONLY:
    return Block(tap, GLOBAL, channels, cls)
  rest = tokens - 1, channels
  pool = pool_size(rest, target_size)
  return Block(tap, pool, channels + pooled_size(rest, pool), cls)


@dataclasses.dataclass(frozen=True)
class Layout:
  """Which blocks make up a feature vector, in column order (by depth)."""

  blocks: tuple[Block, ...]

  @property
  def size(self) -> int:
    """Number of features."""
    return sum(b.size for b in self.blocks)

  @property
  def starts(self) -> tuple[int, ...]:
    """First column of each block, and the end."""
    starts = [0]
    for b in self.blocks:
      starts.append(starts[-1] + b.size)
    return tuple(starts)


def layout(
  shapes: dict[str, tuple[int, ...]], target_size: int, cls: str = CLS_POOLED
) -> Layout:
  """The layout of all taps (name to shape, in depth order) at a target size."""
  return Layout(
    tuple(block(tap, shape, target_size, cls) for tap, shape in shapes.items())
  )


def unique_blocks(layouts: Iterable[Layout]) -> tuple[Block, ...]:
  """The distinct blocks of several layouts, ordered by first use."""
  return tuple(dict.fromkeys(b for each in layouts for b in each.blocks))
