import numpy as np
import pytest

from vtab_h2t.tasks import solids


def test_train_and_test_show_different_instances():
  (_, _, train), (_, _, test) = solids._views(0)
  shape = (5, 5, 9, 18, 6)
  assert len(set(train)) == len(set(test)) == 1000
  assert max(train) < np.prod(shape) and max(test) < np.prod(shape)
  one, two = solids.toy(0, 0), solids.toy(0, 5)
  assert not np.allclose(one[0].half_size, two[0].half_size)


@pytest.mark.parametrize('category', range(len(solids.CATEGORIES)))
def test_each_azimuth_and_elevation_looks_different(category):
  views = [solids.render(category, 0, 4, a, 4) for a in range(18)]
  views += [solids.render(category, 0, e, 3, 4) for e in range(9) if e != 4]
  for i, one in enumerate(views):
    for two in views[i + 1 :]:
      assert np.abs(one.astype(int) - two).mean() > 0.2


@pytest.mark.parametrize('category', range(len(solids.CATEGORIES)))
def test_toys_fit_the_image(category):
  for azimuth in range(0, 18, 3):
    image = solids.render(category, 7, 0, azimuth, 0)
    background = image[0, 0]
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (edge == background).all()
    shown = (image != background).any(-1).mean()
    assert 0.02 < shown < 0.6


def test_views_are_numbered_by_category_first():
  numbers = np.array([0, solids.VIEWS_OF_CATEGORY - 1, 4860, 4860 + 6])
  images, labels = solids.views(numbers, 5)
  assert solids.VIEWS_OF_CATEGORY == 5 * 9 * 18 * 6 == 4860
  assert labels['category'].tolist() == [0, 0, 1, 1]
  assert labels['azimuth'].tolist() == [0, 17, 0, 1]
  np.testing.assert_array_equal(images[1], solids.render(0, 9, 8, 17, 5))
