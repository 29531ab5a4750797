"""Embeds and classifies photographs in pieces on a Ray cluster.

Pieces are of consecutive files, and come back in order, so that what is made of
them is the same as in one process. Workers read the files themselves, by the
same paths. A piece whose worker or node dies is sent again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import os
from typing import Any, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import plugins as plugins_lib
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.classifier import artefact
from vtab_h2t.features import extraction
from vtab_h2t.protocol import executors
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf

PIECE = 1024  # Images, so that a store is noted after each; see `writing`.
# Memory that a piece reserves: a process with TensorFlow and a network.
_MEMORY = 2 * 2**30
_RETRIES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
  """What a worker makes a network from.

  Attributes:
    name: of a registered backbone.
    weights: a name that the backbone knows, or a path that workers have, too.
    image_size: side in pixels.
    input: how images become its input.
    sha256: of the weights.
    plugins: modules and files that register backbones.
  """

  name: str
  weights: str
  image_size: int
  input: preprocessing.Input
  sha256: str
  plugins: tuple[str, ...] = ()

  def load(self) -> backbone_lib.Backbone:
    """The network.

    Raises:
      errors.InputError: it cannot be made, or has other weights.
    """
    for plugin in self.plugins:
      plugins_lib.load(plugin)
    found = backbones.load(self.name, self.weights, self.image_size)
    if found.weights_sha256 != self.sha256:
      raise errors.InputError(
        f'a worker found other weights {self.weights!r} of {self.name}; give '
        'all nodes of the cluster the same'
      )
    return dataclasses.replace(found, input=self.input)


class Extractor(extraction.Extractor):
  """An extractor whose pieces of files are embedded on a cluster.

  Splits have to be of picture files, whose ids are their paths.
  """

  def __init__(
    self,
    cluster: executors.Cluster,
    network: Network,
    backbone: backbone_lib.Backbone,
    target_sizes: Sequence[int],
  ) -> None:
    """Initialises.

    Args:
      cluster: where.
      network: the backbone, for workers.
      backbone: the network.
      target_sizes: as of any extractor.
    """
    super().__init__(backbone, target_sizes)
    self._cluster = cluster
    self._network_of = network
    self._sizes = tuple(target_sizes)

  def __call__(
    self, split: task_lib.Split
  ) -> Iterator[tuple[int, dict[str, 'tf.Tensor']]]:
    yield from _in_pieces(
      self._cluster,
      functools.partial(_embed, self._network_of, self._sizes),
      split.ids,
    )


def probabilities(
  cluster: executors.Cluster,
  folder: str | os.PathLike[str],
  weights: str | None,
  plugins: Sequence[str],
  paths: Sequence[str],
  wrong: dict[int, str],
) -> Iterator[tuple[int, np.ndarray]]:
  """What `artefact.Model.probabilities` gives of files, piece by piece.

  Args:
    cluster: where.
    folder: of the model; workers have to have it, too.
    weights: path of its network's weights, where they are not packaged.
    plugins: modules and files that register backbones.
    paths: of the files.
    wrong: is filled with what is wrong with files, by their index.

  Yields:
    (number of images before the piece, float32 `[piece, C]`).
  """
  work = functools.partial(
    _classify, os.fspath(folder), weights, tuple(plugins)
  )
  for first, (found, bad) in _in_pieces(cluster, work, paths):
    wrong.update({first + i: why for i, why in bad.items()})
    yield first, found


def _in_pieces(
  cluster: executors.Cluster,
  work: Callable[[Sequence[str]], Any],
  paths: Sequence[str],
) -> Iterator[tuple[int, Any]]:
  """Does work on pieces of paths, and gives the results in order.

  There are twice as many pieces under way as the cluster has room for.

  Raises:
    errors.InputError: as `executors.connect` raises, or work raised it, or
      workers failed.
  """
  ray = executors.connect(cluster, _MEMORY)
  send = ray.remote(_elsewhere).options(
    max_retries=_RETRIES,
    num_cpus=cluster.cpus,
    num_gpus=cluster.gpus,
    memory=_MEMORY,
  )
  room = int(ray.cluster_resources().get('CPU', 1) // max(1, cluster.cpus))
  running: list[Any] = []
  firsts = range(0, len(paths), PIECE)
  for i, first in enumerate(firsts):
    while len(running) < 2 * max(1, room) and i + len(running) < len(firsts):
      begin = firsts[i + len(running)]
      piece = list(paths[begin : begin + PIECE])
      running.append(send.remote(os.getcwd(), work, piece))
    try:
      result = ray.get(running.pop(0))
    except ray.exceptions.RayError as e:
      lines = str(e).strip().splitlines()
      raise errors.InputError(
        f'images {first} to {min(first + PIECE, len(paths)) - 1}: a worker '
        f'failed ({lines[-1] if lines else type(e).__name__})'
      ) from e
    if isinstance(result, str):
      raise errors.InputError(result)
    yield first, result


def _elsewhere(
  folder: str, work: Callable[[Sequence[str]], Any], paths: Sequence[str]
) -> Any:
  """Does work in a worker: its result, or what went wrong."""
  import tensorflow as tf

  tf.config.experimental.enable_op_determinism()
  if os.path.isdir(folder):
    os.chdir(folder)  # Where relative paths begin.
  try:
    return work(paths)
  except errors.InputError as e:
    return str(e)


@functools.cache
def _extractor(
  network: Network, target_sizes: tuple[int, ...]
) -> extraction.Extractor:
  return extraction.Extractor(network.load(), target_sizes)


def _embed(
  network: Network, target_sizes: tuple[int, ...], paths: Sequence[str]
) -> Mapping[str, np.ndarray]:
  """Features of files, float32 `[n, size]` of each block."""
  extractor = _extractor(network, target_sizes)
  labels = np.zeros(len(paths), np.int64)
  # Nothing is stored here, so files need no hashes.
  split = pictures.split_of(paths, labels, [''] * len(paths))
  batches = [
    {name: value.numpy() for name, value in batch.items()}
    for _, batch in extractor(split)
  ]
  return {
    block.name: np.concatenate([b[block.name] for b in batches])
    for block in extractor.blocks
  }


@functools.cache
def _model(
  folder: str, weights: str | None, plugins: tuple[str, ...]
) -> artefact.Model:
  for plugin in plugins:
    plugins_lib.load(plugin)
  return artefact.load(folder, weights)


def _classify(
  folder: str,
  weights: str | None,
  plugins: tuple[str, ...],
  paths: Sequence[str],
) -> tuple[np.ndarray, dict[int, str]]:
  """Probabilities `[n, C]` of files, and what is wrong with them."""
  wrong: dict[int, str] = {}
  split = pictures.unlabelled(paths, wrong)
  found = [p for _, p in _model(folder, weights, plugins).probabilities(split)]
  return np.concatenate(found), wrong
