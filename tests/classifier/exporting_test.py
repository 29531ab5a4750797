import dataclasses
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import exporting
from vtab_h2t.protocol import grids

_SPACE = grids.get(
  'fixed',
  'efficientnet_lite0',
  ('lr=0.1,steps=40,target_size=256,fraction=0.05,l2=1e-5,l21=1e-5'),
)
# A process that has Keras and NumPy alone.
_FRESH = """
import sys
import keras, numpy as np, tensorflow as tf
for folder in sys.argv[1:]:
  images = np.load(folder + "/images.npy").astype("float32")
  model = keras.models.load_model(folder + "/model.keras")
  served = tf.saved_model.load(folder + "/saved_model")
  np.savez(folder + "/out.npz", keras=model(images).numpy(),
           served=served.serve(images).numpy())
assert not [m for m in sys.modules if m.startswith(("vtab_h2t", "runners"))]
"""
# One of a real network, the others of a small one.
_MODELS = {
  'lite0': ('head2toe', 'selected'),
  'once': ('head2toe', 'once'),
  'none': ('head2toe', 'none'),
  'linear': ('linear', 'selected'),
}


def _model(backbone, method, workdir, rule='selected'):
  split = testing.tiny_task(train=30, test=3).train
  adapted = adapting.adapt(
    split,
    'abc',
    backbone,
    workdir,
    method=method,
    space=_SPACE,
    val_fraction=0.3,
  )
  head = dataclasses.replace(adapted.head, rule=rule)
  return artefact.model_of(dataclasses.replace(adapted, head=head)), split


@pytest.fixture(scope='module')
def models(tmp_path_factory):
  """(model, images) by name."""
  small = testing.normed_backbone()
  lite0 = registry.load('efficientnet_lite0', 'random', 32)
  return {
    name: _model(
      lite0 if name == 'lite0' else small,
      method,
      tmp_path_factory.mktemp(name),
      rule,
    )
    for name, (method, rule) in _MODELS.items()
  }


@pytest.mark.soak
def test_a_fresh_process_predicts_the_same(models, tmp_path):
  for name, (model, split) in models.items():
    folder = tmp_path / name
    paths = exporting.export(model, folder)
    assert all(p.exists() for p in paths)
    assert pathlib.Path(paths[-1]).read_text() == 'a\nb\nc\n'
    np.save(
      folder / 'images.npy',
      np.stack([i.numpy() for i in split.images().take(7)]),
    )
  folders = [str(tmp_path / name) for name in models]
  done = subprocess.run(
    [sys.executable, '-I', '-c', _FRESH, *folders],
    capture_output=True,
    text=True,
    cwd=tmp_path,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  for name, (model, split) in models.items():
    wanted = np.concatenate([p for _, p in model.probabilities(split)])[:7]
    found = np.load(tmp_path / name / 'out.npz')
    np.testing.assert_allclose(found['keras'], wanted, atol=1e-5)
    np.testing.assert_allclose(found['served'], wanted, atol=1e-5)


def test_images_of_another_size_are_resized_as_predict_does(models):
  model, _ = models['lite0']
  whole = exporting.standalone(model)
  rng = np.random.default_rng(0)
  for shape in ((50, 41, 3), (20, 64, 3)):
    image = rng.integers(0, 256, shape, np.uint8)
    x = model.backbone.preprocess(image[None])
    wanted = model.forward()(x).numpy()
    np.testing.assert_allclose(
      whole(image[None].astype(np.float32)), wanted, atol=1e-5
    )


@pytest.mark.parametrize('name', ['once', 'none', 'linear'])
def test_xla_gives_the_same_probabilities(models, name):
  """Of the exported model from any size, and of the model itself."""
  model, _ = models[name]
  whole = exporting.standalone(model)
  images = testing.images(3, size=20)
  x = model.backbone.preprocess(images)
  np.testing.assert_allclose(
    whole(images.astype(np.float32)), model.forward()(x), atol=1e-5
  )
  for one, batch in (
    (whole, images.astype(np.float32)),
    (model.forward(), x),
  ):
    compiled = tf.function(one, jit_compile=True)
    np.testing.assert_allclose(compiled(batch), one(batch), atol=1e-5)


@pytest.mark.parametrize(
  'change',
  [
    {'resize': 'legacy'},
    {'resize': 'bicubic_antialias', 'crop': 0.875},
    {'resize': 'bilinear_antialias'},
    {'resize': 'bilinear', 'crop': 1.0},
  ],
  ids=lambda change: '-'.join(map(str, change.values())),
)
def test_any_input_is_exported_as_predict_has_it(models, tmp_path, change):
  """Through the files, by channel, and of images of other shapes."""
  model, _ = models['once']
  fed = dataclasses.replace(preprocessing.IMAGENET, **change)
  backbone = dataclasses.replace(model.backbone, input=fed)
  model = dataclasses.replace(model, backbone=backbone)
  exporting.export(model, tmp_path / 'out')
  whole = keras.models.load_model(tmp_path / 'out' / 'model.keras')
  served = tf.saved_model.load(str(tmp_path / 'out' / 'saved_model'))
  rng = np.random.default_rng(0)
  forward = model.forward()
  for shape in ((2, 50, 41, 3), (1, 12, 40, 3)):
    images = rng.integers(0, 256, shape, np.uint8)
    wanted = forward(backbone.preprocess(images)).numpy()
    for one in (whole, served.serve):
      found = one(images.astype(np.float32))
      np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_folder_is_not_written_over(models, tmp_path):
  model, _ = models['linear']
  (tmp_path / 'there').mkdir()
  with pytest.raises(errors.InputError, match='there already'):
    exporting.export(model, tmp_path / 'there')
