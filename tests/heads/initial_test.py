import numpy as np
import pytest

from vtab_h2t.heads import initial


def test_kernel_is_glorots():
  kernel = initial.kernel((3, 1), 1000, 10)
  limit = np.sqrt(6 / 1010)
  assert kernel.shape == (10, 1000) and kernel.dtype == np.float32
  assert np.abs(kernel).max() <= limit
  assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
  assert not np.array_equal(kernel, initial.kernel((3, 2), 1000, 10))


def test_rows_are_the_kernels():
  np.testing.assert_array_equal(
    list(initial.rows((5,), 7, 3)), initial.kernel((5,), 7, 3)
  )


def test_layers():
  (k1, b1), (k2, b2) = initial.layers((50, 20, 4), (3,))
  assert k1.shape == (20, 50) and k2.shape == (4, 20)
  assert not b1.any() and not b2.any() and b1.shape == (20,)
  assert b1.dtype == k1.dtype == np.float32
  limit = np.sqrt(6 / 70)
  assert 0.95 * limit < np.abs(k1).max() <= limit
  np.testing.assert_array_equal(k2, initial.kernel((3, 1), 20, 4))
  (again, _), _ = initial.layers((50, 20, 4), (3,))
  (other, _), _ = initial.layers((50, 20, 4), (4,))
  assert (k1 == again).all() and (k1 != other).all()


def test_a_kernel_may_be_normal():
  kernel = initial.kernel((3, 1), 1000, 10, 0.01)
  assert kernel.shape == (10, 1000) and kernel.dtype == np.float32
  assert kernel.std() == pytest.approx(0.01, rel=0.02)
  assert abs(kernel.mean()) < 4e-4 and np.abs(kernel).max() > 0.03
  np.testing.assert_array_equal(
    list(initial.rows((3, 1), 1000, 10, 0.01)), kernel
  )
  assert not np.array_equal(kernel, initial.kernel((3, 2), 1000, 10, 0.01))
