import numpy as np
import pytest

from vtab_h2t.heads import gradients

_S, _G, _C, _B, _D = 2, 3, 4, 5, 6
_BLOCKS = (slice(0, 4), slice(4, 6))


@pytest.fixture(scope='module')
def stack():
  """Features, one-hot labels, kernels U, biases, rates and coefficients."""
  rng = np.random.default_rng(0)
  return (
    rng.normal(size=(_S, _B, _D)).astype(np.float32),
    np.eye(_C, dtype=np.float32)[rng.integers(0, _C, (_S, _B))],
    rng.normal(size=(_S, _G, _C, _D)).astype(np.float32),
    rng.normal(size=(_S, _G, _C)).astype(np.float32),
    np.float32(rng.uniform(0.1, 1, (_S, _G))),
    np.float32(rng.uniform(0.1, 1, (_S, _G))),
  )


def _flat(kernel):
  return [
    kernel[..., block].reshape(_S, _G * _C, block.stop - block.start)
    for block in _BLOCKS
  ]


def test_logits_are_products_of_w_and_features(stack):
  x, _, kernel, bias, rates, _ = stack
  said = gradients.logits(
    [x[..., block] for block in _BLOCKS], _flat(kernel), bias, rates
  )
  w = kernel * rates[..., None, None]
  wanted = (
    np.einsum('sbd,sgcd->sbgc', x, w) + (bias * rates[..., None])[:, None]
  )
  np.testing.assert_allclose(said, wanted, rtol=1e-4, atol=1e-5)


def test_the_gradient_for_logits_is_that_of_weighted_cross_entropy(stack):
  import tensorflow as tf

  x, y, kernel, bias, rates, _ = stack
  weight = np.float32([0.2, 0.2, 0.1, 0, 0])
  xs = [x[..., block] for block in _BLOCKS]
  found = gradients.logit_gradient(xs, y, weight, _flat(kernel), bias, rates)
  said = tf.constant(gradients.logits(xs, _flat(kernel), bias, rates))
  with tf.GradientTape() as tape:
    tape.watch(said)
    labels = tf.broadcast_to(y[:, :, None], said.shape)
    losses = tf.nn.softmax_cross_entropy_with_logits(labels, said)
    loss = tf.reduce_sum(losses * weight[:, None])
  np.testing.assert_allclose(found, tape.gradient(loss, said), atol=1e-6)


@pytest.mark.parametrize('penalty', ['l1', 'l2', 'l21'])
def test_the_gradient_of_a_penalty_is_that_at_w(stack, penalty):
  import tensorflow as tf

  *_, kernel, _, rates, coefficients = stack
  w = tf.constant(kernel * rates[..., None, None])
  with tf.GradientTape() as tape:
    tape.watch(w)
    size = {
      'l1': lambda: tf.reduce_sum(abs(w), axis=[2, 3]),
      'l2': lambda: tf.reduce_sum(w * w, axis=[2, 3]),
      'l21': lambda: tf.reduce_sum(tf.norm(w, axis=2), axis=2),
    }[penalty]()
    loss = tf.reduce_sum(size * coefficients)
  (squared,) = gradients.squared_norms([tf.constant(kernel)], None, False)
  found = gradients.penalty_gradient(
    penalty, tf.constant(kernel), squared, rates, coefficients
  )
  np.testing.assert_allclose(found, tape.gradient(loss, w), rtol=1e-4)


def test_a_column_of_zeros_has_no_gradient(stack):
  *_, kernel, _, rates, coefficients = stack
  kernel = kernel.copy()
  kernel[..., 2] = 0
  (squared,) = gradients.squared_norms([kernel], None, False)
  found = gradients.penalty_gradient(
    'l21', kernel, squared, rates, coefficients
  ).numpy()
  assert (found[..., 2] == 0).all() and np.isfinite(found).all()
