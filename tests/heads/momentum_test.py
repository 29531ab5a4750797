"""Tests of SGD with momentum."""

import numpy as np
import tensorflow as tf

from vtab_h2t.heads import momentum


def test_the_rate_scales_the_velocity():
  """By hand, under rates that change; w <- w - rate v."""
  rng = np.random.default_rng(0)
  w, v = (
    rng.normal(size=(3, 2)).astype(np.float32),
    np.zeros((3, 2), np.float32),
  )
  variable, velocity = tf.Variable(w), tf.Variable(v)
  for rate in (0.5, 0.1, 1e-3):
    gradient = rng.normal(size=w.shape).astype(np.float32)
    momentum.apply(variable, velocity, tf.constant(gradient), rate)
    v = 0.9 * v + gradient
    w = w - rate * v
    np.testing.assert_allclose(velocity, v, rtol=1e-6)
    np.testing.assert_allclose(variable, w, rtol=1e-5)
