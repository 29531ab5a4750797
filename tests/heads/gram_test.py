"""Heads in the span of the examples equal heads on all features."""

import itertools

import numpy as np
import pytest
from sklearn import linear_model

from vtab_h2t.heads import gram as gram_lib

_CLASSES = 4


def _data(features, mean=3.0, n=60, seed=0):
  """Features far from zero, `[n + 25, features]`, and labels."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, _CLASSES, n + 25)
  x = rng.normal(size=(n + 25, features)) + mean
  x[:, :_CLASSES] += 2 * np.eye(_CLASSES)[labels]
  return x.astype(np.float32), labels


def _pieces(x, cuts=(11,)):
  edges = 0, *cuts, x.shape[1]
  return [x[:, a:b] for a, b in itertools.pairwise(edges)]


def test_gram_matrix_is_that_of_the_features_about_their_mean(monkeypatch):
  x, _ = _data(30)
  centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
  whole = gram_lib.gram(_pieces(x))
  np.testing.assert_allclose(whole, centred @ centred.T, atol=1e-12)
  monkeypatch.setattr(gram_lib, '_COLUMNS', 4)
  np.testing.assert_allclose(
    gram_lib.gram(_pieces(x, (11, 12))), whole, atol=1e-12
  )
  with pytest.raises(ValueError, match='no features'):
    gram_lib.gram([])


@pytest.mark.parametrize('features, rank', [(30, 30), (150, 59)])
def test_coordinates_have_the_inner_products_of_centred_features(
  features, rank
):
  x, _ = _data(features)
  centred = x.astype(np.float64) - x[:60].mean(axis=0, dtype=np.float64)
  products = gram_lib.gram(_pieces(x))
  spectrum = gram_lib.Spectrum.of(products[:60, :60])
  assert len(spectrum.values) == rank and (np.diff(spectrum.values) >= 0).all()
  np.testing.assert_allclose(spectrum.vectors.sum(axis=0), 0, atol=1e-9)
  z = spectrum.project(products[:, :60]) / np.sqrt(spectrum.values)
  np.testing.assert_allclose(
    z[:60], spectrum.vectors * np.sqrt(spectrum.values), atol=1e-9
  )
  wanted = centred @ centred[:60].T
  np.testing.assert_allclose(z @ z[:60].T, wanted, atol=1e-9)
  # Of all examples, not only of those directions that they span.
  assert spectrum.mean == pytest.approx((centred[:60] ** 2).sum() / 60)


@pytest.mark.parametrize('features', [30, 150])
@pytest.mark.parametrize('penalty', [1e3, 1.0, 1e-3, 1e-6])
def test_ridge_is_scikit_learns_on_a_fold_of_one_gram_matrix(features, penalty):
  """Which solves for `D` weights, with an intercept that is not penalised."""
  x, labels = _data(features)
  products = gram_lib.gram(_pieces(x))
  train = np.random.default_rng(1).permutation(len(x))[:60]
  held_out = np.setdiff1d(np.arange(len(x)), train)
  spectrum = gram_lib.Spectrum.of(products[np.ix_(train, train)])
  solution = gram_lib.ridge(spectrum, labels[train], _CLASSES, penalty)
  scores = solution.scores(spectrum.project(products[np.ix_(held_out, train)]))
  whole = x.astype(np.float64)
  model = linear_model.Ridge(penalty * spectrum.mean)
  model.fit(whole[train], np.eye(_CLASSES)[labels[train]])
  np.testing.assert_allclose(scores, model.predict(whole[held_out]), atol=1e-10)
  head = gram_lib.head(_pieces(x[train], (11, 20)), spectrum, solution)
  np.testing.assert_allclose(head.kernel, model.coef_, atol=1e-6)
  np.testing.assert_allclose(
    head.logits(x[held_out]), model.predict(whole[held_out]), atol=1e-4
  )


def test_labels_of_minus_1_and_1_give_the_same_answers():
  """Twice the scores less 1, so those of 0 and 1 suffice."""
  x, labels = _data(150)
  products = gram_lib.gram([x])
  spectrum = gram_lib.Spectrum.of(products[:60, :60])
  solution = gram_lib.ridge(spectrum, labels[:60], _CLASSES, 0.01)
  model = linear_model.Ridge(0.01 * spectrum.mean)
  model.fit(x[:60].astype(np.float64), 2 * np.eye(_CLASSES)[labels[:60]] - 1)
  np.testing.assert_allclose(
    2 * solution.scores(spectrum.project(products[60:, :60])) - 1,
    model.predict(x[60:].astype(np.float64)),
    atol=1e-10,
  )


def test_a_large_common_part_takes_no_digits_of_a_heads_answers():
  """Features of 1000 and a little: rounding is of the little."""
  x, labels = _data(150, mean=1000.0)
  products = gram_lib.gram([x])
  spectrum = gram_lib.Spectrum.of(products[:60, :60])
  solution = gram_lib.ridge(spectrum, labels[:60], _CLASSES, 1e-3)
  head = gram_lib.head([x[:60]], spectrum, solution)
  wanted = solution.scores(spectrum.project(products[60:, :60]))
  # float32 has an error of 1e-7 of each of 150 products of about 10.
  np.testing.assert_allclose(head.logits(x[60:]), wanted, atol=2e-3)


def test_features_that_are_all_alike_leave_the_shares_of_the_classes():
  x = np.full((6, 5), 2.5, np.float32)
  spectrum = gram_lib.Spectrum.of(gram_lib.gram([x]))
  assert spectrum.vectors.shape == (6, 0) and spectrum.mean == 0
  labels = np.array([0, 1, 1, 1, 2, 2])
  solution = gram_lib.ridge(spectrum, labels, 4, 0.1)
  head = gram_lib.head([x], spectrum, solution)
  np.testing.assert_allclose(head.logits(x)[0], [1 / 6, 1 / 2, 1 / 3, 0])
