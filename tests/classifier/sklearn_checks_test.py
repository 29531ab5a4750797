"""scikit-learn's own checks of estimators, on tables that stand for images.

The checks give tables of numbers to what they check, and leave out estimators
that take none. So each row becomes an image of one row of pixels first, after
which everything is as it is for images. What tables have and images have not
is in `_NOT_FOR_IMAGES`; docs/own_images.md lists it.
"""

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils import validation

from tests import testing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import estimator
from vtab_h2t.classifier import transformer

_NOT_FOR_IMAGES = {
  'check_methods_sample_order_invariance': 'float32 sums differ by 1e-7',
}
_NAME = 'tiny_checked'


def _images(table, who, reset):
  """uint8 `[n, 1, columns, 3]`; what is no table is refused as usual."""
  table = validation.validate_data(who, table, reset=reset, dtype=float)
  levels = np.clip(np.round(128 + 24 * table), 0, 255).astype(np.uint8)
  return np.repeat(levels[:, None, :, None], 3, axis=3)


def _takes_tables(tags):
  tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
  tags.input_tags.string = tags.no_validation = False
  return tags


class Head2ToeOfTables(estimator.Head2Toe):
  def fit(self, table, y):
    return super().fit(_images(table, self, reset=True), y)

  def predict_proba(self, table):
    validation.check_is_fitted(self)
    return super().predict_proba(_images(table, self, reset=False))

  def __sklearn_tags__(self):
    return _takes_tables(super().__sklearn_tags__())


class TapFeaturesOfTables(transformer.TapFeatures):
  def fit(self, table, y=None):
    return super().fit(_images(table, self, reset=True))

  def transform(self, table):
    validation.check_is_fitted(self)
    return super().transform(_images(table, self, reset=False))

  def __sklearn_tags__(self):
    return _takes_tables(super().__sklearn_tags__())


@pytest.fixture(scope='module', autouse=True)
def tiny():
  registry.register(_NAME, lambda *_: testing.normed_backbone(), ('random',))
  yield
  del registry.BACKBONES[_NAME]


@pytest.mark.soak
@estimator_checks.parametrize_with_checks(
  [
    TapFeaturesOfTables(backbone=_NAME, target_size=64),
    Head2ToeOfTables(backbone=_NAME, method='linear', val_fraction=0.3),
  ],
  expected_failed_checks=lambda _: _NOT_FOR_IMAGES,
)
def test_scikit_learns_checks(estimator, check):
  check(estimator)
