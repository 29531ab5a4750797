import numpy as np
from PIL import Image
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.features import extraction
from vtab_h2t.tasks import archive
from vtab_h2t.tasks import pictures
from vtab_h2t.tasks import registry

_CALTECH = testing.SHARED / 'vtab-1k' / 'caltech101'


@pytest.fixture
def folder(tmp_path):
  return testing.write_archive(tmp_path / 'caltech101')


def test_train_is_train800_then_val200(folder):
  examples = archive.load(folder, 3)
  train, test = examples.train, examples.test
  assert train.ids == tuple(
    f'caltech101/images/train/{i}.png' for i in range(8)
  ) + tuple(f'caltech101/images/val/{i}.jpg' for i in range(4))
  assert train.labels.tolist() == [i % 3 for i in range(8)] + [0, 1, 2, 0]
  images = list(train.images().as_numpy_iterator())
  for i in (0, 5):
    with Image.open(folder / f'images/train/{i}.png') as image:
      np.testing.assert_array_equal(images[i], np.asarray(image))
  assert images[9].shape == (20, 30, 3)  # Sizes may differ.
  assert len(test.ids) == 5
  assert examples.train800.tolist() == list(range(8))
  assert examples.val200.tolist() == list(range(8, 12))
  assert examples.cv.tolist() == list(range(12))


def test_grey_and_alpha_become_rgb(folder):
  for mode, name in (('L', 'images/test/0.png'), ('RGBA', 'images/test/1.png')):
    Image.new(mode, (9, 9), 77 if mode == 'L' else (1, 2, 3, 4)).save(
      folder / name
    )
  test = archive.load(folder, 3).test
  images = list(test.images().take(2).as_numpy_iterator())
  assert (images[0] == 77).all() and images[0].shape == (9, 9, 3)
  assert images[1].shape == (9, 9, 3)


def test_fingerprint_follows_names_sizes_and_labels(folder):
  one = archive.load(folder, 3).train
  again = archive.load(folder, 3).train
  assert again.manifest_sha256() == one.manifest_sha256()
  Image.new('RGB', (40, 40), (9, 9, 9)).save(folder / 'images/train/3.png')
  assert archive.load(folder, 3).train.sha256 != one.sha256


@pytest.mark.parametrize(
  'name, line, message',
  [
    ('train800.txt', 'images/train/0.png', 'it must be a path inside'),
    ('train800.txt', 'images/train/0.png x', 'it must be a path inside'),
    ('train800.txt', 'images/train/0.png -1', 'it must be a path inside'),
    ('val200.txt', '../../etc/passwd 0', 'it must be a path inside'),
    ('val200.txt', '/etc/passwd 0', 'it must be a path inside'),
    ('test.txt', 'images/test/99.png 0', 'listed but not there'),
    ('test.txt', 'images/test/0.png 3', 'has label 3, but the task has 3'),
    ('test.txt', None, 'test.txt is empty'),
  ],
)
def test_bad_lists_are_one_line(folder, name, line, message):
  (folder / name).write_text('' if line is None else line + '\n')
  with pytest.raises(errors.InputError, match=message):
    archive.load(folder, 3)


def test_encodings_are_counted_over_the_listed_files(folder):
  (folder / 'images/train/more.jpg').write_bytes(b'not listed')
  examples = archive.load(folder, 3)
  assert examples.train.encodings() == {'JPEG of quality 75': 4, 'PNG': 8}
  assert examples.test.encodings() == {'PNG': 5}


def test_a_run_on_lossy_copies_warns(tmp_path, caplog):
  for name in ('cifar', 'dtd', 'mine'):
    testing.write_archive(tmp_path / name)
  tasks = registry.tasks(
    'vtab', ['cifar100', 'dtd', 'mine'], tmp_path, registry.ARCHIVE
  )
  assert all(task.train for task in tasks)
  (line,) = caplog.messages
  assert line.startswith(
    f'{tmp_path}/cifar: 4 of 12 images are JPEG of quality 75, but those of '
    'cifar100 have no loss'
  )


def test_a_missing_list_names_what_is_needed(folder):
  (folder / 'val200.txt').unlink()
  with pytest.raises(
    errors.InputError,
    match='val200.txt cannot be read.*needs train800.txt, val200.txt, test.txt',
  ):
    archive.load(folder, 3)


def test_an_unreadable_image_is_named(folder):
  (folder / 'images/val/2.jpg').write_bytes(b'no image')
  train = archive.load(folder, 3).train
  with pytest.raises(errors.InputError, match='val/2.jpg cannot be decoded'):
    list(extraction.Extractor(testing.tiny_backbone(), ())(train))


def test_an_image_bomb_is_named(folder, monkeypatch):
  """A limit below the images' 400 pixels stands in for a larger one."""
  monkeypatch.setattr(pictures, 'MAX_PIXELS', 300)
  task = archive.load(folder, 3)
  with pytest.raises(errors.InputError, match='cannot be decoded'):
    task.test.name_unreadable()
  with pytest.raises(tf.errors.InvalidArgumentError, match='too many pixels'):
    list(task.test.images())


def test_tasks_are_the_papers_and_the_users(tmp_path):
  testing.write_archive(tmp_path / 'cifar')
  testing.write_archive(tmp_path / 'pets3', names=('a', 'b', 'c', 'd'))
  (tmp_path / 'other').mkdir()
  tasks = {
    t.name: t for t in registry.tasks('vtab', None, tmp_path, registry.ARCHIVE)
  }
  wanted = published.table('table5_tasks').set_index('task')
  assert set(tasks) == set(wanted.index) | {'pets3'}
  for name, row in wanted.iterrows():
    assert (tasks[name].group, tasks[name].num_classes) == (
      row.group,
      row.num_classes,
    )
  assert (tasks['pets3'].group, tasks['pets3'].num_classes) == ('own', 4)
  assert len(tasks['cifar100'].train.ids) == 12
  with pytest.raises(errors.InputError, match='dtd/train800.txt cannot be'):
    _ = tasks['dtd'].train


def test_data_directory_must_be_there(tmp_path):
  for directory in (None, tmp_path / 'none'):
    with pytest.raises(errors.InputError, match='needs a --data_dir'):
      registry.tasks('vtab', None, directory, registry.ARCHIVE)
  with pytest.raises(errors.InputError, match='takes no --data_dir'):
    registry.tasks('embedded', data_dir=tmp_path)


def test_a_damaged_own_folder_does_not_block_the_others(tmp_path):
  testing.write_archive(tmp_path / 'good')
  (testing.write_archive(tmp_path / 'bad') / 'test.txt').write_text('x')
  (task,) = registry.tasks('vtab', ['good'], tmp_path, registry.ARCHIVE)
  assert task.num_classes == 3
  with pytest.raises(errors.InputError, match='bad/test.txt line 1'):
    registry.tasks('vtab', ['bad'], tmp_path, registry.ARCHIVE)


def test_the_same_images_in_two_folders_are_recognised(tmp_path):
  folders = [testing.write_archive(tmp_path / n) for n in 'ab']
  lines = (folders[1] / 'train800.txt').read_text().splitlines()
  (folders[1] / 'train800.txt').write_text(
    '\n'.join(f'{line[:-1]}1' for line in lines)
  )
  one, two = (archive.load(f, 3, 'clevr') for f in folders)
  assert one.train.sha256 == two.train.sha256
  assert one.test.sha256 == two.test.sha256
  assert one.train.manifest_sha256() != two.train.manifest_sha256()
  # Other pixels in a file of the same size are other images.
  path = folders[1] / 'images/train/0.png'
  data = bytearray(path.read_bytes())
  data[-1] ^= 1
  path.write_bytes(data)
  assert archive.load(folders[1], 3, 'clevr').train.sha256 != one.train.sha256


def test_written_archives_are_read_back(folder, tmp_path):
  data = [(folder / f'images/train/{i}.png').read_bytes() for i in range(4)]
  jpeg = (folder / 'images/val/0.jpg').read_bytes()
  archive.write(
    tmp_path / 'new',
    ['a', 'b'],
    {
      'train800': [(data[0], 0), (data[1], 1)],
      'val200': [(jpeg, 1)],
      'test': [(data[2], 0), (data[3], 1)],
    },
  )
  assert (tmp_path / 'new/images/val/000000.jpg').read_bytes() == jpeg
  assert (tmp_path / 'new/train800val200.txt').read_text() == (
    'images/train/000000.png 0\nimages/train/000001.png 1\n'
    'images/val/000000.jpg 1\n'
  )
  assert archive.count_classes(tmp_path / 'new') == 2
  read = archive.load(tmp_path / 'new', 2)
  assert read.train.labels.tolist() == [0, 1, 1]
  assert read.test.labels.tolist() == [0, 1]
  images = list(read.test.images().as_numpy_iterator())
  with Image.open(folder / 'images/train/3.png') as image:
    np.testing.assert_array_equal(images[1], np.asarray(image))


def test_half_written_archives_do_not_appear(tmp_path):
  def broken():
    yield b'x', 0
    raise RuntimeError

  with pytest.raises(RuntimeError):
    archive.write(tmp_path / 'new', None, {'train800': broken()})
  assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
  not _CALTECH.exists(), reason='../shared/vtab-1k/caltech101 is not there'
)
def test_real_caltech101():
  (task,) = registry.tasks(
    'vtab', ['caltech101'], _CALTECH.parent, registry.ARCHIVE
  )
  assert len(task.train.ids) == 1000 and len(task.test.ids) == 2000
  assert task.train.labels.max() == 101
  image = next(iter(task.test.images().take(1)))
  assert image.dtype == 'uint8' and image.shape[2] == 3
