"""SavedModels of narrow ResNet-50s under the names that each code gives."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.backbones import released
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.backbones import resnet_v2_names as names
from vtab_h2t.training import network as network_lib

_SIZE = 64
_CLASSES = 7


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
  monkeypatch.setattr(resnet_v2, '_WIDTHS', (4, 6, 8, 10))


def _noise(name, shape, rng):
  """A plausible weight."""
  if name.endswith(('kernel', 'weights')):
    return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype('f4')
  if name.endswith(('gamma', 'moving_variance')):
    return rng.uniform(0.5, 1.5, shape).astype('f4')
  return rng.normal(0, 0.05, shape).astype('f4')


class _Variables(dict):
  """Makes a variable when it is asked for at first."""

  def __init__(self):
    super().__init__()
    self._rng = np.random.default_rng(0)

  def of(self, name, shape):
    if name not in self:
      self[name] = _noise(name, shape, self._rng)
    return self[name]


def _s4l(variables, x, epsilon):
  """google-research/s4l's ResNet-50 v2 with Head2Toe's endpoints, written out.

  Args:
    variables: gives those of a name and shape.
    x: images.
    epsilon: of batch norm.
  """

  def pad(x, size):
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    return tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])

  def conv(x, scope, width, size=1, stride=1):
    kernel = variables.of(
      f'{scope}/conv2d/kernel', (size, size, x.shape[-1], width)
    )
    return tf.nn.conv2d(pad(x, size), kernel, stride, 'VALID')

  def norm_relu(x, scope):
    mean, variance, beta, gamma = (
      variables.of(f'{scope}batch_normalization/{kind}', x.shape[-1:])
      for kind in ('moving_mean', 'moving_variance', 'beta', 'gamma')
    )
    return tf.nn.relu((x - mean) / tf.sqrt(variance + epsilon) * gamma + beta)

  ends = {}
  x = conv(x, 'root_block', 64, 7, 2)
  x = ends['after_root'] = tf.nn.max_pool2d(pad(x, 3), 3, 2, 'VALID')
  for block, (units, width) in enumerate(zip((3, 4, 6, 3), (4, 6, 8, 10)), 1):
    for unit in range(1, units + 1):
      scope = f'block{block}/unit{unit}'
      stride = 2 if unit == 1 and block > 1 else 1
      tap = f'block{block}_unit{unit}_layer'
      y = ends[f'{tap}0'] = norm_relu(x, f'{scope}/')
      if unit == 1:
        x = conv(y, f'{scope}/proj', 4 * width, 1, stride)
      y = conv(y, f'{scope}/a', width)
      y = ends[f'{tap}1'] = norm_relu(y, f'{scope}/b/')
      y = conv(y, f'{scope}/b', width, 3, stride)
      y = ends[f'{tap}2'] = norm_relu(y, f'{scope}/c/')
      x = x + conv(y, f'{scope}/c', 4 * width)
  x = ends['pre_logits_pre_pooling'] = norm_relu(x, '')
  x = tf.reduce_mean(x, [1, 2], keepdims=True)
  ends['pre_logits'] = x[:, 0, 0]
  logits = conv(x, 'head', _CLASSES)[:, 0, 0]
  return ends | {
    'logits': logits + variables.of('head/conv2d/bias', (_CLASSES,))
  }


def _save_s4l(folder, epsilon):
  made = _Variables()
  _s4l(made, np.zeros((1, _SIZE, _SIZE, 3), np.float32), epsilon)

  def forward(v, images):
    class Given:
      def of(self, name, shape):
        return tf.reshape(v[f'module/{name}'], shape)

    return _s4l(Given(), images, epsilon)

  variables = {f'module/{k}': value for k, value in made.items()}
  return released.save(folder, variables, forward, _SIZE, 'representation')


@pytest.mark.soak
@pytest.mark.parametrize(
  'epsilon, tap_set',
  [(1e-5, 'figure6'), pytest.param(1e-3, 'all', marks=pytest.mark.soak)],
)
def test_s4ls_names_are_read(tmp_path, epsilon, tap_set):
  folder = _save_s4l(tmp_path / 'm', epsilon)
  backbone = resnet_v2.resnet50(str(folder), _SIZE, tap_set)
  assert not backbone.misfit
  assert backbone.taps == resnet_v2.tap_names(tap_set)
  assert backbone.tap_shapes()['logits'] == (_CLASSES,)
  assert not [w for w in backbone.model.weights if w.path == 'conv1_conv/bias']
  x = np.random.default_rng(1).normal(size=(2, _SIZE, _SIZE, 3)).astype('f4')
  wanted = tf.saved_model.load(folder).signatures['representation'](
    images=tf.constant(x)
  )
  for tap, value in backbone.model(x, training=False).items():
    theirs = wanted[resnet_v2._ENDPOINTS.get(tap, tap)]
    np.testing.assert_allclose(
      value, theirs, atol=2e-5 * np.abs(theirs).max(), err_msg=tap
    )
  net = network_lib.Network(backbone)
  assert all(net.block(b) for b in backbone.blocks)


def _renamed(folder, variant, plan, change=lambda name, shape: shape):
  """Writes a graph of ours with noise under other names.

  Args:
    folder: where to.
    variant: of the graph.
    plan: of `resnet_v2_names`.
    change: gives the shape that a variable has there.

  Returns:
    The model.
  """
  model, taps = resnet_v2.build(_SIZE, variant)
  rng = np.random.default_rng(0)
  for weight in model.weights:
    weight.assign(_noise(weight.path, tuple(weight.shape), rng))
  variables, forward = released.renamed(
    model, {path: t.name for path, t in plan(model).items()}, change
  )

  def endpoints(v, images):
    outputs = forward(v, images)
    return {resnet_v2._ENDPOINTS.get(t, t): outputs[t] for t in taps}

  released.save(folder, variables, endpoints, _SIZE, 'representation')
  return model


def _as_convolution(name, shape):
  return (
    (1, 1, *shape)
    if name.endswith(('_53/kernel', 'logits/weights'))
    else (shape)
  )


_OTHERS = {
  'numbered': (
    resnet_v2.PAPER,
    functools.partial(names.numbered, head='conv2d_53'),
  ),
  'official': (
    resnet_v2.Variant(
      stride_in_first=True, same_root_pooling=True, epsilon=1e-5, biases=False
    ),
    functools.partial(names.numbered, head='dense'),
  ),
  'slim': (resnet_v2.SLIM, names.slim),
}


@pytest.mark.parametrize(
  'which',
  [
    'slim',
    *(
      pytest.param(name, marks=pytest.mark.soak)
      for name in _OTHERS
      if name != 'slim'
    ),
  ],
)
def test_other_names_are_read(tmp_path, which):
  variant, plan = _OTHERS[which]
  model = _renamed(tmp_path / 'm', variant, plan, _as_convolution)
  backbone = resnet_v2.resnet50(str(tmp_path / 'm'), _SIZE)
  assert not backbone.misfit
  for ours, theirs in zip(
    backbone.model.get_weights(), model.get_weights(), strict=True
  ):
    np.testing.assert_array_equal(ours, theirs)
