"""Labelled 64-pixel images in memory: what shifted tasks are put together from.

Every image is brought to 64 pixels before anything else is done to it.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import hashlib

import numpy as np

from vtab_h2t.tasks import task as task_lib

SIZE = 64  # Sides in pixels.


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
  """Images, their labels and their names.

  Attributes:
    ids: one name for each image, `[n]`.
    images: uint8 `[n, SIZE, SIZE, 3]`.
    labels: integers `[n]`.
  """

  ids: tuple[str, ...]
  images: np.ndarray
  labels: np.ndarray

  @classmethod
  def numbered(
    cls,
    prefix: str,
    images: np.ndarray,
    labels: np.ndarray,
    numbers: Sequence[int | str] | np.ndarray | None = None,
  ) -> 'Labelled':
    """With ids from numbers, and images of any size.

    Args:
      prefix: first part of the ids.
      images: uint8 `[n, H, W, 3]`.
      labels: integers `[n]`.
      numbers: what tells them apart, `[n]`, the second part of the ids; 0 to
        n - 1 by default.
    """
    numbers = range(len(images)) if numbers is None else numbers
    return cls(tuple(f'{prefix}/{n}' for n in numbers), resized(images), labels)

  @classmethod
  def of_split(cls, split: task_lib.Split) -> 'Labelled':
    """A split's images, whose sizes are equal, in its order."""
    batches = split.images().batch(256).as_numpy_iterator()
    return cls(
      tuple(split.ids), resized(np.concatenate(list(batches))), split.labels
    )

  def rows(self, rows: np.ndarray) -> 'Labelled':
    """Some of them, in the order of the indices `rows`."""
    return Labelled(
      tuple(self.ids[r] for r in rows), self.images[rows], self.labels[rows]
    )

  def split(
    self,
    change: 'Callable[[Labelled], np.ndarray] | None' = None,
    suffix: str = '',
  ) -> task_lib.Split:
    """As a split of a task.

    Args:
      change: makes other images `[n, SIZE, SIZE, 3]` of these. They are made
        again each time they are read: what many shifts of the same images take
        is the memory of one.
      suffix: ends the ids of changed images.
    """
    ids = tuple(f'{i}{suffix}' for i in self.ids)
    if change is None:
      return task_lib.made_split(ids, self.labels, lambda: self.images)
    return task_lib.made_split(ids, self.labels, lambda: change(self))


def joined(one: Labelled, two: Labelled) -> Labelled:
  """The images of both, in order."""
  return Labelled(
    one.ids + two.ids,
    np.concatenate([one.images, two.images]),
    np.concatenate([one.labels, two.labels]),
  )


def resized(images: np.ndarray) -> np.ndarray:
  """Images at 64 pixels, by Pillow's bilinear filter, which is antialiased.

  Args:
    images: uint8 `[n, H, W, 3]`.

  Returns:
    uint8 `[n, SIZE, SIZE, 3]`; the images themselves if they have that size.
  """
  from PIL import Image

  if images.shape[1:3] == (SIZE, SIZE):
    return images
  found = np.empty((len(images), SIZE, SIZE, 3), np.uint8)
  for i, image in enumerate(images):
    found[i] = np.asarray(
      Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    )
  return found


def generator(*words: str | int) -> np.random.Generator:
  """Randomness that depends on words alone, whatever else was drawn."""
  digest = hashlib.sha256('/'.join(map(str, words)).encode()).digest()
  return np.random.default_rng(int.from_bytes(digest[:16], 'big'))


def divided(
  labels: np.ndarray, sizes: Mapping[str, int], rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Parts without a common example, each with equally many of every class.

  Args:
    labels: integers `[n]`, each class often enough.
    sizes: how many of each class a part has, by its name.
    rng: draws them and their order.

  Returns:
    Indices into `labels`, shuffled, by the part's name.

  Raises:
    ValueError: a class has too few examples.
  """
  classes, counts = np.unique(labels, return_counts=True)
  if counts.min() < sum(sizes.values()):
    raise ValueError(f'{counts.min()} examples of a class do not suffice')
  orders = [rng.permutation(np.flatnonzero(labels == c)) for c in classes]
  found, start = {}, 0
  for name, size in sizes.items():
    part = np.concatenate([order[start : start + size] for order in orders])
    found[name] = rng.permutation(part)
    start += size
  return found
