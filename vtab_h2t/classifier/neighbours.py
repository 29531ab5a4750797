"""Which images are alike: the nearest of each by the network's embedding.

Up to `EXACT` images each is compared with each. Above that an image is compared
with those of the `_PROBES` groups that are nearest to its own, of about as many
groups as the root of the number of images, so time grows a little faster than
the number of images and memory does not grow. Groups are found on a sample. How
many nearest images are found in this way is measured each time, on a few.
"""

from collections.abc import Iterator
import dataclasses

import numpy as np

NEAREST = 10  # Of each image.
EXACT = 20_000

_QUERIES, _CANDIDATES = 1024, 4096  # Rows of a product of matrices.
_PROBES = 8
_SAMPLE, _ROUNDS = 20_000, 5  # Of finding groups.
_CHECKED = 256  # Images that are also searched exactly.


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
  """The images that are most like each of `n` images.

  Likeness is the cosine of embeddings, -1 to 1.

  Attributes:
    indices: int64 `[n, k]`, the nearest first; -1 where fewer were found.
    similarity: float32 `[n, k]`, descending; -inf where there is none.
    other: int64 `[n]`, the nearest of another class; -1 if none was found.
    other_similarity: float32 `[n]`.
    recall: share of nearest images that are found; 1 of an exact search.
  """

  indices: np.ndarray
  similarity: np.ndarray
  other: np.ndarray
  other_similarity: np.ndarray
  recall: float

  def mean_similarity(self) -> np.ndarray:
    """Of each image to its nearest ones, float32 `[n]`; low is unusual."""
    found = np.isfinite(self.similarity)
    total = np.where(found, self.similarity, 0).sum(axis=1)
    return (total / np.maximum(found.sum(axis=1), 1)).astype(np.float32)

  def pairs(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images that are at least so alike.

    Returns:
      int64 `[p, 2]`, each pair once, the smaller index first, and float32 `[p]`
      similarities; the most alike come first, and equal ones by index.
    """
    count = self.indices.shape[1]
    first = np.repeat(np.arange(len(self.indices)), count + 1)
    second = np.c_[self.indices, self.other].ravel()
    similarity = np.c_[self.similarity, self.other_similarity].ravel()
    kept = (second >= 0) & (similarity >= threshold)
    both = np.sort(np.c_[first[kept], second[kept]], axis=1)
    unique, index = np.unique(both, axis=0, return_index=True)
    found = similarity[kept][index]
    order = np.argsort(-found, kind='stable')
    return unique[order], found[order]


def nearest(embedding: np.ndarray, labels: np.ndarray) -> Neighbours:
  """The nearest images of each.

  Memory does not depend on the number of images: about 200 MB for embeddings of
  2,000 values, besides what is returned.

  Args:
    embedding: float `[n, E]`, an array or a memory map; not normalised.
    labels: int `[n]`.
  """
  n = len(embedding)
  state = _State(
    np.full((n, min(NEAREST, max(n - 1, 0))), -1, np.int64),
    np.full((n, min(NEAREST, max(n - 1, 0))), -np.inf, np.float32),
    np.full(n, -1, np.int64),
    np.full(n, -np.inf, np.float32),
  )
  every = np.arange(n)
  if n <= EXACT:
    # One image alone has none.
    for part in _parts(every, _QUERIES) if n > 1 else ():
      state.search(embedding, labels, part, every)
    return Neighbours(**dataclasses.asdict(state), recall=1.0)
  for members, candidates in _groups(embedding):
    for part in _parts(members, _QUERIES):
      state.search(embedding, labels, part, candidates)
  return Neighbours(
    **dataclasses.asdict(state), recall=_recall(embedding, labels, state)
  )


@dataclasses.dataclass(frozen=True, eq=False)
class _State:
  """The best so far; see `Neighbours`."""

  indices: np.ndarray
  similarity: np.ndarray
  other: np.ndarray
  other_similarity: np.ndarray

  def search(
    self,
    embedding: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    candidates: np.ndarray,
  ) -> None:
    """Compares images with candidates, indices `[q]` and `[c]`, ascending."""
    rows = _unit(embedding[queries])
    count = self.indices.shape[1]
    for part in _parts(candidates, _CANDIDATES):
      similarity = rows @ _unit(embedding[part]).T
      at = np.searchsorted(part, queries).clip(max=len(part) - 1)
      itself = np.flatnonzero(part[at] == queries)
      similarity[itself, at[itself]] = -np.inf
      best = min(count, len(part))
      top = np.argpartition(similarity, len(part) - best, axis=1)[:, -best:]
      merged = np.c_[
        self.similarity[queries], np.take_along_axis(similarity, top, axis=1)
      ]
      indices = np.c_[self.indices[queries], part[top]]
      order = np.lexsort((indices, -merged), axis=1)[:, :count]
      merged = np.take_along_axis(merged, order, axis=1)
      indices = np.take_along_axis(indices, order, axis=1)
      indices[~np.isfinite(merged)] = -1
      self.similarity[queries], self.indices[queries] = merged, indices
      np.copyto(
        similarity, -np.inf, where=labels[queries, None] == labels[part]
      )
      other = similarity.argmax(axis=1)
      values = similarity[np.arange(len(queries)), other]
      better = values > self.other_similarity[queries]
      self.other[queries[better]] = part[other[better]]
      self.other_similarity[queries[better]] = values[better]


def _parts(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
  """Indices, so many at a time."""
  for first in range(0, len(indices), size):
    yield indices[first : first + size]


def _unit(rows: np.ndarray) -> np.ndarray:
  """Rows as float32 of unit length; those of zeros stay."""
  rows = np.asarray(rows, np.float32)
  norm = np.linalg.norm(rows, axis=1, keepdims=True)
  return rows / np.where(norm > 0, norm, 1)


def _groups(
  embedding: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Groups of images that are alike, by k-means on the sphere.

  Yields:
    Indices of a group's images, and of those that they are compared with.
  """
  n = len(embedding)
  rng = np.random.default_rng(0)
  sample = _unit(
    embedding[np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))]
  )
  centres = sample[
    np.sort(rng.choice(len(sample), int(np.sqrt(n)), replace=False))
  ]
  for _ in range(_ROUNDS):
    group = (sample @ centres.T).argmax(axis=1)
    sums = np.zeros_like(centres)
    np.add.at(sums, group, sample)
    # Where no image is nearest to a centre, it stays.
    empty = np.bincount(group, minlength=len(centres)) == 0
    centres = _unit(np.where(empty[:, None], centres, sums))
  group = np.concatenate(
    [
      (_unit(embedding[part]) @ centres.T).argmax(axis=1)
      for part in _parts(np.arange(n), _CANDIDATES)
    ]
  )
  order = np.argsort(group, kind='stable')
  edges = np.searchsorted(group[order], np.arange(len(centres) + 1))
  near = np.argsort(-(centres @ centres.T), axis=1, kind='stable')
  for i in range(len(centres)):
    probed = [order[edges[j] : edges[j + 1]] for j in near[i, :_PROBES]]
    yield order[edges[i] : edges[i + 1]], np.sort(np.concatenate(probed))


def _recall(embedding: np.ndarray, labels: np.ndarray, state: _State) -> float:
  """Share of some images whose nearest one was found."""
  n = len(embedding)
  queries = np.sort(np.random.default_rng(0).choice(n, _CHECKED, replace=False))
  exact = _State(
    np.full((n, 1), -1, np.int64),
    np.full((n, 1), -np.inf, np.float32),
    np.full(n, -1, np.int64),
    np.full(n, -np.inf, np.float32),
  )
  exact.search(embedding, labels, queries, np.arange(n))
  # Of images that are equally near any counts, whatever the rounding.
  found = state.similarity[queries, 0] >= exact.similarity[queries, 0] - 1e-5
  return float(found.mean())
