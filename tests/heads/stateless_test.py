import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.heads import adam
from vtab_h2t.heads import stateless


def test_adam_is_that_of_the_fused_operation():
  rng = np.random.default_rng(0)
  value = rng.normal(size=(3, 4)).astype(np.float32)
  variables = [tf.Variable(v) for v in (value, 0 * value, 0 * value)]
  first = second = tf.zeros((3, 4))
  for number in range(1, 6):
    gradient = tf.constant(rng.normal(size=(3, 4)).astype(np.float32))
    change, first, second = stateless.adam(
      gradient, first, second, tf.constant(float(number))
    )
    value = value - 0.1 * change
    adam.apply(*variables, gradient, 0.1, float(number), adam.TORCH)
  for found, wanted in zip((value, first, second), variables, strict=True):
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_each_epoch_has_an_order_of_its_own():
  found = stateless.order(1003, 200, 12, (0,))
  assert found.shape == (12, 200) and found.dtype == np.int32
  epoch = found[:5].ravel()
  assert len(set(epoch)) == 1000 and (epoch < 1003).all()
  assert set(found[5:10].ravel()) != set(epoch)  # Others are left out.
  np.testing.assert_array_equal(found, stateless.order(1003, 200, 12, (0,)))
  assert (found != stateless.order(1003, 200, 12, (1,))).any()


@pytest.mark.parametrize('examples', [3, 4, 7])
def test_a_small_set_is_gone_over_again(examples):
  found = stateless.order(examples, 3, 5, (0,))
  assert found.shape == (5, 3)
  assert all(len(set(row)) == 3 for row in found.tolist())


def test_a_sum_is_of_all_parts():
  rng = np.random.default_rng(0)
  parts = [
    tf.constant(rng.normal(size=(3, 4)).astype(np.float32)) for _ in range(5)
  ]
  wanted = np.sum(parts, axis=0)
  np.testing.assert_allclose(stateless.total(parts), wanted, rtol=1e-5)
  assert stateless.total(parts[:1]) is parts[0]
