"""Tests of the head that attends over tokens, against plain NumPy."""

import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from vtab_h2t.heads import attention

_SIZES = attention.Sizes((7, 5, 7), 4)


def _parameters(sizes=_SIZES, seed=0):
  """Parameters none of which is at its start, float64."""
  rng = np.random.default_rng(seed)
  return {
    k: v + rng.normal(0, 0.5, v.shape)
    for k, v in attention.start(sizes, (seed,)).items()
  }


def _norm(x, scale, offset):
  mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
  return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset


def _plain(tokens, p, key_offset=0.0, mask=None):
  """Multi-head cross-attention, image by image and head by head, `[B, d]`."""
  heads, size, _ = p['w_query'].shape
  q = _norm(p['query'], p['query_scale'], p['query_offset'])
  found = []
  for b, x in enumerate(tokens):
    k = _norm(x, p['key_scale'], key_offset)
    v = _norm(x, p['value_scale'], p['value_offset'])
    outs = []
    for m in range(heads):
      one_q, ks = p['w_query'][m] @ q, k @ p['w_key'][m].T
      weights = special.softmax(ks @ one_q / np.sqrt(size))
      if mask is not None:
        weights = weights * mask[b, m]
      outs.append(weights @ (v @ p['w_value'][m].T))
    found.append(p['w_out'] @ np.concatenate(outs))
  return np.array(found)


def _tokens(count, sizes=_SIZES, seed=1):
  """Features side by side, and the same as tokens that are filled up."""
  rng = np.random.default_rng(seed)
  parts = [rng.normal(size=(count, w)) for w in sizes.widths]
  tokens = np.zeros((count, sizes.tokens, sizes.width))
  for i, part in enumerate(parts):
    tokens[:, i, : part.shape[1]] = part
  return np.concatenate(parts, axis=1), tokens


def _grouped(p):
  return {k: tf.constant(v[None]) for k, v in p.items()}


def test_sizes_are_the_released_codes():
  sizes = attention.Sizes((768,) * 24, 10)
  assert (sizes.tokens, sizes.width, sizes.head) == (24, 768, 64)
  parameters = sum(np.prod(s) for s in sizes.shapes().values())
  assert parameters == pytest.approx(4.7e6, rel=0.02)
  assert attention.Sizes((3,) * 5, 2).head == 2  # Never none.


def test_the_start_is_torchs():
  sizes = attention.Sizes((64,) * 4, 10)
  p = attention.start(sizes, (0, 1))
  assert {k: v.shape for k, v in p.items()} == sizes.shapes()
  assert all(v.dtype == np.float32 for v in p.values())
  assert p['query'].std() == pytest.approx(0.02, rel=0.3)
  for name, fan_in in (('w_key', 64), ('w_out', 128), ('kernel', 64)):
    limit = 1 / np.sqrt(fan_in)
    assert 0.95 * limit < np.abs(p[name]).max() <= limit, name
  for name in ('query_scale', 'batch_scale', 'value_scale', 'key_scale'):
    assert (p[name] == 1).all()
  for name in ('query_offset', 'batch_offset', 'value_offset'):
    assert (p[name] == 0).all()
  assert (p['w_key'] != p['w_value']).any()
  other = attention.start(sizes, (1, 1))
  assert (p['w_key'] != other['w_key']).any()


@pytest.mark.parametrize('dropped', [False, True])
def test_what_is_read_is_plain_cross_attention(dropped):
  """The query is not folded there, and keys have an offset."""
  _, tokens = _tokens(6)
  mask = None
  if dropped:
    mask = np.random.default_rng(3).integers(0, 2, (6, 3, 3)) / 0.9
  sets = [_parameters(seed=s) for s in (0, 1)]
  p = {k: tf.constant(np.stack([s[k] for s in sets])) for k in sets[0]}
  found = attention.scores(
    attention.normed(tf.constant(tokens)),
    p,
    None if mask is None else tf.constant(mask[:, None]),
  )
  offset = np.random.default_rng(2).normal(size=7)
  for one, own in zip(found, sets, strict=True):
    wanted = _plain(tokens, own, offset, mask)
    differences = one - wanted  # The same for all images.
    np.testing.assert_allclose(
      differences, np.tile(differences[:1], (6, 1)), atol=1e-10
    )


def _loss(tokens, p, labels, weights):
  """The weighted mean of the cross-entropies with a batch's statistics."""
  read = _plain(tokens, p)
  y = _norm(read.T, 1.0, 0.0).T * p['batch_scale'] + p['batch_offset']
  logs = special.log_softmax(y @ p['kernel'].T + p['bias'], axis=1)
  own = weights[labels]
  return -(logs[np.arange(len(labels)), labels] * own).sum() / own.sum()


def test_loss_and_gradients_are_those_of_finite_differences():
  _, tokens = _tokens(6)
  labels, weights = np.array([0, 3, 1, 1, 2, 0]), np.array([1.0, 0.5, 2.0, 3.0])
  p = _parameters()
  values = _grouped(p)
  with tf.GradientTape() as tape:
    tape.watch(values)
    loss, mean, variance = attention.losses(
      attention.scores(attention.normed(tf.constant(tokens)), values),
      values,
      tf.constant(labels),
      tf.constant(weights),
    )
  read = _plain(tokens, p | {'value_offset': 0 * p['value_offset']})
  np.testing.assert_allclose(loss, [_loss(tokens, p, labels, weights)])
  np.testing.assert_allclose(mean[0], read.mean(0), atol=1e-10)
  np.testing.assert_allclose(variance[0], read.var(0), atol=1e-10)
  rng = np.random.default_rng(4)
  gradients = tape.gradient(loss, values)
  assert gradients.pop('value_offset') is None  # It is one for dropout.
  for name, gradient in gradients.items():
    direction = rng.normal(size=p[name].shape)
    step = 1e-5
    up, down = (
      _loss(tokens, p | {name: p[name] + s * direction}, labels, weights)
      for s in (step, -step)
    )
    slope = float((gradient[0].numpy() * direction).sum())
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-8)


def test_a_folded_head_gives_the_same_logits():
  p, rng = _parameters(), np.random.default_rng(5)
  mean, variance = rng.normal(size=7), rng.uniform(0.5, 2, 7)
  head = attention.Head.folded(_SIZES, p, mean, variance)
  matrix, tokens = _tokens(9)
  p['value_offset'][:] = 0  # As it does not change what a batch norm gives.
  read = _plain(tokens, p, key_offset=1.5)
  y = (read - mean) / np.sqrt(variance + 1e-5)
  y = y * p['batch_scale'] + p['batch_offset']
  wanted = y @ p['kernel'].T + p['bias']
  found = head.logits(matrix.astype(np.float32))
  np.testing.assert_allclose(found, wanted, atol=1e-4)
  # Three keys, three values of 2 * (7 // 3) rows, and a head of four classes.
  assert head.num_parameters == 3 * 7 + 3 * 4 * 7 + 4 * 12 + 4
