"""The reader, on synthetic data under one real builder's name."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from tests import synthetic_tfds
from tests import testing
from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.tasks import tfds_source
from vtab_h2t.tasks import vtab

_ENTRY = vtab.ENTRIES['cifar100']


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  root = tmp_path_factory.mktemp('tfds')
  synthetic_tfds.prepare('cifar100', root, num_shards=7)
  return root


@pytest.fixture
def damaged(prepared, tmp_path):
  """A copy that a test may damage."""
  shutil.copytree(prepared, tmp_path / 'tfds')
  return tmp_path / 'tfds'


def _load(root, entry=_ENTRY):
  return tfds_source.load(entry.source, entry.rule, entry.classes, root)


def _stored(root, split):
  """Labels in the order in which the shards hold them."""
  import tensorflow as tf
  import tensorflow_datasets as tfds

  path = root / 'cifar100' / '3.0.2'
  info = tfds.builder_from_directory(path).info
  labels = []
  for shard in info.splits[split].filepaths:
    for record in tf.data.TFRecordDataset(str(shard)):
      example = tf.train.Example.FromString(record.numpy())
      labels.append(example.features.feature['label'].int64_list.value[0])
  return np.array(labels)


def test_splits_are_slices_in_stored_order(prepared):
  examples = _load(prepared)
  stored = _stored(prepared, 'train')
  assert len(stored) == 2000 and (np.diff(stored[:20]) != 1).any()
  np.testing.assert_array_equal(
    examples.train.labels, np.concatenate([stored[:1000], stored[1800:2000]])
  )
  np.testing.assert_array_equal(examples.test.labels, _stored(prepared, 'test'))
  assert examples.cv.tolist() == list(range(1000))
  assert examples.train800.tolist() == list(range(800))
  assert examples.val200.tolist() == list(range(1000, 1200))
  assert len(set(examples.train.ids)) == 1200
  assert examples.train.ids[1000].startswith('cifar100-train.tfrecord-00006')


def test_images_come_in_the_order_of_the_labels(prepared):
  train = _load(prepared).train
  images = list(train.images().as_numpy_iterator())
  assert len(images) == 1200
  for image, label in zip(images, train.labels):
    assert image.dtype == np.uint8 and image.shape == (32, 32, 3)
    # The writer's number, from the colour: it also gave the label.
    number = int(image[0, 0, 1]) // 20 * 251 + int(image[0, 0, 0])
    assert number % 100 == label


def test_reading_again_gives_the_same(prepared):
  one, two = _load(prepared), _load(prepared)
  assert one.train.ids == two.train.ids
  assert one.train.manifest_sha256() == two.train.manifest_sha256()
  assert one.train.sha256 != one.test.sha256


@pytest.mark.soak
def test_encodings_are_of_what_is_stored(prepared, monkeypatch):
  examples = _load(prepared)
  assert examples.train.encodings() == {'PNG': 1200}
  assert examples.test.encodings() == {'PNG': synthetic_tfds.TEST}
  # Where the builder names the encoding, no record is read.
  import tensorflow_datasets as tfds

  examples = _load(prepared)
  monkeypatch.setattr(
    tfds.features.Image, 'encoding_format', property(lambda _: 'jpeg')
  )
  monkeypatch.delattr(tfds_source, '_read')
  assert examples.train.encodings() == {'JPEG': 1200}


def test_another_version_of_the_same_major_is_found(prepared, tmp_path):
  source = prepared / 'cifar100' / '3.0.2'
  for version in ('3.0.9', '3.0.10', '2.0.0', '3.1.0.incompleteABC'):
    shutil.copytree(source, tmp_path / 'cifar100' / version)
  found = tfds_source.find(_ENTRY.source, tmp_path)
  assert found == tmp_path / 'cifar100' / '3.0.10'
  shutil.copytree(source, tmp_path / 'cifar100' / '3.0.2')
  assert tfds_source.find(_ENTRY.source, tmp_path).name == '3.0.2'


def test_nothing_is_downloaded_unless_asked_for(tmp_path, monkeypatch):
  import tensorflow_datasets as tfds

  calls = []
  monkeypatch.setattr(tfds, 'builder', lambda *a, **k: calls.append(a))
  with pytest.raises(
    errors.InputError,
    match='cifar100 is not prepared in .*; run again with --download',
  ):
    _load(tmp_path)
  assert not calls


def test_manual_data_name_file_and_place(tmp_path):
  with pytest.raises(
    errors.InputError,
    match=f'get {tmp_path}/downloads/manual/NWPU-RESISC45 from https://',
  ):
    _load(tmp_path, vtab.ENTRIES['resisc45'])


def test_a_missing_shard_is_one_line(damaged):
  next((damaged / 'cifar100/3.0.2').glob('*train*00003-of*')).unlink()
  with pytest.raises(errors.InputError, match='00003-of-00007 is missing; del'):
    _load(damaged)


@pytest.mark.parametrize('text', ['', '{', '{}', '[]'])
def test_a_damaged_description_is_one_line(damaged, text):
  (damaged / 'cifar100/3.0.2/dataset_info.json').write_text(text)
  with pytest.raises(errors.InputError, match='3.0.2 is damaged .*delete it'):
    _load(damaged)


def test_damaged_records_are_one_line(damaged):
  shard = next((damaged / 'cifar100/3.0.2').glob('*train*00001-of*'))
  data = bytearray(shard.read_bytes())
  data[len(data) // 2] ^= 255
  shard.write_bytes(data)
  with pytest.raises(errors.InputError, match='3.0.2 cannot be read .*delete'):
    _load(damaged)


def test_an_image_that_cannot_be_decoded_is_named(prepared, monkeypatch):
  examples = _load(prepared)
  import tensorflow as tf

  good = tfds_source._read

  def bad(*args, **kwargs):
    def fail(example):
      example['image'] = tf.ensure_shape(
        tf.io.decode_image(
          tf.where(
            tf.reduce_all(example['image'][0, 0] == [5, 0, 35]),
            b'no image',
            tf.io.encode_png(example['image']),
          )
        ),
        [None, None, 3],
      )
      return example

    return good(*args, **kwargs).map(fail)

  monkeypatch.setattr(tfds_source, '_read', bad)
  row = [
    i
    for i, image in enumerate(
      synthetic_tfds.pixels(n, (32, 32, 3))[0, 0].tolist() for n in range(2000)
    )
    if image == [5, 0, 35]
  ]
  assert row == [5]
  with pytest.raises(
    errors.InputError, match='image cifar100-train.tfrecord-.* cannot be read'
  ):
    list(extraction.Extractor(testing.tiny_backbone(), ())(examples.train))


def test_another_number_of_classes_is_one_line(prepared):
  with pytest.raises(
    errors.InputError, match='has 100 classes in label, but the task has 99'
  ):
    _load(prepared, dataclasses.replace(_ENTRY, classes=99))


def test_labels_out_of_range_are_one_line(prepared):
  rule = dataclasses.replace(_ENTRY.rule, label=lambda e: int(e['label']) + 1)
  with pytest.raises(
    errors.InputError, match='has label 100, but the task has 100 classes'
  ):
    _load(prepared, dataclasses.replace(_ENTRY, rule=rule))


def test_other_sizes_are_said(prepared, caplog):
  _load(prepared)
  assert (
    "is not the data of VTAB-1k: train has 2000 examples, VTAB's has 50000"
  ) in caplog.text


def test_too_few_examples_are_one_line(damaged):
  path = damaged / 'cifar100/3.0.2/dataset_info.json'
  info = json.loads(path.read_text())
  (train,) = (s for s in info['splits'] if s['name'] == 'train')
  train['shardLengths'] = ['100'] * 7
  path.write_text(json.dumps(info))
  with pytest.raises(errors.InputError, match='has too few examples for VTAB'):
    _load(damaged)


def test_default_directory_is_tfds_own(monkeypatch, tmp_path):
  import tensorflow_datasets as tfds

  assert tfds_source.root(None) == tfds_source.root(
    tfds.core.constants.DATA_DIR
  )
  assert tfds_source.root(tmp_path) == tmp_path
