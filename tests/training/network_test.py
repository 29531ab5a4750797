import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import vit_layers
from vtab_h2t.heads import initial
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.soak
def test_several_devices_equal_one():
  """Two logical CPUs; a process of its own, as devices are set at its start."""
  code = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
from tests import testing
from vtab_h2t.heads import initial
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib
rng = np.random.default_rng(0)
x = rng.normal(size=(61, 16, 16, 3)).astype(np.float32)
y, rows = np.arange(61) % 3, np.arange(61)  # The last batch has 16 images.
def run(strategy, recipe):
  net = network_lib.Network(testing.normed_backbone(), strategy)
  trainer = net.trainer(readout_lib.Embedding("pooled", 8, False), (8, 3),
                        range(len(net.variables)), recipe)
  trainer.start(initial.layers((8, 3), (1,)))
  trainer.run(x, y, rows, 0.02, 10, (7,))
  return [*trainer.values, *net.state()], trainer.predict(x)
for name, frozen, linearized in (
    ("sgd", True, False), ("sgd", False, False), ("adam", True, False),
    ("adam", False, False), ("sgd", True, True)):
  recipe = trainer_lib.Recipe(
      optimizer=name, batch=15, frozen_statistics=frozen, linearized=linearized)
  one, predicted = run(None, recipe)
  two, also = run(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), recipe)
  print("linearized" if linearized else name, frozen,
        max(np.abs(a - b).max() for a, b in zip(one, two)),
        (predicted == also).mean())
"""
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=_ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr[-2000:]
  lines = [line.split() for line in done.stdout.splitlines()]
  found = {(name, frozen): float(differs) for name, frozen, differs, _ in lines}
  assert found['sgd', 'True'] < 1e-4 and found['adam', 'True'] < 1e-3
  assert found['linearized', 'True'] < 1e-4
  # Statistics of a batch are each replica's own, so these only stay near.
  assert found['sgd', 'False'] < 1 and found['adam', 'False'] < 1


def test_training_where_only_xla_runs_is_refused(monkeypatch):
  monkeypatch.setattr(network_lib.devices, 'needs_xla', lambda device: True)
  with pytest.raises(errors.InputError, match='not trained on TPUs'):
    network_lib.Network(testing.normed_backbone())


def test_random_weights_leave_nothing_of_the_pretrained(net):
  net.reset()
  pretrained = net.state()
  net.randomise(3)
  state = net.state()
  net.randomise(3)
  for value, again in zip(state, net.state()):
    np.testing.assert_array_equal(value, again)
  kernels = [i for i, v in enumerate(pretrained) if v.ndim == 4]
  assert all((state[i] != pretrained[i]).all() for i in kernels)
  net.reset()
  for value, wanted in zip(net.state(), pretrained):
    np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize('name', backbone_lib.PRECISIONS)
def test_it_computes_in_the_backbones_precision(name):
  """An embedding of bfloat16 has no more than its digits."""
  backbone = precision.compute_in(testing.normed_backbone(), name)
  trainer = network_lib.Network(backbone).trainer(
    readout_lib.Embedding('pooled', 8, False),
    (8, 3),
    range(4),
    trainer_lib.Recipe(optimizer='sgd', batch=4),
  )
  trainer.start(initial.layers((8, 3), (1,)))
  embedded = trainer.embed(backbone.preprocess(testing.images(4)).numpy())
  rounded = embedded.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
  assert (embedded == rounded).all() == (name == 'mixed_bfloat16')


def test_a_signature_cannot_be_trained():
  backbone = registry.load('efficientnet_lite0', 'random', 32)
  net = network_lib.Network(backbone)
  assert len(net.variables) == 149
  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, {'x': keras.layers.Flatten()(inputs)})
  fixed = backbone_lib.Backbone(
    'fixed', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )
  with pytest.raises(errors.InputError, match='of fixed are a SavedModel'):
    network_lib.Network(fixed)


@pytest.mark.parametrize(
  'name, size, parts',
  [
    ('efficientnet_lite0', 32, 4),
    ('resnet26', 64, 3),
    ('vit_ti16', 224, 5),
    ('resnet50', 240, 4),
  ],
)
def test_blocks_cover_each_backbone(name, size, parts):
  """Each variable is in one block, but the pretrained classifier's."""
  net = network_lib.Network(registry.load(name, 'random', size))
  blocks = [net.block(b) for b in net.backbone.blocks]
  assert len(blocks) == parts and all(blocks)
  covered = sorted(i for b in blocks for i in b)
  assert len(covered) == len(set(covered))
  rest = {net.layers[i] for i in range(len(net.variables))} - {
    net.layers[i] for i in covered
  }
  assert rest <= {'logits', 'predictions'}
  assert covered == sorted(covered)


def test_random_kernels_have_hes_deviation():
  """Of a ViT: dense layers and each projection of attention."""
  net = network_lib.Network(registry.load('vit_ti16', 'random', 224))
  net.randomise(0)
  for layer in ('block03_mlp1', 'block03_mlp2', 'block03_attention'):
    for value, fan_in in zip(
      [
        v.numpy()
        for v, name in zip(net.variables, net.layers)
        if name == layer and v.shape.num_elements() > 999
      ],
      {
        'block03_mlp1': [192],
        'block03_mlp2': [768],
        'block03_attention': [192] * 4,
      }[layer],
      strict=True,
    ):
      assert value.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)


def test_output_axes_are_the_first_of_torchs_layout():
  """`[out, in, ...]`; depthwise `[C * multiplier, 1, kh, kw]`."""
  layers = keras.layers
  inputs = keras.Input((8, 8, 3))
  x = layers.Conv2D(4, 3, name='conv')(inputs)
  x = layers.DepthwiseConv2D(3, depth_multiplier=2, name='depthwise')(x)
  x = layers.BatchNormalization(name='norm')(x)
  x = layers.SeparableConv2D(8, 1, use_bias=False, name='separable')(x)
  x = layers.Reshape((-1, 8))(x)
  x = vit_layers.ClassToken(name='cls')(x)
  x = vit_layers.PositionEmbedding(name='position')(x)
  x = layers.MultiHeadAttention(2, 3, name='attention')(x, x)
  x = layers.Dense(5, name='dense')(layers.GlobalAveragePooling1D()(x))
  net = network_lib.Network(
    backbone_lib.Backbone.of_model(
      keras.Model(inputs, x), ['dense'], scale=1, offset=0
    )
  )
  found = [
    (name, v.shape.rank, axes)
    for name, v, axes in zip(
      net.layers, net.variables, net.output_axes, strict=True
    )
  ]
  assert found == [
    ('conv', 4, (3,)),
    ('conv', 1, (0,)),
    ('depthwise', 4, (2, 3)),
    ('depthwise', 1, (0,)),
    ('norm', 1, (0,)),
    ('norm', 1, (0,)),
    ('separable', 4, (2, 3)),
    ('separable', 4, (3,)),
    ('cls', 3, (0,)),
    ('position', 3, (0,)),
    *[('attention', 3, (1, 2)), ('attention', 2, (0, 1))] * 3,
    ('attention', 3, (2,)),
    ('attention', 1, (0,)),
    ('dense', 2, (1,)),
    ('dense', 1, (0,)),
  ]


def test_the_embedding_is_that_of_the_weights_that_are_loaded():
  """And does not depend on how many images are embedded together."""
  net = network_lib.Network(testing.normed_backbone())
  inputs = np.random.default_rng(0).normal(size=(70, 16, 16, 3)).astype('f')
  pretrained, before = net.state(), net.embed(inputs)
  assert before.shape[0] == 70 and before.dtype == np.float32
  net.randomise(1)
  assert (net.embed(inputs) != before).any()
  net.load(pretrained)
  np.testing.assert_array_equal(net.embed(inputs), before)
  np.testing.assert_allclose(net.embed(inputs[65:]), before[65:], atol=1e-5)
