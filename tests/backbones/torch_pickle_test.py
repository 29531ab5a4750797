"""The machine runs what state dicts need, and nothing else."""

import collections
import io
import pickle
import tracemalloc

import numpy as np
import pytest

from tests.backbones import torch_files
from vtab_h2t.backbones import torch_pickle
from vtab_h2t.backbones import torch_state


def _run(data):
  return torch_pickle.Machine().run(io.BytesIO(data))


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_plain_values_are_what_pickle_reads(protocol):
  value = {
    'epoch': 3,
    'best': 0.5,
    'none': None,
    'flags': (True, False, ()),
    'names': ['a', 'b', ['c'], (1, 2, 3, 4)],
    'bytes': b'x' if protocol > 2 else 'x',
    'numbers': {-1: 2**40, None: -(2**70), 70000: []},
  }
  assert _run(pickle.dumps(value, protocol)) == value
  shared = ['long text'] * 3
  again = _run(pickle.dumps([shared, shared], protocol))
  assert again[0] is again[1]


def test_ordered_dicts_have_their_pairs_whoever_pickled_them():
  """Python 3 sets items, Python 2 hands pairs; torch adds `_metadata`."""
  state = collections.OrderedDict(b=1, a=2)
  state._metadata = collections.OrderedDict({'': {'version': 1}})
  for value in (
    state,
    torch_files.Reduce(
      torch_files.Global('collections', 'OrderedDict'),
      ([['b', 1], ['a', 2]],),
      state={'_metadata': {}},
    ),
  ):
    assert list(_run(torch_files.pickled(value)).items()) == [
      ('b', 1),
      ('a', 2),
    ]


def test_tensors_say_where_their_values_are():
  storage = torch_files.Storage('k', np.zeros(12, 'f2'))
  tensor = torch_files.tensor(storage, (2, 3), (3, 1), 4)
  machine = torch_pickle.Machine()
  value = {'a': tensor, 'b': torch_files.parameter(tensor)}
  found = machine.run(io.BytesIO(torch_files.pickled(value)))
  wanted = torch_state.Storage(np.dtype('f2'), 'k', 12)
  assert found['a'] == torch_state.Tensor(wanted, 4, (2, 3), (3, 1))
  assert found['b'] == found['a'] and machine.storages == {'k': wanted}


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize(
  'module, name',
  [
    ('os', 'system'),
    ('posix', 'system'),
    ('builtins', 'eval'),
    ('torch', 'load'),
    ('torch.storage', '_load_from_bytes'),
    ('argparse', 'Namespace'),
    ('collections', 'OrderedDict.__init__'),
    ('torch._utils', '_rebuild_tensor_v2.__globals__'),
  ],
)
def test_other_names_are_refused_and_not_run(tmp_path, module, name, protocol):
  mark = tmp_path / 'pwned'
  call = f'touch {mark}'.encode()
  named = f'c{module}\n{name}\n'.encode()
  if protocol == 4:
    named = b''.join(
      b'\x8c' + bytes([len(t)]) + t for t in (module.encode(), name.encode())
    )
    named += b'\x93'
  data = b'\x80' + bytes([protocol]) + named
  data += b'\x8c' + bytes([len(call)]) + call + b'\x85R.'
  with pytest.raises(torch_state.RefusedError, match=f'names {module}.{name},'):
    _run(data)
  assert not mark.exists()


@pytest.mark.parametrize(
  'data, message',
  [
    (b'(S"ls"\nios\nsystem\n.', 'opcode STRING'),
    (b'(ios\nsystem\n.', 'opcode INST'),
    (b'\x80\x02)\x81.', 'opcode NEWOBJ'),
    (b'\x80\x04)}\x92.', 'opcode NEWOBJ_EX'),
    (b'\x82\x01.', 'opcode EXT1'),
    (b'\x80\x04\x8f.', 'opcode EMPTY_SET'),
    (b'K\x01K\x02R.', 'calls no function'),
    (b'K\x01)R.', 'calls no function'),
    (b'ccollections\nOrderedDict\nK\x01R.', 'calls no function'),
    (b'ccollections\nOrderedDict\n}b.', 'changes what is no dict'),
    (b'ccollections\nOrderedDict\nK\x01a.', 'changes what is no list'),
    (b'})K\x01s.', r'key that is no name \(tuple\)'),
    (b'}\x8a\x08\0\0\0\0\0\0\0\x01K\x01s.', r'key that is no name \(int\)'),
    (b'K\x01Q.', 'no plain storage'),
    (b'ctorch._utils\n_rebuild_parameter\nK\x01\x85R.', 'no tensor'),
  ],
)
def test_what_no_state_dict_needs_is_refused(data, message):
  with pytest.raises(torch_state.RefusedError, match=message):
    _run(data)


@pytest.mark.parametrize(
  'data',
  [
    b'',
    b'.',
    b'K\x01K\x02.',
    b'K\x01',
    b'h\x05.',
    b'q\x01.',
    b't.',
    b'(0.',
    b'K\x01\x86.',
    b'K\x01((\x86t.',
    b'}(K\x01u.',
    b'X\xff\xff\xff\x7fa.',
  ],
)
def test_pickles_that_end_or_reach_too_far_are_errors(data):
  with pytest.raises(Exception) as found:
    _run(data)
  assert not isinstance(found.value, (MemoryError, RecursionError))


@pytest.mark.parametrize(
  'shape, stride, offset',
  [
    ((2.0,), (1,), 0),
    ((True,), (1,), 0),
    ([2], [1], 0),
    ((2, 2), (1,), 0),
    ((2,), (-1,), 5),
    ((2,), (1,), -1),
    ((2**60,), (0,), 0),
    ((1,) * 33, (1,) * 33, 0),
    ('ab', 'cd', 0),
  ],
)
def test_tensors_of_no_shape_are_errors(shape, stride, offset):
  storage = torch_files.Storage('k', np.zeros(12, 'f4'))
  tensor = torch_files.tensor(storage, shape, stride, offset)
  with pytest.raises(ValueError, match='a tensor has no shape'):
    _run(torch_files.pickled({'a': tensor}))


def test_storages_are_of_one_type():
  values = np.zeros(12, 'f4')
  state = [
    torch_files.Storage('k', values),
    torch_files.Storage('k', values, 'LongStorage'),
  ]
  with pytest.raises(torch_state.RefusedError, match='two types or sizes'):
    _run(torch_files.pickled(state))


@pytest.mark.parametrize(
  'data',
  [
    b'\x80\x02]('
    + b'K\x01K\x02\x86' * 10**4
    + b'eq\x00'
    # The same pairs, over and over.
    + b'ccollections\nOrderedDict\nh\x00\x85R' * 10**4
    + b'.',
    # A value under a high number.
    b'\x80\x02}r\xff\xff\xff\xff0.',
    # A tuple in a tuple in a tuple.
    b'\x80\x02)' + b'\x85' * 10**5 + b'0.',
    # A text of 2 GiB that is not there.
    b'\x80\x02X\xff\xff\xff\x7fab.',
  ],
)
def test_little_memory_is_taken(data):
  tracemalloc.start()
  try:
    with pytest.raises(Exception) as found:
      _run(data)
    assert not isinstance(found.value, (MemoryError, RecursionError))
    assert tracemalloc.get_traced_memory()[1] < 10**8
  finally:
    tracemalloc.stop()
