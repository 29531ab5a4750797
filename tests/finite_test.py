import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t import finite


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('shape', [(4,), (4, 3), (4, 2, 3)])
def test_first_fault_is_by_order_and_row(bad, shape):
  good = np.zeros(shape, np.float32)
  wrong = good.copy()
  wrong[2:] = bad
  arrays = {'z': good, 'b': wrong, 'a': tf.constant(wrong)}
  assert finite.first_fault(arrays) == ('b', 2)
  assert finite.first_fault({'a': arrays['a']}) == ('a', 2)
  assert finite.first_fault({'z': good}) is None


def test_scalars():
  assert finite.first_fault({'x': [np.float32(1), tf.constant(2.0)]}) is None
  assert finite.first_fault({'x': [tf.constant(1.0), np.float32('nan')]}) == (
    'x',
    1,
  )


def test_sums_are():
  good = tf.ones((2, 3))
  graph = tf.function(lambda *values: finite.sums_are(values))
  for test in (graph, lambda *values: finite.sums_are(values)):
    assert test(good, good)
    assert not test(good, tf.constant([1.0, np.nan]))
    assert not test(good, tf.constant([np.inf, -np.inf]))
    assert not test(tf.constant([3e38, 3e38]))  # The sum overflows.
