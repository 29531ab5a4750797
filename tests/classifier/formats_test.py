import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from tests.classifier import heads
from vtab_h2t import errors
from vtab_h2t.classifier import formats
from vtab_h2t.classifier import standalone

_needs = {
  'onnx': ('tf2onnx', 'onnx', 'onnxruntime'),
  'litert': ('ai_edge_litert',),
}


def _format(name):
  for package in _needs.get(name, ()):
    pytest.importorskip(package)
  return formats.FORMATS[name]


def _backbone(**change):
  backbone = testing.normed_backbone()
  fed = dataclasses.replace(testing.INPUT, **change)
  return dataclasses.replace(backbone, input=fed)


@pytest.mark.parametrize(
  'change',
  [
    {},
    pytest.param({'resize': 'bilinear_antialias'}, marks=pytest.mark.soak),
    {'resize': 'bicubic_antialias', 'crop': 0.875},
    pytest.param({'resize': 'legacy'}, marks=pytest.mark.soak),
    pytest.param({'crop': 1.0}, marks=pytest.mark.soak),
  ],
  ids=lambda change: '-'.join(map(str, change.values())) or 'usual',
)
@pytest.mark.parametrize('name', list(formats.FORMATS))
def test_a_file_computes_what_predict_does(tmp_path, name, change):
  """Of any sizes, one after the other, and of batches.

  A sum that Pillow's way rounds to whole levels may fall to either side.
  """
  form = _format(name)
  model = heads.drawn(_backbone(**change))
  path = tmp_path / form.path
  form.write(standalone.build(model), path)
  run = form.read(path)
  rng = np.random.default_rng(0)
  forward = model.forward()
  for shape in ((2, 50, 41, 3), (1, 12, 40, 3), (3, 16, 16, 3)):
    images = rng.integers(0, 256, shape, np.uint8)
    wanted = forward(model.backbone.preprocess(images)).numpy()
    found = run(images.astype(np.float32))
    assert found.dtype == np.float32
    tolerance = 1e-3 if 'antialias' in model.backbone.input.resize else 1e-5
    np.testing.assert_allclose(found, wanted, atol=tolerance)
  # The network is fed zeros, and has no feature that is not 0.
  grey = np.full((1, 16, 16, 3), 128, np.float32)
  logits = model.bias / model.temperature
  np.testing.assert_allclose(
    run(grey)[0], np.exp(logits) / np.exp(logits).sum(), atol=1e-5
  )


@pytest.mark.parametrize(
  'name',
  [
    'onnx',
    *(
      pytest.param(n, marks=pytest.mark.soak) for n in ('saved_model', 'litert')
    ),
  ],
)
def test_a_vision_transformer_is_written(tmp_path, name):
  """Attention, and a GELU, of which ONNX has only a part."""
  form = _format(name)
  model = heads.drawn(testing.tiny_vit())
  path = tmp_path / form.path
  form.write(standalone.build(model), path)
  images = testing.images(2, size=20)
  wanted = model.forward()(model.backbone.preprocess(images)).numpy()
  found = form.read(path)(images.astype(np.float32))
  np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
  'name, format_name', [('onnx', 'ONNX'), ('litert', 'LiteRT')]
)
def test_what_a_format_cannot_hold_is_one_line(
  tmp_path, capfd, name, format_name
):
  """Converters name it, among much else, which is not printed."""
  form = _format(name)
  backbone = testing.with_operation(
    lambda x: tf.math.special.bessel_i0e(tf.math.bessel_i1e(x))
  )
  whole = standalone.build(heads.drawn(backbone))
  capfd.readouterr()
  with pytest.raises(
    errors.InputError,
    match=rf'{format_name} has not \(BesselI0e, BesselI1e\); export it as sav',
  ):
    form.write(whole, tmp_path / form.path)
  assert capfd.readouterr() == ('', '')


def test_onnx_has_names_that_a_reader_expects(tmp_path):
  form = _format('onnx')
  import onnxruntime

  form.write(standalone.build(heads.drawn(_backbone())), tmp_path / form.path)
  session = onnxruntime.InferenceSession(tmp_path / form.path)
  (given,), (found,) = session.get_inputs(), session.get_outputs()
  assert (given.name, given.shape) == ('image', ['batch', 'height', 'width', 3])
  assert (found.name, found.shape) == ('probabilities', ['batch', 3])


def test_what_is_not_installed_is_named():
  form = dataclasses.replace(formats.FORMATS['onnx'], runtime=('no_such_one',))
  assert not form.is_readable
  with pytest.raises(
    errors.InputError, match=r"no_such_one; install .* 'vtab_h2t\[onnx\]'"
  ):
    form.check_packages(form.runtime)
  formats.FORMATS['keras'].check_packages(('json',))
