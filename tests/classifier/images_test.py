import dataclasses

import numpy as np
from PIL import Image
import pytest

from tests import testing
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
  ],
)
def test_what_is_no_image_is_named(given, message):
  with pytest.raises(ValueError, match=message):
    images_lib.split_of(given, np.zeros(len(given), np.int64))


def test_a_network_is_fed_photographs_unless_its_input_is_given():
  name = 'efficientnet_lite0'
  usual = registry.load(name, 'random', 32).input
  assert images_lib.network_of(name, 'random', 32, None).input == (
    dataclasses.replace(usual, resize='bilinear_antialias')
  )
  given = preprocessing.IMAGENET
  assert images_lib.network_of(name, 'random', 32, given).input == given
