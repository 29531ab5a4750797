import numpy as np

from vtab_h2t.tasks import handwriting


def test_digits_are_scikit_learns():
  from sklearn import datasets

  data = datasets.load_digits()
  train, _ = handwriting.load_digits(seed=3)
  row = int(train.ids[7].split('/')[1])
  image = next(iter(train.images().skip(7))).numpy()
  np.testing.assert_array_equal(
    image[..., 1], np.minimum(data.images[row] * 16, 255).astype(np.uint8)
  )
  assert train.labels[7] == data.target[row]


def test_mnist_has_all_grey_values_and_equal_channels():
  train, test = handwriting.load_mnist_5k(seed=0)
  image = np.stack(list(train.images().take(20).as_numpy_iterator()))
  assert image.shape == (20, 28, 28, 3) and image.max() == 255
  assert (image[..., :1] == image).all()
  assert not set(train.ids) & set(test.ids)


def test_all_digits_in_the_packages_order():
  for (images, labels), shape in (
    (handwriting.digits(), (1797, 8, 8, 3)),
    (handwriting.mnist_5k(), (5000, 28, 28, 3)),
  ):
    assert images.dtype == np.uint8 and images.shape == shape
    assert np.bincount(labels).min() >= 174
