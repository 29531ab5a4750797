"""How far tensors are those of ResNets; names and shapes alone."""

import dataclasses
import functools

import numpy as np
import pytest

from vtab_h2t.backbones import candidates
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import keras_cv_resnet
from vtab_h2t.backbones import resnet_fitting
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import resnet_v2
from vtab_h2t.backbones import resnet_v2_names as v2_names
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import tensors

_WIDTHS = (2, 3, 2, 4)


@pytest.fixture
def narrow(monkeypatch):
  """ResNets-50 v2 have few channels."""
  monkeypatch.setattr(resnet_v2, '_WIDTHS', _WIDTHS)
  resnet_fitting._v2_weights.cache_clear()
  yield
  resnet_fitting._v2_weights.cache_clear()


def _shapes(arrays):
  return {name: value.shape for name, value in arrays.items()}


def test_resnets_v1():
  for depth in (18, 101):
    network = resnet_v1_names.of_depth(depth)
    shapes = {f'm.{n}': s for n, s in resnet_v1_names.shapes(network).items()}
    shapes['m.bn1.num_batches_tracked'] = ()
    fit = candidates.of_tensors(shapes, 'w')[0]
    assert fit.is_whole and (fit.backbone, fit.prefix) == ('resnet_v1', 'm.')
    assert fit.network.startswith(f'ResNet v1 of {depth} layers, ')
    assert fit.wanted == len(shapes) - 1


def test_a_resnet_v1_of_another_kind_says_what_it_has():
  shapes = resnet_v1_names.shapes(resnet_v1_names.of_depth(50))
  shapes['layer2.0.downsample.2.weight'] = (1,)
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert (fit.backbone, fit.is_whole) == ('resnet_v1', False)
  assert 'ResNet-D' in next(fit.faults())


def test_resnet_v2_of_keras(narrow):
  model, _ = resnet_v2.build(32)
  shapes = {w.path: tuple(w.shape) for w in model.weights}
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert fit.is_whole
  assert (fit.backbone, fit.scheme) == ('resnet50', 'keras.applications')
  del shapes['predictions/kernel'], shapes['predictions/bias']
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert list(fit.faults()) == ['lacks predictions/kernel, predictions/bias']


def test_resnet_v2_of_timm(narrow):
  network = dataclasses.replace(resnet_v2.TIMM, classes=7)
  model, _ = resnet_v2.build(32, network)
  plan = v2_names.timm(model)
  shapes = fitting.shapes_of_plan(
    {w.path: tuple(w.shape) for w in model.weights}, plan, {}
  )
  assert shapes['stages.0.blocks.0.conv2.weight'] == (2, 2, 3, 3)
  assert shapes['head.fc.weight'] == (7, 16, 1, 1)
  shapes = {f'backbone.{name}': s for name, s in shapes.items()}
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert fit.is_whole and fit.prefix == 'backbone.'
  assert fit.backbone == 'resnet50' and '7 classes' in fit.network
  shapes['backbone.stem.conv1.weight'] = (1,)
  fit = candidates.of_tensors(shapes, 'w')[0]
  assert 'stem of three convolutions' in next(fit.faults())


@pytest.mark.parametrize(
  'scheme, plan, biases, classes',
  [
    ('google-research/s4l', v2_names.s4l, False, 7),
    (
      'google/revisiting-self-supervised',
      functools.partial(v2_names.numbered, head='conv2d_53'),
      False,
      1000,
    ),
    (
      'tensorflow/models',
      functools.partial(v2_names.numbered, head='dense'),
      False,
      1001,
    ),
    ('TF-Slim', v2_names.slim, True, 1001),
    ('keras.applications', v2_names.same, True, 7),
  ],
)
def test_saved_resnets_v2(narrow, scheme, plan, biases, classes):
  variant = resnet_v2.Variant(biases=biases, classes=classes)
  model, _ = resnet_v2.build(32, variant)
  arrays = {
    f'm/{plan(model)[w.path].name}': np.zeros(w.shape) for w in model.weights
  }
  arrays['m/global_step'] = np.zeros(())
  variables = saved_variables.Variables(named=arrays, placed={})
  fit = candidates.of_variables(variables, 'm')[0]
  assert fit.is_whole and (fit.backbone, fit.scheme) == ('resnet50', scheme)
  assert fit.matched == len(model.weights) and fit.prefix == 'm/'
  # Of 1001, the first is of the background.
  assert fit.network.endswith(f', {min(classes, 1000)} classes')


@pytest.mark.soak
def test_keras_cvs_own_files(tmp_path):
  path = tmp_path / 'w.weights.h5'
  keras_cv_resnet.build(64).save_weights(path)
  shapes = _shapes(tensors.read(path).arrays)
  fit = candidates.of_tensors(shapes, str(path))[0]
  assert fit.is_whole and fit.backbone == 'keras_cv_resnet50'
  shapes.popitem()
  fit = candidates.of_tensors(shapes, str(path))[0]
  assert not fit.is_whole and 'do not tell the network' in next(fit.faults())
