"""The small residual network: its shape, and that it is trained."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry
from vtab_h2t.heads import initial
from vtab_h2t.training import layers as fast_layers
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_UNITS = [f'block{s}_unit{u}' for s in (1, 2, 3) for u in (1, 2, 3, 4)]


def _load(size):
  return registry.load('resnet26', 'random', size)


@pytest.fixture(scope='module')
def at_32():
  return _load(32)


@pytest.fixture(scope='module')
def at_64():
  return _load(64)


@pytest.mark.parametrize(
  'size, sides',
  [
    (8, (8, 4, 2)),
    (32, (32, 16, 8)),
    (33, (9, 5, 3)),
    (64, (16, 8, 4)),
    (96, (24, 12, 6)),
  ],
)
def test_maps_of_any_image_size(size, sides):
  backbone = _load(size)
  assert backbone.taps == (*(f'{u}_output' for u in _UNITS), 'embedding')
  assert [backbone_lib.unit_of(t) for t in backbone.taps[:-1]] == _UNITS
  wanted = [
    (side, side, channels)
    for side, channels in zip(sides, (16, 32, 64))
    for _ in range(4)
  ]
  assert list(backbone.tap_shapes().values()) == [*wanted, (64,)]
  assert backbone.embedding == 'embedding'


def test_does_what_every_backbone_does(tmp_path):
  testing.check_backbone(_load, (32, 64), tmp_path)


@pytest.mark.parametrize('size, narrow', [(32, 2), (64, 3)])
def test_layers_with_weights(size, narrow):
  """25 layers of 3x3 kernels, and a shortcut where the shape changes."""
  model = _load(size).model
  kernels = {
    w.path: tuple(w.shape) for w in model.weights if w.name == 'kernel'
  }
  main = [s for p, s in kernels.items() if 'shortcut' not in p]
  pairs = [(3, 16), *[(16, 16)] * 8]
  pairs += [(16, 32), *[(32, 32)] * 7, (32, 64), *[(64, 64)] * 7]
  assert sorted(main) == sorted((3, 3, *pair) for pair in pairs)
  assert len(main) == 25  # The classifier is the 26th.
  assert sum(map(np.prod, main)) == 364_464
  shortcuts = [s for p, s in kernels.items() if 'shortcut' in p]
  ends = [(16, 16), (16, 32), (32, 64)][-narrow:]
  assert sorted(shortcuts) == [(1, 1, *pair) for pair in ends]
  norms = 4 * sum(shape[-1] for shape in kernels.values())
  assert model.count_params() == sum(map(np.prod, kernels.values())) + norms
  for layer in model.layers:
    if layer.name.endswith('_bn'):
      assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


@pytest.mark.parametrize(
  'size, unit, field',
  [(32, 'block1_unit1', 7), (32, 'block1_unit2', 11), (64, 'block1_unit1', 15)],
)
def test_what_a_position_sees(size, unit, field):
  """3 + 2 + 2 pixels of 32; strides double what later kernels reach."""
  backbone = _load(size)
  x = tf.constant(backbone.preprocess(testing.images(1, size=size)))
  with tf.GradientTape() as tape:
    tape.watch(x)
    found = backbone.model(x, training=False)[f'{unit}_output']
    side = found.shape[1]
    total = tf.reduce_sum(found[:, side // 2, side // 2])
  reached = np.abs(tape.gradient(total, x)).sum(axis=(0, 3)) > 0
  assert reached.any(axis=1).sum() == reached.any(axis=0).sum() == field


def test_a_block_adds_to_its_input(at_32):
  """With kernels of zero it gives its input, which has no negative value."""
  model = at_32.model
  x = at_32.preprocess(testing.images(2, size=32))
  before = model(x, training=False)
  kernel = model.get_layer('block2_unit2_part2_conv').weights[0]
  kept = kernel.numpy()
  kernel.assign(np.zeros_like(kept))
  found = model(x, training=False)
  kernel.assign(kept)
  name = 'block2_unit2_output'
  np.testing.assert_array_equal(found[name], before['block2_unit1_output'])
  assert (before[name].numpy() != found[name].numpy()).any()
  assert all(np.min(before[t]) >= 0 for t in at_32.taps)
  np.testing.assert_allclose(
    before['embedding'],
    np.mean(before['block3_unit4_output'], axis=(1, 2)),
    rtol=1e-5,
  )


def test_random_weights_are_hes_and_always_the_same(at_64):
  assert _load(64).weights_sha256 == at_64.weights_sha256
  kernel = at_64.model.get_layer('block3_unit2_part1_conv').weights[0].numpy()
  assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


def test_input_is_minus_1_to_1(at_32):
  black, white = np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255)
  assert (at_32.preprocess(black).numpy() == -1).all()
  np.testing.assert_allclose(at_32.preprocess(white), 1, rtol=1e-6)


def test_parts_hold_each_layer_once(at_64):
  found = [
    [
      name
      for name, pattern in at_64.blocks.items()
      if re.match(pattern, layer.name)
    ]
    for layer in at_64.model.layers
    if layer.weights
  ]
  assert all(len(names) == 1 for names in found)
  assert {n for (n,) in found} == {'block1', 'block2', 'block3'}


@pytest.mark.parametrize('training', [False, True])
def test_the_trained_copy_gives_the_same(at_64, training):
  """Also with batch norms that are not the identity."""
  rng = np.random.default_rng(0)
  weights = [
    w.numpy() * rng.uniform(0.5, 2, w.shape)
    if w.name in ('gamma', 'moving_variance')
    else w.numpy()
    for w in at_64.model.weights
  ]
  found = []
  x = at_64.preprocess(testing.images(4, size=64))
  for make in (
    lambda: fast_layers.copy_of(at_64.model, 'float32', on_cpu=True),
    lambda: tf.keras.models.clone_model(at_64.model),
  ):
    model = make()
    for layer in model.layers:  # The model's own flag is on already.
      layer.trainable = True
    model.set_weights(weights)
    found.append(model(x, training=training) | {'state': model.get_weights()})
  copy, original = found
  for tap in at_64.taps:
    scale = np.abs(original[tap]).max()
    np.testing.assert_allclose(copy[tap], original[tap], atol=1e-5 * scale)
  for one, two in zip(copy['state'], original['state'], strict=True):
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


@pytest.mark.soak
def test_it_learns(at_32):
  """Which part of an image is bright, from random weights."""
  labels = np.arange(48) % 3
  pixels = testing.images(48, size=32) // 2
  for i, label in enumerate(labels):
    pixels[i, 10 * label : 10 * label + 10] += 120
  net = network_lib.Network(at_32)
  trainer = net.trainer(
    readout_lib.Embedding('embedding', 64, False),
    (64, 3),
    range(len(net.variables)),
    trainer_lib.Recipe(optimizer='adam', batch=16),
  )
  trainer.start(initial.layers((64, 3), (1,)))
  x = at_32.preprocess(pixels).numpy()
  before = net.state()
  trainer.run(x, labels, np.arange(48), 0.01, 30, (1,))
  assert (trainer.predict(x) == labels).mean() > 0.9
  assert all((a != b).any() for a, b in zip(net.state(), before, strict=True))
