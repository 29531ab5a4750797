import inspect

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


def _formulas(start, gradients, rate, epsilon):
  """Keras' and torch's Adam as they write it, in double precision."""
  values = {'keras': start.astype(float), 'torch': start.astype(float)}
  m = v = np.zeros_like(values['keras'])
  for t, g in enumerate(gradients, 1):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    alpha = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    values['keras'] = values['keras'] - alpha * m / (np.sqrt(v) + epsilon)
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
    values['torch'] = values['torch'] - rate * m_hat / (
      np.sqrt(v_hat) + epsilon
    )
  return values


@pytest.mark.parametrize('corrected', [False, True])
def test_epsilon_is_added_where_each_library_adds_it(corrected):
  """With an epsilon as large as the gradients, the place is seen at once."""
  rng = np.random.default_rng(0)
  start = rng.normal(size=5).astype(np.float32)
  gradients = (1e-3 * rng.normal(size=(4, 5))).astype(np.float32)
  variable, m, v = (tf.Variable(x) for x in (start, 0 * start, 0 * start))
  epsilon = adam.Epsilon(value=1e-3, corrected=corrected)
  for number, gradient in enumerate(gradients, 1):
    adam.apply(variable, m, v, tf.constant(gradient), 0.1, number, epsilon)
  wanted = _formulas(start, gradients, 0.1, 1e-3)
  own, other = ('torch', 'keras')[:: 1 if corrected else -1]
  np.testing.assert_allclose(variable, wanted[own], atol=1e-5)
  assert np.abs(wanted[other] - wanted[own]).max() > 0.1


def test_epsilons_are_those_of_the_libraries():
  defaults = inspect.signature(keras.optimizers.Adam).parameters
  assert adam.KERAS.value == defaults['epsilon'].default
  assert adam.Epsilon(value=1e-8, corrected=True) == adam.TORCH
