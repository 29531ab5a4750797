"""Tests of training heads that attend, against a plain loop."""

import numpy as np
import pytest
import tensorflow as tf

from tests.heads import attention_test
from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t.heads import attention
from vtab_h2t.heads import attention_training as training
from vtab_h2t.heads import stateless

_SIZES = attention.Sizes((7, 5, 7), 3)
_QUIET = training.Spec(learning_rate=0.01, weight_decay=0.0, dropout=0.0)


def _problem(count=53):
  matrix, tokens = attention_test._tokens(count, _SIZES)
  labels = np.arange(count) % 7 % 3  # Not equally many of each.
  return matrix.astype(np.float32), tokens, labels


def _train(specs, matrix, labels, steps=12, memory_bytes=2**30, seed=0):
  return list(
    training.train(
      tf.constant(matrix),
      labels,
      _SIZES,
      specs,
      steps=steps,
      batches=5,
      seed=(seed, 1),
      order_seed=(seed, 4),
      memory_bytes=memory_bytes,
    )
  )


def _assert_close(one, other, atol=1e-5):
  for name in ('keys', 'values', 'kernel', 'bias'):
    np.testing.assert_allclose(
      getattr(one, name), getattr(other, name), atol=atol, err_msg=name
    )


@pytest.fixture
def no_noise(monkeypatch):
  monkeypatch.setattr(training, 'JITTER', 0.0)
  training._compiled.cache_clear()
  yield
  training._compiled.cache_clear()


def _unfolded(x, p):
  """Cross-attention with a query for each image, without dropout."""

  def norm(x, scale, offset):
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-5) * scale + offset

  query = norm(p['query'], p['query_scale'], p['query_offset'])
  q = tf.einsum('mhd,bd->bmh', p['w_query'], tf.repeat(query[None], len(x), 0))
  k = tf.einsum('mhd,btd->bmth', p['w_key'], norm(x, p['key_scale'], 0.0))
  v = norm(x, p['value_scale'], 0.0)
  v = tf.einsum('mhd,btd->bmth', p['w_value'], v)
  scores = tf.einsum('bmh,bmth->bmt', q, k) / _SIZES.head**0.5
  outs = tf.einsum('bmt,bmth->bmh', tf.nn.softmax(scores), v)
  return tf.reshape(outs, [len(x), -1]) @ tf.transpose(p['w_out'])


def _by_hand(tokens, labels, rate, decay, steps):
  """AdamW with a cosine, clipping and class weights, step by step."""
  p = {k: v.astype(np.float64) for k, v in _start().items()}
  m, v = ({k: np.zeros_like(x) for k, x in p.items()} for _ in range(2))
  mean, variance = np.zeros(7), np.ones(7)
  class_weights = 1 / np.bincount(labels)
  norms = []
  for t, rows in enumerate(
    stateless.order(len(labels), len(labels) // 5, steps, (0, 4)), 1
  ):
    values = {k: tf.constant(x) for k, x in p.items()}
    with tf.GradientTape() as tape:
      tape.watch(values)
      read = _unfolded(tf.constant(tokens[rows]), values)
      mu, var = tf.nn.moments(read, 0)
      y = (read - mu) / tf.sqrt(var + 1e-5) * values['batch_scale']
      logits = (y + values['batch_offset']) @ tf.transpose(values['kernel'])
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels[rows], logits + values['bias']
      )
      own = class_weights[labels[rows]]
      loss = tf.reduce_sum(losses * own) / own.sum()
    gradients = {
      k: np.zeros_like(p[k]) if g is None else g.numpy()
      for k, g in tape.gradient(loss, values).items()
    }
    norms.append(np.sqrt(sum((g**2).sum() for g in gradients.values())))
    mean = 0.9 * mean + 0.1 * mu.numpy()
    variance = 0.9 * variance + 0.1 * read.numpy().var(axis=0, ddof=1)
    now = 1e-6 + (rate - 1e-6) * (1 + np.cos(np.pi * (t - 1) / steps)) / 2
    for k, g in gradients.items():
      g = g * min(1, training.CLIP / norms[-1])
      m[k] = 0.9 * m[k] + 0.1 * g
      v[k] = 0.999 * v[k] + 0.001 * g * g
      change = m[k] / (1 - 0.9**t) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
      p[k] = p[k] - now * decay * p[k] - now * change
  return attention.Head.folded(_SIZES, p, mean, variance), norms


def _start():
  return attention.start(_SIZES, (0, 1))


@pytest.mark.parametrize('clip', [5.0, 0.05])
def test_a_head_is_that_of_a_plain_loop(no_noise, monkeypatch, clip):
  monkeypatch.setattr(training, 'CLIP', clip)
  matrix, tokens, labels = _problem()
  spec = training.Spec(learning_rate=0.01, weight_decay=0.5, dropout=0.0)
  (head,) = _train([spec], matrix, labels)
  wanted, norms = _by_hand(tokens, labels, 0.01, 0.5, 12)
  assert (max(norms) > clip) == (clip < 1)
  _assert_close(head, wanted, 2e-4)


def test_heads_side_by_side_are_those_trained_alone():
  """Noise included; and however many fit the memory at a time."""
  matrix, _, labels = _problem()
  specs = [
    training.Spec(learning_rate=rate, weight_decay=decay, dropout=dropout)
    for rate, decay, dropout in (
      (0.01, 0.0, 0.0),
      (0.003, 0.1, 0.0),
      (0.01, 0.0, 0.3),
    )
  ]
  together = _train(specs, matrix, labels)
  size = training.head_bytes(_SIZES, 10)
  shared = 8 * len(labels) * 3 * 7
  for found in (
    [_train([spec], matrix, labels)[0] for spec in specs],
    _train(specs, matrix, labels, memory_bytes=2 * size + shared),
  ):
    for one, other in zip(found, together, strict=True):
      _assert_close(one, other, 1e-4)
  for one, other in ((0, 1), (0, 2)):
    difference = together[one].kernel - together[other].kernel
    assert np.abs(difference).max() > 1e-3
  with pytest.raises(errors.InputError, match='attention head .*--memory_gib'):
    _train(specs, matrix, labels, memory_bytes=size)


def test_seeds_are_all_that_chance_is():
  matrix, _, labels = _problem()
  one, again, other = (
    _train([_QUIET], matrix, labels, seed=s)[0] for s in (0, 0, 1)
  )
  for name in ('keys', 'values', 'kernel', 'bias'):
    np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
  assert np.abs(one.kernel - other.kernel).max() > 1e-3


@pytest.mark.soak
def test_xla_compiles_it(no_noise, monkeypatch):
  """As a TPU needs it; what is drawn at random is drawn otherwise there."""
  matrix, _, labels = _problem()
  other = training.Spec(learning_rate=0.01, weight_decay=0.1, dropout=0.0)
  wanted = _train([_QUIET, other], matrix, labels)
  monkeypatch.setattr(devices, 'needs_xla', lambda device: True)
  found = _train([_QUIET, other], matrix, labels)
  for mine, one in zip(found, wanted, strict=True):
    _assert_close(mine, one, 1e-3)
  dropping = training.Spec(learning_rate=0.01, weight_decay=0.1, dropout=0.3)
  assert _train([_QUIET, dropping], matrix, labels)[1] is not None


def test_jitter_is_of_half_of_the_images():
  x = tf.zeros((2000, 3, 7))
  noise = training._jittered(x, [1, 2], [3, 4]).numpy()
  moved = (noise != 0).any(axis=(1, 2))
  assert moved.mean() == pytest.approx(0.5, abs=0.05)
  assert noise[moved].std() == pytest.approx(0.05, rel=0.02)


def test_dropout_keeps_the_mean():
  rates = tf.constant([0.0, 0.3])
  kept = training._kept(rates, tf.constant([4000, 3, 7]), [1, 2]).numpy()
  assert kept.shape == (4000, 2, 3, 3)
  assert (kept[:, 0] == 1).all()
  assert (kept[:, 1] == 0).mean() == pytest.approx(0.3, abs=0.01)
  np.testing.assert_allclose(kept[:, 1].mean(), 1, atol=0.02)


def test_a_batch_norm_has_two_examples_where_there_are_two():
  sizes = [training.batch_size(n, 5) for n in (1003, 10, 9, 3, 2, 1)]
  assert sizes == [200, 2, 2, 2, 2, 1]


def test_classes_count_alike():
  labels = np.array([0, 0, 0, 2])
  weights = training.balanced(labels, 3)
  np.testing.assert_allclose(
    weights * np.bincount(labels, minlength=3),
    [
      4 / 3,
      0,
      4 / 3,
    ],
  )


def test_a_head_that_is_not_finite_is_none():
  matrix, _, labels = _problem()
  matrix[:, 0] = np.nan
  good = _problem()[0]
  assert _train([_QUIET], matrix, labels, steps=3) == [None]
  assert _train([_QUIET], good, labels, steps=3) != [None]


@pytest.mark.soak
def test_training_again_gives_the_same_bytes():
  """Where gradients are clipped, too, and rounding would grow."""
  rng = np.random.default_rng(0)
  tokens, width, count, classes = 24, 192, 400, 102
  x = rng.standard_normal((count, tokens, width)).astype(np.float32)
  x /= np.linalg.norm(x, axis=2, keepdims=True)
  labels = rng.integers(0, classes, count)

  def train():
    heads = training.train(
      tf.constant(x.reshape(count, -1)),
      labels,
      attention.Sizes((width,) * tokens, classes),
      [training.Spec(learning_rate=0.1, weight_decay=0.1, dropout=0.3)] * 12,
      steps=8,
      batches=5,
      seed=(0, 1),
      order_seed=(0, 4),
      memory_bytes=2**33,
    )
    return [head.values.numpy().tobytes() for head in heads]

  wanted = train()
  for _ in range(5):
    assert train() == wanted


@pytest.mark.soak
def test_what_was_trained_before_changes_no_bit():
  """Other numbers of images, classes and heads, which another trace serves."""

  def bits(count, classes, specs, steps=3):
    draw = np.random.default_rng(count)
    sizes = attention.Sizes((16, 40, 80, 320), classes)
    matrix = draw.standard_normal((count, 456), np.float32) / 10
    heads = training.train(
      tf.constant(matrix),
      draw.integers(0, classes, count),
      sizes,
      specs,
      steps=steps,
      batches=5,
      seed=(0, 1),
      order_seed=(0, 4),
      memory_bytes=2**30,
    )
    return [
      getattr(head, name).numpy().tobytes()
      for head in heads
      for name in ('keys', 'values', 'kernel', 'bias')
    ]

  specs = [
    _QUIET,
    training.Spec(learning_rate=0.1, weight_decay=0.1, dropout=0.3),
  ]
  training._compiled.cache_clear()
  alone = bits(400, 10, specs)
  training._compiled.cache_clear()
  bits(350, 8, specs[:1])
  assert bits(400, 10, specs) == alone
