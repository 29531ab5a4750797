"""ResNets v1 under each naming, against a forward pass in NumPy."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
from safetensors import numpy as safetensors
import tensorflow as tf

from tests import testing
from tests.backbones import torch_like
from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import resnet_fitting
from vtab_h2t.backbones import resnet_v1
from vtab_h2t.backbones import resnet_v1_names as names
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.training import layers as fast_layers

_CLASSES = 5
# Odd sides in between: 39 pixels become maps of 20, 10, 5, 3 and 2.
_SIZE = 39
_STEM = 6
_BOTTLENECK = names.Architecture(
  stages=(
    names.Stage(units=2, width=3, output=12),
    names.Stage(units=1, width=5, output=16),
    names.Stage(units=2, width=4, output=8),
  ),
  bottleneck=True,
  stem=_STEM,
  classes=_CLASSES,
)
_BASIC = names.Architecture(
  stages=(
    names.Stage(units=2, width=6, output=6),  # No shortcut's convolution.
    names.Stage(units=2, width=7, output=7),
  ),
  bottleneck=False,
  stem=_STEM,
  classes=_CLASSES,
)


def _forward(net, network, x):
  """torchvision's network, written out; its taps and logits."""
  x = torch_like.relu(net.norm(net.conv(x, 'conv1', _STEM, 7, 2), 'bn1'))
  x = torch_like.pool(x)
  taps = {'root': x}
  for s, stage in enumerate(network.stages, 1):
    for u in range(stage.units):
      stride = 2 if s > 1 and u == 0 else 1
      at, tap = f'layer{s}.{u}', f'block{s}_unit{u + 1}'
      shortcut = x
      if stride > 1 or x.shape[1] != stage.output:
        shortcut = net.conv(x, f'{at}.downsample.0', stage.output, 1, stride)
        shortcut = net.norm(shortcut, f'{at}.downsample.1')
      if network.bottleneck:
        strides = (stride, 1) if network.stride_first else (1, stride)
        y = net.conv(x, f'{at}.conv1', stage.width, 1, strides[0])
        y = torch_like.relu(net.norm(y, f'{at}.bn1'))
        taps[f'{tap}_layer1'] = y
        y = net.conv(y, f'{at}.conv2', stage.width, 3, strides[1])
        y = torch_like.relu(net.norm(y, f'{at}.bn2'))
        taps[f'{tap}_layer2'] = y
        y = net.norm(net.conv(y, f'{at}.conv3', stage.output, 1), f'{at}.bn3')
      else:
        y = net.conv(x, f'{at}.conv1', stage.width, 3, stride)
        y = torch_like.relu(net.norm(y, f'{at}.bn1'))
        taps[f'{tap}_layer1'] = y
        y = net.norm(net.conv(y, f'{at}.conv2', stage.output, 3), f'{at}.bn2')
      x = taps[f'{tap}_output'] = torch_like.relu(shortcut + y)
  taps['pre_logits'] = x.mean(axis=(2, 3))
  taps['logits'] = net.linear(taps['pre_logits'], 'fc', _CLASSES)
  return taps


_X = np.random.default_rng(3).normal(size=(2, _SIZE, _SIZE, 3)).astype('f4')


def _reference(network):
  """State dict and taps of the network with random weights."""
  net = torch_like.Network()
  taps = _forward(net, network, _X.transpose(0, 3, 1, 2).astype('f8'))
  return net.state, {tap: torch_like.nhwc(x) for tap, x in taps.items()}


def _hugging_face(name):
  """torchvision's name as `ResNetForImageClassification` has it."""
  if name.startswith('fc.'):
    return name.replace('fc.', 'classifier.1.')
  name = re.sub(r'^conv1\.', 'embedder.embedder.convolution.', name)
  name = re.sub(r'^bn1\.', 'embedder.embedder.normalization.', name)
  found = re.match(r'layer(\d)\.(\d)\.(.*)', name)
  if found:
    rest = found[3].replace('downsample.0', 'shortcut.convolution')
    rest = rest.replace('downsample.1', 'shortcut.normalization')
    for number in (1, 2, 3):
      at = f'layer.{number - 1}'
      rest = rest.replace(f'conv{number}', f'{at}.convolution')
      rest = rest.replace(f'bn{number}', f'{at}.normalization')
    name = f'encoder.stages.{int(found[1]) - 1}.layers.{found[2]}.{rest}'
  return f'resnet.{name}'


_NAMINGS = {
  'torchvision': lambda name: name,
  'wrapped': lambda name: f'module.backbone.{name}',
  'hugging_face': _hugging_face,
}


@pytest.mark.parametrize('naming', _NAMINGS)
@pytest.mark.parametrize(
  'network', [_BOTTLENECK, _BASIC], ids=['bottleneck', 'basic']
)
def test_equals_a_forward_pass_in_numpy(network, naming, tmp_path):
  state, wanted = _reference(network)
  path = tmp_path / 'weights.safetensors'
  safetensors.save_file(
    {_NAMINGS[naming](name): value for name, value in state.items()}, path
  )
  backbone = resnet_v1.resnet_v1(str(path), _SIZE, 'all')
  assert backbone.taps == tuple(wanted)
  assert backbone.embedding == 'pre_logits'
  got = backbone.model(_X, training=False)
  for tap, value in wanted.items():
    np.testing.assert_allclose(
      got[tap], value, atol=1e-5 * np.abs(value).max(), err_msg=tap
    )


def test_strides_of_hugging_faces_configuration(tmp_path):
  network = dataclasses.replace(_BOTTLENECK, stride_first=True)
  state, wanted = _reference(network)
  path = tmp_path / 'model.safetensors'
  safetensors.save_file({_hugging_face(n): x for n, x in state.items()}, path)
  plain = resnet_v1.resnet_v1(str(path), _SIZE, 'all')
  said = {'model_type': 'resnet', 'downsample_in_bottleneck': True}
  (tmp_path / 'config.json').write_text(json.dumps(said))
  said = {'image_mean': [0.5] * 3, 'image_std': [0.5] * 3}
  (tmp_path / 'preprocessor_config.json').write_text(json.dumps(said))
  backbone = resnet_v1.resnet_v1(str(path), _SIZE, 'all')
  assert backbone.weights_sha256 != plain.weights_sha256
  assert plain.input == preprocessing.IMAGENET
  assert (backbone.input.scale, backbone.input.offset) == (
    preprocessing.HALF.scale,
    preprocessing.HALF.offset,
  )
  got = backbone.model(_X, training=False)
  for tap, value in wanted.items():
    np.testing.assert_allclose(
      got[tap], value, atol=1e-5 * np.abs(value).max(), err_msg=tap
    )
  shapes = {n: x.shape for n, x in tensors_lib.read(path).arrays.items()}
  (fit,) = resnet_fitting.fits_v1(shapes, str(path))
  assert fit.is_whole and fit.network.endswith('strides in 1x1 convolutions')
  assert fit.configured == ('config.json', 'preprocessor_config.json')
  # Under torchvision's names nothing beside the file is looked at.
  safetensors.save_file(dict(state), path)
  other = resnet_v1.resnet_v1(str(path), _SIZE, 'all')
  assert other.input == preprocessing.IMAGENET
  assert other.weights_sha256 == tensors_lib.read(path).sha256


def test_hugging_faces_names_are_written_out():
  """Some, so that a slip in the tests' own translation is seen."""
  for theirs, ours in (
    ('embedder.embedder.convolution.weight', 'conv1.weight'),
    (
      'encoder.stages.2.layers.1.layer.0.normalization.running_var',
      'layer3.1.bn1.running_var',
    ),
    (
      'encoder.stages.0.layers.0.shortcut.convolution.weight',
      'layer1.0.downsample.0.weight',
    ),
    (
      'encoder.stages.3.layers.2.layer.2.convolution.weight',
      'layer4.2.conv3.weight',
    ),
  ):
    assert names._of_hugging_face(theirs) == ours
    assert _hugging_face(ours) == f'resnet.{theirs}'


def _read(state, file='w'):
  return resnet_v1.read(state, file, _SIZE)


def test_a_network_without_classifier_has_no_logits():
  state, wanted = _reference(_BASIC)
  bare = {n: x for n, x in state.items() if not n.startswith('fc.')}
  model, taps, _ = _read(bare)
  assert taps == tuple(wanted)[:-1]
  np.testing.assert_allclose(
    model(_X)['pre_logits'], wanted['pre_logits'], rtol=1e-4, atol=1e-5
  )


def test_files_that_do_not_fit_are_one_line():
  state, _ = _reference(_BOTTLENECK)
  without = lambda name: {n: x for n, x in state.items() if n != name}
  one = np.zeros(1, 'f4')
  for tensors, message in (
    ({'stages.0.weight': one}, '^w is no ResNet of torchvision, timm or Hugg'),
    (without('layer2.0.bn2.bias'), '^w lacks layer2.0.bn2.bias; it belongs'),
    (without('conv1.weight'), '^w has no conv1.weight, where a ResNet has'),
    (without('fc.bias'), '^w lacks fc.bias; it'),
    (state | {'extra': one}, '^w holds unknown extra; it'),
    (
      state | {'layer900.0.conv1.weight': one},
      '^w holds unknown layer900.0.conv1.weight; it',
    ),
    (
      state | {'layer1.999.bn1.bias': one},
      r'^w lacks .* and \d+ more; it belongs',
    ),
    (
      state | {'layer2.0.conv2.weight': np.zeros((5, 1, 3, 3), 'f4')},
      r'^w has layer2.0.conv2.weight of shape \(5, 1, 3, 3\): .* as ResNeXts',
    ),
    (
      state | {'layer2.0.conv2.weight': np.zeros((5, 5, 1, 1), 'f4')},
      r'^w has layer2.0.conv2.weight of shape \(5, 5, 1, 1\), not \(5, 5, 3, 3',
    ),
    (  # As a network, 36 TB.
      state
      | {
        'layer1.0.conv1.weight': np.zeros((10**6, 1, 1, 1), 'f4'),
        'layer1.0.conv2.weight': np.zeros((1, 10**6, 1, 1), 'f4'),
      },
      r'^w has layer1.0.conv1.weight of shape \(1000000, 1, 1, 1\), not',
    ),
    (
      state | {'layer1.0.conv1.weight': one},
      r'layer1.0.conv1.weight of shape \(1,\), where a ResNet has',
    ),
    (state | {'fc.weight': np.zeros((), 'f4')}, 'holds unknown fc.bias, fc.we'),
    (state | {'conv1.0.weight': one}, 'conv1.0.weight: a stem of three'),
    (state | {'layer1.0.se.fc1.bias': one}, 'se.fc1.bias: attention over ch'),
    (
      state | {'layer2.0.downsample.2.bias': one},
      'downsample.2.bias: pooled shortcuts, as ResNet-D',
    ),
    (state | {f'm.{n}': x for n, x in state.items()}, '^w holds unknown m.'),
    (
      {f'{m}.{n}': x for n, x in state.items() for m in 'qk'},
      '^w holds several networks, under k. and q.',
    ),
    (
      state | {'embedder.embedder.convolution.weight': state['conv1.weight']},
      '^w holds unknown embedder.embedder.convolution.weight',
    ),
    (
      {f'm.{n}': x for n, x in state.items()} | {'fc.bias': one},
      '^w has a tensor twice',
    ),
  ):
    with pytest.raises(errors.InputError, match=message) as e:
      _read(tensors)
    assert '\n' not in str(e.value)
  with pytest.raises(errors.InputError, match='at least 32, not 31'):
    resnet_v1.read(state, 'w', 31)


@pytest.mark.parametrize(
  'depth, parameters, taps', [(18, 11_689_512, 19), (50, 25_557_032, 51)]
)
def test_published_networks(depth, parameters, taps):
  """Numbers of parameters are those that torchvision prints."""
  model, found = resnet_v1.build(64, names.of_depth(depth))
  running = sum(np.prod(w.shape) for w in model.weights if 'moving' in w.path)
  assert model.count_params() - running == parameters and len(found) == taps
  sides = [model.output[t].shape[1] for t in found if t.endswith('1_output')]
  assert sides == [16, 8, 4, 2]
  # A stage's stride is in its first unit's 3x3 convolution.
  assert model.output['block2_unit1_layer1'].shape[1] == (
    8 if depth == 18 else 16
  )


def test_parts_hold_each_layer_once():
  model, _ = resnet_v1.build(_SIZE, _BOTTLENECK)
  blocks = resnet_v1.blocks(_BOTTLENECK)
  assert list(blocks) == ['stem', 'block1', 'block2', 'block3']
  found = [
    [name for name, pattern in blocks.items() if re.match(pattern, layer.name)]
    for layer in model.layers
    if layer.weights and layer.name != 'logits'
  ]
  assert all(len(some) == 1 for some in found)
  assert {n for (n,) in found} == set(blocks)


@pytest.mark.parametrize('training', [False, True])
def test_the_trained_copy_gives_the_same(training):
  state, _ = _reference(_BOTTLENECK)
  original, taps, _ = _read(state)
  weights = original.get_weights()
  found = []
  for make in (
    lambda: fast_layers.copy_of(original, 'float32', on_cpu=True),
    lambda: keras.models.clone_model(original),
  ):
    model = make()
    for layer in model.layers:  # The model's own flag is on already.
      layer.trainable = True
    model.set_weights(weights)
    outputs = model(tf.constant(_X), training=training)
    found.append(outputs | {'state': model.get_weights()})
  copy, wanted = found
  for tap in taps:
    scale = np.abs(wanted[tap]).max()
    np.testing.assert_allclose(copy[tap], wanted[tap], atol=1e-4 * scale)
  for one, two in zip(copy['state'], wanted['state'], strict=True):
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_registry_offers_it():
  entry = registry.BACKBONES['resnet_v1']
  assert entry.image_size is None and not entry.cls_token
  backbone = registry.load('resnet_v1', 'random', 32)
  assert backbone.name == 'resnet_v1' and len(backbone.taps) == 51
  # torchvision's scaling of a grey image, by channel.
  grey = np.full((32, 32, 3), 128, np.uint8)
  np.testing.assert_allclose(
    backbone.preprocess(grey)[0, 0],
    (128 / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225],
    rtol=1e-4,
  )


@pytest.mark.soak
def test_does_what_every_backbone_does(tmp_path):
  testing.check_backbone(
    lambda size: registry.load('resnet_v1', 'random', size), (64, 96), tmp_path
  )


@pytest.mark.soak
def test_the_first_stage_is_that_of_keras_applications():
  """Its ResNet50 has stage 2's stride one convolution earlier, and biases."""
  theirs = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3))
  ours = registry.load('resnet_v1', 'random', 64).model
  rng = np.random.default_rng(0)
  for norm in ours.layers:
    if isinstance(norm, keras.layers.BatchNormalization):
      norm.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) for w in norm.get_weights()]
      )
  pairs = {'stem': 'conv1'}
  for unit in range(1, 4):
    for number in (1, 2, 3):
      pairs[f'block1_unit{unit}_part{number}'] = f'conv2_block{unit}_{number}'
  pairs['block1_unit1_shortcut'] = 'conv2_block1_0'
  pairs['block2_unit1_part1'] = 'conv3_block1_1'
  for one, two in pairs.items():
    kernel = ours.get_layer(f'{one}_conv').get_weights()[0]
    theirs.get_layer(f'{two}_conv').set_weights(
      [kernel, np.zeros(kernel.shape[-1])]
    )
    theirs.get_layer(f'{two}_bn').set_weights(
      ours.get_layer(f'{one}_bn').get_weights()
    )
  x = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype('f4')
  inner = keras.Model(
    theirs.input,
    {
      'block1_unit3_output': theirs.get_layer('conv2_block3_out').output,
      'block2_unit1_layer1': theirs.get_layer('conv3_block1_1_relu').output,
    },
  )(x, training=False)
  got = ours(x, training=False)
  wanted = inner['block1_unit3_output']
  np.testing.assert_allclose(
    got['block1_unit3_output'], wanted, atol=1e-4 * np.abs(wanted).max()
  )
  # There it has skipped every other position already.
  wanted = inner['block2_unit1_layer1']
  np.testing.assert_allclose(
    got['block2_unit1_layer1'][:, ::2, ::2],
    wanted,
    atol=1e-4 * np.abs(wanted).max(),
  )
