import numpy as np
import pytest

from vtab_h2t.heads import adam
from vtab_h2t.heads import loop
from vtab_h2t.heads import momentum

_B, _K, _D, _C, _STEPS = 4, 2, 5, 3, 6
_RATES, _COEFFICIENTS = (0.1, 0.02), (0.03, 0.3)
_GROUPS = np.array([0, 0, 1, 1, 1])


def _by_hand(penalty, groups, x, y, start, optimizer):
  """The two heads in NumPy, W itself and not W / lr."""
  found = []
  for kernel, rate, coefficient in zip(start, _RATES, _COEFFICIENTS):
    w, b = kernel * rate, np.zeros(_C)
    moments = [np.zeros_like(a) for a in (w, w, b, b)]
    for t in range(_STEPS):
      batch, labels = x[t % _K], y[t % _K]
      logits = batch @ w.T + b
      p = np.exp(logits - logits.max(axis=1, keepdims=True))
      error = (p / p.sum(axis=1, keepdims=True) - labels) / _B
      grad_w, grad_b = error.T @ batch, error.sum(axis=0)
      if penalty == 'l1':
        grad_w = grad_w + coefficient * np.sign(w)
      elif penalty == 'l2':
        grad_w = grad_w + 2 * coefficient * w
      elif penalty == 'l21':
        squared = (w**2).sum(axis=0)
        if groups is not None:
          squared = np.bincount(groups, squared)[groups]
        grad_w = grad_w + coefficient * w / np.sqrt(squared)
      step = 0.5 * rate * (1 + np.cos(np.pi * t / _STEPS))
      correction = np.sqrt(1 - adam.BETA_2 ** (t + 1)) / (
        1 - adam.BETA_1 ** (t + 1)
      )
      for value, g, (m, v) in (
        (w, grad_w, moments[:2]),
        (b, grad_b, moments[2:]),
      ):
        if optimizer == loop.MOMENTUM:  # As torch: the rate scales m.
          m *= momentum.MOMENTUM
          m += g
          value -= step * m
          continue
        m += (1 - adam.BETA_1) * (g - m)
        v += (1 - adam.BETA_2) * (g * g - v)
        value -= step * correction * m / (np.sqrt(v) + adam.KERAS.value)
    found.append((w, b))
  return found


@pytest.mark.parametrize('xla', [False, True])
@pytest.mark.parametrize('blocks', [1, 2])
@pytest.mark.parametrize(
  'penalty, groups, optimizer',
  [
    (None, None, loop.ADAM),
    ('l1', None, loop.ADAM),
    ('l2', None, loop.ADAM),
    ('l21', None, loop.ADAM),
    ('l21', _GROUPS, loop.ADAM),
    (None, None, loop.MOMENTUM),
    ('l2', None, loop.MOMENTUM),
  ],
)
def test_a_stack_of_heads_is_what_the_equations_say(
  penalty, groups, optimizer, blocks, xla
):
  import tensorflow as tf

  rng = np.random.default_rng(0)
  x = rng.normal(size=(_K, _B, _D)).astype(np.float32)
  y = np.eye(_C, dtype=np.float32)[rng.integers(0, _C, (_K, _B))]
  start = rng.normal(size=(2, _C, _D)).astype(np.float32)
  parts = np.array_split(np.arange(_D), blocks)
  constants = loop.Constants(
    [tf.constant(x[:, None, :, part]) for part in parts],
    tf.constant(y[:, None]),
    tf.constant([_RATES]),
    tf.constant([_COEFFICIENTS]),
    None if groups is None else tf.constant(groups, tf.int32),
  )
  variables = loop.Variables(
    [
      loop.Slots.start(start.reshape(1, 2 * _C, _D)[:, :, part], optimizer)
      for part in parts
    ],
    loop.Slots.start(np.zeros((1, 2, _C), np.float32), optimizer),
  )
  # In two parts, as where batches come one after the other.
  for first, count in ((0, 4), (4, _STEPS - 4)):
    loop.compiled(penalty, xla, optimizer)(
      [constants],
      [variables],
      tf.fill([_K, _B], 1 / _B),
      loop.Steps.of(np.arange(_K), first, count, _STEPS),
    )
  kernels = np.concatenate(
    [b.value.numpy() for b in variables.blocks], axis=2
  ).reshape(2, _C, _D)
  wanted = _by_hand(penalty, groups, x, y, start, optimizer)
  logits = loop.compiled_logits(xla)(
    constants.features, variables, constants.rates
  )
  for i, (w, b) in enumerate(wanted):
    np.testing.assert_allclose(
      logits[:, 0, :, i], x @ w.T + b, atol=2e-4, rtol=1e-4
    )
    np.testing.assert_allclose(kernels[i] * _RATES[i], w, atol=2e-5)
    np.testing.assert_allclose(
      variables.bias.value.numpy()[0, i] * _RATES[i], b, atol=2e-5
    )


def test_one_loop_serves_all_stacks_with_a_penalty():
  assert loop.compiled('l1') is loop.compiled('l1')
  assert loop.compiled('l1') is not loop.compiled('l2')
  assert loop.compiled('l1') is not loop.compiled('l1', optimizer=loop.MOMENTUM)
