import numpy as np
import pytest

from vtab_h2t.backbones import torch_state


def _tensor(count=4, shape=(4,), strides=(1,), offset=0, key='k'):
  storage = torch_state.Storage(np.dtype('f4'), key, count)
  return torch_state.Tensor(storage, offset, shape, strides)


_STATE = {'b': _tensor(), 'a': _tensor()}


@pytest.mark.parametrize(
  'value, place, beside',
  [
    (_STATE, '', ()),
    (_STATE | {'epoch': 3, 'args': {'lr': 0.1}}, '', ('epoch', 'args')),
    (
      {'model': _STATE, 'optimizer': {'state': {0: _tensor()}}},
      'model',
      ('optimizer',),
    ),
    ({'student': {'c': _tensor()}, 'teacher': _STATE}, 'teacher', ('student',)),
    (
      {'model': {'state_dict': _STATE, 'step': 1}, 'epoch': 3, 4: None},
      'model/state_dict',
      ('epoch', '4', 'model/step'),
    ),
    ({'module': _STATE, 'loss': _tensor()}, 'module', ('loss',)),
    (
      {'state_dict': _STATE, 'state_dict_ema': _STATE},
      'state_dict',
      ('state_dict_ema',),
    ),
    ({'model': 'vit_base', 'state_dict': _STATE}, 'state_dict', ('model',)),
  ],
)
def test_state_dicts_are_found_where_scripts_put_them(value, place, beside):
  tensors, *found = torch_state.state_dict(value)
  assert list(tensors.items()) == list(_STATE.items())
  assert found == [place, beside]


@pytest.mark.parametrize(
  'value, message',
  [
    ({}, 'has no tensors, neither at its top nor in state_dict, '),
    ([_tensor()], 'has no tensors'),
    (_tensor(), 'has no tensors'),
    ({'networks': _STATE}, 'has no tensors'),
    ({'model': _STATE, 'teacher': _STATE}, 'networks, in model and teacher'),
    ({0: _tensor()}, 'has tensors without names'),
  ],
)
def test_what_is_no_single_state_dict_is_refused(value, message):
  with pytest.raises(torch_state.RefusedError, match=message):
    torch_state.state_dict(value)


def test_a_dict_that_holds_itself_ends():
  value = {}
  value['model'] = value['teacher'] = value
  with pytest.raises(torch_state.RefusedError, match='has no tensors'):
    torch_state.state_dict(value)


@pytest.mark.parametrize(
  'tensor',
  [
    _tensor(count=3),
    _tensor(offset=1),
    _tensor(shape=(3,), strides=(2,)),
    _tensor(shape=(4, 2), strides=(1, 0)),
    _tensor(shape=(10**9, 10**9), strides=(0, 0)),
    _tensor(count=0, shape=(), strides=()),
  ],
)
def test_a_tensor_larger_than_its_storage_is_named(tensor):
  with pytest.raises(ValueError, match='^w is larger than its storage'):
    torch_state.state_dict({'v': _tensor(), 'w': tensor})


def test_storages_are_read_once_and_damage_names_a_tensor():
  read = []

  def values(storage):
    read.append(storage.key)
    return np.arange(storage.size, dtype='f4').tobytes()

  tensors = {
    'a': _tensor(shape=(2, 2), strides=(1, 2)),
    'b': _tensor(shape=(2,), offset=2),
    'none': _tensor(shape=(0, 10**12), strides=(1, 1)),
    'c': _tensor(count=1, shape=(), strides=(), key='other'),
  }
  arrays = torch_state.arrays(tensors, values)
  assert list(arrays) == list(tensors) and read == ['k', 'other']
  np.testing.assert_array_equal(arrays['a'], [[0, 2], [1, 3]])
  np.testing.assert_array_equal(arrays['b'], [2, 3])
  assert arrays['none'].shape == (0, 10**12) and arrays['c'] == 0
  with pytest.raises(ValueError, match='^b: it is cut short'):
    torch_state.arrays({'b': _tensor()}, lambda storage: b'1234')
