"""What heads of many settings said of held-out images, and which did best."""

from collections.abc import Collection, Iterable, Sequence
import os
from typing import IO, NamedTuple

import numpy as np

from vtab_h2t.classifier import held_out as held_out_lib
from vtab_h2t.methods import linear

# How often heads are judged in a training.
CHECKPOINTS = 10
# In how many parts the images of a single fold are, to choose without each.
_PARTS = 5

# Which of the images of a fold, and the logits of each setting, float32
# `[m, C]`.
Said = tuple[slice, Sequence[tuple[linear.Setting, np.ndarray]]]


class Part(NamedTuple):
  """How good the setting is on some images that did best on all others.

  Attributes:
    others: its right answers on the others.
    correct: those on these images.
    total: how many these are.
  """

  others: int
  correct: int
  total: int


class Answers:
  """Right answers of settings at checkpoints, and logits, which are on disk.

  Of a setting it is the last checkpoint that counts, among those whose right
  answers are within a standard error of its most: what is better earlier by
  less is so by chance, and a schedule that has ended is the safer choice. Of
  one fold only that checkpoint's logits are kept.
  """

  def __init__(
    self, sizes: Sequence[int], classes: int, file: IO[bytes]
  ) -> None:
    """Initialises.

    Args:
      sizes: how many images each fold holds out.
      classes: `C`.
      file: for logits.
    """
    self._folds = len(sizes)
    self._classes = classes
    self._file = file
    # Number of the part of each image of each fold.
    self._parts = (
      [np.full(size, fold) for fold, size in enumerate(sizes)]
      if self._folds > 1
      else [np.arange(sizes[0]) % _PARTS]
    )
    self._images = np.bincount(np.concatenate(self._parts))
    self._right: dict[linear.Setting, np.ndarray] = {}
    self._places: dict[tuple[linear.Setting, int, int], int] = {}
    # Of one fold: where the next logits of a setting go.
    self._spare: dict[linear.Setting, int] = {}

  def add(
    self,
    fold: int,
    checkpoint: int,
    labels: np.ndarray,
    said: Iterable[Said],
    ended: Collection[linear.Setting] = (),
  ) -> dict[linear.Setting, int]:
    """Keeps what heads say of a fold's images.

    Args:
      fold: which.
      checkpoint: of the training.
      labels: of the fold's images, integers `[m]`.
      said: all of it, in parts.
      ended: settings that are passed over.

    Returns:
      How often each setting is right.
    """
    found: dict[linear.Setting, np.ndarray] = {}
    places: dict[linear.Setting, int] = {}
    for rows, each in said:
      for setting, logits in each:
        if setting in ended:
          continue
        if setting not in found:
          found[setting] = np.zeros(len(self._images), np.int64)
          places[setting] = self._place(setting, fold)
        right = logits.argmax(axis=1) == labels[rows]
        found[setting] += np.bincount(
          self._parts[fold][rows][right], minlength=len(self._images)
        )
        self._file.seek(places[setting] + 4 * self._classes * rows.start)
        self._file.write(np.ascontiguousarray(logits, np.float32).data)
    there = np.unique(self._parts[fold])
    for setting, counts in found.items():
      own = self._right.setdefault(
        setting, np.full((len(self._images), CHECKPOINTS), -1)
      )
      own[there, checkpoint] = counts[there]
      if self._folds > 1 or self._chosen(setting)[1] == checkpoint:
        self._keep(setting, fold, checkpoint, places[setting])
    return {setting: int(counts.sum()) for setting, counts in found.items()}

  def _place(self, setting: linear.Setting, fold: int) -> int:
    """Where in the file the logits of a fold's images go."""
    if self._folds == 1 and setting in self._spare:
      return self._spare[setting]
    place = self._file.seek(0, os.SEEK_END)
    # It becomes that long, so that the next place is behind it.
    self._file.truncate(place + 4 * self._classes * len(self._parts[fold]))
    self._spare[setting] = place
    return place

  def _keep(
    self, setting: linear.Setting, fold: int, checkpoint: int, place: int
  ) -> None:
    """Notes a place; of one fold, the one before it is free then."""
    if self._folds == 1:
      del self._spare[setting]
      for key in [k for k in self._places if k[0] == setting]:
        self._spare[setting] = self._places.pop(key)
    self._places[setting, fold, checkpoint] = place

  def best(self) -> tuple[linear.Setting, int]:
    """The setting with the most right answers over all folds, and where.

    Of equal ones it is the first, as settings come from cheap to dear.
    """
    return self._best(np.ones(len(self._images), bool))

  def parts(self) -> tuple[Part, ...]:
    """For each part of the images: the setting that is best on all others.

    Parts are the folds, or fifths of a single one.
    """
    found = []
    for part, total in enumerate(self._images.tolist()):
      others = np.arange(len(self._images)) != part
      setting, checkpoint = self._best(others)
      counts = self._right[setting][:, checkpoint]
      found.append(
        Part(int(counts[others].sum()), int(counts[part]), int(total))
      )
    return tuple(found)

  def _best(self, parts: np.ndarray) -> tuple[linear.Setting, int]:
    """As `best`, on some parts, bool `[parts]`."""
    if not self._right:
      raise ValueError('nothing was judged')
    setting = max(self._right, key=lambda s: self._chosen(s, parts)[0])
    return setting, self._chosen(setting, parts)[1]

  def _chosen(
    self, setting: linear.Setting, parts: np.ndarray | None = None
  ) -> tuple[int, int]:
    """A setting's right answers on parts of the images, and where."""
    counts = self._right[setting]
    parts = np.ones(len(counts), bool) if parts is None else parts
    total = np.where(
      (counts < 0).any(axis=0), -1, counts[parts].sum(axis=0, dtype=np.int64)
    )
    most, images = max(0, int(total.max())), int(self._images[parts].sum())
    error = np.sqrt(most * (images - most) / max(1, images))
    last = int(np.flatnonzero(total >= max(0, most - error)).max(initial=0))
    return int(total[last]), last

  def logits(
    self, setting: linear.Setting, fold: int, checkpoint: int
  ) -> np.ndarray:
    """What was kept, float32 `[m, C]`."""
    self._file.seek(self._places[setting, fold, checkpoint])
    shape = len(self._parts[fold]), self._classes
    data = self._file.read(4 * shape[0] * shape[1])
    return np.frombuffer(data, np.float32).reshape(shape).copy()


def file_bytes(sizes: Sequence[int], settings: int, classes: int) -> int:
  """How large the file of `Answers` becomes.

  Args:
    sizes: how many images each fold holds out.
    settings: how many there are.
    classes: `C`.
  """
  # Of one fold, what is kept of a setting and what may come in its place.
  times = CHECKPOINTS if len(sizes) > 1 else 2
  return 4 * times * settings * sum(sizes) * classes


def accuracy_apart(several: Sequence[Sequence[Part]]) -> held_out_lib.Accuracy:
  """How good a choice is on images that it does not depend on.

  Each part is judged by the setting that is best on all others: choosing is
  done anew without the part.

  Args:
    several: the same parts of each of the methods that are chosen from; of
      equal ones the first is taken.
  """
  best = [max(each, key=lambda part: part.others) for each in zip(*several)]
  return held_out_lib.Accuracy.of(
    sum(part.correct for part in best), sum(part.total for part in best)
  )
