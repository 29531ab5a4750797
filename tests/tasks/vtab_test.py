"""All 19 tasks, on synthetic data under the real builders' names."""

import numpy as np
import pytest

from tests import synthetic_tfds
from vtab_h2t import errors
from vtab_h2t import published
from vtab_h2t.tasks import registry
from vtab_h2t.tasks import vtab

_SOAK = pytest.mark.soak
_SOME = synthetic_tfds.SOME

# VTAB-1k's slices (shared by the tasks of task_adaptation), from the sizes of
# 2021: where the 200 validation images start, where the test images do.
_STARTS = {
  'cifar100': (45000, 0, 10000),
  'caltech101': (2754, 0, 6084),
  'dtd': (0, 0, 1880),
  'flowers102': (0, 0, 6149),
  'pets': (2944, 0, 3669),
  'sun397': (0, 0, 21750),
  'svhn': (65931, 0, 26032),
  'camelyon': (0, 0, 32768),
  'eurosat': (16200, 21600, 27000),
  'resisc45': (18900, 25200, 31500),
  'retinopathy': (0, 0, 42670),
  'clevr_count': (63000, 0, 15000),
  'clevr_dist': (63000, 0, 15000),
  'dmlab': (0, 0, 22735),
  'kitti_dist': (0, 0, 711),
  'dsprites_loc': (589824, 663552, 737280),
  'dsprites_ori': (589824, 663552, 737280),
  'snorb_azim': (0, 12150, 24300),
  'snorb_elev': (0, 12150, 24300),
}


class _Builder:
  """Only the sizes of a data set."""

  class _Split:
    def __init__(self, size):
      self.num_examples = size

  def __init__(self, sizes):
    self.data_path = 'x'
    self.info = self
    self.splits = {n: self._Split(size) for n, size in sizes.items()}


@pytest.mark.parametrize('name', vtab.ENTRIES)
def test_slices_are_vtabs(name):
  from vtab_h2t.tasks import tfds_source

  source = vtab.ENTRIES[name].source
  slices = tfds_source.slices_of(source, _Builder(source.sizes))
  val, test, end = _STARTS[name]
  assert slices['train'] == [
    ('train', 0, 1000),
    (source.val[0], val, val + 200),
  ]
  assert slices['test'] == [(source.test[0], test, end)]


def test_entries_are_the_papers():
  wanted = published.table('table5_tasks').set_index('task')
  assert set(vtab.ENTRIES) == set(wanted.index)
  for name, row in wanted.iterrows():
    entry = vtab.ENTRIES[name]
    assert (entry.group, entry.classes) == (row.group, row.num_classes)
  assert len({e.folder for e in vtab.ENTRIES.values()}) == 19
  assert len({e.source.spec for e in vtab.ENTRIES.values()}) == 16


def test_sources_are_what_tfds_can_prepare():
  """Names, versions, configs and features exist in the installed TFDS."""
  import tensorflow_datasets as tfds

  for name, entry in vtab.ENTRIES.items():
    source = entry.source
    builder = tfds.builder(
      f'{source.spec}:{source.version}', data_dir='/nowhere'
    )
    assert str(builder.version) == source.version
    latest = tfds.builder(source.spec, data_dir='/nowhere')
    assert str(latest.version) == source.version, name
    features = builder.info.features
    if entry.rule.named:
      assert features[entry.rule.named].num_classes == entry.classes
    assert bool(source.manual) == bool(builder.MANUAL_DOWNLOAD_INSTRUCTIONS)


def test_lossless_data_are_those_that_tfds_stores_without_loss():
  """Where TFDS's features say so; the others give arrays or files."""
  import tensorflow_datasets as tfds

  found = {}
  for entry in vtab.ENTRIES.values():
    spec = entry.source.spec
    features = tfds.builder(spec, data_dir='/nowhere').info.features
    found[spec] = features['image'].encoding_format
  assert set(vtab.LOSSLESS) < set(found)
  assert {s for s, kind in found.items() if kind == 'jpeg'} == {
    'oxford_iiit_pet',
    'dmlab',
  }
  for spec, kind in found.items():
    if kind:
      assert (kind == 'png') == (spec in vtab.LOSSLESS)


def test_what_is_lossless_is_as_tfds_stores_it():
  """Where a builder does not say it, by what it hands to TFDS."""
  import tensorflow_datasets as tfds

  unsaid = set()
  for source in vtab.sources(list(vtab.ENTRIES)):
    builder = tfds.builder(source.spec, data_dir='/nowhere')
    said = builder.info.features['image'].encoding_format
    if said is None:
      unsaid.add(source.spec)
    else:
      assert (source.spec in vtab.LOSSLESS) == (said == 'png'), source.spec
  assert unsaid & set(vtab.LOSSLESS) == {
    'cifar100',
    'svhn_cropped',
    'clevr',
    'kitti',
    'dsprites',
    'smallnorb',
  }


@pytest.mark.parametrize(
  'name, counts, said',
  [
    ('cifar100', {'JPEG of quality 75': 3, 'PNG': 1}, '3 of 4 images are JPEG'),
    ('cifar100', {'PNG': 4}, ''),
    ('dtd', {'JPEG of quality 75': 4}, ''),
    ('dmlab', {'JPEG of quality 75': 4}, ''),
    ('eurosat', {'JPEG of quality about 90': 4}, ''),
    ('mine', {'JPEG of quality 75': 4}, ''),
    ('snorb_azim', {}, ''),
  ],
)
def test_lossy_copies_of_lossless_images_are_said(name, counts, said):
  found = vtab.lossy_copy(name, counts)
  assert found.startswith(said) and bool(found) == bool(said)


def test_sources_are_each_given_once():
  specs = [s.spec for s in vtab.sources(['clevr_dist', 'dtd', 'clevr_count'])]
  assert specs == ['clevr', 'dtd']


@pytest.mark.parametrize(
  'data, names',
  [
    ('few_of_vtab', synthetic_tfds.FEW),
    pytest.param('synthetic_vtab', tuple(vtab.ENTRIES), marks=_SOAK),
  ],
  ids=['few', 'all'],
)
def test_tasks_read_synthetic_data(data, names, request):
  tasks = registry.tasks('vtab', names, request.getfixturevalue(data))
  assert [t.name for t in tasks] == list(names)
  for task in tasks:
    assert len(task.final_examples) == len(task.cv_examples) == 1000
    for split in (task.train, task.test):
      assert len(set(split.ids)) == len(split.ids) == len(split.labels)
      image = next(split.images().as_numpy_iterator())
      assert image.dtype == np.uint8 and image.shape[2] == 3
    # Each rule reaches every class (the synthetic CLEVR's and KITTI's
    # distances are made to).
    assert set(task.train.labels) == set(range(task.num_classes)), task.name


@_SOAK
def test_dsprites_and_smallnorb_are_grey_on_the_full_scale(some_of_vtab):
  by_name = {t.name: t for t in registry.tasks('vtab', _SOME, some_of_vtab)}
  for name, values in (('dsprites_loc', {0, 255}), ('snorb_azim', {0, 1})):
    image = next(by_name[name].train.images().as_numpy_iterator())
    assert set(np.unique(image)) == values
    assert (image == image[..., :1]).all()


@_SOAK
def test_pairs_share_images_and_not_labels(some_of_vtab):
  tasks = registry.tasks('vtab', _SOME, some_of_vtab)
  groups = registry.sharing_images(tasks)
  assert [t for group in groups for t in group] == tasks
  pairs = [group for group in groups if len(group) > 1]
  assert [[t.name for t in pair] for pair in pairs] == [
    ['clevr_count', 'clevr_dist'],
    ['dsprites_loc', 'dsprites_ori'],
    ['snorb_azim', 'snorb_elev'],
  ]
  for one, two in pairs:
    assert one.train.sha256 == two.train.sha256
    assert one.test.sha256 == two.test.sha256
    assert (one.train.labels != two.train.labels).any()


@_SOAK
@pytest.mark.parametrize(
  'data, names',
  [
    ('some_of_vtab', ('dtd', 'clevr_count', 'clevr_dist', 'dsprites_loc')),
    ('synthetic_vtab', tuple(vtab.ENTRIES)),
  ],
  ids=['some', 'all'],
)
def test_archives_hold_the_same_examples(data, names, request, tmp_path):
  root = request.getfixturevalue(data)
  for name in names:
    folder, written = vtab.write_archive(name, root, tmp_path)
    assert written and folder == tmp_path / vtab.folder_of(name)
  assert not vtab.write_archive('dtd', root, tmp_path)[1]
  pairs = zip(
    registry.tasks('vtab', names, root),
    registry.tasks('vtab', names, tmp_path, registry.ARCHIVE),
  )
  for task, archived in pairs:
    np.testing.assert_array_equal(
      task.train.labels[task.final_examples], archived.train.labels
    )
    np.testing.assert_array_equal(task.test.labels, archived.test.labels)
    assert len(archived.examples.train800) == 800
    assert len(archived.examples.val200) == 200
    for split, skip in (('train', 0), ('test', 0), ('train', 1000)):
      # Row 1000 of TFDS's train, VTAB's first for validation, is row 800 here.
      one, two = (
        getattr(t, split).images().skip(s).take(20)
        for t, s in ((task, skip), (archived, min(skip, 800)))
      )
      np.testing.assert_array_equal(
        np.stack(list(one.as_numpy_iterator())),
        np.stack(list(two.as_numpy_iterator())),
      )
  by_name = {
    t.name: t for t in registry.tasks('vtab', names, tmp_path, registry.ARCHIVE)
  }
  one, two = by_name['clevr_count'], by_name['clevr_dist']
  assert one.train.sha256 == two.train.sha256


@pytest.mark.soak
def test_archives_keep_the_stored_bytes(some_of_vtab, tmp_path):
  import tensorflow as tf
  import tensorflow_datasets as tfds

  folder, _ = vtab.write_archive('dmlab', some_of_vtab, tmp_path)
  path = (
    tfds.builder_from_directory(some_of_vtab / 'dmlab' / '2.0.1')
    .info.splits['train']
    .filepaths[0]
  )
  record = next(iter(tf.data.TFRecordDataset(str(path)))).numpy()
  stored = (
    tf.train.Example.FromString(record)
    .features.feature['image']
    .bytes_list.value[0]
  )
  assert (folder / 'images/train/000000.jpg').read_bytes() == stored
  assert stored.startswith(b'\xff\xd8')  # JPEG.
  names = (folder / 'label_names.txt').read_text().splitlines()
  assert len(names) == 6


def test_unknown_task_is_one_line():
  with pytest.raises(errors.InputError, match='unknown task .x.; choose'):
    vtab.names(['x'])
  assert vtab.names(['dtd', 'cifar100']) == ['cifar100', 'dtd']
