import dataclasses
import pickle

import numpy as np
import pandas as pd
from PIL import Image
import pytest
from sklearn import base as sklearn_base
from sklearn import exceptions
from sklearn import model_selection

from vtab_h2t import errors
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import estimator
from vtab_h2t.classifier import exporting
from vtab_h2t.classifier import images as images_lib


def _images(count=24, seed=0, size=20):
  """Two hues, and their names."""
  rng = np.random.default_rng(seed)
  hues = np.array([(200, 60, 30), (30, 60, 200)])
  labels = np.arange(count) % 2
  pixels = (
    rng.integers(0, 50, (count, size, size, 3)) + hues[labels, None, None]
  )
  return pixels.astype(np.uint8), np.array(['warm', 'cold'])[labels]


def _make(**changes):
  return estimator.Head2Toe(
    **({'weights': 'random', 'image_size': 32, 'val_fraction': 0.3} | changes)
  )


@pytest.fixture(scope='module')
def fitted():
  """As from a part of a table, whose index does not begin at 0."""
  images, labels = _images()
  index = range(100, 124)
  return _make().fit(pd.Series(list(images), index), pd.Series(labels, index))


def test_it_follows_scikit_learns_conventions(fitted):
  images, labels = _images(10, seed=1)
  assert fitted.classes_.tolist() == ['cold', 'warm']
  assert (fitted.predict(images) == labels).all()
  assert fitted.score(images, labels) == 1
  p = fitted.predict_proba(images)
  assert p.shape == (10, 2)
  np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
  clone = sklearn_base.clone(fitted)
  assert clone.get_params() == fitted.get_params() == _make().get_params()
  assert clone.set_params(method='linear').method == 'linear'
  with pytest.raises(exceptions.NotFittedError):
    clone.predict(images)


def test_images_may_have_any_sizes_and_be_files(fitted, tmp_path):
  images, labels = _images(6, seed=2)
  mixed = [image[: 10 + i] for i, image in enumerate(images)]
  paths = []
  for i, image in enumerate(mixed):
    paths.append(tmp_path / f'{i}.png')
    Image.fromarray(image).save(paths[-1])
  np.testing.assert_array_equal(
    fitted.predict_proba(mixed), fitted.predict_proba(paths)
  )
  assert (fitted.predict(paths) == labels).all()


def test_it_diagnoses_the_images_that_it_was_fitted_with(fitted, tmp_path):
  found = fitted.diagnose()
  assert found.classes['class'].tolist() == ['cold', 'warm']
  assert len(found.unusual) == len(fitted.adapted_.ids)
  held = found.suspects.index
  labels = fitted.adapted_.labels[held]
  assert found.suspects.given.tolist() == fitted.classes_[labels].tolist()
  # The card and the report tell the same.
  facts = fitted._model.facts
  assert facts['accuracy'] == dataclasses.asdict(found.adapted.accuracy)
  assert facts['calibration_error'] == dataclasses.asdict(found.calibration)
  assert facts['temperature'] == found.adapted.temperature
  example = found.examples[0]
  assert example.explanation.seen.shape == (32, 32, 3)
  assert found.save(tmp_path)[0].exists()
  with pytest.raises(exceptions.NotFittedError):
    _make().diagnose()


@pytest.mark.soak
def test_cross_val_score(tmp_path):
  images, labels = _images(20)
  found = model_selection.cross_val_score(
    _make(method='linear', workdir=str(tmp_path)), images, labels, cv=2
  )
  assert found.shape == (2,) and (found > 0.8).all()


@pytest.fixture(scope='module')
def saved(fitted, tmp_path_factory):
  folder = tmp_path_factory.mktemp('saved') / 'm'
  fitted.save(folder)
  return folder


def test_a_saved_model_predicts_the_same(fitted, saved):
  images, _ = _images(5, seed=3)
  model = artefact.load(saved)
  split = images_lib.split_of(images, np.zeros(5, np.int64))
  found = np.concatenate([p for _, p in model.probabilities(split)])
  np.testing.assert_array_equal(found, fitted.predict_proba(images))
  assert model.classes == ('cold', 'warm')


def test_a_loaded_estimator_is_what_was_saved(fitted, saved, tmp_path):
  images, labels = _images(5, seed=3)
  loaded = estimator.Head2Toe.load(saved)
  assert loaded.classes_.tolist() == ['cold', 'warm']
  assert loaded.n_features_ == fitted.n_features_
  np.testing.assert_array_equal(
    loaded.predict_proba(images), fitted.predict_proba(images)
  )
  assert loaded.score(images, labels) == 1
  loaded.save(tmp_path / 'again')
  for path in saved.iterdir():
    assert (tmp_path / 'again' / path.name).read_bytes() == path.read_bytes()
  assert loaded.get_params() == fitted.get_params() | {
    'val_fraction': None,
    'input': fitted.adapted_.backbone.input,
  }
  with pytest.raises(exceptions.NotFittedError, match='was read from a folder'):
    loaded.diagnose()
  with pytest.raises(errors.InputError, match='is no adapted model'):
    estimator.Head2Toe.load(tmp_path)


@pytest.mark.soak
def test_a_pickle_has_neither_the_network_nor_the_images(fitted):
  """It reads the one again, and is given the other for a diagnosis."""
  images, _ = _images(5, seed=3)
  data = pickle.dumps(fitted)
  assert len(data) < 200_000  # The network has 18 million bytes.
  assert _images()[0].tobytes()[:1000] not in data
  again = pickle.loads(data)  # noqa: S301  # Written here.
  np.testing.assert_array_equal(
    again.predict_proba(images), fitted.predict_proba(images)
  )
  assert again.adapted_.taps().equals(fitted.adapted_.taps())
  for given in (None, images):
    with pytest.raises(ValueError, match='the 24 images .* not in a pickle'):
      again.diagnose(given)
  found = again.diagnose(_images()[0])
  assert found.suspects.equals(fitted.diagnose().suspects)
  assert not hasattr(pickle.loads(pickle.dumps(_make())), 'classes_')  # noqa: S301


def test_a_pickle_needs_the_same_weights(fitted):
  other = pickle.loads(pickle.dumps(fitted))  # noqa: S301
  other.weights = 'imagenet'
  with pytest.raises(errors.InputError, match='pickle was made with other wei'):
    pickle.loads(pickle.dumps(other))  # noqa: S301


@pytest.mark.soak
def test_a_loaded_estimator_is_exported(saved, tmp_path):
  images, _ = _images(3, seed=3)
  loaded = estimator.Head2Toe.load(saved)
  loaded.export(tmp_path / 'out', ['saved_model'])
  split = images_lib.split_of(images, np.zeros(3, np.int64))
  found = exporting.load(tmp_path / 'out').probabilities(split)
  np.testing.assert_allclose(
    np.concatenate([p for _, p in found]),
    loaded.predict_proba(images),
    atol=1e-3,
  )


@pytest.mark.soak
def test_labels_may_be_numbers(tmp_path):
  images, labels = _images(12)
  found = _make(method='linear').fit(images, (labels == 'warm') * 7)
  assert found.predict(images[:2]).tolist() == [7, 0]
  found.save(tmp_path / 'm')
  loaded = estimator.Head2Toe.load(tmp_path / 'm')
  assert loaded.classes_.tolist() == [0, 7]
  assert loaded.predict(images[:2]).tolist() == [7, 0]


@pytest.mark.parametrize(
  'images, labels, message',
  [
    (_images(4)[0], ['a', 'b'], '4 images and 2 labels'),
    (_images(4)[0], ['a'] * 4, 'of 1 classes'),
    (_images(4)[0].astype(float), list('abab'), 'uint8 arrays'),
    (_images(4)[0][..., 0], list('abab'), 'uint8 arrays'),
    ([1, 2], list('ab'), 'uint8 arrays .* int'),
    (['no.png', 'no.jpg'], list('ab'), 'image no.png cannot be read .No such'),
  ],
)
def test_what_is_no_image_or_label_is_named(images, labels, message):
  with pytest.raises(ValueError, match=message):
    _make().fit(images, labels)


def test_unknown_parts_are_named():
  with pytest.raises(errors.InputError, match='unknown backbone'):
    _make(backbone='x').fit(*_images(4))
  with pytest.raises(errors.InputError, match='unknown method'):
    _make(method='x').fit(*_images(4))
