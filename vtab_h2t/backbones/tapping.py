"""Taps at any place of a functional Keras model, also in models within it.

Keras keeps a model within another apart: its tensors are those of its own
graph, of which the outer model sees the outputs alone, and its layers are none
of the outer one's. So that they can be tapped and trained as any others, models
within others are copied into one graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from vtab_h2t import errors
from vtab_h2t.backbones import importing

_KINDS = (
  'no [B, h, w, C] map, [B, n, C] tokens or [B, C] vector of a fixed size'
)


def tap(
  model: keras.Model,
  taps: Sequence[str] | Mapping[str, keras.KerasTensor],
) -> keras.Model:
  """A functional model of one image batch whose outputs are the taps.

  Args:
    model: functional, or a built Sequential, of one input.
    taps: names of layers, whose outputs they are; or names of taps and their
      tensors, of the model, of models within it, or computed from the model's.

  Returns:
    A model with a dict of outputs, in the order of the taps, without what no
    tap needs. It has the layers of `model` itself; of one with models within
    it, copies, with the names `<model>_<layer>` of those within.

  Raises:
    errors.InputError: a tap is of no such place, or not a map, tokens or a
      vector; or a layer cannot be copied, and a tap is in a model within.
  """
  outputs = _outputs(model, taps)
  own = [x for x in outputs.values() if _is_computed_from(x, model)]
  image = model.inputs[0]
  is_whole = len(own) == len(outputs)
  whole = keras.Model(image, own if is_whole else [*own, *model.outputs])
  if is_whole and not any(_graph(node.operation) for node in _nodes(whole)):
    return keras.Model(image, outputs)
  try:
    copy = _Copy(whole)
  except errors.InputError:
    if is_whole:  # Enough for features.
      return keras.Model(image, outputs)
    raise
  for name, x in outputs.items():
    if id(x) not in copy.tensors:
      raise errors.InputError(
        f'tap {name} of {model.name} is no tensor of it, of a model within it, '
        "or computed from the model's own"
      )
    if id(x) in copy.ambiguous:
      raise errors.InputError(
        f'tap {name} of {model.name} is within a model that is called more '
        'than once, so that it stands for several tensors'
      )
  tapped = keras.Model(
    copy.image, {name: copy.tensors[id(x)] for name, x in outputs.items()}
  )
  copy.assign_weights()
  return tapped


def _outputs(
  model: keras.Model,
  taps: Sequence[str] | Mapping[str, keras.KerasTensor],
) -> dict[str, keras.KerasTensor]:
  """The tensors of taps, given as those of `tap`.

  Raises:
    errors.InputError: one is none, or not a map, tokens or a vector.
  """
  if isinstance(taps, Mapping):
    found = dict(taps)
  else:
    found = {name: _output(model, name) for name in taps}
  for name, x in found.items():
    if not isinstance(x, keras.KerasTensor):
      raise errors.InputError(
        f'tap {name} of {model.name} is a {type(x).__name__}, not a '
        "KerasTensor of the model's graph"
      )
    if len(x.shape) not in (2, 3, 4) or None in x.shape[1:]:
      raise errors.InputError(f'tap {name} of {model.name} is {_KINDS}')
  return found


def _output(model: keras.Model, name: str) -> keras.KerasTensor:
  """What a layer gives in a model, whatever else it is called on.

  Raises:
    errors.InputError: there is no such layer, or it gives several tensors.
  """
  found = [
    node.outputs
    for node in _nodes(model)
    if node.operation.name == name and not node.is_input
  ]
  if not found:
    raise errors.InputError(f'{model.name} has no layer {name!r} to tap')
  if len(found) > 1 or len(found[0]) > 1:
    raise errors.InputError(
      f'layer {name} of {model.name} gives several tensors; name one, '
      f"taps={{'{name}': TENSOR}}"
    )
  return found[0][0]


def _graph(model: keras.Operation) -> Any:
  """What has the graph of a functional or Sequential model; None of others."""
  if not isinstance(model, keras.Model):
    return None
  graph = getattr(model, '_functional', model)
  return graph if hasattr(graph, '_nodes_by_depth') else None


def _nodes(model: keras.Model) -> Iterator[Any]:
  """Keras' nodes, the calls of operations in a graph, each after its inputs."""
  by_depth = _graph(model)._nodes_by_depth  # pylint: disable=protected-access
  for depth in sorted(by_depth, reverse=True):
    yield from by_depth[depth]


def _is_computed_from(x: keras.KerasTensor, model: keras.Model) -> bool:
  """Whether a tensor depends on a model's input, and on no other input."""
  inputs = {id(tensor) for tensor in model.inputs}
  waiting, seen = [x], {id(x)}
  while waiting:
    tensor = waiting.pop()
    if id(tensor) in inputs:
      continue
    history = getattr(tensor, '_keras_history', None)
    if history is None or history.operation is None:
      return False
    node = history.operation._inbound_nodes[history.node_index]
    if node.is_input:
      return False
    for before in node.input_tensors:
      if id(before) not in seen:
        seen.add(id(before))
        waiting.append(before)
  return True


class _Copy:
  """A copy of a model in one graph, without models within it.

  Attributes:
    image: its input.
    tensors: of the copy, by the ids of those that they are copies of.
    ambiguous: ids of those of which there are several copies.
  """

  def __init__(self, model: keras.Model) -> None:
    """Copies all layers but not their weights.

    Args:
      model: functional, of one input.

    Raises:
      errors.InputError: a layer cannot be copied.
    """
    (image,) = model.inputs
    self.image = keras.Input(
      batch_shape=image.shape, dtype=image.dtype, name=image.name
    )
    self.tensors = {id(image): self.image}
    self.ambiguous: set[int] = set()
    self._copies: dict[int, tuple[keras.Operation, keras.Operation]] = {}
    self._run(model, '')

  def assign_weights(self) -> None:
    """Gives the copied layers the weights of the originals."""
    for layer, copy in self._copies.values():
      if isinstance(layer, keras.Layer):
        copy.set_weights(layer.get_weights())

  def _run(self, model: keras.Model, prefix: str) -> None:
    """Calls copies of a model's operations on copies of its inputs.

    Args:
      model: functional or Sequential.
      prefix: of the copies' names.
    """
    for node in _nodes(model):
      if node.is_input:
        continue
      args, kwargs = node.arguments.fill_in(self.tensors)
      layer = node.operation
      inner = _graph(layer)
      if inner is None:
        outputs = keras.tree.flatten(self._copy(layer, prefix)(*args, **kwargs))
      else:
        for x, copy in zip(inner.inputs, keras.tree.flatten(args), strict=True):
          self._add(x, copy)
        # Whether it is called as in training is up to what calls the outer
        # model, in Keras too, whatever it says where it calls the inner one.
        self._run(layer, f'{prefix}{layer.name}_')
        outputs = [self.tensors[id(x)] for x in inner.outputs]
      for x, copy in zip(node.outputs, outputs, strict=True):
        self._add(x, copy)

  def _add(self, x: keras.KerasTensor, copy: keras.KerasTensor) -> None:
    if id(x) in self.tensors:
      self.ambiguous.add(id(x))
    self.tensors[id(x)] = copy

  def _copy(self, layer: keras.Operation, prefix: str) -> keras.Operation:
    """The copy of an operation, which may be called more than once."""
    if id(layer) not in self._copies:
      config = layer.get_config() | {'name': f'{prefix}{layer.name}'}
      self._copies[id(layer)] = layer, made_of(type(layer), config)
    return self._copies[id(layer)][1]


def made_of(
  kind: type[keras.Operation], config: Mapping[str, Any]
) -> keras.Operation:
  """An operation of a configuration, as Keras makes it.

  Args:
    kind: its class.
    config: what `get_config` gave.

  Raises:
    errors.InputError: the class does not take what its own `get_config` gives,
      which Keras finds out not before a layer is copied.
  """
  try:
    return kind.from_config(dict(config))
  except Exception as e:  # A layer of anyone's may raise anything.
    # Keras repeats the whole configuration; the cause says what is wrong.
    cause = e.__cause__ or e.__context__
    why = importing.reason(cause if isinstance(cause, Exception) else e)
    raise errors.InputError(
      f'layer {config.get("name")} ({kind.__name__}) cannot be copied, which '
      f'training and taps in models within others need: {why}; mend its '
      "class's get_config"
    ) from e
