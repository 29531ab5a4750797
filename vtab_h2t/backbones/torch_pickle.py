"""Reads the pickles in torch's files, without torch and without trusting them.

A pickle is a program for a small machine with a stack. The machine here knows
the opcodes that state dicts are written with, and the names in `_NAMES`; it
refuses every other opcode and name. Nothing that a file names is imported,
called or changed, so that a hostile file cannot run code.

Tensors come out as `Tensor`s, which say where in which storage their values
are. `torch_zip` and `torch_stream` know where in a file the storages are.
"""

from collections.abc import Callable, Mapping
import pickletools
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from vtab_h2t.backbones import importing
from vtab_h2t.backbones import torch_state

# State dicts of a thousand tensors are pickles of 0.2 MB. As Python's objects a
# hostile one takes up to a hundred times its size.
MAX_BYTES = 4 * 2**20
# Values that calls are handed in all. A pickle may mention one long list often,
# and copies of it would take time and memory without end.
_MAX_HANDED = 10**6
_MAX_DIMENSIONS = 32
_MAX_COUNT = 2**50  # Elements; products of two are exact and quick.
_MAX_KEY = 2**31  # Of whole numbers as keys; their hashes differ.


class _StorageType(NamedTuple):
  """Stands for a class such as `torch.FloatStorage`."""

  dtype: np.dtype[Any]


class _Function(NamedTuple):
  """Stands for a function that a pickle may call."""

  call: Callable[..., Any]


def _rebuild_tensor(
  storage: Any, offset: Any, shape: Any, strides: Any, *unused: Any
) -> torch_state.Tensor:
  """Stands for `torch._utils._rebuild_tensor_v2`; trusts no argument."""
  del unused  # requires_grad and backward hooks mean nothing here.
  if not (
    type(storage) is torch_state.Storage
    and type(shape) is type(strides) is tuple
    and len(shape) == len(strides) <= _MAX_DIMENSIONS
    and all(
      type(n) is int and 0 <= n < _MAX_COUNT for n in (offset, *shape, *strides)
    )
  ):
    raise ValueError('a tensor has no shape, or another storage')
  return torch_state.Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Any, *unused: Any) -> torch_state.Tensor:
  """Stands for `torch._utils._rebuild_parameter`."""
  del unused
  if type(tensor) is not torch_state.Tensor:
    raise torch_state.RefusedError('has a parameter that is no tensor')
  return tensor


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
  """Stands for `collections.OrderedDict`; Python 2 gives it its pairs."""
  result: dict[Any, Any] = {}
  for pair in pairs:
    key, value = pair
    result[_key(key)] = value
  return result


def _key(key: Any) -> Any:
  """A key of a dict, unless finding its hash could take for ever."""
  if not isinstance(key, str | int | None) or (
    isinstance(key, int) and abs(key) >= _MAX_KEY
  ):
    raise torch_state.RefusedError(
      f'has a dict with a key that is no name ({type(key).__name__})'
    )
  return key


# By the storages' names in torch.
_ELEMENTS: dict[str, Any] = {
  'Double': '<f8',
  'Float': '<f4',
  'Half': '<f2',
  'BFloat16': ml_dtypes.bfloat16,
  'Long': '<i8',
  'Int': '<i4',
  'Short': '<i2',
  'Char': 'i1',
  'Byte': 'u1',
  'Bool': '?',
}
_NAMES: dict[tuple[str, str], Any] = {
  ('collections', 'OrderedDict'): _Function(_ordered_dict),
  ('torch._utils', '_rebuild_tensor'): _Function(_rebuild_tensor),
  ('torch._utils', '_rebuild_tensor_v2'): _Function(_rebuild_tensor),
  ('torch._utils', '_rebuild_parameter'): _Function(_rebuild_parameter),
  **{
    ('torch', f'{name}Storage'): _StorageType(np.dtype(dtype))
    for name, dtype in _ELEMENTS.items()
  },
}


def _named(module: Any, name: Any) -> Any:
  found = None
  if isinstance(module, str) and isinstance(name, str):
    found = _NAMES.get((module, name))
  if found is None:
    raise torch_state.RefusedError(
      f'names {importing.one_line(f"{module}.{name}")}, which is no part of a '
      'plain state dict'
    )
  return found


class Machine:
  """Runs the pickles of one file.

  Attributes:
    storages: those that the pickles mentioned, by key.
  """

  def __init__(self) -> None:
    self.storages: dict[str, torch_state.Storage] = {}
    self._stack: list[Any] = []
    self._marks: list[int] = []
    self._memo: dict[int, Any] = {}
    self._handed = 0

  def run(self, stream: BinaryIO) -> Any:
    """The value of the next pickle of a stream.

    Args:
      stream: is left behind the pickle's end.

    Returns:
      Texts, bytes, numbers, lists, tuples and dicts of such, and `Tensor`s.

    Raises:
      torch_state.RefusedError: it needs an opcode or a name that is unknown.
      Exception: of many kinds, if it is damaged.
    """
    self._stack, self._marks, self._memo = [], [], {}
    for opcode, argument, _ in pickletools.genops(stream):
      if opcode.name in _LITERALS:
        self.push(argument)
      elif opcode.name in _STEPS:
        _STEPS[opcode.name](self, argument)
      elif opcode.name not in _NO_STEPS:
        raise torch_state.RefusedError(
          f'is a pickle with the opcode {opcode.name}, which no plain state '
          'dict has'
        )
    (value,) = self._stack
    return value

  def push(self, value: Any) -> None:
    """Puts a value on the stack."""
    self._stack.append(value)

  def mark(self, _: Any) -> None:
    """The values from here on belong together."""
    self._marks.append(len(self._stack))

  def tuple_of(self, count: int | None) -> None:
    """A tuple of the last values."""
    self.push(tuple(self._take(count)))

  def append(self, count: int | None) -> None:
    """Puts the last values at the end of the list before them."""
    values = self._take(count)
    self._last(list).extend(values)

  def set(self, count: int | None) -> None:
    """Puts the last keys and values into the dict before them."""
    items = self._take(count)
    target = self._last(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
      target[_key(key)] = value

  def get(self, number: int) -> None:
    """A value from the memo."""
    self.push(self._memo[number])

  def put(self, number: int | None) -> None:
    """Keeps the last value in the memo."""
    self._memo[len(self._memo) if number is None else number] = self._stack[-1]

  def name(self, names: str | None) -> None:
    """A class or function, by its module and name."""
    module, name = self._take(2) if names is None else names.split(' ', 1)
    self.push(_named(module, name))

  def call(self, _: Any) -> None:
    """Calls one of the functions of this module."""
    function, arguments = self._take(2)
    if not isinstance(function, _Function) or type(arguments) is not tuple:
      raise torch_state.RefusedError('is a pickle that calls no function')
    self._handed += sum(
      len(a) for a in (arguments, *arguments) if isinstance(a, tuple | list)
    )
    if self._handed > _MAX_HANDED:
      raise torch_state.RefusedError('is a pickle that copies without end')
    self.push(function.call(*arguments))

  def attributes(self, _: Any) -> None:
    """Attributes of an OrderedDict (`_metadata`), which mean nothing here."""
    self._take(1)
    self._last(dict)

  def storage(self, _: Any) -> None:
    """A storage, whose values are outside of the pickle."""
    (pid,) = self._take(1)
    if not (
      isinstance(pid, tuple)
      and len(pid) in (5, 6)
      and pid[0] == 'storage'
      and isinstance(pid[1], _StorageType)
      and isinstance(pid[2], str)
      and type(pid[4]) is int
      and 0 <= pid[4] < _MAX_COUNT
      and pid[5:] in ((), (None,))
    ):
      raise torch_state.RefusedError('refers to what is no plain storage')
    found = torch_state.Storage(pid[1].dtype, pid[2], pid[4])
    if self.storages.setdefault(found.key, found) != found:
      raise torch_state.RefusedError('has a storage of two types or sizes')
    self.push(found)

  def _take(self, count: int | None) -> list[Any]:
    """Takes so many values off the stack, or all since the last mark."""
    start = self._marks.pop() if count is None else len(self._stack) - count
    if not 0 <= start <= len(self._stack):
      raise ValueError('a pickle takes more than there is')
    values = self._stack[start:]
    del self._stack[start:]
    return values

  def _last(self, kind: type) -> Any:
    """The last value, which stays, and has to be of a type."""
    if type(self._stack[-1]) is not kind:
      raise torch_state.RefusedError(
        f'is a pickle that changes what is no {kind.__name__}'
      )
    return self._stack[-1]


# Opcodes whose argument is the value.
_LITERALS = frozenset(
  (
    *('INT', 'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'),
    *('BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES'),
    *('BINUNICODE', 'SHORT_BINUNICODE'),
  )
)
_NO_STEPS = frozenset(('PROTO', 'FRAME', 'STOP'))
_STEPS: Mapping[str, Callable[[Machine, Any], None]] = {
  'NONE': lambda machine, _: machine.push(None),
  'NEWTRUE': lambda machine, _: machine.push(True),
  'NEWFALSE': lambda machine, _: machine.push(False),
  'EMPTY_TUPLE': lambda machine, _: machine.push(()),
  'EMPTY_LIST': lambda machine, _: machine.push([]),
  'EMPTY_DICT': lambda machine, _: machine.push({}),
  'MARK': Machine.mark,
  'TUPLE': Machine.tuple_of,
  'TUPLE1': lambda machine, _: machine.tuple_of(1),
  'TUPLE2': lambda machine, _: machine.tuple_of(2),
  'TUPLE3': lambda machine, _: machine.tuple_of(3),
  'APPEND': lambda machine, _: machine.append(1),
  'APPENDS': Machine.append,
  'SETITEM': lambda machine, _: machine.set(2),
  'SETITEMS': Machine.set,
  'BINGET': Machine.get,
  'LONG_BINGET': Machine.get,
  'BINPUT': Machine.put,
  'LONG_BINPUT': Machine.put,
  'MEMOIZE': Machine.put,
  'GLOBAL': Machine.name,
  'STACK_GLOBAL': Machine.name,
  'REDUCE': Machine.call,
  'BUILD': Machine.attributes,
  'BINPERSID': Machine.storage,
}
