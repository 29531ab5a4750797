import numpy as np
import pytest

from tests import testing
from vtab_h2t.features import pooling
from vtab_h2t.training import readout as readout_lib


@pytest.fixture(scope='module')
def outputs():
  images = np.random.default_rng(0).normal(size=(9, 16, 16, 3))
  return testing.normed_backbone().model(images.astype(np.float32))


def test_embedding(outputs):
  plain = readout_lib.Embedding('pooled', 8, False)
  assert plain.taps == ('pooled',)
  np.testing.assert_array_equal(plain(outputs), outputs['pooled'])
  scaled = readout_lib.Embedding('pooled', 8, True)(outputs)
  norms = np.linalg.norm(outputs['pooled'], axis=1, keepdims=True)
  np.testing.assert_allclose(scaled, outputs['pooled'] / norms, atol=1e-6)


def test_selected_reads_only_the_taps_it_needs(outputs):
  layout = pooling.layout(testing.normed_backbone().tap_shapes(), 30)
  start = layout.starts[1]
  columns = np.array([0, 3, start])
  readout = readout_lib.Selected(layout, columns, 'selected')
  assert readout.taps == ('a', 'b') and readout.size == 3
  found = readout({tap: outputs[tap] for tap in readout.taps}).numpy()
  pooled = np.concatenate(
    [block(outputs[block.tap]) for block in layout.blocks], axis=1
  )
  # Each tap's selected columns have unit norm of their own.
  for cut in (slice(0, 2), slice(2, 3)):
    wanted = pooled[:, columns[cut]]
    wanted /= np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(found[:, cut], wanted, atol=1e-5)


def test_apply_head():
  x = np.array([[1.0, -2.0]], np.float32)
  layers = [
    (
      np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]], np.float32),
      np.array([0.0, 1.0, 3.0], np.float32),
    ),
    (np.array([[1.0, 5.0, 2.0]], np.float32), np.array([0.5], np.float32)),
  ]
  # Hidden: 1, -1, 3; after ReLU 1, 0, 3.
  np.testing.assert_array_equal(readout_lib.apply_head(x, layers), [[7.5]])
  np.testing.assert_array_equal(
    readout_lib.apply_head(x, layers[:1]), [[1, -1, 3]]
  )
