import csv

import numpy as np
from PIL import Image
import pytest
from skimage import data

from tests import testing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.protocol import grids


def _row(text):
  """Header and first row of a CSV."""
  return list(csv.reader(text.splitlines()))[:2]


def test_an_unknown_format_is_one_line():
  done = testing.run_runner(
    'export', '--model=m', '--out=o', '--format=keras,pickle'
  )
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1].endswith(
    "unknown value 'pickle'; choose from keras, saved_model, onnx, litert"
  )


def test_a_place_that_is_taken_is_found_before_the_model_is_read():
  done = testing.run_runner('export', '--model=m', '--out=tests')
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1] == (
    'error: tests is there already; choose another --out'
  )


@pytest.mark.soak
def test_an_adapted_model_is_exported(tmp_path):
  space = grids.get(
    'fixed',
    'efficientnet_lite0',
    ('lr=0.1,steps=5,target_size=256,fraction=0.05,l21=1e-5'),
  )
  adapted = adapting.adapt(
    testing.tiny_task(train=30, test=3).train,
    'abc',
    registry.load('efficientnet_lite0', 'random', 32),
    tmp_path,
    space=space,
    val_fraction=0.3,
  )
  artefact.save(adapted, 'random', tmp_path / 'model')
  photograph = tmp_path / 'a.png'
  Image.fromarray(data.astronaut()).save(photograph)
  arguments = [f'--model={tmp_path}/model', f'--out={tmp_path}/out']
  done = testing.run_runner('export', *arguments)
  assert done.returncode == 0, done.stderr
  assert f'exported: {tmp_path}/out/model.keras' in done.stdout
  predicted = testing.run_runner(
    'predict', f'--model={tmp_path}/out', f'--images={photograph}'
  )
  wanted = testing.run_runner(
    'predict', f'--model={tmp_path}/model', f'--images={photograph}'
  )
  assert predicted.returncode == wanted.returncode == 0, predicted.stderr
  (_, *names), found = _row(predicted.stdout)
  assert (['class', 'a', 'b', 'c'], found[1]) == (
    names,
    _row(wanted.stdout)[1][1],
  )
  np.testing.assert_allclose(
    np.array(found[2:], float),
    np.array(_row(wanted.stdout)[1][2:], float),
    atol=1e-5,
  )
  done = testing.run_runner('export', *arguments)
  assert done.returncode == 1
  assert 'there already; choose another --out' in done.stderr.splitlines()[-1]
