"""Tests of queries in a frozen transformer, against plain NumPy."""

import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.training import queries


@pytest.fixture(scope='module')
def vit():
  return testing.tiny_vit()


@pytest.fixture(scope='module')
def network(vit):
  return queries.QueryNetwork(vit)


@pytest.fixture(scope='module')
def inputs(vit):
  return vit.preprocess(testing.images(3)).numpy()


def _norm(x, layer):
  gamma, beta = (w.numpy() for w in layer.weights)
  mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
  return (x - mean) / np.sqrt(variance + 1e-6) * gamma + beta


def _gelu(x):
  return x * special.ndtr(x)


def _forward(model, image, own):
  """Tokens of one image through all blocks, with queries `[L, q, d]` before.

  Returns:
    What queries come out as, block by block, and the last tokens.
  """
  weights = lambda name: [w.numpy() for w in model.get_layer(name).weights]
  kernel, bias = weights('patches')
  patches = [
    np.einsum('xyc,xycd->d', image[y : y + 8, x : x + 8], kernel) + bias
    for y in (0, 8)
    for x in (0, 8)
  ]
  tokens = np.array([np.tanh(np.mean(patches, axis=0)), *patches])
  tokens += testing.positions()
  outs = []
  for i, q in enumerate(own):
    name = f'block{i:02d}'
    x = np.concatenate([q, tokens])  # Queries stand before the tokens.
    y = _norm(x, model.get_layer(f'{name}_norm'))
    wq, bq, wk, bk, wv, bv, wo, bo = weights(f'{name}_attention')
    attended = np.zeros_like(x)
    for h in range(2):
      keys = y[len(q) :] @ wk[:, h] + bk[h]
      values = y[len(q) :] @ wv[:, h] + bv[h]
      scores = (y @ wq[:, h] + bq[h]) @ keys.T / np.sqrt(4)
      attended += special.softmax(scores, axis=1) @ values @ wo[h]
    x = x + attended + bo
    w1, b1 = weights(f'{name}_mlp1')
    w2, b2 = weights(f'{name}_mlp2')
    y = _norm(x, model.get_layer(f'{name}_norm2'))
    x = x + _gelu(y @ w1 + b1) @ w2 + b2
    outs.append(x[: len(q)])
    tokens = x[len(q) :]
  return outs, _norm(tokens, model.get_layer('norm'))


def _unit(x):
  return x / np.linalg.norm(x)


@pytest.mark.parametrize('number', [1, 3])
def test_queries_read_what_they_do_among_the_tokens(
  number, vit, network, inputs
):
  """And tokens are what they are without."""
  rng = np.random.default_rng(0)
  sets = rng.normal(size=(2, 2, number, 8)).astype(np.float32)
  found = network.read(network.context(inputs), tf.constant(sets)).numpy()
  assert found.shape == (3, 2, network.features(number))
  last = vit.model(inputs)['norm'].numpy()
  for b, image in enumerate(inputs):
    for g, own in enumerate(sets):
      outs, tokens = _forward(vit.model, image, own)
      np.testing.assert_allclose(tokens, last[b], atol=1e-4)
      parts = [_unit(tokens[0]), *(_unit(o.ravel()) for o in outs)]
      np.testing.assert_allclose(found[b, g], np.concatenate(parts), atol=1e-5)


def test_masks_are_of_each_image(network, inputs):
  rng = np.random.default_rng(0)
  own = rng.normal(size=(1, 2, 2, 8)).astype(np.float32)
  masks = rng.integers(0, 2, (3, 2, 2, 8)).astype(np.float32)
  context = network.context(inputs)
  found = network.read(context, tf.constant(own), tf.constant(masks))
  for b in range(3):
    one = queries.Context(*(x[b : b + 1] for x in context))
    wanted = network.read(one, tf.constant(own * masks[b]))
    np.testing.assert_allclose(found[b], wanted[0], atol=1e-5)


def test_a_blocks_queries_move_its_features_alone(network, inputs):
  own = tf.constant(network.start(2, (0,))[None])
  context = network.context(inputs)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(own)
    x = network.read(context, own)
    parts = [x[..., :8], x[..., 8:24], x[..., 24:]]
    totals = [tf.reduce_sum(tf.square(p[..., 0])) for p in parts]
  assert tape.gradient(totals[0], own) is None or not np.any(
    tape.gradient(totals[0], own)
  )
  for block in range(2):
    moved = np.abs(tape.gradient(totals[1 + block], own)[0]).max(axis=(1, 2))
    assert moved[block] > 1e-6 and moved[1 - block] == 0


def test_the_start_is_the_released_codes(network):
  assert network.limit == np.sqrt(6 / (3 * 8**2 + 8))
  found = network.start(50, (0, 1))
  assert found.shape == (2, 50, 8) and found.dtype == np.float32
  assert 0.98 * network.limit < np.abs(found).max() <= network.limit
  assert abs(found.mean()) < 0.1 * network.limit
  assert (found != network.start(50, (1, 1))).all()


def test_what_is_not_kept_is_computed_again(network, inputs):
  size = 2 * network.context_bytes(3)
  kept = queries.Contexts(network, inputs, size)
  fresh = queries.Contexts(network, inputs, size - 1)
  assert kept.is_kept and not fresh.is_kept
  rows = np.array([2, 0])
  for one, other in zip(kept(rows), fresh(rows), strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)
  held = sum(x.numpy().nbytes for x in network.context(inputs))
  assert network.context_bytes(3) == held
  own = network.start(2, (0,))
  wanted = network.read(network.context(inputs[rows]), own[None])[:, 0]
  np.testing.assert_allclose(kept.features(own, rows), wanted, atol=1e-5)


def test_a_network_without_blocks_is_one_line():
  for backbone in (testing.normed_backbone(), testing.tiny_backbone()):
    with pytest.raises(
      errors.InputError, match=f'vqt asks .* {backbone.name} has none'
    ):
      queries.check(backbone)


def test_attention_of_another_kind_is_not_taken_for_a_blocks(vit):
  """A network whose layers have the names and are something else."""
  inputs = keras.Input((16, 16, 3))
  x = keras.layers.Reshape((4, 192))(inputs)
  x = keras.layers.Dense(8, name='block00_norm')(x)
  x = keras.layers.Dense(8, name='block00_attention')(x)
  x = keras.layers.Dense(8, name='block00_add2')(x)
  x = keras.layers.LayerNormalization(name='norm')(x)
  other = type(vit).of_model(keras.Model(inputs, x), ['norm'], 1.0, 0.0)
  with pytest.raises(errors.InputError, match='vqt'):
    queries.check(other)
