"""Inputs, against Pillow, TensorFlow and formulas written out."""

import dataclasses
import json
import math

import keras
import numpy as np
from PIL import Image
import pytest
import tensorflow as tf

from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing

_PILLOW = {
  'bilinear_antialias': Image.Resampling.BILINEAR,
  'bicubic_antialias': Image.Resampling.BICUBIC,
}
# Wide, tall, larger and smaller than the input of 32 pixels, and square.
_SHAPES = (64, 96), (70, 33), (20, 64), (7, 30), (32, 32), (301, 205)
_CROPS = None, 1.0, 0.875, 0.9
_SIZE = 32


def _image(shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


def _pixels(**changes):
  return dataclasses.replace(preprocessing.PIXELS, **changes)


def _resized_by_pillow(image, width, height, resampling):
  """The width first, as Pillow before version 13 always did it."""
  wide = image.resize((width, image.height), resampling)
  return wide.resize((width, height), resampling)


def _seen_by_torchvision(image, crop, resampling):
  """What its Resize and CenterCrop do to a picture of Pillow's, as timm."""
  if crop is None:
    return _resized_by_pillow(image, _SIZE, _SIZE, resampling)
  side, (width, height) = math.floor(_SIZE / crop), image.size
  if width <= height:
    new = side, int(side * height / width)
  else:
    new = int(side * width / height), side
  image = _resized_by_pillow(image, *new, resampling)
  left, top = (round((n - _SIZE) / 2) for n in new)
  return image.crop((left, top, left + _SIZE, top + _SIZE))


@pytest.mark.parametrize('crop', _CROPS)
@pytest.mark.parametrize('resize', _PILLOW)
def test_antialiased_images_are_pillows(resize, crop):
  """But for halves of levels: Pillow's weights are of 22 bits, ours of 24.

  Halves are common in bilinear sums of sizes that have a common measure.
  """
  for shape in _SHAPES:
    image = _image(shape)
    found = _pixels(resize=resize, crop=crop).apply(image, _SIZE).numpy()
    wanted = np.asarray(
      _seen_by_torchvision(Image.fromarray(image), crop, _PILLOW[resize]),
      np.float32,
    )
    assert found.shape == wanted.shape == (_SIZE, _SIZE, 3)
    gaps = np.abs(found - wanted)
    most, mean = (1, 0.01) if resize == 'bicubic_antialias' else (2, 0.1)
    assert gaps.max() <= most and gaps.mean() < mean


def test_the_whole_picture_is_pillows_where_it_shrinks_alike():
  """Through Pillow's own order of the axes, whatever its version is."""
  image = _image((96, 64))
  fed = _pixels(resize='bicubic_antialias', crop=1.0)
  resized = Image.fromarray(image).resize((32, 48), Image.Resampling.BICUBIC)
  gaps = np.abs(fed.apply(image, _SIZE) - np.asarray(resized, float)[8:40])
  assert gaps.max() <= 1 and gaps.mean() < 0.01


@pytest.mark.parametrize('shape', _SHAPES)
def test_results_without_antialias_are_tensorflows(shape):
  image = _image(shape)
  x, size = tf.cast(image, tf.float32), [_SIZE, _SIZE]
  for resize, wanted in (
    ('bilinear', tf.image.resize(x, size)),
    ('legacy', tf.compat.v1.image.resize(x, size)),
  ):
    # Bit by bit: results are stored that are read again.
    fed = preprocessing.Input(scale=1 / 128, offset=-127 / 128, resize=resize)
    np.testing.assert_array_equal(
      fed.apply(image, _SIZE), wanted * (1 / 128) + -127 / 128
    )
  # Its bicubic filter is a table of 1024 steps.
  np.testing.assert_allclose(
    _pixels(resize='bicubic').apply(image, _SIZE),
    tf.image.resize(x, size, 'bicubic'),
    atol=0.5,
  )


def test_bicubic_is_keyss_filter():
  """a = -0.5, and not torch's -0.75: from one bright column, doubled."""
  image = np.zeros((16, 16, 3), np.uint8)
  image[:, 8] = 200
  found = _pixels(resize='bicubic').apply(image, 32)[5, 13:21, 0]
  far = np.abs((np.arange(13, 21) + 0.5) / 2 - 8.5)
  near = (1.5 * far - 2.5) * far**2 + 1
  wanted = np.where(far < 1, near, -0.5 * (far - 1) * (far - 2) ** 2)
  np.testing.assert_allclose(
    found, 200 * np.where(far < 2, wanted, 0), atol=0.1
  )


@pytest.mark.parametrize('resize', preprocessing.RESIZES)
def test_a_crop_begins_at_half_of_what_is_cut_off(resize):
  """Halves go to the even number: of 1, 5 and 7 pixels at 0, 2 and 4."""
  fed = _pixels(resize=resize, crop=32 / 33)  # The shorter side stays as it is.
  inputs = keras.Input((None, None, 3))
  exported = keras.Model(inputs, fed.symbolic(inputs, 32))
  for shape, top, left in (((33, 37), 0, 2), ((39, 33), 4, 0)):
    image = _image(shape)
    wanted = image[top : top + 32, left : left + 32]
    for found in (fed.apply(image, 32), exported(image[None].astype('f'))[0]):
      np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize('resize', preprocessing.RESIZES)
def test_one_pixel_fills_the_square(resize):
  image = np.array([[[10, 200, 255]]], np.uint8)
  for crop in (None, 1.0, 0.875):
    found = _pixels(resize=resize, crop=crop).apply(image, _SIZE)
    np.testing.assert_allclose(found, np.tile(image, (32, 32, 1)), atol=1e-4)


@pytest.mark.parametrize('resize', _PILLOW)
def test_the_middle_of_a_line_is_seen(resize):
  """Of rows of 32 million pixels, the rest of which is not computed."""
  line = np.repeat(_image((1, 9)), 100_000, axis=1)
  found = _pixels(resize=resize, crop=0.875).apply(line, _SIZE)
  np.testing.assert_array_equal(found, np.tile(line[:, 450_000], (32, 32, 1)))


@pytest.mark.parametrize('resize', preprocessing.RESIZES)
def test_batches_and_images_of_unknown_size_are_the_same(resize):
  fed = dataclasses.replace(preprocessing.CLIP, resize=resize, crop=0.9)
  image = _image((50, 41))
  wanted = fed.apply(image, _SIZE)
  np.testing.assert_array_equal(fed.apply(image[None], _SIZE)[0], wanted)
  images = tf.data.Dataset.from_generator(
    lambda: iter([image, _image((20, 64))]),
    output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
  ).map(lambda x: fed.apply(x, _SIZE))
  assert images.element_spec == tf.TensorSpec((_SIZE, _SIZE, 3), tf.float32)
  np.testing.assert_array_equal(next(iter(images)), wanted)
  assert len(next(iter(images.batch(2)))) == 2


@pytest.mark.parametrize('crop', [None, 1.0, 0.9])
@pytest.mark.parametrize('resize', preprocessing.RESIZES)
def test_keras_operations_do_the_same(resize, crop):
  """A pixel in a thousand may be at a half, and be rounded otherwise."""
  fed = _pixels(resize=resize, crop=crop)
  inputs = keras.Input((None, None, 3))
  model = keras.Model(inputs, fed.symbolic(inputs, _SIZE))
  assert model.output_shape == (None, _SIZE, _SIZE, 3)
  for shape in ((64, 96), (50, 41), (7, 30)):
    images = np.stack([_image(shape, seed) for seed in range(2)])
    gaps = np.abs(model(images.astype('f')) - fed.apply(images, _SIZE))
    assert gaps.max() <= 1 and np.mean(gaps > 0.02) < 1e-3
  compiled = tf.function(model, jit_compile=True)
  np.testing.assert_allclose(
    compiled(images.astype('f')), model(images.astype('f')), atol=1e-3
  )


@pytest.mark.parametrize(
  'fed, mean, std',
  [
    (
      preprocessing.IMAGENET,
      (0.485, 0.456, 0.406),
      (0.229, 0.224, 0.225),
    ),
    (
      preprocessing.CLIP,
      (0.48145466, 0.4578275, 0.40821073),
      (0.26862954, 0.26130258, 0.27577711),
    ),
    (preprocessing.HALF, 0.5, 0.5),
    (preprocessing.UNIT, 0, 1),
    (preprocessing.PIXELS, 0, 1 / 255),
  ],
  ids=['imagenet', 'clip', 'half', 'unit', 'pixels'],
)
def test_presets_are_as_published(fed, mean, std):
  image = _image((_SIZE, _SIZE))
  wanted = (image / 255 - mean) / std
  np.testing.assert_allclose(
    fed.apply(image, _SIZE), wanted, rtol=1e-6, atol=1e-6
  )
  np.testing.assert_allclose(fed.mean, np.broadcast_to(mean, 3))
  np.testing.assert_allclose(fed.std, np.broadcast_to(std, 3))
  again = preprocessing.Input.of(mean=fed.mean, std=fed.std)
  np.testing.assert_allclose(again.scale, fed.scale)


def test_the_usual_scalings_are_the_numbers_of_stored_runs():
  fed = preprocessing.HALF
  assert repr((fed.scale, fed.offset)) == repr((1 / 127.5, -1.0))
  fed = preprocessing.UNIT
  assert repr((fed.scale, fed.offset)) == repr((1 / 255, 0.0))


def test_channels_that_are_alike_are_one_number():
  one = preprocessing.Input(scale=0.5, offset=1)
  assert one == preprocessing.Input(scale=[0.5] * 3, offset=np.array([1, 1, 1]))
  assert repr(one.offset) == '1'
  other = preprocessing.Input(scale=np.array([1.0, 2, 3]), offset=0)
  assert other.scale == (1, 2, 3) and hash(other)


@pytest.mark.parametrize(
  'change, message',
  [
    ({'scale': (1, 2)}, 'the scale of an input is one finite number or three'),
    ({'scale': math.nan}, 'the scale of an input is one finite number'),
    ({'scale': True}, 'the scale of an input is one finite number'),
    ({'scale': [1, None, 1]}, 'the scale of an input is one finite number'),
    ({'scale': 10**400}, 'the scale of an input is one finite number'),
    ({'offset': -1e39}, 'the offset of an input is one finite number'),
    ({'scale': (1, 0, 1)}, 'scale of an input must not be 0'),
    ({'scale': 1e-40}, 'must not be 0 in float32, as of 1e-40'),
    ({'offset': 'abc'}, 'the offset of an input is one finite number'),
    ({'resize': 'nearest'}, "unknown resize 'nearest'; choose from bilinear, "),
    ({'crop': 0}, 'a crop is from 0.01 to 1, not 0'),
    ({'crop': 1e-9}, 'a crop is from 0.01 to 1, not 1e-09'),
    ({'crop': math.nan}, 'a crop is from 0.01 to 1, not nan'),
    ({'crop': True}, 'a crop is from 0.01 to 1, not True'),
    ({'crop': 1.1}, 'a crop is from 0.01 to 1, not 1.1'),
    ({'crop': 'square'}, "not 'square'; None squashes"),
  ],
)
def test_what_is_no_input_is_one_line(change, message):
  with pytest.raises(errors.InputError, match=message):
    dataclasses.replace(preprocessing.HALF, **change)


@pytest.mark.parametrize('std', [(1, 0, 1), 0.0, -0.2])
def test_a_deviation_that_is_none_is_one_line(std):
  with pytest.raises(errors.InputError, match='an input must be above 0, not'):
    preprocessing.Input.of(mean=0.5, std=std)


def test_numbers_of_numpy_are_kept_as_pythons():
  """A run and a model's folder write them as JSON."""
  third = np.float32(0.25)
  fed = preprocessing.Input.of(
    mean=[np.float64(0.5), third, third],
    std=(third, np.int64(1), 1),
    crop=np.float32(0.875),
  )
  assert json.loads(json.dumps(dataclasses.asdict(fed))) == {
    'scale': [1 / (255 * 0.25), 1 / 255, 1 / 255],
    'offset': [-2.0, -0.25, -0.25],
    'resize': 'bilinear',
    'crop': 0.875,
  }


def test_published_sizes_before_the_crop_are_met():
  """timm's 256 of 0.875 and 248 of 0.9; 232 and 238 of torchvision's."""
  for size, crop, side in (
    (224, 0.875, 256),
    (224, 0.9, 248),
    (224, 224 / 232, 232),
    (224, 224 / 238, 238),
    (448, 448 / 491, 491),  # Whose quotient is a little less.
    (224, 1.0, 224),
    (224, 0.95, 235),
    (518, 1.0, 518),
  ):
    assert preprocessing.shorter_side(size, crop) == side
