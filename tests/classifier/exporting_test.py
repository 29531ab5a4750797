import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.classifier import exporting
from vtab_h2t.protocol import grids

_GRID = grids.Grid('test', (), (0.1,), (40,), (256,), (0.05,), {'l2': (1e-5,)},
                   (1e-5,))
# A process that has Keras and NumPy alone.
_FRESH = '''
import sys
import keras, numpy as np, tensorflow as tf
images = np.load(sys.argv[2]).astype("float32")
model = keras.models.load_model(sys.argv[1] + "/model.keras")
served = tf.saved_model.load(sys.argv[1] + "/saved_model")
assert not [m for m in sys.modules if m.startswith(("vtab_h2t", "runners"))]
np.savez(sys.argv[3], keras=model(images).numpy(),
         served=served.serve(images).numpy())
'''


def _model(name, method, tmp_path, rule='selected'):
  backbone = registry.load(name, 'random', 32)
  split = testing.tiny_task(train=30, test=3).train
  adapted = adapting.adapt(
      split, 'abc', backbone, tmp_path, method=method,
      grid=dataclasses.replace(_GRID, target_sizes=(256,)), val_fraction=0.3)
  head = dataclasses.replace(adapted.head, rule=rule)
  return artefact.model_of(dataclasses.replace(adapted, head=head)), split


def _fresh(folder, images, tmp_path):
  np.save(tmp_path / 'images.npy', images)
  done = subprocess.run(
      [sys.executable, '-I', '-c', _FRESH, str(folder),
       str(tmp_path / 'images.npy'), str(tmp_path / 'out.npz')],
      capture_output=True, text=True, cwd=tmp_path, timeout=300)
  assert done.returncode == 0, done.stderr[-2000:]
  return np.load(tmp_path / 'out.npz')


@pytest.mark.parametrize('method, rule', [
    ('head2toe', 'selected'), ('head2toe', 'once'), ('linear', 'selected')])
def test_a_fresh_process_predicts_the_same(method, rule, tmp_path):
  model, split = _model('efficientnet_lite0', method, tmp_path, rule)
  paths = exporting.export(model, tmp_path / 'out')
  assert all(p.exists() for p in paths)
  images = np.stack([i.numpy() for i in split.images().take(7)])
  wanted = np.concatenate([p for _, p in model.probabilities(split)])[:7]
  found = _fresh(tmp_path / 'out', images, tmp_path)
  np.testing.assert_allclose(found['keras'], wanted, atol=1e-5)
  np.testing.assert_allclose(found['served'], wanted, atol=1e-5)
  assert pathlib.Path(paths[-1]).read_text() == 'a\nb\nc\n'


def test_images_of_another_size_are_resized_as_predict_does(tmp_path):
  model, _ = _model('efficientnet_lite0', 'head2toe', tmp_path)
  whole = exporting.standalone(model)
  rng = np.random.default_rng(0)
  for shape in ((50, 41, 3), (20, 64, 3)):
    image = rng.integers(0, 256, shape, np.uint8)
    x = model.backbone.preprocess(image[None])
    wanted = model._forward()(x).numpy()
    np.testing.assert_allclose(
        whole(image[None].astype(np.float32)), wanted, atol=1e-5)


def test_what_keras_has_no_layer_for_is_refused(tmp_path):
  model, _ = _model('efficientnet_lite0', 'linear', tmp_path)
  legacy = dataclasses.replace(model, backbone=dataclasses.replace(
      model.backbone, resize='legacy'))
  with pytest.raises(errors.InputError, match='--resize=legacy'):
    exporting.export(legacy, tmp_path / 'out')
  (tmp_path / 'there').mkdir()
  with pytest.raises(errors.InputError, match='there already'):
    exporting.export(model, tmp_path / 'there')
  assert not (tmp_path / 'out').exists()
