"""Where heads start: Glorot-uniform kernels, as Keras' Dense; zero biases.

DINOv2's linear evaluation starts from normal ones.
"""

from collections.abc import Iterator, Sequence
import itertools

import numpy as np


def rows(
  seed: Sequence[int],
  features: int,
  classes: int,
  deviation: float | None = None,
) -> Iterator[np.ndarray]:
  """Rows of a kernel, one at a time, as all of it may be gigabytes.

  Args:
    seed: of the kernel.
    features: its number of columns.
    classes: its number of rows.
    deviation: standard deviation of a normal kernel; None for a uniform one.

  Yields:
    float32 `[features]`, for each class.
  """
  limit = np.float32(np.sqrt(6.0 / (features + classes)))
  rng = np.random.default_rng(seed)
  for _ in range(classes):
    if deviation is not None:
      yield rng.standard_normal(features, np.float32) * np.float32(deviation)
      continue
    yield (rng.random(features, np.float32) * 2 - 1) * limit


def kernel(
  seed: Sequence[int],
  features: int,
  classes: int,
  deviation: float | None = None,
) -> np.ndarray:
  """A whole kernel, float32 `[classes, features]`; see `rows`."""
  return np.stack(list(rows(seed, features, classes, deviation)))


def layers(
  sizes: Sequence[int], seed: Sequence[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
  """A head of dense layers.

  Args:
    sizes: of its input, of hidden layers, and of its output.
    seed: of the head; the i-th layer's kernel is that of the seed `(*seed, i)`.

  Returns:
    For each layer the kernel `[out, in]` and the bias `[out]`, float32.
  """
  return [
    (kernel((*seed, i), fan_in, fan_out), np.zeros(fan_out, np.float32))
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes))
  ]
