import io

from PIL import Image
import pytest

from tests import testing
from vtab_h2t.tasks import encodings


def _file(kind, **options):
  found = io.BytesIO()
  (pixels,) = testing.images(1, size=20)
  Image.fromarray(pixels).save(found, kind, **options)
  found.seek(0)
  return found


@pytest.mark.parametrize('quality', [1, 5, 30, 49, 50, 51, 75, 90, 95, 100])
@pytest.mark.parametrize('options', [{}, {'progressive': True}])
def test_quality_of_jpeg_is_what_it_was_written_with(quality, options):
  file = _file('JPEG', quality=quality, **options)
  assert encodings.of_image(file) == f'JPEG of quality {quality}'


def test_default_quality_of_pillow_is_75():
  assert encodings.of_image(_file('JPEG')) == 'JPEG of quality 75'


def test_quality_of_other_tables_is_the_nearest():
  with Image.open(_file('JPEG', quality=80)) as image:
    table = list(image.quantization[0])
    colours = list(image.quantization[1])
  table[5] += 1
  file = _file('JPEG', qtables=[table, colours])
  assert encodings.of_image(file) == 'JPEG of quality about 80'


@pytest.mark.parametrize('kind', ['PNG', 'GIF', 'BMP'])
def test_other_formats_have_their_name(kind):
  assert encodings.of_image(_file(kind)) == kind


def test_what_is_no_image_is_unreadable(tmp_path):
  assert encodings.of_image(io.BytesIO(b'no image')) == encodings.UNREADABLE
  assert encodings.of_image(str(tmp_path / 'none')) == encodings.UNREADABLE


def test_counts_are_sorted_and_added():
  files = [_file('PNG'), _file('JPEG'), _file('PNG'), _file('JPEG', quality=9)]
  found = encodings.count(files)
  assert list(found.items()) == [
    ('JPEG of quality 75', 1),
    ('JPEG of quality 9', 1),
    ('PNG', 2),
  ]
  both = encodings.added([found, {'GIF': 1, 'PNG': 3}])
  assert both == {**found, 'GIF': 1, 'PNG': 5}
  assert encodings.lossy(both) == {
    'JPEG of quality 75': 1,
    'JPEG of quality 9': 1,
  }
