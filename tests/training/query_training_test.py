"""Tests of training queries and the head on what they read."""

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.heads import stateless
from vtab_h2t.heads import warmed
from vtab_h2t.training import queries
from vtab_h2t.training import query_training as training

_SPECS = [
  training.Spec(learning_rate=0.05, weight_decay=0.0),
  training.Spec(learning_rate=0.2, weight_decay=0.1),
]
_FACTORS = np.array([0.0, 1, 0.5, 0.3], np.float32)


@pytest.fixture(scope='module')
def network():
  return queries.QueryNetwork(testing.tiny_vit())


@pytest.fixture(scope='module')
def problem(network):
  """Contexts of images, some of them to train on, and labels."""
  task = testing.tiny_task(train=40, test=5)
  backbone = testing.tiny_vit()
  inputs = np.array(
    [backbone.preprocess(x).numpy() for x in task.train.images()]
  )
  contexts = queries.Contexts(network, inputs, 2**30)
  examples = np.arange(39, 5, -1)
  return contexts, examples, task.train.labels[examples]


def _train(network, problem, specs=tuple(_SPECS), memory_bytes=2**30, seed=0):
  contexts, examples, labels = problem
  return training.train(
    network,
    contexts,
    examples,
    labels,
    3,
    specs,
    2,
    _FACTORS,
    stateless.order(len(examples), 16, 4, (0,)),
    seed=(seed, 1),
    noise_seed=(seed, 4),
    memory_bytes=memory_bytes,
  )


def test_it_is_a_plain_loop_without_dropping(network, problem, monkeypatch):
  monkeypatch.setattr(training, 'DROPOUT', 0.0)
  contexts, examples, labels = problem
  for spec, found in zip(_SPECS, _train(network, problem), strict=True):
    kernel, bias = warmed.start(network.features(2), 3, (0, 1))
    values = [network.start(2, (0, 1)), kernel, bias]
    first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
    for t, rows in enumerate(stateless.order(len(examples), 16, 4, (0,)), 1):
      variables = [tf.constant(v) for v in values]
      with tf.GradientTape() as tape:
        tape.watch(variables)
        x = network.read(contexts(examples[rows]), variables[0][None])[:, 0]
        logits = x @ tf.transpose(variables[1]) + variables[2]
        loss = tf.reduce_mean(
          tf.nn.sparse_softmax_cross_entropy_with_logits(labels[rows], logits)
        )
      gradients = [g.numpy() for g in tape.gradient(loss, variables)]
      for i, (v, g) in enumerate(zip(values, gradients)):
        g = g + (spec.weight_decay if i < 2 else 0) * v
        first[i] = 0.9 * first[i] + 0.1 * g
        second[i] = 0.999 * second[i] + 0.001 * g * g
        root = np.sqrt(second[i] / (1 - 0.999**t)) + 1e-8
        rate = spec.learning_rate * _FACTORS[t - 1]
        values[i] = v - rate * first[i] / (1 - 0.9**t) / root
    assert np.abs(values[0] - network.start(2, (0, 1))).max() > 0.01
    np.testing.assert_allclose(found, values[0], atol=1e-3)


def test_sets_side_by_side_are_those_trained_alone(network, problem):
  together = _train(network, problem)
  alone = [_train(network, problem, [spec])[0] for spec in _SPECS]
  batch = network.context_bytes(16)
  one = 4 * 6 * network.features(2) * 4 + network.query_bytes(16, 2)
  apart = _train(network, problem, memory_bytes=batch + one)
  for found in (alone, apart):
    for mine, other in zip(found, together, strict=True):
      np.testing.assert_allclose(mine, other, atol=1e-3)
  assert np.abs(together[0] - together[1]).max() > 0.01
  with pytest.raises(errors.InputError, match='2 queries .*--memory_gib'):
    _train(network, problem, memory_bytes=batch + one - 1)


def test_a_tenth_is_dropped_by_a_seed_of_its_own(network, problem, monkeypatch):
  one, again, other = (
    _train(network, problem, _SPECS[:1], seed=s)[0] for s in (0, 0, 1)
  )
  np.testing.assert_array_equal(one, again)
  assert np.abs(one - other).max() > 0.01
  monkeypatch.setattr(training, 'DROPOUT', 0.0)
  whole = _train(network, problem, _SPECS[:1])[0]
  assert np.abs(one - whole).max() > 1e-4


def test_what_is_not_finite_is_none(network, problem):
  contexts, examples, labels = problem
  wild = training.Spec(learning_rate=float('nan'), weight_decay=0.0)
  found = _train(network, (contexts, examples, labels), [wild, _SPECS[0]])
  assert found[0] is None and found[1] is not None


def test_a_predictor_reads_the_kept_features(network):
  inputs = testing.tiny_vit().preprocess(testing.images(6)).numpy()
  own, columns = network.start(2, (0,)), np.array([1, 9, 30])
  rng = np.random.default_rng(0)
  kernel = rng.normal(size=(4, 3)).astype(np.float32)
  bias = np.arange(4, dtype=np.float32) / 10
  predictor = training.Predictor(
    network, own, columns, tf.constant(kernel), tf.constant(bias)
  )
  x = network.read(network.context(inputs), own[None]).numpy()[:, 0, columns]
  wanted = x @ kernel.T + bias
  np.testing.assert_allclose(predictor.logits(inputs), wanted, atol=1e-5)
  np.testing.assert_array_equal(predictor.predict(inputs), wanted.argmax(1))
