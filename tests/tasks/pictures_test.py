import io
import pathlib
import struct
import zlib

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import pictures

_RED = np.full((8, 12, 3), (200, 20, 30), np.uint8)


def _save(path, image, **kwargs):
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(image, np.ndarray):
    image = Image.fromarray(image)
  image.save(path, **kwargs)
  return path


def test_common_files_become_rgb(tmp_path):
  save = lambda name, image, **k: pictures.decode(
    _save(tmp_path / name, image, **k)
  )
  np.testing.assert_array_equal(save('a.png', _RED), _RED)
  grey = save('grey.png', _RED[..., 0])
  assert grey.shape == (8, 12, 3) and (grey == 200).all()
  cmyk = save('cmyk.jpg', Image.fromarray(_RED).convert('CMYK'))
  assert (
    cmyk.shape == (8, 12, 3) and abs(cmyk.mean((0, 1)) - _RED[0, 0]).max() < 30
  )
  palette = save('p.gif', Image.fromarray(_RED).convert('P'))
  assert palette.shape == (8, 12, 3)
  bilevel = save('bits.png', Image.fromarray(_RED[..., 0]).convert('1'))
  assert set(np.unique(bilevel)) <= {0, 255}
  deep = save('deep.png', np.full((8, 12), 32768, np.uint16))
  assert abs(deep.astype(int) - 127).max() <= 1
  save('w.webp', _RED)
  save('t.tiff', _RED)
  save('b.bmp', _RED)


def test_transparency_is_white(tmp_path):
  image = np.dstack([_RED, np.zeros((8, 12), np.uint8)])
  image[0, 0, 3] = 255
  found = pictures.decode(_save(tmp_path / 'a.png', image))
  np.testing.assert_array_equal(found[0, 0], _RED[0, 0])
  assert (found[1:] == 255).all()


@pytest.mark.parametrize(
  'orientation, corner',
  [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))],
)
def test_exif_rotation_is_applied(tmp_path, orientation, corner):
  """The bright corner of the stored image goes where the camera says."""
  image = np.zeros((16, 24, 3), np.uint8)
  image[:8, :8] = 255
  exif = Image.Exif()
  exif[0x0112] = orientation
  found = pictures.decode(
    _save(tmp_path / 'a.jpg', image, exif=exif, quality=95)
  )
  assert found.shape[:2] == ((24, 16) if orientation in (6, 8) else (16, 24))
  assert found[corner].min() > 200
  assert (found > 128).mean() == pytest.approx(1 / 6, abs=0.02)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
  frames = [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (10, 250)]
  path = tmp_path / 'a.gif'
  frames[0].save(path, save_all=True, append_images=frames[1:])
  assert pictures.decode(path).max() < 50


def _bomb(path):
  """A PNG of a few bytes that claims 30,000 x 30,000 pixels."""

  def chunk(kind, data):
    return (
      struct.pack('>I', len(data))
      + kind
      + data
      + struct.pack('>I', zlib.crc32(kind + data))
    )

  path.write_bytes(
    b'\x89PNG\r\n\x1a\n'
    + chunk(b'IHDR', struct.pack('>IIBBBBB', 30000, 30000, 8, 2, 0, 0, 0))
    + chunk(b'IDAT', zlib.compress(b'\0' * 1000))
    + chunk(b'IEND', b'')
  )
  return path


def test_bad_files_are_one_line(tmp_path):
  good = _save(tmp_path / 'good.jpg', _RED).read_bytes()
  bad = {
    'short.jpg': good[: len(good) // 2],
    'text.png': b'no image',
    'empty.jpg': b'',
    'script.jpg': b'%!PS-Adobe\nsystem (rm)',
  }
  for name, data in bad.items():
    (tmp_path / name).write_bytes(data)
    with pytest.raises(errors.InputError, match=f'{name} cannot be decoded'):
      pictures.decode(tmp_path / name)
  with pytest.raises(errors.InputError, match='bomb.png claims to be too la'):
    pictures.decode(_bomb(tmp_path / 'bomb.png'))
  with pytest.raises(errors.InputError, match='is not there'):
    pictures.decode(tmp_path / 'none.jpg')


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_give_an_image_or_one_line(data, kind):
  buffer = io.BytesIO()
  Image.fromarray(_RED).save(buffer, ('PNG', 'JPEG', 'GIF', 'BMP')[kind])
  whole = bytearray(buffer.getvalue())
  for i, value in enumerate(data):
    whole[(i * 7919 + value) % len(whole)] ^= value
  path = pathlib.Path('/tmp') / f'vtab_h2t_fuzz_{kind}.img'
  path.write_bytes(bytes(whole))
  try:
    found = pictures.decode(path)
  except errors.InputError as e:
    assert '\n' not in str(e)  # noqa: PT017  # Not all raise.
  else:
    assert found.dtype == np.uint8 and found.shape[2] == 3
  finally:
    path.unlink()


@pytest.fixture
def folder(tmp_path):
  root = tmp_path / 'photos'
  for name, count in (('cat', 3), ('dog', 2)):
    for i in range(count):
      _save(root / name / f'{i}.png', _RED + i)
  (root / 'README.txt').write_text('not a class')
  (root / '.hidden').mkdir()
  (root / 'cat' / 'notes.txt').write_text('not an image')
  return root


def test_a_folder_of_classes(folder):
  found = pictures.read(folder)
  assert found.classes == ('cat', 'dog')
  assert found.labels.tolist() == [0, 0, 0, 1, 1]
  assert [p.removeprefix(f'{folder}/') for p in found.paths] == [
    'cat/0.png',
    'cat/1.png',
    'cat/2.png',
    'dog/0.png',
    'dog/1.png',
  ]
  split = found.split(np.array([4, 0]))
  assert split.labels.tolist() == [1, 0] and len(set(split.ids)) == 2
  images = [image.numpy() for image in split.images()]
  np.testing.assert_array_equal(images[0], _RED + 1)
  # The content counts, not the time or the name of the folder.
  again = pictures.read(folder).split(np.array([4, 0]))
  assert again.content == split.content != found.split().content


def test_a_csv_of_paths_and_labels(folder, tmp_path):
  table = tmp_path / 'list.csv'
  table.write_text('label,path\nb,photos/dog/0.png\na,photos/cat/0.png\n')
  found = pictures.read(table)
  assert found.classes == ('a', 'b') and found.labels.tolist() == [1, 0]
  for text, message in (
    ('path\nx\n', 'no columns path and label'),
    ('path,label\nphotos/cat/0.png,\n', 'line 2 lacks'),
    ('path,label\na.png,x\na.png,y\n', 'twice'),
    ('path,label\nnone.png,x\n', 'is not there'),
  ):
    table.write_text(text)
    with pytest.raises(errors.InputError, match=message):
      pictures.read(table)


def test_bad_images_fail_or_are_skipped_and_named(folder):
  (folder / 'cat' / 'broken.jpg').write_bytes(b'x')
  _bomb(folder / 'dog' / 'bomb.png')
  with pytest.raises(
    errors.InputError,
    match='broken.jpg cannot .*2 such file.*--on_bad_image=skip',
  ):
    pictures.read(folder)
  found = pictures.read(folder, pictures.SKIP)
  assert len(found.paths) == 5
  assert [pathlib.Path(p).name for p, _ in found.skipped] == [
    'broken.jpg',
    'bomb.png',
  ]
  assert 'cannot be decoded' in found.skipped[0][1]


def test_too_few_classes_or_images_are_one_line(folder, tmp_path):
  with pytest.raises(errors.InputError, match='is not a folder'):
    pictures.read(tmp_path / 'none')
  (folder / 'empty').mkdir()
  with pytest.raises(errors.InputError, match='empty has no images'):
    pictures.read(folder)
  (folder / 'empty' / 'x.jpg').write_bytes(b'')
  with pytest.raises(errors.InputError, match='two classes .*empty has none'):
    pictures.read(folder, pictures.SKIP)
  one = tmp_path / 'one'
  _save(one / 'cat' / 'a.png', _RED)
  with pytest.raises(errors.InputError, match='two classes with images, not 1'):
    pictures.read(one)


def test_images_without_labels(folder):
  assert [pathlib.Path(p).name for p in pictures.list_images(folder)] == [
    '0.png',
    '1.png',
    '2.png',
    '0.png',
    '1.png',
  ]
  assert pictures.list_images(folder / 'dog/0.png') == [
    str(folder / 'dog/0.png')
  ]
  with pytest.raises(errors.InputError, match='has no images'):
    pictures.list_images(folder / '.hidden')
