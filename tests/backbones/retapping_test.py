import dataclasses

import keras
import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import retapping
from vtab_h2t.backbones import saved_model

_X = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)


@pytest.fixture(
  scope='module',
  params=[
    'efficientnet_lite0',
    pytest.param('resnet50', marks=pytest.mark.soak),
  ],
)
def variants(request):
  load = lambda taps: registry.load(request.param, 'random', 32, taps)
  return {taps: load(taps) for taps in ('all', *retapping.KINDS)}


def test_order_and_embedding_stay(variants):
  usual = variants['all']
  for kind in ('pre_activation', 'pre_normalization'):
    assert variants[kind].tap_set == kind
    assert tuple(t.removesuffix(f'.{kind}') for t in variants[kind].taps) == (
      usual.taps
    )
  assert variants['with_input'].taps == ('input', *usual.taps)
  for one in variants.values():
    assert one.embedding == usual.embedding
    assert one.weights_sha256 == usual.weights_sha256


def test_values_are_those_before_the_activation_and_the_norm():
  """A small network whose layers are at hand."""
  usual = testing.normed_backbone()
  model = usual.model
  for layer in model.layers:  # Statistics that do something.
    if layer.name.endswith('_norm'):
      layer.set_weights([w + 0.3 for w in layer.get_weights()])
  taps = {
    k: retapping.retap(usual, k).model(_X[:, :16, :16]) for k in retapping.KINDS
  }
  out = model(_X[:, :16, :16])
  for name in ('a', 'b'):
    before = taps['pre_activation'][f'{name}.pre_activation']
    np.testing.assert_allclose(np.maximum(before, 0), out[name], atol=1e-6)
    assert np.min(before) < 0
    norm = model.get_layer(f'{name}_norm')
    np.testing.assert_allclose(
      norm(taps['pre_normalization'][f'{name}.pre_normalization']),
      before,
      atol=1e-5,
    )
  for kind in taps:
    np.testing.assert_array_equal(taps[kind]['pooled'], out['pooled'])
  np.testing.assert_array_equal(taps['with_input']['input'], _X[:, :16, :16])


def test_taps_of_real_networks_move_where_a_relu_is(variants):
  outputs = {
    k: b.model(b.preprocess(np.uint8(255 * np.abs(_X) % 255)))
    for k, b in variants.items()
  }
  moved = 0
  for tap, value in outputs['all'].items():
    if tap in outputs['pre_activation']:
      np.testing.assert_allclose(
        outputs['pre_activation'][tap], value, atol=1e-5
      )
      continue
    before, raw = (
      outputs[kind][f'{tap}.{kind}']
      for kind in ('pre_activation', 'pre_normalization')
    )
    moved += 1
    assert np.min(before) < 0 <= np.min(value)
    # Untrained batch norms do very little.
    assert (before != raw).numpy().any()
  assert moved >= 33  # 1 + 16 x 2 and the head; 16 x 3 and the last.


@pytest.mark.parametrize('kind', ['pre_activation', 'pre_normalization'])
def test_where_no_tap_can_be_moved_there_is_no_variant(kind, tmp_path):
  """A signature, and a network whose activations are no ReLU layers."""
  usual = testing.normed_backbone()
  names = {tap: tap for tap in usual.taps}
  testing.export(usual, names, tmp_path / 'm', 'representation')
  called = saved_model.backbone(
    'called', tmp_path / 'm', {}, usual.taps, 'pooled', 16, testing.INPUT
  )
  called = dataclasses.replace(called, misfit='F lacks w')
  message = (
    f'called cannot be moved to {kind}, as in Table 6: its taps are endpoints '
    r"of a SavedModel's signature \(F lacks w\); choose other taps, or weights"
  )
  with pytest.raises(errors.InputError, match=message):
    retapping.retap(called, kind)
  assert retapping.retap(called, 'with_input').taps == ('input', *usual.taps)
  with pytest.raises(errors.InputError, match='no tap of it is the output of'):
    retapping.check(testing.tiny_backbone(), kind)
  retapping.check(testing.tiny_backbone(), 'with_input')


def test_without_a_batch_norm_a_tap_stays():
  inputs = keras.Input((16, 16, 3))
  x = keras.layers.BatchNormalization()(inputs)
  x = a = keras.layers.ReLU()(x)
  b = keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(x))
  backbone = backbone_lib.Backbone(
    'x',
    keras.Model(inputs, {'a': a, 'b': b}),
    ('a', 'b'),
    'b',
    16,
    preprocessing.PIXELS,
    '',
  )
  moved = retapping.retap(backbone, 'pre_normalization')
  assert moved.taps == ('a.pre_normalization', 'b')
  assert retapping.unmoved(backbone, 'pre_normalization') == ('b',)
  assert retapping.unmoved(backbone, 'pre_activation') == ()
  assert retapping.unmoved(backbone, 'with_input') == ('a', 'b')


def test_an_unknown_kind_is_named():
  with pytest.raises(ValueError, match='unknown kind'):
    retapping.retap(testing.normed_backbone(), 'x')
