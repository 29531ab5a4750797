"""Torch's layers in NumPy, and weights under the names that it gives."""

import numpy as np


class Network:
  """Draws weights when they are asked for at first, and computes with them.

  Attributes:
    state: torch's state dict.
  """

  def __init__(self, seed=0):
    self.state = {}
    self._rng = np.random.default_rng(seed)

  def _of(self, name, shape, draw):
    if name not in self.state:
      self.state[name] = draw(size=shape).astype(np.float32)
    return self.state[name].astype(np.float64)

  def conv(self, x, name, filters, kernel, stride=1):
    """A convolution of `[B, C, H, W]` without bias, padded by half a kernel."""
    shape = (filters, x.shape[1], kernel, kernel)
    scale = np.sqrt(2 / np.prod(shape[1:]))
    weight = self._of(
      f'{name}.weight', shape, lambda size: self._rng.normal(0, scale, size)
    )
    windows = _windows(x, kernel, stride, 0.0)
    return np.einsum('bchwij,ocij->bohw', windows, weight, optimize=True)

  def norm(self, x, name, epsilon=1e-5):
    """Batch norm with running statistics."""
    weight, bias, mean, variance = (
      self._of(f'{name}.{part}', x.shape[1:2], draw)[:, None, None]
      for part, draw in (
        ('weight', lambda size: self._rng.uniform(0.5, 1.5, size)),
        ('bias', lambda size: self._rng.normal(0, 0.3, size)),
        ('running_mean', lambda size: self._rng.normal(0, 0.3, size)),
        ('running_var', lambda size: self._rng.uniform(0.5, 1.5, size)),
      )
    )
    self.state[f'{name}.num_batches_tracked'] = np.array(7)
    return (x - mean) / np.sqrt(variance + epsilon) * weight + bias

  def linear(self, x, name, classes):
    """A dense layer of `[B, C]`."""
    weight = self._of(
      f'{name}.weight',
      (classes, x.shape[1]),
      lambda size: self._rng.normal(0, 0.3, size),
    )
    bias = self._of(f'{name}.bias', (classes,), self._rng.standard_normal)
    return x @ weight.T + bias


def pool(x):
  """MaxPool2d(3, 2, 1): padded with what is never largest."""
  return _windows(x, 3, 2, -np.inf).max(axis=(4, 5))


def relu(x):
  return np.maximum(x, 0)


def nhwc(x):
  """A tap as Keras has it."""
  return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def _windows(x, kernel, stride, value):
  """`[B, C, h, w, kernel, kernel]` of `[B, C, H, W]` padded by half of it."""
  half = kernel // 2
  sides = ((0, 0), (0, 0), (half, half), (half, half))
  padded = np.pad(x, sides, constant_values=value)
  windows = np.lib.stride_tricks.sliding_window_view(
    padded, (kernel, kernel), axis=(2, 3)
  )
  return windows[:, :, ::stride, ::stride]
