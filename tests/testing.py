"""Small stand-ins: a backbone and a task that run in a second."""

import csv
import pathlib

import numpy as np
import pytest

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.tasks import task as task_lib

SHARED = pathlib.Path(__file__).parents[2] / 'shared'
_PHOTOS = SHARED / 'images' / 'imagenet17'
needs_photos = pytest.mark.skipif(
    not _PHOTOS.exists(), reason='../shared/images/imagenet17 is not there')

SHAPES = {'early': (8, 8, 6), 'tokens': (5, 7), 'pooled': (9,)}


def tiny_backbone(name='tiny', seed=0) -> backbone_lib.Backbone:
  """16-pixel images; a map, tokens and a vector as taps."""
  import keras
  init = keras.initializers.RandomNormal(seed=seed)
  inputs = keras.Input((16, 16, 3))
  early = keras.layers.Conv2D(6, 3, 2, 'same', activation='relu',
                              kernel_initializer=init)(inputs)
  tokens = keras.layers.Reshape((5, 7))(
      keras.layers.Dense(35, kernel_initializer=init)(
          keras.layers.Flatten()(early)))
  pooled = keras.layers.Dense(9, activation='relu', kernel_initializer=init)(
      keras.layers.Flatten()(tokens))
  model = keras.Model(
      inputs, {'early': early, 'tokens': tokens, 'pooled': pooled})
  return backbone_lib.Backbone(
      name, model, tuple(SHAPES), 'pooled', 16, 1 / 128, -1.0,
      backbone_lib.hash_weights(model))


def images(count, seed=0, size=16):
  """Noise, `[count, size, size, 3]` uint8."""
  return np.random.default_rng(seed).integers(
      0, 256, (count, size, size, 3), np.uint8)


def tiny_task(name='tiny', train=300, test=90, classes=3, seed=0
              ) -> task_lib.Task:
  """Images whose bright quarter is their class, in noise."""
  def split(part, count, part_seed):
    rng = np.random.default_rng([seed, part_seed])
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 130, (count, 16, 16, 3))
    for i, label in enumerate(labels):
      y, x = divmod(int(label), 2)
      pixels[i, 8 * y:8 * y + 8, 8 * x:8 * x + 8] += 90
    order = rng.permutation(count)
    return task_lib.array_split(f'{name}/{part}', pixels[order].astype(
        np.uint8), labels[order], range(count))

  return task_lib.Task(
      'embedded', name, 'structured', classes,
      lambda: task_lib.Examples.in_order(
          split('train', train, 0), split('test', test, 1)))


def no_progress(*unused):
  pass


def check_backbone(backbone, size=None):
  """Asserts what every backbone must do.

  Args:
    backbone: the backbone.
    size: its image size, if it is known.
  """
  assert size in (None, backbone.image_size)
  assert len(set(backbone.taps)) == len(backbone.taps)
  assert not backbone.model.trainable_weights or backbone.name == 'tiny'
  import tensorflow as tf
  pixels = images(2, size=40)
  outputs = backbone.model(backbone.preprocess(pixels), training=False)
  assert list(outputs) and set(outputs) == set(backbone.taps)
  for tap, shape in backbone.tap_shapes().items():
    assert outputs[tap].shape == (2, *shape)
    assert outputs[tap].dtype == tf.float32
    assert np.isfinite(outputs[tap]).all()


def result_rows():
  """Test and validation rows of two methods, three tasks, three seeds."""
  base = {'suite': 's', 'backbone': 'b', 'weights': 'w', 'taps': 'all',
          'cls_pooling': 'pooled', 'resize': 'bilinear',
          'normalization': 'n', 'grid': 'g',
          'protocol': 'exact', 'split': 'test', 'total': 200}
  rows = []
  for method, shift in (('linear', 0), ('head2toe', 20)):
    for task, group in (('x', 'natural'), ('y', 'structured'),
                        ('z', 'structured')):
      for seed, correct in enumerate((100, 90, 104)):
        rows.append(base | {
            'method': method, 'task': task, 'group': group, 'seed': seed,
            'correct': correct + shift + (40 if task == 'z' else 0)})
      rows.append(rows[-1] | {'split': 'val', 'correct': 0})
  return rows


def top_1(backbone):
  """Correct answers on the 17 photographs: shorter side 256, centre crop."""
  from PIL import Image
  size, correct = backbone.image_size, 0
  with open(_PHOTOS / 'labels.csv', encoding='utf-8') as f:
    photos = list(csv.DictReader(f))
  for photo in photos:
    with Image.open(_PHOTOS / photo['file']) as image:
      image = image.convert('RGB')
      scale = 256 / 224 * size / min(image.size)
      image = image.resize([round(s * scale) for s in image.size],
                           Image.Resampling.BICUBIC)
      left, top = ((s - size) // 2 for s in image.size)
      pixels = np.asarray(image.crop((left, top, left + size, top + size)))
    logits = backbone.model(backbone.preprocess(pixels[None]))['logits']
    correct += int(np.argmax(logits)) == int(photo['imagenet_index'])
  return correct, len(photos)


def write_archive(folder, names=()):
  """A VTAB-1k archive of 8 train, 4 val and 5 test images of 3 classes."""
  from PIL import Image
  for part, name, count, kind in (('train', 'train800', 8, 'png'),
                                  ('val', 'val200', 4, 'jpg'),
                                  ('test', 'test', 5, 'png')):
    (folder / 'images' / part).mkdir(parents=True)
    lines = []
    for i, pixels in enumerate(images(count, size=20)):
      pixels = np.concatenate([pixels, pixels[:, :10 * (i % 2)]], axis=1)
      Image.fromarray(pixels).save(folder / 'images' / part / f'{i}.{kind}')
      lines.append(f'images/{part}/{i}.{kind} {i % 3}\n')
    (folder / f'{name}.txt').write_text(''.join(lines))
  if names:
    (folder / 'label_names.txt').write_text('\n'.join(names) + '\n')
  return folder
