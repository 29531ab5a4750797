"""Files of `torch.save` since version 1.6, and such as only look like them."""

import io
import zipfile

import numpy as np
import pytest

from tests.backbones import torch_files
from vtab_h2t.backbones import torch_pickle
from vtab_h2t.backbones import torch_state
from vtab_h2t.backbones import torch_zip


def _read(data):
  with zipfile.ZipFile(io.BytesIO(data)) as archive:
    assert torch_zip.is_one(archive.namelist())
    return torch_zip.read(archive)


@pytest.mark.parametrize('folder', ['archive', 'vit b16'])
@pytest.mark.parametrize('byteorder', [None, b'little'])
def test_reads_what_torch_writes(folder, byteorder):
  arrays, place, beside = _read(
    torch_files.zipped(*torch_files.plain(), folder=folder, byteorder=byteorder)
  )
  torch_files.check_plain(arrays)
  assert place == '' and beside == ()


def test_reads_each_type_of_storage():
  wanted = torch_files.of_each_kind()
  arrays, *_ = _read(torch_files.zipped(*torch_files.state_of(wanted)))
  assert list(arrays) == list(wanted)
  for name, array in arrays.items():
    assert array.dtype == wanted[name].dtype
    np.testing.assert_array_equal(array, wanted[name])


def test_reads_a_checkpoint_with_other_entries():
  state, storages = torch_files.plain()
  unread = torch_files.Storage('99', np.zeros(3, 'f4'))
  checkpoint = {
    'epoch': 90,
    'args': {'lr': 0.1, 'layers': [1, 2]},
    'optimizer': {'state': {0: torch_files.tensor(unread, (3,), (1,))}},
    'model': {k: torch_files.parameter(v) for k, v in state.items()},
  }
  arrays, place, beside = _read(torch_files.zipped(checkpoint, storages))
  torch_files.check_plain(arrays)
  assert place == 'model' and beside == ('epoch', 'args', 'optimizer')


@pytest.mark.parametrize(
  'options, message',
  [
    ({'compression': zipfile.ZIP_DEFLATED}, 'is compressed'),
    ({'byteorder': b'big'}, 'is not little-endian'),
    ({'others': [('archive/constants.pkl', b'')]}, 'is a TorchScript program'),
    ({'others': [('elsewhere/x', b'')]}, 'has entries outside of archive/'),
    ({'others': [('../x', b'')]}, 'has entries outside of archive/'),
    ({'others': [('/etc/x', b'')]}, 'has entries outside of archive/'),
    ({'data': b'N' * (torch_pickle.MAX_BYTES + 1)}, 'has too large a pickle'),
    ({'data': b'cos\nsystem\n.'}, 'names os.system, which is no part of'),
  ],
)
def test_other_zip_files_are_refused(options, message):
  with pytest.raises(torch_state.RefusedError, match=message):
    _read(torch_files.zipped(*torch_files.plain(), **options))


def test_a_folders_name_cannot_break_the_line():
  data = torch_files.zipped(
    *torch_files.plain(), folder='a\nb\x1b', others=[('x', b'')]
  )
  with pytest.raises(torch_state.RefusedError, match=r'outside of a b\?/$'):
    _read(data)


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_two_entries_of_one_name_are_refused():
  data = torch_files.zipped(
    *torch_files.plain(), others=[('archive/data/10', b'\0' * 48)]
  )
  with pytest.raises(torch_state.RefusedError, match='two entries of one name'):
    _read(data)


@pytest.mark.parametrize('key', ['10', '../10', '/10', '10/../10', 'a\nb'])
def test_values_that_are_not_there_name_their_tensor(key):
  storage = torch_files.Storage(key, np.zeros(4, 'f4'))
  state = {'w': torch_files.tensor(storage, (2,), (1,))}
  with pytest.raises(ValueError, match='^w: its values are not in the file'):
    _read(torch_files.zipped(state, []))


@pytest.mark.parametrize('numel', [2, 5, 2**49])
def test_values_of_another_size_name_their_tensor(numel):
  storage = torch_files.Storage('0', np.zeros(4, 'f4'), numel=numel)
  state = {'w': torch_files.tensor(storage, (2,), (1,))}
  with pytest.raises(ValueError, match='^w: it has another size'):
    _read(torch_files.zipped(state, [storage]))


def test_a_changed_value_names_its_tensor():
  data = torch_files.zipped(*torch_files.plain())
  values = np.arange(12, dtype='<f4').tobytes()
  assert data.count(values) == 1
  with pytest.raises(ValueError, match='^weight: Bad CRC'):
    _read(data.replace(values, values[::-1]))


def test_other_zip_files_are_not_taken_for_one():
  assert not torch_zip.is_one(
    ['a.npy', 'data.pkl', 'x/y/data.pkl', 'xdata.pkl']
  )
  assert torch_zip.is_one(['any name/data.pkl'])
