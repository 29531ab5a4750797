"""Position embeddings of one grid of patches for another.

As timm's `resample_abs_pos_embed`, and as Pillow resizes images of floats:
bicubic with a = -0.5, and where the grid shrinks, with a filter that grows with
it. Rows of tokens that are no patches' are kept.
"""

import numpy as np

_A = -0.5  # Of the cubic filter.


def resampled(embedding: np.ndarray, prefix: int, side: int) -> np.ndarray:
  """The embedding for another number of patches.

  Args:
    embedding: `[1, prefix + n * n, C]`.
    prefix: how many of its rows are not of patches, the first ones.
    side: patches along each side that are wanted.

  Returns:
    float32 `[1, prefix + side * side, C]`; the same values if it is that.
  """
  _, rows, channels = embedding.shape
  old = round((rows - prefix) ** 0.5)
  if old == side:
    return embedding
  matrix = _matrix(old, side)
  grid = embedding[0, prefix:].astype(np.float64).reshape(old, old, channels)
  grid = np.einsum('yh,xw,hwc->yxc', matrix, matrix, grid, optimize=True)
  patches = grid.reshape(1, side * side, channels).astype(np.float32)
  return np.concatenate([embedding[:, :prefix], patches], axis=1)


def _matrix(old: int, new: int) -> np.ndarray:
  """Weights `[new, old]` of an axis; rows sum to 1."""
  scale = old / new
  width = max(scale, 1.0)
  centres = (np.arange(new) + 0.5) * scale - 0.5
  far = np.abs(centres[:, None] - np.arange(old)) / width
  near = ((_A + 2) * far - (_A + 3)) * far**2 + 1
  outer = ((_A * far - 5 * _A) * far + 8 * _A) * far - 4 * _A
  weights = np.where(far < 1, near, np.where(far < 2, outer, 0.0))
  return weights / weights.sum(axis=1, keepdims=True)
