import pathlib

import numpy as np
from PIL import Image
import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import labelled_pictures
from vtab_h2t.tasks import pictures

_RED = np.full((8, 12, 3), (200, 20, 30), np.uint8)


def _save(path, image):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(image).save(path)


@pytest.fixture
def folder(tmp_path):
  root = tmp_path / 'photos'
  for name, count in (('cat', 3), ('dog', 2)):
    for i in range(count):
      _save(root / name / f'{i}.png', _RED + i)
  (root / 'README.txt').write_text('not a class')
  (root / '.hidden').mkdir()
  (root / '__MACOSX').mkdir()
  (root / 'cat' / 'notes.txt').write_text('not an image')
  _save(root / 'loose.png', _RED)
  return root


def test_a_folder_of_classes(folder):
  said = []
  found = labelled_pictures.read(folder, progress=lambda *a: said.append(a))
  assert found.classes == ('cat', 'dog')
  assert found.labels.tolist() == [0, 0, 0, 1, 1]
  assert [p.removeprefix(f'{folder}/') for p in found.paths] == [
    'cat/0.png',
    'cat/1.png',
    'cat/2.png',
    'dog/0.png',
    'dog/1.png',
  ]
  assert found.passed_over == {'.txt': 2, '.png': 1}
  assert said == [(5, 5)]
  split = found.split(np.array([4, 0]))
  assert split.labels.tolist() == [1, 0] and len(set(split.ids)) == 2
  images = [image.numpy() for image in split.images()]
  np.testing.assert_array_equal(images[0], _RED + 1)
  # The content counts, not the time or the name of the folder.
  again = labelled_pictures.read(folder).split(np.array([4, 0]))
  assert again.content == split.content != found.split().content
  assert (
    found.split().content
    == pictures.split_of(found.paths, found.labels).content
  )


def test_a_csv_of_paths_and_labels(folder, tmp_path):
  table = tmp_path / 'list.csv'
  table.write_text('Label;path\nb;photos/dog/0.png\na;photos/cat/0.png\n')
  found = labelled_pictures.read(table)
  assert found.classes == ('a', 'b') and found.labels.tolist() == [1, 0]
  table.write_text('path,label\nphotos/cat/0.png,x\nnone.png,y\ntoo.png,y\n')
  with pytest.raises(
    errors.InputError,
    match=r'list.csv line 3: image .*none.png is not there; check the path; or '
    r'leave all 2 such files out with --on_bad_image=skip$',
  ):
    labelled_pictures.read(table)


def test_bad_images_fail_or_are_skipped_and_named(folder):
  (folder / 'cat' / 'broken.jpg').write_bytes(b'x')
  (folder / 'dog' / 'phone.heic').write_bytes(b'y')
  with pytest.raises(
    errors.InputError,
    match='broken.jpg cannot .* leave all 2 such files .*--on_bad_image=skip',
  ):
    labelled_pictures.read(folder)
  found = labelled_pictures.read(folder, pictures.SKIP)
  assert len(found.paths) == len(found.sha256) == 5
  assert [pathlib.Path(p).name for p, _ in found.skipped] == [
    'broken.jpg',
    'phone.heic',
  ]
  assert 'cannot be decoded' in found.skipped[0][1]


def test_too_few_classes_or_images_are_one_line(folder, tmp_path):
  with pytest.raises(errors.InputError, match='is not a folder.*.csv or .tsv'):
    labelled_pictures.read(tmp_path / 'none')
  (folder / 'empty').mkdir()
  with pytest.raises(errors.InputError, match='empty has no images'):
    labelled_pictures.read(folder)
  (folder / 'empty' / 'x.jpg').write_bytes(b'')
  with pytest.raises(errors.InputError, match='two classes .*empty has none'):
    labelled_pictures.read(folder, pictures.SKIP)
  with pytest.raises(
    errors.InputError,
    match=r'cat has no sub-folder with images, but 4 files \(3 .png, 1 .txt\);'
    ' put the images of each class into a sub-folder',
  ):
    labelled_pictures.read(folder / 'cat')
  with pytest.raises(errors.InputError, match='path of the images is empty'):
    labelled_pictures.read('')
  one = tmp_path / 'one'
  _save(one / 'cat' / 'a.png', _RED)
  with pytest.raises(errors.InputError, match='two classes with images, not 1'):
    labelled_pictures.read(one)
