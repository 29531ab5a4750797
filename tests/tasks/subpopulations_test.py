import numpy as np
import pytest

from vtab_h2t.tasks import crops
from vtab_h2t.tasks import solids
from vtab_h2t.tasks import subpopulations

_SMALL = {'source': 3, 'source_test': 1, 'shots': 2, 'validation': 1, 'test': 2}


def test_super_classes_have_other_pictures_in_the_target():
  source, target = (subpopulations.photographs(o) for o in (False, True))
  assert len({*source, *target}) == 16 and len(source) == len(target) == 8
  for label, four in enumerate(subpopulations.SUPER_CLASSES.values()):
    assert list(four) == sorted(four)  # No choice was made.
    here = slice(2 * label, 2 * label + 2)
    assert source[here] + target[here] == four


@pytest.mark.parametrize(
  'name', subpopulations.photographs(False) + subpopulations.photographs(True)
)
def test_every_picture_has_tiles_of_every_part(name):
  (picture,) = crops.read([name])
  tiles = crops.stripes(*(s // crops.TILE for s in picture.shape[:2]))
  for stripes in subpopulations.STRIPES.values():
    assert np.isin(tiles, stripes).any()
  every = [s for stripes in subpopulations.STRIPES.values() for s in stripes]
  assert sorted(every) == list(range(7))


def test_parts_share_no_pixel(monkeypatch):
  side = 5 * crops.TILE
  numbers = np.arange(side * side).reshape(side, side)
  picture = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1)
  monkeypatch.setattr(crops, 'read', lambda _: [picture.astype(np.uint8)])
  seen = []
  for part in subpopulations.STRIPES:
    found = subpopulations.crop_part('x', ('a',), 1, part, 100)
    assert found.ids[:2] == (f'x/{part}/a/0', f'x/{part}/a/1')
    seen.append(set((found.images @ np.array([65536, 256, 1])).ravel()))
  for i, one in enumerate(seen):
    for other in seen[i + 1 :]:
      assert not one & other


@pytest.mark.parametrize('other', [False, True])
def test_crops_of_super_classes_are_balanced(other):
  found = subpopulations.photo_classes_part(other, 'validation', 6)
  assert np.bincount(found.labels).tolist() == [6] * 4
  pictures = [i.split('/')[2] for i in found.ids]
  names = subpopulations.photographs(other)
  assert {n: pictures.count(n) for n in names} == dict.fromkeys(names, 3)
  for picture, label in zip(pictures, found.labels):
    assert names.index(picture) // 2 == label
  again = subpopulations.photo_classes_part(other, 'validation', 6)
  np.testing.assert_array_equal(found.images, again.images)


def test_own_crops_of_photo_classes():
  train, test, shifted = (
    subpopulations.own_photo_classes(which, 0)
    for which in ('train', 'test', 'shifted')
  )
  for found in (train, test, shifted):
    assert np.bincount(found.labels).tolist() == [250] * 4
  assert not set(train.ids) & {*test.ids, *shifted.ids}


def test_pairs_have_even_digits_then_odd_ones():
  digits = subpopulations.mnist()
  digit = dict(zip(digits.ids, digits.labels))
  train, test, shifted = (
    subpopulations.own_mnist_pairs(which, 0)
    for which in ('train', 'test', 'shifted')
  )
  assert not set(train.ids) & set(test.ids)
  for found, odd in ((train, 0), (test, 0), (shifted, 1)):
    assert len(found.ids) == 1000 and set(found.labels) == set(range(5))
    np.testing.assert_array_equal(
      [digit[i] for i in found.ids], 2 * found.labels + odd
    )


def test_own_views_of_toys_are_others_in_test(monkeypatch):
  for module, name in (
    (solids, '_TRAIN'),
    (solids, '_TEST'),
    (subpopulations, '_OWN'),
  ):
    monkeypatch.setattr(module, name, 12)
  monkeypatch.setattr(solids, '_views', solids._views.__wrapped__)
  train, test, shifted = (
    subpopulations.own_solids_category(which, 0)
    for which in ('train', 'test', 'shifted')
  )
  assert len({*train.ids, *test.ids, *shifted.ids}) == 36
  for found, first in ((train, 0), (test, 0), (shifted, 5)):
    row, number = 3, int(found.ids[3].rpartition('/')[2])
    image, labels = solids.views(np.array([number]), first)
    assert labels['category'][0] == found.labels[row]
    assert labels['category'][0] == number // solids.VIEWS_OF_CATEGORY
    wanted = subpopulations.labelled.resized(image)
    np.testing.assert_array_equal(found.images[row], wanted[0])


def test_parts_of_toys_are_balanced_and_have_no_view_in_common():
  ids = []
  for other in (False, True):
    for part, size in _SMALL.items():
      found = subpopulations.solids_category_part(other, part, _SMALL)
      assert np.bincount(found.labels).tolist() == [size] * 5
      ids += found.ids
  assert len(set(ids)) == len(ids) == 2 * 5 * 9
