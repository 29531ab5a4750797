"""Layers of ViTs in copies that are trained."""

import numpy as np
import pytest
import tensorflow as tf

from tests.backbones import vit_rich
from vtab_h2t.training import layers


@pytest.mark.parametrize('network', [vit_rich.RICH, vit_rich.AVERAGED])
@pytest.mark.parametrize(
  'policy, tolerance', [('float32', 1e-5), ('mixed_bfloat16', 0.1)]
)
def test_a_trained_copy_equals_keras(network, policy, tolerance):
  """Values, and gradients of all weights."""
  model, _ = vit_rich.built(network)
  model.trainable = True
  copy = layers.copy_of(model, policy, True)
  copy.set_weights(model.get_weights())
  assert [w.path for w in copy.weights] == [w.path for w in model.weights]
  x, found = tf.constant(vit_rich.images()), []
  output = 'logits' if network.classes else 'projection'
  for one in (model, copy):
    with tf.GradientTape() as tape:
      logits = tf.cast(one(x, training=True)[output], tf.float32)
      loss = tf.reduce_mean(tf.square(logits))
    variables = [w.value for w in one.trainable_weights]
    found.append([logits, *tape.gradient(loss, variables)])
  logits, *gradients = found[0]
  largest = max(np.abs(g).max() for g in gradients)
  assert all(np.abs(g).max() > 0 for g in gradients)
  np.testing.assert_allclose(
    found[1][0], logits, atol=tolerance * np.abs(logits).max()
  )
  for a, b in zip(gradients, found[1][1:], strict=True):
    np.testing.assert_allclose(b, a, atol=tolerance * largest)
