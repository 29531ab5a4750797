"""Which images are held out."""

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import interface

FOLDS = 5
# Up to so many images each is held out once; of more, some of them are.
MOST_FOLDED = 5000
# Of more: this share, but not more than so many. The interval of their accuracy
# is a point to either side at most.
HELD_OUT, MOST_HELD_OUT = 0.2, 10_000


def folds_of(
  labels: np.ndarray, val_fraction: float | None, seed: int
) -> list[interface.Fold]:
  """Stratified folds; images of a class with one image are always trained on.

  Args:
    labels: integers `[n]`.
    val_fraction: share to hold out once. By default there are `FOLDS` folds, or
      fewer if no class has so many images; and one fold that holds out a share
      of `HELD_OUT` if there are more than `MOST_FOLDED` images.
    seed: of the draw.

  Raises:
    errors.InputError: no class has two images.
  """
  if val_fraction is None and len(labels) > MOST_FOLDED:
    val_fraction = min(HELD_OUT, MOST_HELD_OUT / len(labels))
  order = np.random.default_rng(seed).permutation(len(labels))
  sizes = np.bincount(labels)
  dealt = _dealt(labels, order)
  if not len(dealt):
    raise errors.InputError(
      'no class has two images, so none can be held out; add images'
    )
  if val_fraction is None:
    count = min(FOLDS, int(sizes.max()))
    parts = [dealt[i::count] for i in range(count)]
  else:
    # At least one of each class, and at least one is left to train on.
    wanted = np.clip(np.round(sizes * val_fraction), 1, sizes - 1).astype(int)
    starts = np.searchsorted(labels[dealt], np.arange(len(sizes)))
    place = np.arange(len(dealt)) - starts[labels[dealt]]
    parts = [dealt[place < wanted[labels[dealt]]]]
  return [
    interface.Fold(i, order[~np.isin(order, held)], np.sort(held))
    for i, held in enumerate(parts)
  ]


def others(
  labels: np.ndarray, fold: interface.Fold, seed: int
) -> list[interface.Fold]:
  """Folds of what one fold trains on, so that each image is held out once.

  What the fold holds out is trained on in all of them.

  Args:
    labels: integers `[n]`.
    fold: that holds out a part.
    seed: of the draw.
  """
  order = np.random.default_rng((seed, 1)).permutation(len(labels))
  dealt = _dealt(labels, order)
  dealt = dealt[~np.isin(dealt, fold.val)]
  parts = [dealt[i :: FOLDS - 1] for i in range(FOLDS - 1)]
  return [
    interface.Fold(i, order[~np.isin(order, held)], np.sort(held))
    for i, held in enumerate(parts, 1)
    if len(held)
  ]


def _dealt(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
  """One class after the other, each in this order, without single images."""
  dealt = order[np.argsort(labels[order], kind='stable')]
  return dealt[np.bincount(labels)[labels[dealt]] > 1]
