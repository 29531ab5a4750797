import numpy as np
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import crops


@pytest.mark.parametrize('name', crops.PHOTOS + crops.SCANS)
def test_pictures_are_packaged_and_have_tiles_of_every_part(name):
  picture = crops.read_picture(crops._path(name))
  assert picture.dtype == np.uint8 and picture.shape[2] == 3
  tiles = crops.stripes(*(s // crops.TILE for s in picture.shape[:2]))
  assert set(tiles.ravel()) == set(range(7))


def test_crops_of_different_parts_share_no_pixel():
  """Crops of a picture whose pixels are all different are told apart."""
  side = 5 * crops.TILE
  numbers = np.arange(side * side).reshape(side, side)
  picture = np.stack(
    [numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1
  ).astype(np.uint8)
  rng = np.random.default_rng(0)
  seen = []
  for stripes in (0,), (1,), (2,), (3,), (4,), crops.TEST_STRIPES:
    images, _ = crops.cut([picture], stripes, 200, rng)
    assert images.shape == (200, crops.CROP, crops.CROP, 3)
    values = images.astype(np.int64) @ [65536, 256, 1]
    seen.append(set(values.ravel()))
  for i, one in enumerate(seen):
    for other in seen[i + 1 :]:
      assert not one & other


def test_every_fold_is_balanced():
  train, test = crops.load('scan_patches', crops.SCANS, 0)
  for block in train.labels.reshape(5, 200):
    assert (np.bincount(block) == 40).all()
  assert (np.bincount(test.labels) == 200).all()


@pytest.mark.parametrize(
  'damage',
  [
    lambda data: data[: len(data) // 2],
    lambda data: b'no image',
    lambda data: None,
  ],
)
def test_an_unreadable_image_is_one_line(tmp_path, damage):
  data = damage(crops._path('coffee').read_bytes())
  path = tmp_path / 'coffee.png'
  if data is not None:
    path.write_bytes(data)
  with pytest.raises(errors.InputError, match='coffee.png cannot be read'):
    crops.read_picture(path)
