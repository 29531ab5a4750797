import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import pair
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture

_MIXED = backbone_lib.MIXED_BFLOAT16


def _relative(value, wanted):
  value = tf.cast(value, tf.float32).numpy()
  return np.linalg.norm(value - wanted) / np.linalg.norm(wanted)


def test_its_own_precision_is_the_backbone_itself():
  backbone = testing.normed_backbone()
  assert backbone.precision == 'float32'
  assert precision.compute_in(backbone, 'float32') is backbone
  mixed = precision.compute_in(backbone, _MIXED)
  assert precision.compute_in(mixed, _MIXED) is mixed


def _small_vit():
  model, taps = vit.build(vit_architecture.SMALLEST, 32)
  sha256 = backbone_lib.randomise(model, 0)
  return backbone_lib.Backbone(
    'vit', model, taps, 'pre_logits', 32, testing.INPUT, sha256
  )


@pytest.mark.parametrize(
  'make',
  [lambda: registry.load('efficientnet_lite0', 'random', 32), _small_vit],
  ids=['efficientnet_lite0', 'vit_ti16'],
)
def test_layers_compute_in_bfloat16_with_the_same_weights(make):
  """Each tap within a tenth; a rounding to bfloat16 is within 1/256."""
  backbone = make()
  mixed = precision.compute_in(backbone, _MIXED)
  assert mixed.precision == _MIXED
  assert mixed.weights_sha256 == backbone.weights_sha256
  assert not mixed.model.trainable_weights
  for weight, wanted in zip(
    mixed.model.weights, backbone.model.weights, strict=True
  ):
    assert (weight.dtype, weight.path) == ('float32', wanted.path)
    np.testing.assert_array_equal(weight, wanted)
  x = backbone.preprocess(testing.images(2, size=32))
  outputs, wanted = (b.model(x, training=False) for b in (mixed, backbone))
  differences = {t: _relative(outputs[t], wanted[t]) for t in backbone.taps}
  assert {v.dtype for v in outputs.values()} == {tf.bfloat16}
  assert min(differences.values()) > 1e-4
  assert max(differences.values()) < 0.1
  back = precision.compute_in(mixed, 'float32')
  for tap, value in back.model(x, training=False).items():
    np.testing.assert_array_equal(value, wanted[tap])


def test_operations_and_networks_inside_a_network_follow():
  inner = testing.normed_backbone().model
  inputs = keras.Input((16, 16, 3))
  x = inner(inputs)['a']
  x = keras.ops.concatenate([x, -x], axis=-1)
  model = keras.Model(inputs, {'x': keras.ops.mean(x, axis=(1, 2))})
  backbone = backbone_lib.Backbone(
    'own', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )
  mixed = precision.compute_in(backbone, _MIXED)
  images = tf.constant(testing.images(3), tf.float32)
  output = mixed.model(images)['x']
  assert output.dtype == tf.bfloat16
  assert 0 < _relative(output, model(images)['x']) < 0.05


def test_both_networks_of_a_pair_compute_in_it():
  first, second = testing.normed_backbone(), testing.tiny_backbone()
  mixed = [precision.compute_in(b, _MIXED) for b in (first, second)]
  both, usual = pair.pair(*mixed), pair.pair(first, second)
  assert (both.precision, usual.precision) == (_MIXED, 'float32')
  x = both.preprocess(testing.images(3))
  wanted = usual.model(x)
  for tap, value in both.model(x).items():
    assert value.dtype == tf.bfloat16
    assert _relative(value, wanted[tap]) < 0.05
  with pytest.raises(ValueError, match='differ in precision'):
    pair.pair(mixed[0], second)


def test_a_signature_cannot_follow(tmp_path):
  tiny = testing.tiny_backbone()
  testing.export(tiny, {'pooled': 'pooled'}, tmp_path, 'representation')
  backbone = saved_model.backbone(
    'saved', tmp_path, {}, ('pooled',), 'pooled', 16, preprocessing.PIXELS
  )
  with pytest.raises(
    errors.InputError, match='saved are a SavedModel.*leave out --precision'
  ):
    precision.compute_in(backbone, _MIXED)
  again = dataclasses.replace(backbone, name='other')
  assert precision.compute_in(again, 'float32') is again
