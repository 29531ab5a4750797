"""timm's resnetv2_50 with narrow stages, against a forward pass in NumPy."""

import dataclasses

import numpy as np
import pytest
from safetensors import numpy as safetensors

from tests.backbones import torch_like
from vtab_h2t import errors
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.backbones import resnet_v2_names as names
from vtab_h2t.training import network as network_lib

_WIDTHS = (2, 3, 2, 4)
_CLASSES = 7
_SIZE = 39  # Odd sides in between: 20, 10, 5, 3 and 2.


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
  monkeypatch.setattr(resnet_v2, '_WIDTHS', _WIDTHS)


def _forward(net, x):
  """timm's network, written out."""
  x = torch_like.pool(net.conv(x, 'stem.conv', 64, 7, 2))
  taps = {'root': x}
  for s, (width, units) in enumerate(zip(_WIDTHS, names.UNITS)):
    for u in range(units):
      stride = 2 if s > 0 and u == 0 else 1
      at, tap = f'stages.{s}.blocks.{u}', f'block{s + 1}_unit{u + 1}_layer'
      y = torch_like.relu(net.norm(x, f'{at}.norm1'))
      taps[f'{tap}0'] = y
      if u == 0:
        x = net.conv(y, f'{at}.downsample.conv', 4 * width, 1, stride)
      y = net.conv(y, f'{at}.conv1', width, 1)
      y = taps[f'{tap}1'] = torch_like.relu(net.norm(y, f'{at}.norm2'))
      y = net.conv(y, f'{at}.conv2', width, 3, stride)
      y = taps[f'{tap}2'] = torch_like.relu(net.norm(y, f'{at}.norm3'))
      x = x + net.conv(y, f'{at}.conv3', 4 * width, 1)
  x = taps['pre_pool'] = torch_like.relu(net.norm(x, 'norm'))
  x = taps['pre_logits'] = x.mean(axis=(2, 3))
  taps['logits'] = net.linear(x, 'head.fc', _CLASSES)
  # There the classifier is a convolution of 1x1 kernels.
  net.state['head.fc.weight'] = net.state['head.fc.weight'][:, :, None, None]
  return taps


_X = np.random.default_rng(3).normal(size=(2, _SIZE, _SIZE, 3)).astype('f4')


@pytest.fixture(scope='module')
def reference():
  """State dict, and taps by name."""
  net = torch_like.Network()
  taps = _forward(net, _X.transpose(0, 3, 1, 2).astype('f8'))
  return net.state, {tap: torch_like.nhwc(x) for tap, x in taps.items()}


def _save(state, path):
  safetensors.save_file(
    {name: np.ascontiguousarray(value) for name, value in state.items()}, path
  )
  return str(path)


@pytest.mark.parametrize('prefix', ['', 'model.'])
def test_equals_a_forward_pass_in_numpy(prefix, reference, tmp_path):
  state, wanted = reference
  path = _save(
    {f'{prefix}{n}': x for n, x in state.items()}, tmp_path / 'a1h.safetensors'
  )
  backbone = resnet_v2.resnet50(path, _SIZE)
  assert backbone.taps == tuple(wanted)
  # timm's configuration has mean and deviation 0.5.
  white = np.full((_SIZE, _SIZE, 3), 255, np.uint8)
  np.testing.assert_allclose(backbone.preprocess(white), 1, rtol=1e-6)
  got = backbone.model(_X, training=False)
  for tap, value in wanted.items():
    np.testing.assert_allclose(
      got[tap], value, atol=1e-5 * np.abs(value).max(), err_msg=tap
    )
  assert network_lib.Network(backbone).variables


def test_zeros_around_the_root_would_be_seen(reference):
  """Where all that a window of the root's pooling sees is negative."""
  state, wanted = reference
  assert (wanted['root'][:, 0] < 0).any()
  variant = dataclasses.replace(
    resnet_v2.TIMM, root_padding=0.0, classes=_CLASSES
  )
  model, _ = resnet_v2.build(_SIZE, variant)
  weight = state['stem.conv.weight'].transpose(2, 3, 1, 0)
  model.get_layer('conv1_conv').set_weights([weight])
  root = model(_X, training=False)['root'].numpy()
  differs = np.abs(root - wanted['root']).max(axis=(0, 3)) > 1e-3
  assert differs[0].any() and differs[:, 0].any()
  assert not differs[1:-1, 1:-1].any()


def test_files_that_do_not_fit_are_one_line(reference, tmp_path):
  state, _ = reference
  without = lambda end: {n: x for n, x in state.items() if not n.endswith(end)}
  one = np.zeros(1, 'f4')
  for i, (tensors, message) in enumerate(
    (
      (without('running_mean'), 'with group norm .* as BiT; of these only'),
      (without('.conv3.weight'), 'with units of two convolutions; of these'),
      (state | {'stem.conv1.weight': one}, 'with a stem of three convolut'),
      (without('head.fc.bias'), 'lacks head.fc.bias; it belongs'),
      (
        state | {'stages.2.blocks.6.conv1.weight': one},
        'holds unknown stages.2.blocks.6.conv1.weight; it belongs',
      ),
      (
        state | {'head.fc.weight': np.zeros((_CLASSES, 16, 3, 3), 'f4')},
        r'head.fc.weight of shape \(7, 16, 3, 3\), which does not fit pred',
      ),
    )
  ):
    path = _save(tensors, tmp_path / f'{i}.safetensors')
    with pytest.raises(errors.InputError, match=message) as e:
      resnet_v2.resnet50(path, _SIZE)
    assert '\n' not in str(e.value)


def test_numbers_of_parameters_are_timms(monkeypatch):
  monkeypatch.setattr(resnet_v2, '_WIDTHS', (64, 128, 256, 512))
  model, _ = resnet_v2.build(64, resnet_v2.TIMM)
  sizes = [np.prod(w.shape) for w in model.weights if 'moving' not in w.path]
  assert sum(sizes) == 25_549_352
