import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t import errors
from vtab_h2t.backbones import saved_variables

_VALUE = np.arange(6, dtype=np.float32).reshape(2, 3)


def _save(module, folder):
  tf.saved_model.save(module, str(folder))
  return saved_variables.read(folder)


def test_variables_of_tensorflow_1(tmp_path):
  folder = tmp_path / 'old'
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    with tf.compat.v1.variable_scope('module/net/conv1'):
      kernel = tf.compat.v1.get_variable(
        'weights', initializer=_VALUE, use_resource=False
      )
      # A random start would need a seed where operations are deterministic.
      tf.compat.v1.get_variable('biases', initializer=np.zeros(3, np.float32))
    x = tf.compat.v1.placeholder(tf.float32, (None, 2))
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.saved_model.simple_save(
      session, str(folder), {'x': x}, {'y': x @ kernel}
    )
  found = saved_variables.read(folder)
  assert set(found.named) == {
    'module/net/conv1/weights',
    'module/net/conv1/biases',
  }
  np.testing.assert_array_equal(found.named['module/net/conv1/weights'], _VALUE)
  under = found.under('conv1/weights')
  assert set(under) == {'conv1/weights', 'conv1/biases'}
  assert found.under('weights/conv1') is None


def test_variables_of_tensorflow_2(tmp_path):
  module = tf.Module()
  module.inner = tf.Module()
  module.inner.a = tf.Variable(_VALUE, name='net/a')
  module.b = tf.Variable(0.0, name='other')
  found = _save(module, tmp_path / 'new')
  assert set(found.named) == {'net/a', 'other'}
  assert set(found.placed) == {'inner/a', 'b'}
  np.testing.assert_array_equal(found.named['net/a'], _VALUE)
  np.testing.assert_array_equal(found.placed['inner/a'], _VALUE)


def test_a_name_that_is_not_one_variables_alone_says_nothing(tmp_path):
  """Their places tell them apart; what a dictionary's keys have is kept."""
  module = tf.Module()
  module.params = {
    'embedding': {'kernel': tf.Variable(_VALUE), 'bias': tf.Variable(1.0)},
    'a.b/c': tf.Variable(2.0),
  }
  found = _save(module, tmp_path / 'tree')
  assert not found.named
  assert set(found.placed) == {
    'params/embedding/kernel',
    'params/embedding/bias',
    'params/a.b/c',
  }
  under = found.under('embedding/kernel')
  np.testing.assert_array_equal(under['embedding/kernel'], _VALUE)
  assert under['a.b/c'] == 2


def test_lists_are_in_order(tmp_path):
  module = tf.Module()
  module.kept = [tf.Variable(float(i)) for i in range(12)]
  module.single = tf.Variable(-1.0)
  found = _save(module, tmp_path / 'list')
  assert [list(map(float, some)) for some in found.lists()] == [
    list(map(float, range(12)))
  ]


def test_the_shortest_name_that_ends_so_has_the_prefix(tmp_path):
  module = tf.Module()
  module.kept = [
    tf.Variable(float(i), name=name)
    for i, name in enumerate(('m/conv', 'm/block/conv', 'm/bias', 'step'))
  ]
  found = _save(module, tmp_path / 'prefix')
  assert found.under('conv') == {'conv': 0, 'block/conv': 1, 'bias': 2}


def test_a_graph_of_constants_has_none(tmp_path):
  folder = tmp_path / 'constant'
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    x = tf.compat.v1.placeholder(tf.float32, (None, 2))
    tf.compat.v1.saved_model.simple_save(
      session, str(folder), {'x': x}, {'y': 2 * x}
    )
  found = saved_variables.read(folder)
  assert not found.named and not found.placed and not list(found.lists())
  assert found.under('kernel') is None


def test_damaged_variables_are_one_line(tmp_path):
  module = tf.Module()
  module.a = tf.Variable(_VALUE)
  _save(module, tmp_path / 'm')
  (tmp_path / 'm' / 'variables' / 'variables.index').write_bytes(b'nothing')
  with pytest.raises(errors.InputError, match='unreadable variables .*; fetch'):
    saved_variables.read(tmp_path / 'm')
