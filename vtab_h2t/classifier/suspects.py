"""Images that deserve a look: labels that may be wrong, twins, odd ones out."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import neighbours as neighbours_lib

if TYPE_CHECKING:
  import pandas as pd


def wrong_labels(
  ids: Sequence[str],
  labels: np.ndarray,
  probabilities: np.ndarray,
  classes: Sequence[str],
) -> 'pd.DataFrame':
  """Images by how improbable their given label is, the least probable first.

  Of heads that were trained without the image, as a head that has learned a
  wrong label finds it probable. `likely_wrong` is the rule of confident
  learning (Northcutt et al., JAIR 2021): another class has at least the
  probability that images with its label have on average, and a higher one than
  the given class.

  Args:
    ids: names `[m]` of the images.
    labels: int `[m]`, as given.
    probabilities: float `[m, C]`, calibrated.
    classes: names `[C]`.

  Returns:
    `path`, `given`, `predicted`, `probability_of_given`,
    `probability_of_predicted` and `likely_wrong`; equal ones are in the order
    of images. The index has the place of each in `ids`.
  """
  import pandas as pd

  rows = np.arange(len(labels))
  own = probabilities[rows, labels]
  # NaN of a class without images, which no probability reaches.
  count = np.bincount(labels, minlength=len(classes))
  mean = np.bincount(labels, own.astype(float), minlength=len(classes))
  usual = np.where(count > 0, mean / np.maximum(count, 1), np.nan)
  # Scaled up a little, as a mean of equal numbers may be above each of them.
  able = np.where(probabilities * (1 + 1e-6) >= usual, probabilities, -np.inf)
  best = able.argmax(axis=1)
  likely = np.isfinite(able[rows, best]) & (able[rows, best] > own)
  names = np.array([*classes], object)
  answers = probabilities.argmax(axis=1)
  order = np.argsort(own, kind='stable')
  return pd.DataFrame(
    {
      'path': np.asarray(ids, object),
      'given': names[labels],
      'predicted': names[answers],
      'probability_of_given': own.astype(float),
      'probability_of_predicted': probabilities[rows, answers].astype(float),
      'likely_wrong': likely,
    }
  ).iloc[order]


def twins(
  ids: Sequence[str],
  labels: np.ndarray,
  classes: Sequence[str],
  fold: np.ndarray,
  found: neighbours_lib.Neighbours,
  threshold: float,
  same: Callable[[int, int], bool],
  most: int,
) -> 'pd.DataFrame':
  """Pairs of images that are so alike that they may be one photograph.

  Args:
    ids: names `[n]`.
    labels: int `[n]`.
    classes: names.
    fold: int `[n]`, in which fold an image is held out; -1 for those that are
      always trained on.
    found: the neighbours of the `n` images.
    threshold: the cosine of embeddings from which on a pair counts.
    same: whether two images are identical; asked of the most alike only.
    most: how many pairs to name.

  Returns:
    `path`, `other_path`, their classes `given` and `other_given`, `similarity`
    (cosine, -1 to 1), `identical`, `across_classes`, and `across_folds`:
    whether one was held out while the other was trained on, so that the
    accuracy looks better than it is. Those of two classes come first, then the
    most alike. The index is 0, 1, ...; `first` and `second` are their places.
  """
  import pandas as pd

  pairs, similarity = found.pairs(threshold)
  across = labels[pairs[:, 0]] != labels[pairs[:, 1]]
  order = np.argsort(~across, kind='stable')[:most]
  (first, second), similarity = pairs[order].T, similarity[order]
  names = np.array([*classes], object)
  paths = np.asarray(ids, object)
  # Rounding keeps the cosine of equal vectors within this of 1.
  identical = [
    bool(s >= 1 - 1e-4 and same(i, j))
    for i, j, s in zip(
      first.tolist(), second.tolist(), similarity.tolist(), strict=True
    )
  ]
  return pd.DataFrame(
    {
      'path': paths[first],
      'other_path': paths[second],
      'given': names[labels[first]],
      'other_given': names[labels[second]],
      'similarity': similarity.astype(float),
      'identical': np.array(identical, bool),
      'across_classes': across[order],
      'across_folds': fold[first] != fold[second],
      'first': first,
      'second': second,
    }
  )


def unusual(
  ids: Sequence[str],
  labels: np.ndarray,
  classes: Sequence[str],
  found: neighbours_lib.Neighbours,
) -> 'pd.DataFrame':
  """Images by how little they are like any others, the oddest first.

  Args:
    ids: names `[n]`.
    labels: int `[n]`.
    classes: names.
    found: the neighbours of the `n` images.

  Returns:
    `path`, `given`, `mean_similarity` to the nearest images (cosine), and
    `unusual`: below the lower quartile by more than one and a half times the
    distance of the quartiles (Tukey's fence). The index has the places in
    `ids`.
  """
  import pandas as pd

  similarity = found.mean_similarity().astype(float)
  low, high = np.quantile(similarity, (0.25, 0.75))
  names = np.array([*classes], object)
  order = np.argsort(similarity, kind='stable')
  return pd.DataFrame(
    {
      'path': np.asarray(ids, object),
      'given': names[labels],
      'mean_similarity': similarity,
      'unusual': similarity < low - 1.5 * (high - low),
    }
  ).iloc[order]
