import numpy as np
import pytest
from scipy import special

from vtab_h2t.heads import stateless
from vtab_h2t.heads import warmed


def test_the_rate_rises_and_falls_by_epoch():
  found = warmed.factors(100, 10, 7)
  assert found.shape == (700,)
  epochs = found.reshape(100, 7)
  assert (epochs == epochs[:, :1]).all()
  np.testing.assert_allclose(epochs[:11, 0], np.arange(11) / 10, atol=1e-7)
  assert epochs[55, 0] == pytest.approx(0.5)
  assert (np.diff(epochs[10:, 0]) < 0).all() and 0 < epochs[-1, 0] < 1e-3
  # Without epochs to rise through there are none.
  assert warmed.factors(3, 0, 1)[0] == 1


def test_the_start_is_the_released_codes():
  kernel, bias = warmed.start(2000, 8, (0,))
  assert kernel.shape == (8, 2000)
  assert kernel.std() == pytest.approx(0.5, rel=0.02)
  np.testing.assert_allclose(special.expit(bias), 0.01, rtol=1e-5)


@pytest.mark.parametrize(
  'decay, penalty', [(0.0, 0.0), (0.1, 0.0), (0.0, 0.05), (0.01, 0.02)]
)
def test_a_head_is_that_of_a_plain_loop(decay, penalty):
  rng = np.random.default_rng(0)
  x, labels = rng.normal(size=(20, 6)), rng.integers(0, 3, 20)
  rates, order = 0.1 * warmed.factors(5, 2, 2), stateless.order(20, 8, 10, (0,))
  head = warmed.train(
    x.astype(np.float32),
    labels,
    3,
    rates,
    order,
    weight_decay=decay,
    penalty=penalty,
    seed=(0, 1),
  )
  w, b = (v.astype(np.float64) for v in warmed.start(6, 3, (0, 1)))
  first, second = ([0 * w, 0 * b] for _ in range(2))
  for t, (rate, rows) in enumerate(zip(rates, order), 1):
    error = special.softmax(x[rows] @ w.T + b, axis=1)
    error = (error - np.eye(3)[labels[rows]]) / 8
    gradients = [
      error.T @ x[rows] + decay * w + penalty * w / np.linalg.norm(w, axis=0),
      error.sum(axis=0),
    ]
    for i, (value, g) in enumerate(zip((w, b), gradients)):
      first[i] = 0.9 * first[i] + 0.1 * g
      second[i] = 0.999 * second[i] + 0.001 * g * g
      root = np.sqrt(second[i] / (1 - 0.999**t)) + 1e-8
      value -= rate * first[i] / (1 - 0.9**t) / root
  np.testing.assert_allclose(head.kernel, w, atol=1e-4)
  np.testing.assert_allclose(head.bias, b, atol=1e-4)


def test_a_head_that_is_not_finite_is_none():
  x = np.full((4, 2), np.nan, np.float32)
  order = stateless.order(4, 2, 3, (0,))
  assert (
    warmed.train(
      x,
      np.array([0, 1, 0, 1]),
      2,
      np.ones(3, np.float32),
      order,
      weight_decay=0,
      penalty=0,
      seed=(0,),
    )
    is None
  )


def test_what_was_trained_before_changes_no_bit():
  """Other numbers of images, features and classes."""

  def bits(count, size, classes):
    rng = np.random.default_rng(count)
    head = warmed.train(
      rng.normal(size=(count, size)).astype(np.float32),
      rng.integers(0, classes, count),
      classes,
      0.1 * warmed.factors(5, 2, 8),
      stateless.order(count, 64, 40, (0,)),
      weight_decay=0.01,
      penalty=0.02,
      seed=(0, 1),
    )
    return [part.numpy().tobytes() for part in (head.kernel, head.bias)]

  warmed._compiled.cache_clear()
  alone = bits(500, 300, 10)
  warmed._compiled.cache_clear()
  bits(300, 77, 3)
  bits(400, 1200, 17)
  assert bits(500, 300, 10) == alone
