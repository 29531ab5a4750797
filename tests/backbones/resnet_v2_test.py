import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.backbones import retapping
from vtab_h2t.features import pooling


def _randomised(model, seed):
  """Sets every weight, batch norms' too, to plausible noise."""
  rng = np.random.default_rng(seed)
  for w in model.weights:
    shape = tuple(w.shape)
    value = rng.normal(0, 0.05, shape)
    if w.name == 'kernel':
      value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
    elif w.name in ('gamma', 'moving_variance'):
      value = rng.uniform(0.5, 1.5, shape)
    w.assign(value.astype(np.float32))
  return model


@pytest.fixture(scope='module')
def reference():
  return _randomised(
    keras.applications.ResNet50V2(
      weights=None, input_shape=(96, 96, 3), classifier_activation=None
    ),
    0,
  )


@pytest.fixture(scope='module')
def h5(reference, tmp_path_factory):
  """A file in keras.applications' form."""
  path = tmp_path_factory.mktemp('h5') / 'resnet50v2.h5'
  import h5py

  with h5py.File(path, 'w') as f:
    for layer in reference.layers:
      group = f.create_group(layer.name)
      for w in layer.weights:
        group[f'{layer.name}/{w.name}:0'] = np.asarray(w)
  return path


_X = np.random.default_rng(1).normal(size=(2, 96, 96, 3)).astype(np.float32)


def test_equals_keras_applications(reference, h5):
  backbone = resnet_v2.resnet50(str(h5), 96)
  assert backbone.model.count_params() == reference.count_params()
  got = backbone.model(_X, training=False)
  inner = keras.Model(
    reference.input,
    {
      'root': reference.get_layer('pool1_pool').output,
      'block1_unit3_layer2': reference.get_layer('conv2_block3_2_relu').output,
      'block2_unit1_layer0': reference.get_layer(
        'conv3_block1_preact_relu'
      ).output,
      'block3_unit6_layer1': reference.get_layer('conv4_block6_1_relu').output,
      'pre_pool': reference.get_layer('post_relu').output,
      'pre_logits': reference.get_layer('avg_pool').output,
      'logits': reference.output,
    },
  )
  for tap, value in inner(_X, training=False).items():
    np.testing.assert_allclose(got[tap], value, rtol=1e-4, atol=1e-4)


def test_taps_are_appendix_cs():
  model, taps = resnet_v2.build(240)
  assert len(taps) == 52 and taps[0] == 'root'
  assert taps[-3:] == ('pre_pool', 'pre_logits', 'logits')
  shapes = {t: tuple(model.output[t].shape[1:]) for t in taps}
  assert shapes['root'] == (60, 60, 64)
  assert shapes['block1_unit3_layer1'] == (60, 60, 64)
  assert shapes['block1_unit3_layer2'] == (30, 30, 64)  # keras: last unit.
  assert shapes['block2_unit1_layer2'] == (30, 30, 128)
  assert shapes['pre_pool'] == (8, 8, 2048)


@pytest.mark.parametrize(
  'variant, sizes',
  [
    (resnet_v2.KERAS, (30_440, 442_024, 1_716_712)),
    # The paper: 30,440, 467,688, 1,696,552; see docs/backbones.md.
    (resnet_v2.PAPER, (30_440, 406_248, 1_688_808)),
  ],
)
def test_number_of_features(variant, sizes):
  model, taps = resnet_v2.build(240, variant)
  shapes = {t: tuple(model.output[t].shape[1:]) for t in taps}
  assert (
    tuple(pooling.layout(shapes, t).size for t in (512, 8192, 24576)) == sizes
  )
  figure6 = resnet_v2.tap_names(resnet_v2.FIGURE6)
  assert len(figure6) == 20
  assert pooling.layout({t: shapes[t] for t in figure6}, 2048).size == 29_800


def test_stride_in_the_first_unit():
  model, taps = resnet_v2.build(240, resnet_v2.PAPER)
  sides = {
    t: model.output[t].shape[1] for t in taps if len(model.output[t].shape) == 4
  }
  assert sides['block1_unit3_layer2'] == 60
  assert sides['block2_unit1_layer1'] == 60
  assert sides['block2_unit1_layer2'] == 30
  assert sides['block4_unit1_layer2'] == 8


@pytest.mark.soak
@pytest.mark.parametrize('tap_set', resnet_v2.TAP_SETS)
def test_does_what_every_backbone_does(tmp_path, tap_set):
  testing.check_backbone(
    lambda size: resnet_v2.resnet50('random', size, tap_set), (64, 96), tmp_path
  )


def test_registry_offers_it_at_the_papers_size():
  entry = registry.BACKBONES['resnet50']
  assert entry.image_size == 240
  assert entry.tap_sets == (*resnet_v2.TAP_SETS, *retapping.KINDS)


def test_files_that_do_not_fit_are_one_line(h5, tmp_path):
  import h5py

  without_top = tmp_path / 'notop.h5'
  with h5py.File(h5) as f, h5py.File(without_top, 'w') as g:
    for name in f:
      if name != 'predictions':
        f.copy(name, g)
  for path, message in (
    (without_top, 'notop.h5 lacks predictions/bias, predictions/kernel; it'),
    (tmp_path / 'none.h5', 'none.h5 cannot be read'),
  ):
    with pytest.raises(errors.InputError, match=message):
      resnet_v2.resnet50(str(path), 64)
  truncated = tmp_path / 'truncated.h5'
  truncated.write_bytes(h5.read_bytes()[:5000])
  with pytest.raises(errors.InputError, match='truncated.h5 cannot be read'):
    resnet_v2.resnet50(str(truncated), 64)
  with h5py.File(tmp_path / 'other.h5', 'w') as f:
    f['conv1/conv1/kernel:0'] = np.ones(3)
  with pytest.raises(errors.InputError, match='holds unknown conv1/kernel'):
    resnet_v2.resnet50(str(tmp_path / 'other.h5'), 64)
  with pytest.raises(errors.InputError, match='at least 32, not 16'):
    resnet_v2.build(16)


def _slim(v, x):
  """TF-Slim's resnet_v2_50 with plain operations; also its endpoints."""

  def conv(x, name, stride=1):
    kernel = v[f'{name}/weights']
    size = kernel.shape[0]
    if stride > 1 and size > 1:  # conv2d_same.
      before = (size - 1) // 2
      x = tf.pad(
        x,
        [[0, 0], [before, size - 1 - before]]
        + [[before, size - 1 - before], [0, 0]],
      )
      x = tf.nn.conv2d(x, kernel, stride, 'VALID')
    else:
      x = tf.nn.conv2d(x, kernel, stride, 'SAME')
    return x + v[f'{name}/biases'] if f'{name}/biases' in v else x

  def norm_relu(x, name):
    return tf.nn.relu(
      tf.nn.batch_normalization(
        x,
        *(
          v[f'{name}/{k}']
          for k in ('moving_mean', 'moving_variance', 'beta', 'gamma')
        ),
        1e-5,
      )
    )

  p = 'resnet_v2_50'
  x = tf.nn.max_pool2d(conv(x, f'{p}/conv1', 2), 3, 2, 'SAME')
  inner = {'root': x}
  for block, units in enumerate((3, 4, 6, 3), 1):
    for unit in range(1, units + 1):
      stride = 2 if unit == units and block < 4 else 1
      q = f'{p}/block{block}/unit_{unit}/bottleneck_v2'
      y = inner[f'block{block}_unit{unit}_layer0'] = norm_relu(x, f'{q}/preact')
      if unit == 1:
        shortcut = conv(y, f'{q}/shortcut', stride)
      else:
        shortcut = x[:, ::stride, ::stride]
      y = norm_relu(conv(y, f'{q}/conv1'), f'{q}/conv1/BatchNorm')
      y = norm_relu(conv(y, f'{q}/conv2', stride), f'{q}/conv2/BatchNorm')
      x = shortcut + conv(y, f'{q}/conv3')
  x = norm_relu(x, f'{p}/postnorm')
  inner['pre_logits'] = tf.reduce_mean(x, [1, 2])
  logits = conv(tf.reduce_mean(x, [1, 2], keepdims=True), f'{p}/logits')
  return inner | {'with_background': logits[:, 0, 0]}


def _slim_variables(seed=0):
  """Variables as TF-Slim names and shapes them."""
  rng = np.random.default_rng(seed)
  v, p = {}, 'resnet_v2_50'

  def conv(name, kernel, bias=False):
    v[f'{name}/weights'] = rng.normal(
      0, np.sqrt(2 / np.prod(kernel[:3])), kernel
    )
    if bias:
      v[f'{name}/biases'] = rng.normal(0, 0.05, kernel[-1])

  def norm(name, size):
    for kind in ('gamma', 'moving_variance'):
      v[f'{name}/{kind}'] = rng.uniform(0.5, 1.5, size)
    for kind in ('beta', 'moving_mean'):
      v[f'{name}/{kind}'] = rng.normal(0, 0.05, size)

  conv(f'{p}/conv1', (7, 7, 3, 64), True)
  size = 64
  for block, (units, width) in enumerate(
    ((3, 64), (4, 128), (6, 256), (3, 512)), 1
  ):
    for unit in range(1, units + 1):
      q = f'{p}/block{block}/unit_{unit}/bottleneck_v2'
      norm(f'{q}/preact', size)
      if unit == 1:
        conv(f'{q}/shortcut', (1, 1, size, 4 * width), True)
      conv(f'{q}/conv1', (1, 1, size, width))
      norm(f'{q}/conv1/BatchNorm', width)
      conv(f'{q}/conv2', (3, 3, width, width))
      norm(f'{q}/conv2/BatchNorm', width)
      conv(f'{q}/conv3', (1, 1, width, 4 * width), True)
      size = 4 * width
  norm(f'{p}/postnorm', 2048)
  conv(f'{p}/logits', (1, 1, 2048, 1001), True)
  return {k: x.astype(np.float32) for k, x in v.items()}


class _Module(tf.Module):
  """Holds named variables, as TF-Hub's modules do."""

  def __init__(self, variables):
    super().__init__()
    self.variables_ = [tf.Variable(x, name=k) for k, x in variables.items()]

  @tf.function(input_signature=[tf.TensorSpec((None, 1), tf.float32)])
  def call(self, x):
    return {'out': x}


@pytest.fixture(scope='module')
def slim_model(tmp_path_factory):
  variables = _slim_variables()
  folder = tmp_path_factory.mktemp('slim') / 'model'
  tf.saved_model.save(_Module(variables), str(folder))
  return folder, variables


def test_equals_tf_slim(slim_model):
  """google/imagenet/resnet_v2_50: its variables, in a graph written out."""
  folder, variables = slim_model
  backbone = resnet_v2.resnet50(str(folder), 96)
  got = backbone.model(_X, training=False)
  wanted = _slim(variables, _X)
  wanted['logits'] = wanted.pop('with_background')[:, 1:]
  for tap, value in wanted.items():
    np.testing.assert_allclose(
      got[tap], value, atol=1e-5 * np.abs(value).max(), err_msg=tap
    )


def test_slim_without_logits_names_them(tmp_path):
  variables = {k: x for k, x in _slim_variables().items() if 'logits' not in k}
  tf.saved_model.save(_Module(variables), str(tmp_path / 'features'))
  with pytest.raises(
    errors.InputError,
    match='lacks resnet_v2_50/logits/biases, resnet_v2_50/logits/weights; it',
  ):
    resnet_v2.resnet50(str(tmp_path / 'features'), 64)


@pytest.mark.soak
def test_saved_models_with_the_released_endpoints(tmp_path):
  backbone = resnet_v2.resnet50('random', 64)
  names = {tap: resnet_v2._ENDPOINTS.get(tap, tap) for tap in backbone.taps}
  assert {
    'after_root',
    'block4_unit3_layer2',
    'pre_logits_pre_pooling',
    'pre_logits',
    'logits',
  } <= set(names.values())
  testing.export(backbone, names, tmp_path / 'r50', 'representation')
  imported = resnet_v2.resnet50(str(tmp_path / 'r50'), 64)
  assert imported.tap_shapes() == backbone.tap_shapes()
  assert imported.is_trainable  # keras.applications' names are known.
  x = _X[:, :64, :64]
  wanted = backbone.model(x, training=False)
  for tap, value in imported.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], rtol=1e-4, atol=1e-4)
