import keras
import numpy as np
import pytest
import tensorflow as tf

from vtab_h2t.heads import regularizers


def _kernel(zero_row=False):
  w = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
  if zero_row:
    w[2] = 0
  return w


@pytest.mark.parametrize(
  'penalty, value',
  [
    ('l1', lambda w: np.abs(w).sum()),
    ('l2', lambda w: (w**2).sum()),
    ('l21', lambda w: np.linalg.norm(w, axis=1).sum()),
  ],
)
def test_value(penalty, value):
  w = _kernel()
  assert float(regularizers.get(penalty, 0.3)(w)) == pytest.approx(
    0.3 * value(w), rel=1e-5
  )
  assert float(regularizers.get(penalty, 0.0)(w)) == 0


def test_groups_are_layers_and_use_the_coefficient():
  w = _kernel()
  regularizer = regularizers.L21(0.5, group_sizes=[2, 1, 3])
  wanted = sum(np.linalg.norm(w[a:b]) for a, b in ((0, 2), (2, 3), (3, 6)))
  assert float(regularizer(w)) == pytest.approx(0.5 * wanted, rel=1e-5)
  assert float(regularizers.L21(0.0, [2, 4])(w)) == 0


@pytest.mark.parametrize('groups', [None, (2, 1, 3)])
def test_gradient_is_finite_at_a_zero_row_and_right_elsewhere(groups):
  w = tf.Variable(_kernel(zero_row=True))
  with tf.GradientTape() as tape:
    loss = regularizers.L21(2.0, groups)(w)
  gradient = tape.gradient(loss, w).numpy()
  assert np.isfinite(gradient).all()
  np.testing.assert_array_equal(gradient[2], 0)
  if groups is None:
    rows = [0, 1, 3, 4, 5]
    unit = w.numpy()[rows] / np.linalg.norm(
      w.numpy()[rows], axis=1, keepdims=True
    )
    np.testing.assert_allclose(gradient[rows], 2 * unit, rtol=1e-4)


@pytest.mark.parametrize('penalty', ['l1', 'l2', 'l21'])
def test_train_save_and_load(tmp_path, penalty):
  regularizer = (
    regularizers.L21(1e-2, (3, 3))
    if penalty == 'l21'
    else regularizers.get(penalty, 1e-2)
  )
  model = keras.Sequential(
    [keras.Input((6,)), keras.layers.Dense(4, kernel_regularizer=regularizer)]
  )
  model.compile('adam', 'mse')
  x, y = np.ones((24, 6)), np.zeros((24, 4))
  model.fit(x, y, shuffle=False, verbose=0)
  path = tmp_path / 'model.keras'
  model.save(path)
  loaded = keras.models.load_model(path)
  assert type(loaded.layers[0].kernel_regularizer) is type(regularizer)
  assert (
    loaded.layers[0].kernel_regularizer.get_config() == regularizer.get_config()
  )
  np.testing.assert_allclose(loaded.losses[0], model.losses[0], rtol=1e-6)


def test_registered_name():
  loaded = keras.regularizers.get(
    {'class_name': 'vtab_h2t>L21', 'config': {'coefficient': 0.25}}
  )
  assert loaded.coefficient == 0.25 and loaded.group_sizes is None


def test_bad_arguments():
  with pytest.raises(ValueError, match='at least 0'):
    regularizers.L21(-1)
  with pytest.raises(ValueError, match='at least 1'):
    regularizers.L21(1, [2, 0])
  with pytest.raises(ValueError, match='do not fit'):
    regularizers.L21(1, [2, 2])(_kernel())
  with pytest.raises(ValueError, match='unknown penalty'):
    regularizers.get('l3', 1)
  assert regularizers.get(None, 1) is None
