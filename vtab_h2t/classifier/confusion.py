"""What is taken for what: right and wrong answers by class."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t.classifier import intervals

if TYPE_CHECKING:
  import pandas as pd


def matrix(
  labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> 'pd.DataFrame':
  """How many images of each class get which answer.

  Args:
    labels: int `[m]`, the given classes.
    predicted: int `[m]`, the answers.
    classes: names `[C]`.

  Returns:
    int64 `[C, C]`; the index are the given classes, columns the answers.
  """
  import pandas as pd

  count = len(classes)
  cells = np.bincount(
    np.asarray(labels) * count + predicted, minlength=count**2
  )
  return pd.DataFrame(
    cells.reshape(count, count),
    pd.Index(classes, name='given'),
    pd.Index(classes, name='predicted'),
  )


def by_class(table: 'pd.DataFrame', images: np.ndarray) -> 'pd.DataFrame':
  """How well each class is told from the others.

  Args:
    table: what `matrix` gives.
    images: int `[C]`, how many each class has, held out or not.

  Returns:
    A line for each class: its `images`; how many were `held_out`, and `recall`,
    the share of these that is found; how many are `predicted` to be of the
    class, and `precision`, the share of these that is; the ends of their 95 %
    intervals (Wilson), `recall_low` and so on; all shares are 0 to 1, and
    missing where there is nothing to have a share of.
  """
  import pandas as pd

  cells = table.to_numpy()
  right = np.diag(cells)
  found: dict[str, np.ndarray] = {'images': images}
  for total, share, axis in (
    ('held_out', 'recall', 1),
    ('predicted', 'precision', 0),
  ):
    count = cells.sum(axis=axis)
    found[total] = count
    found[share] = np.where(count > 0, right / np.maximum(count, 1), np.nan)
    found[f'{share}_low'], found[f'{share}_high'] = intervals.wilson(
      right, count
    )
  return pd.DataFrame(found, pd.Index(table.index, name='class')).reset_index()


def balanced_accuracy(
  table: 'pd.DataFrame',
) -> tuple[float, tuple[float, float]]:
  """Mean recall over the classes that have held-out images.

  Args:
    table: what `matrix` gives, of at least one image.

  Returns:
    It and its 95 % interval, 0 to 1.
  """
  cells = table.to_numpy()
  total = cells.sum(axis=1)
  there = total > 0
  right, total = np.diag(cells)[there], total[there]
  return float((right / total).mean()), intervals.of_mean(right, total)


def pairs(table: 'pd.DataFrame') -> 'pd.DataFrame':
  """Which class is taken for which, the most frequent first.

  Args:
    table: what `matrix` gives.

  Returns:
    `given`, `predicted`, `images` (above 0) and `share` of the held-out images
    of the given class, 0 to 1. Equal ones are in the order of classes.
  """
  import pandas as pd

  cells = table.to_numpy().copy()
  total = cells.sum(axis=1)
  np.fill_diagonal(cells, 0)
  given, predicted = np.nonzero(cells)
  count = cells[given, predicted]
  order = np.argsort(-count, kind='stable')
  return (
    pd.DataFrame(
      {
        'given': table.index.to_numpy()[given],
        'predicted': table.columns.to_numpy()[predicted],
        'images': count,
        'share': count / total[given],
      }
    )
    .iloc[order]
    .reset_index(drop=True)
  )
