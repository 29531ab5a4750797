import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing


def test_taps_must_be_the_outputs():
  good = testing.tiny_backbone()
  with pytest.raises(ValueError, match='differ'):
    backbone_lib.Backbone(
      'x',
      good.model,
      ('early', 'pooled'),
      'pooled',
      16,
      preprocessing.PIXELS,
      '',
    )
  with pytest.raises(ValueError, match='not a tap'):
    backbone_lib.Backbone(
      'x', good.model, good.taps, 'none', 16, preprocessing.PIXELS, ''
    )


@pytest.mark.parametrize(
  'tap, unit',
  [
    ('block1_unit2_layer0', 'block1_unit2'),
    ('block4_unit3_layer2.pre_activation', 'block4_unit3'),
    ('conv2_block1_out', 'conv2_block1'),
    ('block03_expand', 'block03'),
    ('block03_attention', 'block03'),
    ('block03', 'block03'),
    ('root', 'root'),
    ('pre_logits', 'pre_logits'),
    ('input', 'input'),
  ],
)
def test_taps_are_in_units(tap, unit):
  assert backbone_lib.unit_of(tap) == unit


def test_preprocess_resizes_and_scales():
  backbone = testing.tiny_backbone()
  image = np.full((7, 30, 3), 255, np.uint8)
  out = backbone.preprocess(image)
  assert out.shape == (16, 16, 3)
  np.testing.assert_allclose(out, 255 / 128 - 1)


def test_legacy_resize_has_no_half_pixel_centres():
  """Two columns, 0 and 100, become 16: written out for both rules."""
  image = np.zeros((4, 2, 3), np.uint8)
  image[:, 1] = 100
  backbone = dataclasses.replace(
    testing.tiny_backbone(), input=preprocessing.PIXELS
  )
  legacy = dataclasses.replace(
    backbone,
    input=dataclasses.replace(backbone.input, resize=preprocessing.LEGACY),
  )
  column = np.arange(16)
  for one, at in ((backbone, (column + 0.5) / 8 - 0.5), (legacy, column / 8)):
    out = one.preprocess(image)
    assert out.shape == (16, 16, 3)
    np.testing.assert_allclose(out[5, :, 0], 100 * np.clip(at, 0, 1), atol=1e-3)
    np.testing.assert_allclose(one.preprocess(image[None])[0], out)


def test_without_variables_it_cannot_be_trained():
  trainable = testing.tiny_backbone()
  assert trainable.is_trainable
  trainable.check_trainable()
  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, {'x': keras.layers.Flatten()(inputs)})
  fixed = backbone_lib.Backbone(
    'fixed', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )
  assert not fixed.is_trainable
  for misfit, message in (
    ('', 'which cannot be trained; give weights'),
    ('F lacks w', r'which cannot be trained \(F lacks w\); give weights'),
  ):
    with pytest.raises(errors.InputError, match=f'of fixed are .*{message}'):
      dataclasses.replace(fixed, misfit=misfit).check_trainable()


def test_weights_hash_tells_weights_apart():
  one, same, other = (testing.tiny_backbone(seed=s) for s in (0, 0, 1))
  assert one.weights_sha256 != other.weights_sha256
  one.model.weights[0].assign_add(tf.ones_like(one.model.weights[0]))
  assert backbone_lib.hash_weights(one.model) != one.weights_sha256
  del same


def test_input_protocol_covers_size_and_input():
  backbone = testing.tiny_backbone()
  of = lambda **c: dataclasses.replace(backbone.input, **c)
  found = {
    dataclasses.replace(backbone, **change).input_protocol()
    for change in (
      {},
      {'input': of(scale=1.0)},
      {'input': of(scale=(1 / 128, 1 / 128, 1 / 127))},
      {'input': of(offset=0.0)},
      {'image_size': 32},
      {'input': of(resize='legacy')},
      {'input': of(resize='bicubic')},
      {'input': of(crop=1)},
      {'input': of(crop=0.875)},
    )
  }
  assert len(found) == 9


@pytest.mark.parametrize('resize', ['bilinear', 'legacy'])
def test_input_protocol_of_stored_results_stays(resize):
  """Rows and features that are stored are found by it."""
  backbone = testing.tiny_backbone()
  fed = dataclasses.replace(backbone.input, resize=resize)
  assert dataclasses.replace(
    backbone, input=fed
  ).input_protocol() == files.fingerprint(
    {
      'resize': f'{resize}, no antialias, square',
      'image_size': 16,
      'scale': 1 / 128,
      'offset': -1.0,
    }
  )


def _small_model():
  import keras

  layers = keras.layers
  inputs = keras.Input((16, 16, 3))
  x = layers.Conv2D(4, 3, name='a')(inputs)
  x = layers.BatchNormalization(name='b')(x)
  x = layers.GlobalAveragePooling2D(name='c')(x)
  return keras.Model(inputs, layers.Dense(5)(x))


def test_a_keras_model_of_ones_own():
  model = _small_model()
  backbone = backbone_lib.Backbone.of_model(model, ['a', 'c'], 1 / 255, 0)
  assert backbone.taps == ('a', 'c') and backbone.embedding == 'c'
  assert backbone.image_size == 16 and not backbone.model.trainable
  assert backbone.tap_shapes() == {'a': (14, 14, 4), 'c': (4,)}
  pixels = testing.images(2)
  out = backbone.model(backbone.preprocess(pixels))
  np.testing.assert_allclose(
    out['a'], model.get_layer('a')(pixels / np.float32(255)), atol=1e-5
  )
  # What no tap needs is no part of it.
  kernel = model.layers[-1].kernel
  kernel.assign(kernel + 1)
  again = backbone_lib.Backbone.of_model(model, ['a', 'c'], 1 / 255, 0)
  assert again.weights_sha256 == backbone.weights_sha256
  other = backbone_lib.Backbone.of_model(_small_model(), ['a'], 1 / 255, 0)
  assert other.weights_sha256 != backbone.weights_sha256


def test_a_model_of_ones_own_is_fed_as_it_says():
  model, image = _small_model(), testing.images(2)
  of = lambda *args, **named: backbone_lib.Backbone.of_model(
    model, ['a'], *args, **named
  )
  by_channel = of([0.1, 0.2, 0.3], (0, 1, 2))
  assert by_channel.input.scale == (0.1, 0.2, 0.3)
  np.testing.assert_allclose(
    by_channel.preprocess(image), image * [0.1, 0.2, 0.3] + [0, 1, 2], rtol=1e-6
  )
  fed = dataclasses.replace(preprocessing.CLIP, crop=1.0)
  assert of(input=fed).input == fed
  for args, named in (
    ((), {}),
    ((1,), {}),
    ((1, 0), {'input': fed}),
    ((), {'input': fed, 'offset': 0}),
  ):
    with pytest.raises(errors.InputError, match='give scale and offset, or in'):
      of(*args, **named)


@pytest.mark.parametrize(
  'taps, embedding, message',
  [
    (['a', 'none'], None, "has no layer 'none' to tap"),
    (['a'], 'c', "embedding 'c' is not among the taps a"),
    ([], None, r'\(none\)'),
  ],
)
def test_what_a_model_lacks_is_one_line(taps, embedding, message):
  with pytest.raises(errors.InputError, match=message):
    backbone_lib.Backbone.of_model(_small_model(), taps, 1, 0, embedding)


def test_models_that_take_no_square_images_are_refused():
  import keras

  for shape in ((16, 8, 3), (None, None, 3), (16, 16, 1), (7,)):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.layers.Dense(2, name='d')(inputs))
    with pytest.raises(errors.InputError, match='takes one batch of images'):
      backbone_lib.Backbone.of_model(model, ['d'], 1, 0)
  with pytest.raises(errors.InputError, match='must be a functional'):
    backbone_lib.Backbone.of_model(
      keras.Sequential([keras.layers.Dense(2)]), ['dense'], 1, 0
    )
