"""Adapt, as a user runs it."""

import json
import shutil
import time

import pytest

from tests import testing
from tests.runners import tiny
from vtab_h2t.backbones import preprocessing

_PLUGINS = f'--plugins={tiny.PLUGIN}'
_FAST = ['--backbone=tiny', '--weights=noise', '--val_fraction=0.3']


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  root = tmp_path_factory.mktemp('adapt')
  done = testing.run_runner(
    'adapt',
    f'--train_dir={testing.write_photographs(root / "photos")}',
    f'--out={root / "model"}/',  # As the documentation writes it.
    _PLUGINS,
    *_FAST,
  )
  assert done.returncode == 0, done.stderr
  return root, done.stdout


def test_it_says_what_was_chosen_and_how_good_it_is(model):
  root, out = model
  assert '24 images of 2 classes' in out
  assert 'setting: learning_rate 0' in out and 'fraction 0' in out
  assert 'held-out accuracy of head2toe: 100.0 % of 8 (95 % interval' in out
  assert 'held-out accuracy of linear: ' in out
  assert 'chosen anew without the images that are judged: ' in out
  assert out.count(' features\n') >= 1 and 'of a fine-tuned copy' in out
  assert {'model.json', 'model.safetensors'} <= {
    p.name for p in (root / 'model').iterdir()
  }
  # Features are not kept.
  assert {p.name for p in root.iterdir()} == {'model', 'photos'}
  facts = json.loads((root / 'model' / 'model.json').read_text())
  assert (facts['resize'], facts['crop']) == ('bilinear_antialias', None)


def test_it_writes_a_report_and_says_where(model):
  root, out = model
  assert 'what was found in the photographs:' in out
  assert f'report: {root / "model" / "report.html"}\n' in out
  page = (root / 'model' / 'report.html').read_text('utf-8')
  assert '24 images of 2 classes' in page and page.endswith('</html>\n')
  suspects = (root / 'model' / 'diagnosis' / 'suspects.csv').read_text('utf-8')
  assert len(suspects.splitlines()) == 9  # Eight were held out.


@pytest.fixture(scope='module')
def odd(tmp_path_factory):
  """Of photographs with oddities, and with an input that is asked for."""
  root = tmp_path_factory.mktemp('odd')
  photos = testing.write_photographs(root / 'photos', 4)
  shutil.copy(photos / 'warm' / '0.png', photos / 'cold' / 'copy.png')
  (photos / 'warm' / 'notes.txt').touch()
  (photos / '__MACOSX').mkdir()
  done = testing.run_runner(
    'adapt',
    f'--train_dir={photos}',
    f'--out={root / "model"}',
    _PLUGINS,
    *_FAST,
    '--method=linear',
    '--input_scaling=imagenet',
    '--resize=bicubic_antialias',
    '--crop=0.875',
  )
  assert done.returncode == 0, done.stderr
  return root / 'model', done


def test_what_is_odd_in_photographs_is_said_and_does_not_stop(odd):
  _, done = odd
  warned = [l for l in done.stderr.splitlines() if l.startswith('warning: ')]
  assert len(warned) == 2
  assert 'passed over 1 file (1 .txt)' in warned[0]
  assert 'cold/copy.png (cold) = ' in warned[1]
  assert '9 images of 2 classes' in done.stdout


def test_the_input_that_is_asked_for_is_kept_with_the_model(odd):
  folder, _ = odd
  facts = json.loads((folder / 'model.json').read_text())
  assert (facts['resize'], facts['crop']) == ('bicubic_antialias', 0.875)
  assert facts['scale'] == list(preprocessing.IMAGENET.scale)
  assert facts['offset'] == list(preprocessing.IMAGENET.offset)


@pytest.mark.soak
def test_bad_images_fail_or_are_skipped(tmp_path):
  photos = testing.write_photographs(tmp_path / 'photos', 4)
  (photos / 'warm' / 'broken.jpg').write_bytes(b'x')
  arguments = [f'--train_dir={photos}', f'--out={tmp_path / "m"}', *_FAST]
  done = testing.run_runner('adapt', *arguments, _PLUGINS)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'broken.jpg cannot be decoded' in done.stderr.splitlines()[-1]
  done = testing.run_runner(
    'adapt', *arguments, _PLUGINS, '--on_bad_image=skip'
  )
  assert done.returncode == 0, done.stderr
  assert 'broken.jpg' in done.stdout


def _killed_when(is_time, arguments):
  """Starts adapt and kills it when it is time."""
  process = testing.start_runner('adapt', *arguments)
  until = time.monotonic() + 120
  while not is_time() and process.poll() is None:
    assert time.monotonic() < until
    time.sleep(0.02)
  process.kill()
  process.communicate()


@pytest.mark.soak
def test_a_killed_run_goes_on_and_writes_the_same(tmp_path):
  """While images are embedded, and while heads are trained."""
  photos = testing.write_photographs(tmp_path / 'photos', 560)
  flags = [f'--train_dir={photos}', _PLUGINS, *_FAST]
  whole = testing.run_runner('adapt', *flags, f'--out={tmp_path / "whole"}')
  assert whole.returncode == 0, whole.stderr
  work = tmp_path / 'work'
  flags += [f'--workdir={work}', f'--out={tmp_path / "model"}']
  features = work / 'features'
  _killed_when(lambda: list(features.glob('*.part/*.npy')), flags)
  assert list(features.iterdir()) and not (tmp_path / 'model').exists()
  _killed_when(lambda: list(features.glob('*/meta.json')), flags)
  assert not (tmp_path / 'model').exists()
  done = testing.run_runner('adapt', *flags)
  assert done.returncode == 0, done.stderr
  for name in ('model.safetensors', 'model.json', 'diagnosis/suspects.csv'):
    one, other = (tmp_path / d / name for d in ('whole', 'model'))
    assert one.read_bytes() == other.read_bytes()
  assert [p.name for p in work.iterdir()] == ['features']
  assert len(list(features.iterdir())) == 1


@pytest.mark.parametrize(
  'arguments, message',
  [
    (['--out=m'], 'train_dir'),
    (['--train_dir=nowhere', '--out=m'], 'nowhere is not a folder'),
    (['--train_dir=nowhere', '--out=tests'], 'tests is there already'),
    (
      ['--train_dir=nowhere', '--out=setup.py/m'],
      'setup.py/m cannot be written',
    ),
    (
      ['--train_dir=x', '--out=m', '--weights=nope'],
      'there are no weights',
    ),
  ],
)
def test_what_is_wrong_is_one_line(arguments, message):
  done = testing.run_runner('adapt', *arguments)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert message in done.stderr
