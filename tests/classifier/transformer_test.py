import pickle

import numpy as np
import pytest
from sklearn import base as sklearn_base
from sklearn import datasets
from sklearn import exceptions
from sklearn import linear_model
from sklearn import pipeline

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import images as images_lib
from vtab_h2t.classifier import transformer
from vtab_h2t.features import extraction


@pytest.fixture(scope='module', autouse=True)
def tiny():
  """A small network under a name of its own."""
  registry.register(
    'tiny_taps', lambda *_: testing.normed_backbone(), ('random',)
  )
  yield 'tiny_taps'
  del registry.BACKBONES['tiny_taps']


def _make(**changes):
  return transformer.TapFeatures(
    **({'backbone': 'tiny_taps', 'target_size': 64} | changes)
  )


def _raw():
  """Pooled features of images, as the extractor gives them."""
  images = testing.images(5)
  network = images_lib.network_of('tiny_taps', None, 16, None)
  extractor = extraction.Extractor(network, (64,))
  split = images_lib.split_of(images, np.zeros(5, np.int64))
  ((_, batch),) = extractor(split)
  blocks = [b.numpy() for b in extractor.select(batch, 64)]
  return images, extractor.layouts[64], blocks


def test_each_tap_has_unit_norm():
  images, layout, blocks = _raw()
  made = _make()
  found = made.fit_transform(images)
  wanted = [b / np.linalg.norm(b, axis=1, keepdims=True) for b in blocks]
  assert found.shape == (5, layout.size) and found.dtype == np.float32
  np.testing.assert_allclose(found, np.concatenate(wanted, axis=1), atol=1e-6)
  names = made.get_feature_names_out()
  assert len(names) == len(set(names)) == layout.size == made.n_features_
  assert names[0] == f'{layout.blocks[0].name}_0'
  assert made.layout_ == layout


def test_the_other_normalizations():
  images, _, blocks = _raw()
  raw = np.concatenate(blocks, axis=1)
  found = _make(normalization='none').fit_transform(images)
  np.testing.assert_allclose(found, raw, rtol=1e-5)
  made = _make(normalization='feature').fit(images[:4])
  mean, deviation = raw[:4].mean(axis=0), np.sqrt(raw[:4].var(axis=0) + 1e-5)
  np.testing.assert_allclose(
    made.transform(images), (raw - mean) / deviation, atol=1e-3
  )
  whole = _make(target_size=None, normalization='none').fit_transform(images)
  np.testing.assert_allclose(whole, blocks[-1], rtol=1e-5)


def test_it_is_a_part_of_a_pipeline():
  digits = datasets.load_digits(n_class=3)
  images = np.uint8(np.repeat(digits.images[..., None] * 15, 3, axis=3))
  whole = pipeline.make_pipeline(
    _make(), linear_model.LogisticRegression(C=100, max_iter=300)
  )
  whole.fit(images[:200], digits.target[:200])
  assert whole.score(images[200:300], digits.target[200:300]) > 0.9
  whole.set_params(tapfeatures__target_size=None)
  assert sklearn_base.clone(whole).fit(images[:9], digits.target[:9])


def test_a_pickle_has_no_network_and_reads_it_when_it_is_needed():
  images = testing.images(3)
  made = _make(normalization='feature').fit(images)
  data = pickle.dumps(made)
  assert len(data) < 20_000
  again = pickle.loads(data)  # noqa: S301  # Written here.
  np.testing.assert_array_equal(again.transform(images), made.transform(images))


def test_parameters_count_when_it_is_fitted():
  images = testing.images(3)
  made = _make().fit(images)
  before = made.transform(images)
  made.set_params(target_size=16)
  np.testing.assert_array_equal(made.transform(images), before)
  assert made.fit(images).n_features_ < before.shape[1]


def test_what_is_wrong_is_one_line():
  images = testing.images(2)
  with pytest.raises(errors.InputError, match="normalization 'selected'; choo"):
    _make(normalization='selected').fit(images)
  with pytest.raises(errors.InputError, match='at least 1, or None, not 0'):
    _make(target_size=0).fit(images)
  with pytest.raises(errors.InputError, match='unknown backbone'):
    _make(backbone='x').fit(images)
  with pytest.raises(ValueError, match='uint8 arrays'):
    _make().fit(images.astype(float))
  with pytest.raises(exceptions.NotFittedError):
    _make().transform(images)
