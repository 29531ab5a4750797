import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from tests.classifier import heads
from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import saved_model
from vtab_h2t.classifier import standalone
from vtab_h2t.features import normalization


@pytest.fixture(scope='module')
def backbone():
  return testing.normed_backbone()


@pytest.mark.parametrize('share', [0.1, 1.0])
@pytest.mark.parametrize('rule', normalization.RULES_OF_AN_IMAGE)
def test_it_gives_the_probabilities_of_the_model(backbone, rule, share):
  model = heads.drawn(backbone, rule=rule, share=share)
  images = testing.images(3)
  wanted = model.forward()(backbone.preprocess(images)).numpy()
  assert np.ptp(wanted, axis=0).max() > 0.01
  found = standalone.build(model)(images.astype(np.float32))
  np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_temperature_is_folded_in(backbone):
  model = heads.drawn(backbone)
  images = testing.images(3).astype(np.float32)
  whole = standalone.build(model)(images).numpy()
  sure = standalone.build(dataclasses.replace(model, temperature=1.0))(images)
  logits = np.log(sure) / model.temperature
  wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  np.testing.assert_allclose(whole, wanted, atol=1e-5)
  assert np.abs(whole - sure).max() > 0.01


@pytest.mark.parametrize('resize', ['bilinear', 'bilinear_antialias'])
def test_images_of_another_size_are_resized_as_predict_does(backbone, resize):
  fed = dataclasses.replace(backbone.input, resize=resize)
  model = heads.drawn(dataclasses.replace(backbone, input=fed))
  whole = standalone.build(model)
  rng = np.random.default_rng(0)
  for shape in ((50, 41, 3), (12, 64, 3)):
    image = rng.integers(0, 256, shape, np.uint8)
    wanted = model.forward()(model.backbone.preprocess(image[None])).numpy()
    np.testing.assert_allclose(
      whole(image[None].astype(np.float32)),
      wanted,
      atol=1e-5 if resize == 'bilinear' else 1e-3,
    )


@pytest.mark.parametrize('rule', normalization.RULES_OF_AN_IMAGE)
def test_xla_gives_the_same_probabilities(backbone, rule):
  """Of the exported model from any size, and of the model itself."""
  model = heads.drawn(backbone, rule=rule)
  whole = standalone.build(model)
  images = testing.images(3, size=20)
  x = model.backbone.preprocess(images)
  for one, batch in (
    (whole, images.astype(np.float32)),
    (model.forward(), x),
  ):
    compiled = tf.function(one, jit_compile=True)
    np.testing.assert_allclose(compiled(batch), one(batch), atol=1e-5)


def test_layers_that_are_not_keras_own_are_named():
  from vtab_h2t.backbones import registry

  assert standalone.foreign(testing.normed_backbone()) is None
  assert standalone.foreign(registry.load('vit_ti16', 'random', 224)) == 'cls'


def test_code_that_keras_cannot_read_is_found_wherever_it_is():
  """In a model within, in a Lambda, or as a function of a layer of Keras'."""
  import keras

  def twice(x):
    return 2 * x

  layers = keras.layers
  inputs = keras.Input((16, 16, 3))
  within = keras.Sequential([layers.Conv2D(4, 3, activation=twice, name='own')])
  x = layers.Conv2D(4, 3, activation='gelu', name='early')(inputs)
  known = layers.GlobalAveragePooling2D(name='pooled')(x)
  unknown = layers.GlobalAveragePooling2D(name='pooled')(within(x))

  def of(output):
    return dataclasses.replace(
      testing.normed_backbone(),
      model=keras.Model(inputs, {'pooled': output}),
      taps=('pooled',),
    )

  assert standalone.foreign(of(known)) is None
  assert standalone.foreign(of(unknown)) == 'own'
  assert standalone.foreign(testing.with_operation(twice)) == 'operation'


def test_a_signature_is_refused(backbone, monkeypatch):
  """As no graph of Keras' layers is known of it."""
  kind = type(backbone.model.layers[1])
  monkeypatch.setattr(saved_model, 'Endpoints', kind)
  with pytest.raises(errors.InputError, match="a SavedModel's signature"):
    standalone.build(heads.drawn(backbone))


def test_channels_may_be_scaled_apart(backbone):
  """Within a level of one pixel: Pillow's rounding may fall to either side."""
  fed = dataclasses.replace(
    preprocessing.IMAGENET, resize='bicubic_antialias', crop=0.875
  )
  model = heads.drawn(dataclasses.replace(backbone, input=fed))
  images = testing.images(2, size=33)
  wanted = model.forward()(model.backbone.preprocess(images))
  found = standalone.build(model)(images.astype(np.float32))
  np.testing.assert_allclose(found, wanted, atol=1e-3)
