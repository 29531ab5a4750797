"""One reader: the same tensors whatever the file's format, or one line."""

import contextlib
import json
import tracemalloc
from unittest import mock

import h5py
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests.backbones import torch_files
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import tensors

_RNG = np.random.default_rng(0)
_WANTED = {
  'layer/kernel': _RNG.normal(size=(3, 4)).astype('f4'),
  'layer/bias': np.arange(4, dtype='f4'),
  'top/steps': np.arange(3),
}


def _npz(arrays, path):
  with path.open('wb') as f:
    np.savez(f, **arrays)


def _h5(arrays, path):
  with h5py.File(path, 'w', track_order=True) as f:
    for name, array in arrays.items():
      layer, weight = name.split('/')
      f[f'{layer}/{layer}/{weight}:0'] = array


def _torch_zip(arrays, path):
  path.write_bytes(torch_files.zipped(*torch_files.state_of(arrays)))


def _torch_stream(arrays, path):
  path.write_bytes(torch_files.stream(*torch_files.state_of(arrays)))


# How each format is written, whether it keeps bfloat16, and whether damage to
# its values shows.
_FORMATS = {
  'safetensors': (safetensors_numpy.save_file, True, False),
  'npz': (_npz, True, True),
  'h5': (_h5, False, False),
  'torch zip': (_torch_zip, True, True),
  'torch stream': (_torch_stream, True, False),
}


@pytest.fixture(params=_FORMATS)
def kind(request):
  return request.param


def test_tensors_are_the_same_from_any_format(kind, tmp_path):
  path = tmp_path / 'weights.xyz'
  _FORMATS[kind][0](_WANTED, path)
  stored = tensors.read(path)
  assert stored.format == kind and stored.dtypes == ('float32', 'int64')
  assert str(stored) == f'{kind} of float32 and int64'
  assert stored.sha256 == files.sha256_file(path)
  assert set(stored.arrays) == set(_WANTED)
  for name, array in stored.arrays.items():
    assert array.dtype == _WANTED[name].dtype and array.flags.c_contiguous
    np.testing.assert_array_equal(array, _WANTED[name])


def test_all_floats_become_float32_and_mixtures_are_told(kind, tmp_path):
  write, bfloat16, _ = _FORMATS[kind]
  values = np.array([1.5, -2.0, np.inf, np.nan])
  types = ['float16', 'float32', 'float64'] + ['bfloat16'] * bfloat16
  arrays = {
    f'x/{t}': values.astype(ml_dtypes.bfloat16 if t == 'bfloat16' else t)
    for t in types
  }
  write(arrays, tmp_path / 'w')
  stored = tensors.read(tmp_path / 'w')
  assert stored.dtypes == tuple(sorted(types))
  for array in stored.arrays.values():
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values.astype('f4'))


def test_whole_numbers_and_truth_values_stay(kind, tmp_path):
  arrays = {
    f'x/{t}': np.array([0, 1, 1], t)
    for t in ('int64', 'int32', 'uint8', 'bool')
  }
  _FORMATS[kind][0](arrays, tmp_path / 'w')
  read = tensors.read(tmp_path / 'w').arrays
  for name, array in arrays.items():
    assert read[name].dtype == array.dtype
    np.testing.assert_array_equal(read[name], array)


def test_other_byte_orders_become_this_machines(tmp_path):
  _npz({'a': np.arange(3, dtype='>i4'), 'b': np.ones(2, '>f4')}, tmp_path / 'w')
  read = tensors.read(tmp_path / 'w').arrays
  assert read['a'].dtype == np.int32 and read['b'].dtype == np.float32
  np.testing.assert_array_equal(read['a'], [0, 1, 2])


def test_a_nest_is_told(tmp_path):
  state, storages = torch_files.plain()
  path = tmp_path / 'checkpoint.pth'
  path.write_bytes(torch_files.zipped({'teacher': state, 'epoch': 1}, storages))
  stored = tensors.read(path)
  torch_files.check_plain(stored.arrays)
  assert stored.within == 'teacher'
  assert str(stored) == "torch zip of float32 and int64, in 'teacher'"


@pytest.mark.parametrize(
  'arrays, message',
  [
    ({}, 'it holds no tensors; name another file'),
    ({'a': np.array(['x'])}, 'a is stored as <U1; convert it to float32'),
    ({'a': np.ones(2, 'c8')}, 'a is stored as complex64; convert'),
    ({'a\nb': np.ones(2)}, "'a b' is no name of a tensor"),
    ({'a' * 301: np.ones(2)}, 'is no name of a tensor'),
  ],
)
def test_what_holds_no_weights_is_one_line(tmp_path, arrays, message):
  _npz(arrays, tmp_path / 'w')
  with pytest.raises(errors.InputError, match=message) as found:
    tensors.read(tmp_path / 'w')
  assert f'weights file {tmp_path / "w"} cannot be' in str(found.value)
  assert str(found.value).isprintable()


def test_a_file_that_claims_too_much_is_one_line(kind, tmp_path):
  _FORMATS[kind][0]({'a/b': np.zeros(3000, 'f4')}, tmp_path / 'w')
  with (
    mock.patch.object(importing, '_MAX_BYTES', 10_000),
    pytest.raises(errors.InputError, match='w claims to hold .* GiB'),
  ):
    tensors.read(tmp_path / 'w')


def test_views_of_few_values_do_not_become_many(tmp_path):
  """Each tensor is as large as its storage; all together are refused."""
  storage = torch_files.Storage('0', np.zeros(1000, 'f4'))
  state = {
    f't{i}': torch_files.tensor(storage, (1000,), (1,)) for i in range(100)
  }
  (tmp_path / 'w').write_bytes(torch_files.zipped(state, [storage]))
  with (
    mock.patch.object(importing, '_MAX_BYTES', 100_000),
    pytest.raises(errors.InputError, match='claims to hold'),
  ):
    tensors.read(tmp_path / 'w')


# Shards.


@pytest.fixture
def index(tmp_path):
  """Of two shards; and a function that writes it with changes."""
  names = list(_WANTED)
  shard_of = dict(zip(names, ('one.st', 'two.st', 'one.st')))
  for shard in ('one.st', 'two.st'):
    safetensors_numpy.save_file(
      {n: _WANTED[n] for n in names if shard_of[n] == shard}, tmp_path / shard
    )
  path = tmp_path / 'model.safetensors.index.json'

  def write(**changes):
    path.write_text(json.dumps({'weight_map': shard_of | changes}, indent=2))
    return path

  write()
  return path, write


def test_shards_are_read_through_their_index(index):
  path, _ = index
  stored = tensors.read(path)
  assert stored.format == 'safetensors in 2 files'
  for name, array in stored.arrays.items():
    np.testing.assert_array_equal(array, _WANTED[name])
  assert len(stored.arrays) == 3
  safetensors_numpy.save_file(
    {'layer/bias': np.zeros(4, 'f4')}, path.parent / 'two.st'
  )
  assert tensors.read(path).sha256 != stored.sha256


def test_indices_that_do_not_fit_are_one_line(index):
  path, write = index
  for changes, message in (
    ({'x': 'three.st'}, r'its shard .*three.st is not there; fetch all shards'),
    ({'x': 'one.st'}, 'its shards lack x; fetch all shards again'),
    ({'layer/bias': 'one.st'}, 'which it does not name|shards lack layer/bias'),
    ({'top/steps': 'two.st'}, 'one.st holds top/steps, which it does not name'),
    ({'x': '../one.st'}, 'names shards that are not beside it'),
    ({'x': '/one.st'}, 'names shards that are not beside it'),
    ({'x': '..'}, 'names shards that are not beside it'),
    ({'x': ''}, 'names shards that are not beside it'),
    ({'x': 3}, 'names shards that are not beside it'),
    ({'x': path.name}, 'is text'),
  ):
    write(**changes)
    with pytest.raises(errors.InputError, match=message):
      tensors.read(path)
  for text in ('{', '{}', '{"weight_map": []}', '{"a": 1}', '{"a":' * 10**5):
    path.write_text(text)
    with pytest.raises(errors.InputError, match='JSON, but no index of shards'):
      tensors.read(path)
  path.write_text('{"weight_map": {}}')
  with pytest.raises(errors.InputError, match='it holds no tensors'):
    tensors.read(path)


# Prefixes.


@pytest.mark.parametrize(
  'names, wanted',
  [
    (['cls', 'norm.bias'], {'cls': 'cls', 'norm.bias': 'norm.bias'}),
    (
      ['module.backbone.cls', 'module.backbone.norm', 'module.head.0'],
      {'cls': 'module.backbone.cls', 'norm': 'module.backbone.norm'},
    ),
    (['vit/cls', 'vit/a'], {'cls': 'vit/cls', 'a': 'vit/a'}),
    (
      ['m.cls', 'm.decoder.cls'],
      {'cls': 'm.cls', 'decoder.cls': 'm.decoder.cls'},
    ),
    (['m.xcls', 'm.x'], {}),
    (['m.conv', 'm.x'], {'conv': 'm.conv', 'x': 'm.x'}),
    ([], {}),
  ],
)
def test_prefixes_end_where_an_anchor_begins(names, wanted):
  assert tensors.without_prefix(names, ('cls', 'conv'), 'F') == wanted


def test_two_networks_in_one_file_are_told():
  with pytest.raises(errors.InputError, match='F holds .* under a. and b.; sa'):
    tensors.without_prefix(['a.cls', 'b.cls'], ['cls'], 'F')


# Damage.


_damage = st.tuples(
  st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)),
    min_size=1,
    max_size=8,
  ),
  st.one_of(st.none(), st.floats(0, 1)),
)


@settings(
  max_examples=100,
  deadline=None,
  derandomize=True,
  suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(damage=_damage)
def test_damaged_files_give_their_tensors_or_one_line(
  kind, damage, tmp_path_factory
):
  """Where the format has checksums, equal tensors; else some in few bytes."""
  write, _, checked = _FORMATS[kind]
  path = tmp_path_factory.getbasetemp() / f'damaged {kind}'
  write(_WANTED, path)
  flips, end = damage
  data = bytearray(path.read_bytes())
  for place, bits in flips:
    data[int(place * len(data))] ^= bits
  path.write_bytes(data if end is None else data[: int(end * len(data))])
  tracemalloc.start()
  try:
    with contextlib.suppress(errors.InputError):
      read = tensors.read(path).arrays
      if checked:
        for name in set(read) & set(_WANTED):
          np.testing.assert_array_equal(read[name], _WANTED[name])
      assert sum(a.nbytes for a in read.values()) <= 10 * len(data)
    assert tracemalloc.get_traced_memory()[1] < 5 * 10**6
  finally:
    tracemalloc.stop()
