"""Each format: what is read as it is stored, and what is refused."""

import json
import os
import tracemalloc
import zipfile

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests.backbones import torch_files
from vtab_h2t import errors
from vtab_h2t.backbones import tensor_formats


@pytest.fixture
def path(tmp_path):
  """Of a file whose name tells nothing."""
  return tmp_path / 'weights.bin'


def _refuses(path, message):
  with pytest.raises(errors.InputError, match=message) as found:
    tensor_formats.read(path)
  line = str(found.value)
  assert line.startswith(f'weights file {path} cannot be read: ')
  assert line.isprintable() and '; ' in line


def _equal(arrays, wanted):
  assert list(arrays) == list(wanted)
  for name, array in arrays.items():
    assert array.dtype == wanted[name].dtype and array.shape == np.shape(
      wanted[name]
    )
    np.testing.assert_array_equal(array, wanted[name])


# Safetensors.


def _safetensors(header, data=b''):
  text = json.dumps(header).encode() if isinstance(header, dict) else header
  return len(text).to_bytes(8, 'little') + text + data


def _entry(dtype, shape, start, end):
  return {'dtype': dtype, 'shape': shape, 'data_offsets': [start, end]}


def test_safetensors_of_each_type_are_read_in_the_files_order(path):
  wanted = torch_files.of_each_kind() | {
    'empty': np.zeros((0, 3), 'f4'),
    'scalar': np.array(2, 'u8'),
  }
  safetensors_numpy.save_file(wanted, path, {'format': 'pt'})
  stored = tensor_formats.read(path)
  assert stored.format == 'safetensors'
  header = json.loads(path.read_bytes()[8:].split(b'}}')[0] + b'}}')
  order = [name for name in header if name != '__metadata__']
  _equal(stored.arrays, {name: wanted[name] for name in order})


_TWO = _safetensors(
  {'a': _entry('F32', [1], 0, 4), 'b': _entry('BF16', [2], 4, 8)}, b'\0' * 8
)


@pytest.mark.parametrize(
  'content, message',
  [
    (
      _TWO[:-1],
      r'damaged or cut short \(.*file not fully covered\); fetch it again',
    ),
    (_TWO + b'\0', 'it is damaged'),
    (_TWO[:20], 'it is damaged'),
    (_safetensors({'a': _entry('F32', [1], 4, 8)}, b'\0' * 8), 'damaged'),
    (
      _safetensors(
        {'a': _entry('F32', [1], 0, 4), 'b': _entry('F32', [1], 0, 4)},
        b'\0' * 4,
      ),
      'it is damaged',
    ),
    (_safetensors({'a': _entry('F32', [2**62] * 2, 0, 4)}, b'\0' * 4), 'damag'),
    (_safetensors({'a': _entry('F99', [1], 0, 4)}, b'\0' * 4), 'damaged'),
    (
      _safetensors({'a': _entry('F8_E4M3', [4], 0, 4)}, b'\0' * 4),
      'a is stored as F8_E4M3; convert it to float32',
    ),
    (
      _safetensors(b'{' + b' ' * (17 * 2**20)),
      'its header is longer than one of weights',
    ),
  ],
)
def test_damaged_safetensors_are_one_line(path, content, message):
  path.write_bytes(content)
  _refuses(path, message)


# Zip files.


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz_of_any_layout_is_read(path, save):
  wanted = {
    'b/kernel': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    'a': np.arange(3, dtype='>i4'),
    'scalar': np.array(2.5, 'f2'),
    'none': np.zeros((0, 4), '?'),
  }
  with path.open('wb') as f:
    save(f, **wanted)
  stored = tensor_formats.read(path)
  assert stored.format == 'npz'
  _equal(stored.arrays, wanted)


def test_an_npz_that_claims_memory_takes_none(path):
  with path.open('wb') as f:
    np.savez(f, a=np.zeros(10**4))
  content = path.read_bytes()
  old, new = b"'shape': (10000,), }", b"'shape': (9999999999,)}"
  assert content.count(old + b'   ') == 1
  with zipfile.ZipFile(path) as archive:
    entry = archive.read('a.npy').replace(old + b'   ', new)
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('a.npy', entry)
  tracemalloc.start()
  try:
    _refuses(path, r'cut short \(a: it has another size than its values\)')
    assert tracemalloc.get_traced_memory()[1] < 10**6
  finally:
    tracemalloc.stop()


def _zip(*entries):
  def write(path):
    with zipfile.ZipFile(path, 'w') as archive:
      for name, content in entries:
        archive.writestr(name, content)

  return write


def _cut(path):
  with path.open('wb') as f:
    np.savez(f, a=np.zeros(300))
  path.write_bytes(path.read_bytes()[:-40])


def _objects(path):
  with path.open('wb') as f:
    np.savez(f, a=np.array([print], dtype=object))


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize(
  'write, message',
  [
    (
      _cut,
      r'it is damaged or cut short \(File is not a zip file\); fetch it again',
    ),
    (_objects, 'a is stored as objects of Python; convert it to float32'),
    (_zip(('a.npy', b'')), r'it is damaged or cut short \(a: '),
    (_zip(('a.npy', b'x')), r'it is damaged or cut short \(a: '),
    (_zip(('a.npy', b'\x93NUMPY\x09\0')), r'it is damaged or cut short \(a: '),
    (_zip(('a.npy', b''), ('a.npy', b'')), 'it is damaged'),
    (_zip(('a.npy', b''), ('b\n.txt', b'')), r'it holds b .txt\); save the'),
    (
      _zip(('model.weights.h5', b''), ('config.json', b'')),
      r'a whole model of Keras; load it .* model.save\("FILE.h5"\)',
    ),
  ],
)
def test_other_zip_files_are_one_line(path, write, message):
  write(path)
  _refuses(path, message)


# Torch.


def test_torch_files_are_read(path):
  for data, kind in (
    (torch_files.zipped(*torch_files.plain()), 'torch zip'),
    (torch_files.stream(*torch_files.plain()), 'torch stream'),
  ):
    path.write_bytes(data)
    stored = tensor_formats.read(path)
    assert stored.format == kind
    torch_files.check_plain(stored.arrays)


@pytest.mark.parametrize('write', [torch_files.zipped, torch_files.stream])
def test_torch_files_that_name_code_are_refused_with_the_remedy(path, write):
  state, storages = torch_files.plain()
  mark = path.parent / 'pwned'
  for module, name in (('os', 'system'), ('argparse', 'Namespace')):
    call = torch_files.Reduce(
      torch_files.Global(module, name), (f'touch {mark}',)
    )
    path.write_bytes(write({'model': state, 'args': call}, storages))
    _refuses(
      path,
      f'it names {module}.{name}, which is no part of a plain state dict; save '
      'its state dict alone, .*, or as safetensors',
    )
  assert not mark.exists()


# H5.


def test_h5_names_are_the_layers_and_the_weights(path):
  with h5py.File(path, 'w') as f:
    f['conv/conv/kernel:0'] = np.ones((2, 3), 'f4')
    f['conv/bias:0'] = np.array([1, 2], 'f2')
    f['top/dense/kernel'] = np.ones(2, '>f8')
  stored = tensor_formats.read(path)
  assert stored.format == 'h5' and set(stored.arrays) == {
    'conv/kernel',
    'conv/bias',
    'top/kernel',
  }
  assert stored.arrays['conv/kernel'].shape == (2, 3)
  with h5py.File(path, 'a') as f:  # Two of one layer: the layer is not enough.
    f['top/other/kernel'] = np.ones(2)
  assert {'top/dense/kernel', 'top/other/kernel', 'conv/conv/kernel'} < set(
    tensor_formats.read(path).arrays
  )


@pytest.mark.parametrize(
  'name, wanted',
  [
    ('model.h5', {'first/kernel', 'first/bias', 'second/kernel'}),
    ('w.weights.h5', {f'layers/dense{i}/vars/0' for i in ('', '_1')}),
  ],
)
def test_h5_files_of_keras_are_read(tmp_path, name, wanted):
  model = keras.Sequential(
    [
      keras.Input((3,)),
      keras.layers.Dense(2, name='first'),
      keras.layers.Dense(4, name='second'),
    ]
  )
  path = tmp_path / name
  (model.save if name == 'model.h5' else model.save_weights)(path)
  arrays = tensor_formats.read(path).arrays
  assert len(arrays) == 4 and wanted < set(arrays)
  by_shape = {a.shape: a for a in arrays.values()}
  np.testing.assert_array_equal(by_shape[3, 2], model.get_weights()[0])


def _external(f):
  f.create_dataset('a', (2,), 'f4', external=[('/etc/hostname', 0, 8)])


def _virtual(f):
  layout = h5py.VirtualLayout((2,), 'f4')
  layout[:] = h5py.VirtualSource('/other.h5', 'a', (2,))
  f.create_virtual_dataset('a', layout)


def _twice(f):
  f['a'] = f['a:0'] = 1.0


@pytest.mark.parametrize(
  'write, message',
  [
    (_external, 'values of a are in another file; save them in this one'),
    (_virtual, 'values of a are in another file; save them in this one'),
    (_twice, r'it is damaged or cut short \(a is there twice\)'),
  ],
)
def test_other_h5_files_are_one_line(path, write, message):
  with h5py.File(path, 'w') as f:
    write(f)
  _refuses(path, message)


def test_links_of_h5_files_to_others_are_not_followed(path, tmp_path):
  with h5py.File(tmp_path / 'other.h5', 'w') as f:
    f['group/secret'] = np.ones(2)
  with h5py.File(path, 'w') as f:
    f['a/b'] = np.zeros(2)
    f['model_weights'] = h5py.ExternalLink(tmp_path / 'other.h5', 'group')
    f['a/c'] = h5py.ExternalLink(tmp_path / 'other.h5', 'group/secret')
  assert list(tensor_formats.read(path).arrays) == ['a/b']


# Neither.


def test_what_is_no_file_is_one_line(tmp_path):
  os.mkfifo(tmp_path / 'pipe')
  for path, message in (
    (tmp_path, 'it is a folder; name the file in it'),
    (tmp_path / 'none', 'No such file or directory; check the path'),
    (tmp_path / 'pipe', 'it is no regular file; name a file'),
  ):
    _refuses(path, message)
  with pytest.raises(errors.InputError, match='null byte; check the path'):
    tensor_formats.read('a\0b')
  (tmp_path / 'page').write_text('<html>404</html>')
  _refuses(tmp_path / 'page', 'it is a web page .*; fetch the file itself')


def test_bfloat16_of_npz_is_left_as_numpy_has_it(path):
  with path.open('wb') as f:
    np.savez(f, a=np.ones(2, ml_dtypes.bfloat16))
  assert tensor_formats.read(path).arrays['a'].dtype == 'V2'
