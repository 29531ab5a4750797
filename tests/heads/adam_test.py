import keras
import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.heads import adam


@pytest.mark.parametrize('compiled', [False, True])
def test_equals_keras(compiled):
  rng = np.random.default_rng(0)
  start = rng.normal(size=(3, 4)).astype(np.float32)
  variable, m, v = (tf.Variable(x) for x in (start, 0 * start, 0 * start))
  other = keras.Variable(start)
  optimizer = keras.optimizers.Adam(0.01)
  optimizer.build([other])
  update = tf.function(adam.apply) if compiled else adam.apply
  for number in range(1, 8):
    gradient = tf.constant(rng.normal(size=(3, 4)).astype(np.float32))
    update(
      variable,
      m,
      v,
      gradient,
      tf.constant(0.01),
      tf.constant(number, tf.float32),
    )
    optimizer.apply([gradient], [other])
    np.testing.assert_allclose(variable, other.value, atol=1e-5)


def test_numbers_of_python_do():
  variable, m, v = (tf.Variable([0.0]) for _ in range(3))
  adam.apply(variable, m, v, tf.constant([5.0]), 0.1, 1.0)
  np.testing.assert_allclose(variable, [-0.1], rtol=1e-5)
