import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.features import normalization
from vtab_h2t.features import pooling

_LAYOUT = pooling.Layout((pooling.Block('a', 0, 3), pooling.Block('b', 0, 4)))


def _blocks(seed=0, rows=6):
  rng = np.random.default_rng(seed)
  return [
    rng.normal(size=(rows, b.size)).astype(np.float32) for b in _LAYOUT.blocks
  ]


def _moments(rule, blocks):
  """What a rule needs besides the blocks."""
  feature = rule == normalization.FEATURE
  return normalization.Moments.of(blocks) if feature else None


def _unit(x):
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_unit_norm_and_its_gradient_are_finite_at_zero():
  x = tf.Variable([[3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]])
  with tf.GradientTape() as tape:
    y = normalization.unit_norm(x)
    loss = tf.reduce_sum(y * [[1.0, 2.0]])
  np.testing.assert_allclose(y, [[0.6, 0.8], [0, 0], [0, 0]], atol=1e-6)
  gradient = tape.gradient(loss, x).numpy()
  assert np.isfinite(gradient).all() and np.abs(gradient).max() < 10


@pytest.mark.parametrize('columns', [None, np.array([1, 2, 5])])
@pytest.mark.parametrize('rule', normalization.RULES)
def test_xla_gives_the_same_matrix(rule, columns):
  moments = _moments(rule, _blocks())
  blocks = [tf.constant(b) for b in _blocks()]

  def matrix(blocks):
    return normalization.design_matrix(
      blocks, _LAYOUT, columns=columns, rule=rule, moments=moments
    )

  compiled = tf.function(matrix, jit_compile=True)
  np.testing.assert_allclose(compiled(blocks), matrix(blocks), atol=1e-6)


def test_gradient_away_from_zero_is_the_analytic_one():
  x = tf.constant([[3.0, 4.0]])
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = normalization.unit_norm(x)[0, 0]
  # d(x / |x|)/dx = (y^2, -x y) / |x|^3.
  np.testing.assert_allclose(
    tape.gradient(y, x), [[16 / 125, -12 / 125]], rtol=1e-5
  )


def test_all_columns_have_unit_norm_in_each_tap():
  blocks = _blocks()
  matrix = normalization.design_matrix(blocks, _LAYOUT)
  np.testing.assert_allclose(
    matrix, np.concatenate([_unit(b) for b in blocks], 1), atol=1e-6
  )
  once = normalization.design_matrix(blocks, _LAYOUT, rule='once')
  np.testing.assert_array_equal(matrix, once)


def test_rules_differ_in_when_columns_are_selected():
  a, b = _blocks()
  columns = np.array([0, 2, 4])
  selected = normalization.design_matrix((a, b), _LAYOUT, columns=columns)
  once = normalization.design_matrix(
    (a, b), _LAYOUT, columns=columns, rule=normalization.ONCE
  )
  np.testing.assert_allclose(
    selected,
    np.concatenate([_unit(a[:, [0, 2]]), _unit(b[:, [1]])], 1),
    atol=1e-6,
  )
  np.testing.assert_allclose(
    once, np.concatenate([_unit(a)[:, [0, 2]], _unit(b)[:, [1]]], 1), atol=1e-6
  )


def test_one_kept_feature_of_a_tap_becomes_an_indicator():
  a = np.array([[0.2, 1, 1], [5, 1, 1], [0, 1, 1]], np.float32)
  matrix = normalization.design_matrix(
    (a, np.ones((3, 4), np.float32)), _LAYOUT, columns=np.array([0])
  )
  np.testing.assert_allclose(matrix, [[1], [1], [0]], atol=1e-6)


@pytest.mark.parametrize('rule', normalization.RULES)
def test_rows_columns_maps_and_tensors_agree(rule, tmp_path):
  blocks, rows = _blocks(rows=9), np.array([7, 0, 3, 3])
  maps = []
  for i, block in enumerate(blocks):
    np.save(tmp_path / f'{i}.npy', block)
    maps.append(np.load(tmp_path / f'{i}.npy', mmap_mode='r'))
  columns, moments = np.array([1, 2, 3, 6]), _moments(rule, maps)
  whole, some, tensors = (
    normalization.design_matrix(
      given, _LAYOUT, examples, columns, rule, moments
    )
    for given, examples in (
      (blocks, None),
      (maps, rows),
      ([tf.constant(b) for b in blocks], None),
    )
  )
  np.testing.assert_allclose(some, whole.numpy()[rows], atol=1e-6)
  np.testing.assert_allclose(tensors, whole, atol=1e-6)


def test_no_rule_leaves_features_as_they_are():
  blocks, columns = _blocks(), np.array([1, 2, 5])
  raw = np.concatenate(blocks, axis=1)
  for wanted in (None, columns):
    np.testing.assert_array_equal(
      normalization.design_matrix(
        blocks, _LAYOUT, columns=wanted, rule=normalization.NONE
      ),
      raw if wanted is None else raw[:, wanted],
    )


def _awkward_blocks():
  """Far from zero, of very different sizes, and constant."""
  a, b = _blocks(rows=200)
  a = a * [1e-6, 1, 1e3] + np.float32([0.5, -70, 5e3])
  b[:, 1], b[:, 2] = 0, 1
  return [a.astype(np.float32), b]


def test_each_feature_is_standardised_by_its_moments():
  blocks = _awkward_blocks()
  raw = np.concatenate(blocks, axis=1).astype(np.float64)
  examples = np.r_[3:150, 170]
  for chosen in (None, examples):
    moments = normalization.Moments.of(blocks, chosen)
    counted = raw if chosen is None else raw[chosen]
    np.testing.assert_allclose(moments.mean, counted.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
      moments.deviation, np.sqrt(counted.var(axis=0) + 1e-5), rtol=1e-6
    )
  moments = normalization.Moments.of(blocks)
  matrix = normalization.design_matrix(
    blocks, _LAYOUT, rule=normalization.FEATURE, moments=moments
  ).numpy()
  # Up to the rounding of features that are far from zero.
  np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-3)
  varied = [1, 2, 3, 6]
  np.testing.assert_allclose(matrix[:, varied].std(axis=0), 1, atol=1e-3)
  assert (matrix[:, [4, 5]] == 0).all()  # The constant ones.


@pytest.mark.parametrize('columns', [None, np.array([0, 1, 2, 4, 5, 6])])
def test_a_folded_head_reads_features_as_they_are(columns):
  blocks, rng = _awkward_blocks(), np.random.default_rng(1)
  moments = normalization.Moments.of(blocks)
  size = _LAYOUT.size if columns is None else len(columns)
  kernel = rng.normal(size=(3, size)).astype(np.float32)
  bias = rng.normal(size=3).astype(np.float32)
  raw, standardised = (
    normalization.design_matrix(
      blocks, _LAYOUT, None, columns, rule, moments
    ).numpy()
    for rule in (normalization.NONE, normalization.FEATURE)
  )
  folded, own = moments.folded(kernel, bias, columns)
  assert folded.dtype == own.dtype == np.float32
  wanted = standardised.astype(np.float64) @ kernel.T + bias
  found = raw.astype(np.float64) @ folded.T.astype(np.float64) + own
  np.testing.assert_allclose(found, wanted, atol=1e-4)
  again, bias_again = moments.unfolded(folded, own, columns)
  np.testing.assert_allclose(again, kernel, rtol=1e-6)
  np.testing.assert_allclose(bias_again, bias, atol=1e-4)


def test_refuses_an_unknown_rule():
  with pytest.raises(ValueError, match='unknown normalization rule'):
    normalization.design_matrix(_blocks(), _LAYOUT, rule='twice')
  with pytest.raises(ValueError, match="'feature' needs moments"):
    normalization.design_matrix(_blocks(), _LAYOUT, rule=normalization.FEATURE)


def test_several_selections_at_once_are_each_design_matrix():
  blocks = _awkward_blocks()
  columns = [np.arange(_LAYOUT.size), np.array([4, 5]), np.array([0, 2, 6])]
  for found, wanted in zip(
    normalization.selections(blocks, _LAYOUT, columns), columns, strict=True
  ):
    matrix = normalization.design_matrix(blocks, _LAYOUT, None, wanted)
    np.testing.assert_allclose(found, matrix, rtol=1e-6)
