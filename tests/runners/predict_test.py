"""Predict, as a user runs it."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from tests import testing
from tests.runners import tiny

_PLUGINS = f'--plugins={tiny.PLUGIN}'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  root = tmp_path_factory.mktemp('predict')
  done = testing.run_runner(
    'adapt',
    f'--train_dir={testing.write_photographs(root / "photos")}',
    f'--out={root / "model"}',
    '--backbone=tiny',
    '--weights=noise',
    '--val_fraction=0.3',
    '--method=linear',
    _PLUGINS,
  )
  assert done.returncode == 0, done.stderr
  return root / 'model'


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
  folder = tmp_path_factory.mktemp('photos') / 'new'
  return testing.write_photographs(folder, 3, seed=1)


@pytest.fixture(scope='module')
def predicted(model, photos):
  """What is printed of the photographs."""
  (photos / 'notes.txt').touch()
  return _predict(model, photos)


def _predict(model, images, *arguments):
  done = testing.run_runner(
    'predict', f'--model={model}', f'--images={images}', _PLUGINS, *arguments
  )
  assert done.returncode == 0, done.stderr
  return done


def _rows(done):
  return list(csv.DictReader(io.StringIO(done.stdout)))


def test_predictions_name_classes_and_probabilities(model, photos, predicted):
  rows = _rows(predicted)
  assert len(rows) == 6
  for row in rows:
    assert list(row) == ['path', 'class', 'cold', 'warm']
    assert row['class'] == ('cold' if '/cold/' in row['path'] else 'warm')
    assert float(row['cold']) + float(row['warm']) == pytest.approx(1, abs=1e-5)
  assert 'passed over 1 file (1 .txt)' in predicted.stderr
  assert '\r' not in predicted.stderr  # No bar where there is no terminal.
  done = _predict(model, photos, '--format=json')
  lines = [json.loads(line) for line in done.stdout.splitlines()]
  assert [l['path'] for l in lines] == [r['path'] for r in rows]
  assert all(
    l['probabilities'][r['class']] == float(r[r['class']])
    for l, r in zip(lines, rows)
  )


def test_a_list_of_files_gives_what_the_folder_gives(model, photos, predicted):
  table = photos.parent / 'list.csv'
  table.write_text('Path;kind\nnew/warm/1.jpg;x\nnew/cold/0.png;y\n')
  same = {r['path']: float(r['warm']) for r in _rows(predicted)}
  rows = _rows(_predict(model, table))
  assert [r['path'] for r in rows] == [
    f'{photos}/warm/1.jpg',
    f'{photos}/cold/0.png',
  ]
  for row in rows:
    assert float(row['warm']) == pytest.approx(same[row['path']], abs=2e-6)


@pytest.fixture
def damaged(tmp_path):
  """Photographs, and one that cannot be decoded."""
  folder = testing.write_photographs(tmp_path / 'new', 3, seed=1)
  (folder / 'cold' / 'broken.jpg').write_bytes(b'x')
  return folder


def test_a_bad_file_ends_it(model, damaged):
  done = testing.run_runner(
    'predict', f'--model={model}', f'--images={damaged}', _PLUGINS
  )
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert done.stderr.splitlines()[-1] == (
    f'error: image {damaged}/cold/broken.jpg cannot be decoded (it begins as '
    'no image does); restore or remove the file; or go on with '
    '--on_bad_image=report'
  )
  assert len(done.stdout.splitlines()) == 4  # What came before is there.


def test_a_bad_file_has_a_line_and_what_is_unsure_a_mark(model, damaged):
  arguments = ['--on_bad_image=report', '--min_confidence=0.99', '--top=1']
  done = _predict(model, damaged, *arguments)
  rows = _rows(done)
  assert len(rows) == 7
  assert list(rows[0]) == ['path', 'class', 'review', 'error', 'probability']
  (error,) = (r for r in rows if r['error'])
  assert error['path'].endswith('broken.jpg') and not error['class']
  assert 'broken.jpg cannot be decoded' in error['error']
  unsure = [r for r in rows if r['review']]
  assert all(
    (r in unsure) == (float(r['probability']) < 0.99)
    for r in rows
    if r is not error
  )
  assert f'{len(unsure)} of 6 images are for a person' in done.stderr


@pytest.mark.soak
def test_bad_files_in_json_or_left_out(model, damaged):
  arguments = ['--on_bad_image=report', '--min_confidence=0.5', '--format=json']
  done = _predict(model, damaged, *arguments)
  lines = [json.loads(line) for line in done.stdout.splitlines()]
  (error,) = (l for l in lines if 'error' in l)
  assert list(error) == ['path', 'error']
  assert len(lines) == 7 and not any(l.get('review') for l in lines)
  done = _predict(model, damaged, '--on_bad_image=skip')
  assert len(_rows(done)) == 6
  assert 'skipped: image ' in done.stderr and 'broken.jpg' in done.stderr


@pytest.mark.soak
def test_an_exported_model_says_the_same(model, photos, predicted, tmp_path):
  done = testing.run_runner(
    'export', f'--model={model}', f'--out={tmp_path / "exported"}', _PLUGINS
  )
  assert done.returncode == 0, done.stderr
  wanted = _rows(predicted)
  found = _rows(_predict(tmp_path / 'exported', photos))
  assert 'exported/model.keras; its probabilities differ by at most' in (
    done.stdout
  )
  refused = testing.run_runner(
    'predict',
    f'--model={tmp_path / "exported"}',
    f'--images={photos}',
    '--weights=noise',
  )
  assert refused.returncode == 1
  assert 'which holds its network; leave out --weights' in refused.stderr
  assert [r['path'] for r in found] == [r['path'] for r in wanted]
  for row, same in zip(found, wanted):
    assert float(row['warm']) == pytest.approx(float(same['warm']), abs=1e-4)


@pytest.mark.soak
def test_names_of_files_are_printed_as_they_are(model, tmp_path):
  """They need not be text in the encoding of the terminal."""
  folder = testing.write_photographs(tmp_path / 'new', 1) / 'cold'
  name = os.path.join(os.fsencode(folder), b'a, \xff.png')
  os.rename(os.fsencode(folder / '0.png'), name)
  done = subprocess.run(
    [
      sys.executable,
      *('-m', 'runners.predict', f'--model={model}', _PLUGINS),
      b'--images=' + name,
    ],
    capture_output=True,
    env=os.environ | {'PYTHONIOENCODING': 'utf-8:strict'},
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.splitlines()[1].startswith(b'"%s",cold,' % name)


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--model=tests', '--images=runners'], 'error: runners has no images'),
    (['--model=tests', '--images=nowhere'], 'error: nowhere is not there'),
    (
      ['--model=tests', '--images=setup.py'],
      'error: tests is no adapted model: it has no model.json',
    ),
    (['--model=tests', '--images=setup.py', '--top=0'], 'top'),
  ],
)
def test_what_is_wrong_is_one_line(arguments, message):
  done = testing.run_runner('predict', *arguments)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert message in done.stderr.splitlines()[-1]
