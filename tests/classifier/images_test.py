import dataclasses
import pathlib

import numpy as np
import pandas as pd
from PIL import Image
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import images as images_lib


def test_arrays_and_files_are_the_same_images(tmp_path):
  arrays = [image[: 10 + i] for i, image in enumerate(testing.images(3))]
  paths = [tmp_path / f'{i}.png' for i in range(3)]
  for image, path in zip(arrays, paths):
    Image.fromarray(image).save(path)
  labels = np.array([2, 0, 1])
  for given in (arrays, paths, [str(p) for p in paths]):
    split = images_lib.split_of(given, labels)
    assert split.labels.tolist() == [2, 0, 1]
    for found, wanted in zip(split.images(), arrays, strict=True):
      np.testing.assert_array_equal(found.numpy(), wanted)


@pytest.mark.parametrize(
  'given, message',
  [
    ([], 'there are no images'),
    ([1, 2], 'uint8 arrays .* int'),
    (np.zeros((2, 4, 4, 1), np.uint8), r'uint8 arrays .* \(4, 4, 1\)'),
    (np.zeros((2, 4, 4, 3)), 'uint8 arrays .* float64'),
    ('photo.jpg', r"several, as in \['photo.jpg'\]"),
    (pathlib.Path('photo.jpg'), r"several, as in \['photo.jpg'\]"),
    (pd.DataFrame({'path': ['a', 'b']}), 'one column of paths'),
    (['a', np.zeros((4, 4, 3), np.uint8)], 'uint8 arrays .* str'),
  ],
)
def test_what_is_no_image_is_named(given, message):
  with pytest.raises(ValueError, match=message):
    images_lib.split_of(given, np.zeros(2, np.int64))
  with pytest.raises(ValueError, match=message):
    images_lib.unlabelled(given)


def test_files_that_are_classified_are_not_read_before_it_is_their_turn():
  split = images_lib.unlabelled(['no.png'])
  assert split.ids == ('no.png',)
  with pytest.raises(tf.errors.OpError):
    next(iter(split.images()))
  with pytest.raises(errors.InputError, match='image no.png is not there'):
    split.name_unreadable()
  with pytest.raises(errors.InputError, match='no.png cannot be read'):
    images_lib.split_of(['no.png'], np.zeros(1, np.int64))


def test_a_network_is_fed_photographs_unless_its_input_is_given():
  name = 'efficientnet_lite0'
  usual = registry.load(name, 'random', 32).input
  assert images_lib.network_of(name, 'random', 32, None).input == (
    dataclasses.replace(usual, resize='bilinear_antialias')
  )
  given = preprocessing.IMAGENET
  assert images_lib.network_of(name, 'random', 32, given).input == given
