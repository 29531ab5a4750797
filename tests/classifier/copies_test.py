import numpy as np
import pytest

from tests import testing
from vtab_h2t.classifier import copies
from vtab_h2t.tasks import pictures


def test_copies_are_altered_as_they_say():
  image = testing.images(1, size=40)[0]
  recompressed, halved, cropped = copies.altered(image)
  assert recompressed.shape == image.shape and (recompressed != image).any()
  assert halved.shape == (20, 20, 3)
  np.testing.assert_array_equal(cropped, image[2:38, 2:38])
  for shape in ((1, 1, 3), (3, 50, 3)):
    assert len(list(copies.altered(np.zeros(shape, np.uint8)))) == 3


def test_nine_of_ten_copies_reach_the_threshold():
  backbone = testing.normed_backbone()
  images = testing.images(5, size=32)

  def embedding(image):
    x = backbone.model(backbone.preprocess(image)[None])['pooled'].numpy()[0]
    return x / np.linalg.norm(x)

  wanted = [
    embedding(image) @ embedding(copy)
    for image in images
    for copy in copies.altered(image)
  ]
  assert copies.threshold(backbone, images) == pytest.approx(
    np.quantile(wanted, 0.1), abs=1e-5
  )


@testing.needs_photos
def test_photographs_of_different_things_do_not_reach_it(lite0):
  paths = sorted((testing.SHARED / 'images/imagenet17').glob('*.JPEG'))[:8]
  images = [pictures.decode(path) for path in paths]
  found = copies.threshold(lite0, images)
  x = np.stack(
    [
      lite0.model(lite0.preprocess(i)[None])[lite0.embedding].numpy()[0]
      for i in images
    ]
  )
  x /= np.linalg.norm(x, axis=1, keepdims=True)
  assert 0.6 < found < 1
  assert (np.sort((x @ x.T).ravel())[: -len(x)] < found).all()
