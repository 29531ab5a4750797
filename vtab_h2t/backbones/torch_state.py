"""What torch's files hold: storages, tensors that view them, state dicts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import math
from typing import Any, NamedTuple

import numpy as np

from vtab_h2t.backbones import importing

# Where training scripts put the state dict among other things.
NESTS = ('state_dict', 'model_state_dict', 'model', 'teacher', 'module')
_MAX_DEPTH = 3  # Of such a place inside of another.


class RefusedError(Exception):
  """A file holds more, or less, than tensors; the text continues 'it ...'."""


class Storage(NamedTuple):
  """A flat array in a file.

  Attributes:
    dtype: of its elements.
    key: its name in the file.
    size: the number of its elements.
  """

  dtype: np.dtype[Any]
  key: str
  size: int

  @property
  def nbytes(self) -> int:
    """Its size in bytes."""
    return self.size * self.dtype.itemsize

  def array(self, data: bytes) -> np.ndarray:
    """Its elements, given its bytes; raises ValueError if they are others."""
    if len(data) != self.nbytes:
      raise ValueError('it is cut short')
    return np.frombuffer(data, self.dtype)


class Tensor(NamedTuple):
  """A view of a storage.

  Attributes:
    storage: where its values are.
    offset: of its first element, in elements.
    shape: its shape.
    strides: in elements.
  """

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]

  @property
  def fits(self) -> bool:
    """Whether its elements are in its storage, and not more than there are."""
    if 0 in self.shape:
      return True
    last = self.offset + sum(
      (n - 1) * stride for n, stride in zip(self.shape, self.strides)
    )
    return (
      last < self.storage.size and math.prod(self.shape) <= self.storage.size
    )

  def view(self, values: np.ndarray) -> np.ndarray:
    """The tensor as a view of its storage's elements, without a copy."""
    if 0 in self.shape:
      return np.empty(self.shape, values.dtype)
    return np.lib.stride_tricks.as_strided(
      values[self.offset :],
      self.shape,
      tuple(s * values.itemsize for s in self.strides),
      writeable=False,
    )


def state_dict(
  value: Any,
) -> tuple[dict[str, Tensor], str, tuple[str, ...]]:
  """Finds the tensors of one network in what a file holds.

  Args:
    value: a state dict, or a dict that has one in one of `NESTS`, in which may
      be another such place; everything that is no tensor is passed over.

  Returns:
    Tensors by name, in the file's order; where they were: 'model', or
    'model/state_dict', '' for the top; and what else there is, with its place:
    'optimizer', or 'model/step'.

  Raises:
    RefusedError: there are no tensors, or those of several networks.
    ValueError: a tensor is larger than its storage.
  """
  found = _nested(value, ())
  if not found:
    raise RefusedError(
      f'has no tensors, neither at its top nor in {", ".join(NESTS)}'
    )
  if len(found) > 1:
    places = ' and '.join('/'.join(place) for place, _ in found)
    raise RefusedError(f'holds several networks, in {places}')
  ((place, tensors),) = found
  if not all(isinstance(name, str) for name in tensors):
    raise RefusedError('has tensors without names')
  for name, tensor in tensors.items():
    if not tensor.fits:
      raise ValueError(f'{importing.one_line(name)} is larger than its storage')
  return tensors, '/'.join(place), tuple(_beside(value, place))


def _beside(value: Any, place: Sequence[str]) -> Iterator[str]:
  """What is no tensor of the state dict in a place, nor the way to it."""
  for depth in range(len(place) + 1):
    is_last = depth == len(place)
    for name, inner in value.items():
      is_known = isinstance(inner, Tensor) if is_last else name == place[depth]
      if not is_known:
        yield '/'.join((*place[:depth], importing.one_line(name)))
    value = value if is_last else value[place[depth]]


def _nested(
  value: Any, place: tuple[str, ...]
) -> Sequence[tuple[tuple[str, ...], dict[Any, Tensor]]]:
  """Every place with tensors, and these; a nest goes before loose tensors."""
  if type(value) is not dict or len(place) > _MAX_DEPTH:
    return []
  found = [
    inner
    for nest in NESTS
    for inner in _nested(value.get(nest), (*place, nest))
  ]
  if found:
    return found
  tensors = {k: v for k, v in value.items() if isinstance(v, Tensor)}
  return [(place, tensors)] if tensors else []


def arrays(
  tensors: Mapping[str, Tensor], read: Callable[[Storage], bytes]
) -> dict[str, np.ndarray]:
  """Reads each storage that tensors need, once.

  Args:
    tensors: by name, as `state_dict` gives them.
    read: gives the bytes of a storage.

  Returns:
    Views of the storages by name, in the same order.

  Raises:
    ValueError: one cannot be read; the text names the tensor.
  """
  values: dict[str, np.ndarray] = {}
  result = {}
  for name, tensor in tensors.items():
    storage = tensor.storage
    with importing.naming(name):
      if storage.key not in values:
        values[storage.key] = storage.array(read(storage))
      result[name] = tensor.view(values[storage.key])
  return result
