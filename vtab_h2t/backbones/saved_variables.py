"""The variables of SavedModels, which need no graph to be read."""

import collections
from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
import re

import numpy as np

from vtab_h2t import errors


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Variables:
  """The variables of a SavedModel, as arrays.

  Attributes:
    named: by their own names, without ':0'; those whose name another one has,
      too, are left out, such as all that JAX's converter calls 'Variable'.
    placed: by their places among the objects that were saved ('list/0'). Of
      TensorFlow 1, which saves no objects, the same as `named`.
  """

  named: Mapping[str, np.ndarray]
  placed: Mapping[str, np.ndarray]

  def under(self, anchor: str) -> dict[str, np.ndarray] | None:
    """All that have one variable's prefix, without it.

    Args:
      anchor: the end of that variable's name or place.

    Returns:
      Arrays by the rest of their names or places; None if no variable's ends
      so.
    """
    for arrays in (self.named, self.placed):
      found = [n for n in arrays if f'/{n}'.endswith(f'/{anchor}')]
      if found:
        prefix = min(found, key=len).removesuffix(anchor)
        return {
          n.removeprefix(prefix): value
          for n, value in arrays.items()
          if n.startswith(prefix)
        }
    return None

  def lists(self) -> Iterator[list[np.ndarray]]:
    """Those that were saved as members of a list, in its order."""
    parents: dict[str, dict[str, np.ndarray]] = {}
    for place, value in self.placed.items():
      parent, _, member = place.rpartition('/')
      parents.setdefault(parent, {})[member] = value
    for members in parents.values():
      numbers = [str(i) for i in range(len(members))]
      if set(members) == set(numbers):
        yield [members[n] for n in numbers]


def read(folder: pathlib.Path) -> Variables:
  """Variables of a SavedModel of TensorFlow 1 or 2, without its graph.

  Returns:
    None at all, if all that its graph has are constants.

  Raises:
    errors.InputError: they are damaged.
  """
  import tensorflow as tf
  from tensorflow.core.protobuf import trackable_object_graph_pb2

  graph_key = '_CHECKPOINTABLE_OBJECT_GRAPH'
  checkpoint = folder / 'variables' / 'variables'
  if not checkpoint.with_suffix('.index').exists():
    return Variables(named={}, placed={})
  try:
    reader = tf.train.load_checkpoint(str(checkpoint))
    keys = list(reader.get_variable_to_shape_map())
    if graph_key not in keys:
      found = {key: reader.get_tensor(key) for key in keys}
      return Variables(named=found, placed=found)
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
      reader.get_tensor(graph_key)
    )
    attributes = [a for node in graph.nodes for a in node.attributes]
    arrays = [reader.get_tensor(a.checkpoint_key) for a in attributes]
  except (ValueError, RuntimeError, tf.errors.OpError) as e:
    raise errors.InputError(
      f'SavedModel {folder} has unreadable variables ({e}); fetch it again'
    ) from e
  counts = collections.Counter(a.full_name for a in attributes)
  return Variables(
    named={
      a.full_name: value
      for a, value in zip(attributes, arrays)
      if counts[a.full_name] == 1
    },
    placed={
      _place(a.checkpoint_key): value for a, value in zip(attributes, arrays)
    },
  )


def _place(key: str) -> str:
  """A checkpoint's key of an object's value, as the path of the object."""
  # TensorFlow escapes its own signs in the keys of dictionaries.
  return re.sub(
    r'\.([.S])',
    lambda m: '/' if m[1] == 'S' else '.',
    key.partition('/.ATTRIBUTES/')[0],
  )
