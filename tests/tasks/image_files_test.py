import os

import pytest

from vtab_h2t import errors
from vtab_h2t.tasks import image_files


def _touch(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()


@pytest.fixture
def folder(tmp_path):
  root = tmp_path / 'photos'
  for name in (
    'a-b/1.png',
    'a/2.JPG',
    'a/b/c.heic',
    'a/notes.txt',
    'a/more.txt',
    'a/film.mp4',
    'README',
    # What systems leave.
    '.DS_Store',
    '.hidden/1.png',
    'a/._2.JPG',
    'a/Thumbs.db',
    'a/@eaDir/2.JPG',
    '__MACOSX/a/2.JPG',
  ):
    _touch(root / name)
  return root


def test_images_are_found_folder_by_folder_and_the_rest_is_counted(folder):
  found = image_files.below(folder)
  assert [os.path.relpath(p, folder) for p in found.paths] == [
    'a/2.JPG',
    'a/b/c.heic',
    'a-b/1.png',
  ]
  assert found.passed_over == {'.txt': 2, '.mp4': 1, '': 1}
  assert image_files.describe(found.passed_over) == (
    '4 files (2 .txt, 1 without suffix, 1 .mp4)'
  )
  assert image_files.describe({}) == ''
  assert image_files.listed(folder) == found


def test_a_file_a_folder_or_a_table_is_listed(folder):
  one = folder / 'a' / 'notes.txt'  # What is named is taken at its word.
  assert image_files.listed(one).paths == (str(one),)
  table = folder / 'list.csv'
  table.write_text('Path\na/2.JPG\na/2.JPG\n/x.png\n')
  assert image_files.listed(table).paths == (
    f'{folder}/a/2.JPG',
    f'{folder}/a/2.JPG',
    '/x.png',
  )
  table.write_text('path\n')
  with pytest.raises(errors.InputError, match='list.csv has no images'):
    image_files.listed(table)
  with pytest.raises(errors.InputError, match='nowhere is not there; name an'):
    image_files.listed(folder / 'nowhere')
  (folder / 'a-b' / '1.png').rename(folder / 'a-b' / '1.cr2')
  with pytest.raises(
    errors.InputError, match=r'has no images .*, but 1 file \(1 .cr2\)$'
  ):
    image_files.listed(folder / 'a-b')


def test_linked_files_count_and_linked_folders_are_not_entered(folder):
  (folder / 'a-b' / 'link.png').symlink_to(folder / 'a' / '2.JPG')
  (folder / 'a-b' / 'gone.png').symlink_to(folder / 'nowhere.png')
  (folder / 'a-b' / 'loop').symlink_to(folder)
  found = image_files.below(folder / 'a-b')
  assert [os.path.basename(p) for p in found.paths] == [
    '1.png',
    'gone.png',
    'link.png',
  ]
  assert found.passed_over == {'': 1}
