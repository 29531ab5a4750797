"""Writes files as torch does, without torch; also such as torch never would."""

import collections
import io
import pickle
import zipfile

import ml_dtypes
import numpy as np

KINDS = {
  'float64': 'DoubleStorage',
  'float32': 'FloatStorage',
  'float16': 'HalfStorage',
  'bfloat16': 'BFloat16Storage',
  'int64': 'LongStorage',
  'int32': 'IntStorage',
  'int16': 'ShortStorage',
  'int8': 'CharStorage',
  'uint8': 'ByteStorage',
  'bool': 'BoolStorage',
}


class Global:
  """Pickles as a reference to a name that need not exist here."""

  def __init__(self, module, name):
    self.module, self.name = module, name


class Reduce:
  """Pickles as a call; `state` as what BUILD gives the result."""

  def __init__(self, function, arguments, state=None):
    self.function, self.arguments, self.state = function, arguments, state


class Storage:
  """Pickles as a reference to values outside of the pickle."""

  def __init__(self, key, values, kind=None, numel=None):
    self.values = values
    self.pid = (
      'storage',
      Global('torch', kind or KINDS[values.dtype.name]),
      key,
      'cpu',
      len(values) if numel is None else numel,
    )


class _Pickler(pickle._Pickler):
  """Writes torch's way; pure Python, so it can be bent."""

  legacy = False

  def persistent_id(self, obj):
    if not isinstance(obj, Storage):
      return None
    return (*obj.pid, None) if self.legacy else obj.pid

  def save(self, obj, save_persistent_id=True):
    if isinstance(obj, Global):
      self.write(b'c' + f'{obj.module}\n{obj.name}\n'.encode())
    elif isinstance(obj, Reduce):
      self.save(obj.function)
      self.save(obj.arguments)
      self.write(b'R')
      if obj.state is not None:
        self.save(obj.state)
        self.write(b'b')
    else:
      super().save(obj, save_persistent_id)


def pickled(value, legacy=False, protocol=2):
  """A value as torch pickles it."""
  out = io.BytesIO()
  pickler = _Pickler(out, protocol)
  pickler.legacy = legacy
  pickler.dump(value)
  return out.getvalue()


def tensor(storage, shape, stride, offset=0):
  """A view of a storage."""
  return Reduce(
    Global('torch._utils', '_rebuild_tensor_v2'),
    (storage, offset, shape, stride, False, collections.OrderedDict()),
  )


def parameter(value):
  """A tensor that can be trained."""
  return Reduce(
    Global('torch._utils', '_rebuild_parameter'),
    (value, True, collections.OrderedDict()),
  )


def state_of(arrays):
  """A state dict of arrays, and its storages."""
  state, storages = collections.OrderedDict(), []
  for name, array in arrays.items():
    storage = Storage(str(len(storages)), np.ravel(array))
    storages.append(storage)
    strides = [s // array.itemsize for s in np.ascontiguousarray(array).strides]
    state[name] = tensor(storage, array.shape, tuple(strides[: array.ndim]))
  return state, storages


def stream(state, storages, magic=0x1950A86A20F9469CFC6C, tail=b''):
  """What `torch.save` wrote before version 1.6."""
  out = io.BytesIO()
  for value in (
    magic,
    1001,
    {'little_endian': True},
    state,
    [s.pid[2] for s in storages],
  ):
    out.write(pickled(value, legacy=True))
  for storage in storages:
    out.write(len(storage.values).to_bytes(8, 'little'))
    out.write(storage.values.tobytes())
  return out.getvalue() + tail


def zipped(
  state,
  storages,
  *,
  folder='archive',
  byteorder=b'little',
  compression=zipfile.ZIP_STORED,
  others=(),
  data=None,
):
  """What `torch.save` writes since.

  Args:
    state: what is pickled.
    storages: whose values are written.
    folder: that all entries are in.
    byteorder: what the entry of this name says; None for no such entry.
    compression: of all entries.
    others: names and bytes of further entries.
    data: the pickle, if it is not `state`'s.
  """
  out = io.BytesIO()
  with zipfile.ZipFile(out, 'w', compression) as archive:
    archive.writestr(
      f'{folder}/data.pkl', pickled(state) if data is None else data
    )
    if byteorder is not None:
      archive.writestr(f'{folder}/byteorder', byteorder)
    for storage in storages:
      archive.writestr(
        f'{folder}/data/{storage.pid[2]}', storage.values.tobytes()
      )
    archive.writestr(f'{folder}/version', b'3\n')
    for name, content in others:
      archive.writestr(name, content)
  return out.getvalue()


def plain():
  """A state dict of two storages, with what views can be, and the storages."""
  a = Storage('10', np.arange(12, dtype='<f4'))
  b = Storage('11', np.array([7], '<i8'))
  state = collections.OrderedDict(
    weight=tensor(a, (2, 3), (3, 1), 1),
    turned=tensor(a, (3, 2), (1, 3)),
    count=tensor(b, (), ()),
  )
  return state, [a, b]


def check_plain(arrays):
  """Whether arrays are those of `plain`, in its order."""
  assert list(arrays) == ['weight', 'turned', 'count']
  np.testing.assert_array_equal(arrays['weight'], [[1, 2, 3], [4, 5, 6]])
  np.testing.assert_array_equal(arrays['turned'], [[0, 3], [1, 4], [2, 5]])
  assert arrays['count'] == 7 and arrays['count'].dtype == np.int64


def of_each_kind():
  """An array of each type that torch stores and this package reads."""
  return {
    kind: np.array([[0, 1, 2], [3, 4, 5]]).astype(
      ml_dtypes.bfloat16 if kind == 'bfloat16' else kind
    )
    for kind in KINDS
  }
