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
import tensorflow as tf

from vtab_h2t import errors
from vtab_h2t import files
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
  for top in (1, 255, 65535):  # Floating-point values of any usual range.
    values = np.full((8, 12), 0.5 * top, np.float32)
    values[0] = top
    assert abs(save('f.tiff', values)[1].astype(int) - 127).max() <= 1
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
  with pytest.raises(errors.InputError, match=r'a\\b.png .* and not by \\$'):
    pictures.decode('a\\b.png')
  with pytest.raises(errors.InputError, match='is a folder; name the files'):
    pictures.decode(tmp_path)
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


def test_phones_files_become_rgb(tmp_path):
  for name, kind in (('a.heic', 'HEIF'), ('b.avif', 'AVIF'), ('c.jpg', 'HEIF')):
    pictures.decode(_save(tmp_path / 'first.png', _RED))  # Registers readers.
    found = pictures.decode(_save(tmp_path / name, _RED, format=kind))
    assert found.shape == (8, 12, 3)
    assert abs(found.astype(int) - _RED).max() < 8
  whole = (tmp_path / 'a.heic').read_bytes()
  (tmp_path / 'short.heic').write_bytes(whole[: len(whole) // 2])
  with pytest.raises(errors.InputError, match='short.heic cannot be decoded'):
    pictures.decode(tmp_path / 'short.heic')


def test_phones_files_name_the_package_that_is_missing(tmp_path, monkeypatch):
  monkeypatch.setattr(pictures, '_formats', lambda: ('JPEG', 'PNG'))
  for brand, kind in ((b'heic', 'HEIF'), (b'mif1', 'HEIF'), (b'avif', 'AVIF')):
    path = tmp_path / 'a.jpg'  # By content, as suffixes lie.
    path.write_bytes(b'\0\0\0\x1cftyp' + brand + b'\0' * 16)
    with pytest.raises(
      errors.InputError, match=rf"a.jpg is {kind}, .* 'vtab_h2t\[heic\]'$"
    ):
      pictures.decode(path)


@pytest.mark.parametrize('kind', ['jpg', 'png', 'gif', 'webp', 'tiff', 'heic'])
def test_what_is_examined_is_what_decoding_says(tmp_path, kind):
  """An eighth of a JPEG is damaged where the whole is."""
  noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
  pictures._formats()
  path = str(_save(tmp_path / f'a.{kind}', noise))
  assert pictures.examine(path) == (files.sha256_file(path), '')
  data = pathlib.Path(path).read_bytes()
  for kept in (0, 5, 40, len(data) // 2, len(data) - 20):
    pathlib.Path(path).write_bytes(data[:kept])
    sha256, why = pictures.examine(path)
    assert sha256 == files.sha256(data[:kept])
    try:
      pictures.decode(path)
    except errors.InputError as e:
      assert str(e) == why  # noqa: PT017  # Not all raise.
    else:
      assert not why
  assert pictures.examine(str(tmp_path / 'none')) == (
    '',
    f'image {tmp_path}/none is not there; check the path',
  )


def test_a_split_names_the_first_file_that_cannot_be_read(tmp_path):
  paths = [str(_save(tmp_path / f'{i}.png', _RED + i)) for i in range(9)]
  split = pictures.split_of(paths, np.arange(9))
  again = pictures.split_of(
    paths, np.arange(9), [files.sha256_file(p) for p in paths]
  )
  assert split.sha256 == again.sha256
  assert [image.numpy()[0, 0, 0] for image in split.images()] == [
    200 + i for i in range(9)
  ]
  split.name_unreadable()
  for number in (7, 4):
    pathlib.Path(paths[number]).write_bytes(b'no image')
  with pytest.raises(tf.errors.OpError):
    list(split.images())
  with pytest.raises(errors.InputError, match='4.png cannot be decoded'):
    split.name_unreadable()


def test_what_is_classified_goes_on_past_bad_files(tmp_path):
  paths = [str(_save(tmp_path / f'{i}.png', _RED + i)) for i in range(5)]
  pathlib.Path(paths[3]).write_bytes(b'no image')
  pathlib.Path(paths[0]).unlink()
  wrong: dict[int, str] = {}
  split = pictures.unlabelled(paths, wrong)
  found = [image.numpy() for image in split.images()]
  assert [image.shape for image in found] == [
    (1, 1, 3),
    (8, 12, 3),
    (8, 12, 3),
    (1, 1, 3),
    (8, 12, 3),
  ]
  assert sorted(wrong) == [0, 3] and 'is not there' in wrong[0]
  assert split.ids == tuple(paths)


def test_images_without_labels(tmp_path):
  good = _save(tmp_path / 'b' / 'a.png', _RED)
  (tmp_path / 'b' / 'x.jpg').write_bytes(b'')
  paths = pictures.list_images(tmp_path)
  assert paths == [str(good), str(tmp_path / 'b' / 'x.jpg')]
  assert list(pictures.unreadable(paths)) == [paths[1]]
