import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from skimage import data as photographs
import tensorflow as tf

from tests import testing
from tests.classifier import heads
from vtab_h2t import errors
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import exporting
from vtab_h2t.classifier import formats
from vtab_h2t.classifier import images as images_lib

# Of probabilities, after bilinear resizing and after Pillow's. That rounds to
# whole levels, and a sum that is near to a half may become either.
_TOLERANCE, _ROUNDED = 1e-5, 1e-3
# A process that has Keras, NumPy and the runtimes alone.
_FRESH = """
import json, os, sys
import numpy as np
def run(folder):
  classes = json.load(open(folder + "/export.json"))["classes"]
  assert classes == open(folder + "/classes.txt").read().split()
  images = [np.load(f"{folder}/{i}.npy")[None].astype("float32")
            for i in range(%d)]
  found = {}
  import onnxruntime
  session = onnxruntime.InferenceSession(folder + "/model.onnx")
  found["onnx"] = [session.run(None, {"image": x})[0] for x in images]
  from ai_edge_litert.interpreter import Interpreter
  lite = Interpreter(folder + "/model.tflite").get_signature_runner()
  found["litert"] = [lite(image=x)["output_0"] for x in images]
  import tensorflow as tf
  served = tf.saved_model.load(folder + "/saved_model")
  found["saved_model"] = [served.serve(x).numpy() for x in images]
  if os.path.exists(folder + "/model.keras"):
    import keras
    model = keras.models.load_model(folder + "/model.keras")
    found["keras"] = [model(x).numpy() for x in images]
  np.savez(folder + "/out.npz", **{k: np.concatenate(v)
                                   for k, v in found.items()})
for folder in sys.argv[1:]:
  run(folder)
assert not [m for m in sys.modules if m.startswith(("vtab_h2t", "runners"))]
"""


def _photographs():
  """Real photographs of several shapes."""
  return [
    photographs.astronaut(),
    photographs.chelsea(),
    photographs.coffee(),
    photographs.rocket(),
  ]


def _answers(model, images):
  split = images_lib.unlabelled(images)
  return np.concatenate([p for _, p in model.probabilities(split)])


@pytest.fixture(scope='module')
def model():
  return heads.drawn(testing.normed_backbone())


@pytest.fixture(scope='module')
def exported(model, tmp_path_factory):
  folder = tmp_path_factory.mktemp('exported') / 'out'
  exporting.export(model, folder)
  return folder


@pytest.mark.soak
@pytest.mark.parametrize('name', ['lite0', 'antialias', 'vit'])
def test_a_fresh_process_predicts_the_same(tmp_path, name, lite0):
  """All formats of real networks, on photographs."""
  for package in ('tf2onnx', 'onnxruntime', 'ai_edge_litert'):
    pytest.importorskip(package)
  backbone = lite0
  if name == 'vit':
    backbone = registry.load('vit_ti16', 'random', 224)
  if name == 'antialias':
    backbone = dataclasses.replace(
      backbone, input=input_names.for_photographs(backbone.input)
    )
  model = heads.drawn(backbone, share=0.02)
  kinds = [f for f in formats.FORMATS if f != 'keras' or name != 'vit']
  folder = tmp_path / name
  assert list(exporting.export(model, folder, kinds)) == kinds
  images = _photographs()
  for i, image in enumerate(images):
    np.save(folder / f'{i}.npy', image)
  done = subprocess.run(
    [sys.executable, '-I', '-c', _FRESH % len(images), str(folder)],
    capture_output=True,
    text=True,
    cwd=tmp_path,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  wanted = _answers(model, images)
  assert np.ptp(wanted, axis=0).max() > 0.01
  with np.load(folder / 'out.npz') as found:
    assert set(found) == set(kinds)
    for kind in kinds:
      difference = np.abs(found[kind] - wanted).max()
      print(name, kind, difference)
      assert difference < (_TOLERANCE if name == 'lite0' else _ROUNDED), kind


def test_a_folder_says_what_is_in_it(model, exported):
  assert sorted(p.name for p in exported.iterdir()) == [
    'classes.txt',
    'export.json',
    'model.keras',
    'saved_model',
  ]
  assert (exported / 'classes.txt').read_text() == 'a\nb\nc\n'
  facts = json.loads((exported / 'export.json').read_text())
  assert facts['classes'] == ['a', 'b', 'c']
  assert facts['formats'] == {
    'keras': 'model.keras',
    'saved_model': 'saved_model',
  }
  assert facts['model'] == {'method': 'head2toe'}
  assert set(facts['differences']) == {'keras', 'saved_model'}
  assert 0 <= max(facts['differences'].values()) < 1e-6
  assert exporting.is_exported(exported)
  assert not exporting.is_exported(exported / 'saved_model')


@pytest.mark.parametrize('form', [None, 'saved_model'])
def test_what_is_read_again_predicts_the_same(model, exported, form):
  """Batches are of images of one size, and the order stays."""
  rng = np.random.default_rng(0)
  images = [
    rng.integers(0, 256, (size, 20, 3), np.uint8)
    for size in (16, 16, 24, 16, 30, 30)
  ]
  found = exporting.load(exported, form)
  assert found.classes == model.classes
  assert found.form == (form or 'keras')
  split = images_lib.split_of(images, np.zeros(6, np.int64))
  assert [d for d, _ in found.probabilities(split)] == [0, 2, 3, 4]
  np.testing.assert_allclose(
    _answers(found, images), _answers(model, images), atol=1e-5
  )


def _copy(exported, tmp_path):
  return shutil.copytree(exported, tmp_path / 'copy')


def test_a_changed_file_is_one_line(exported, tmp_path):
  folder = _copy(exported, tmp_path)
  (folder / 'model.keras').write_bytes(b'x')
  with pytest.raises(errors.InputError, match='keras is not as it was written'):
    exporting.load(folder)
  (folder / 'model.keras').unlink()  # One of the others will do.
  assert exporting.load(folder).form == 'saved_model'
  with pytest.raises(errors.InputError, match='has no keras; it has saved_mod'):
    exporting.load(folder, 'keras')
  (folder / 'saved_model' / 'new').write_bytes(b'')
  with pytest.raises(errors.InputError, match='model is not as it was written'):
    exporting.load(folder, 'saved_model')
  shutil.rmtree(folder / 'saved_model')
  with pytest.raises(errors.InputError, match='none of the files that export.'):
    exporting.load(folder)


@pytest.mark.parametrize(
  'change, message',
  [
    ({'format': 2}, 'not of format 1; export again'),
    ({'classes': [1]}, 'are not as they must be'),
    ({'formats': {'../x': '/etc'}}, 'are not as they must be'),
    ({'sha256': None}, 'are not as they must be'),
    ({'sha256': {}}, 'keras is not as it was written'),
  ],
)
def test_an_edited_folder_is_one_line(exported, tmp_path, change, message):
  folder = _copy(exported, tmp_path)
  facts = json.loads((folder / 'export.json').read_text())
  (folder / 'export.json').write_text(json.dumps(facts | change))
  with pytest.raises(errors.InputError, match=message):
    exporting.load(folder)


def test_what_is_not_there_is_one_line(exported, tmp_path):
  with pytest.raises(errors.InputError, match='it has keras, saved_model'):
    exporting.load(exported, 'onnx')
  assert not exporting.is_exported(tmp_path)
  (tmp_path / 'classes.txt').write_text('a\n')
  assert exporting.is_exported(tmp_path)
  (tmp_path / 'model.json').touch()  # A list beside what adapt wrote.
  assert not exporting.is_exported(tmp_path)
  with pytest.raises(errors.InputError, match='earlier version; export again'):
    exporting.load(tmp_path)
  (tmp_path / 'export.json').write_text('{')
  with pytest.raises(errors.InputError, match='is damaged'):
    exporting.load(tmp_path)


def test_what_is_written_is_run_and_compared(tmp_path):
  """LiteRT's converter writes this, and it cannot be run."""
  pytest.importorskip('ai_edge_litert')
  model = heads.drawn(testing.with_operation(lambda x: tf.math.lgamma(1 + x)))
  with pytest.raises(errors.InputError, match='tflite was written, but cannot'):
    exporting.export(model, tmp_path / 'new', ['litert'])
  assert not (tmp_path / 'new').exists()
  found = exporting.export(model, tmp_path / 'new', ['saved_model'])
  assert found['saved_model'] < 1e-6


def test_what_computes_something_else_is_refused(model, tmp_path, monkeypatch):
  kind = formats.FORMATS['saved_model']
  wrong = dataclasses.replace(
    kind, read=lambda path: lambda images: kind.read(path)(images + 50)
  )
  monkeypatch.setitem(formats.FORMATS, 'saved_model', wrong)
  with pytest.raises(errors.InputError, match='gives other probabilities'):
    exporting.export(model, tmp_path / 'new', ['saved_model'])


def test_large_images_are_no_batch(model, exported, monkeypatch):
  monkeypatch.setattr(exporting, '_PIXELS', 1000)
  images = [*testing.images(3, size=20), *testing.images(3, size=50)]
  found = exporting.load(exported).probabilities(images_lib.unlabelled(images))
  assert [done for done, _ in found] == [0, 2, 3, 4, 5]


def test_what_cannot_be_written_is_one_line(model, tmp_path):
  (tmp_path / 'there').mkdir()
  with pytest.raises(errors.InputError, match='there already'):
    exporting.export(model, tmp_path / 'there')
  with pytest.raises(errors.InputError, match='choose from keras, saved_model'):
    exporting.export(model, tmp_path / 'new', ['pickle'])
  with pytest.raises(errors.InputError, match='name a format .* saved_model'):
    exporting.export(model, tmp_path / 'new', [])
  vit = dataclasses.replace(
    model, backbone=registry.load('vit_ti16', 'random', 224)
  )
  with pytest.raises(errors.InputError, match='has a layer cls .* as saved_m'):
    exporting.export(vit, tmp_path / 'new', ['keras'])
  assert not (tmp_path / 'new').exists()
