import importlib.util

import pytest

from tests import synthetic_tfds
from tests import testing
from vtab_h2t import errors
from vtab_h2t.tasks import diagnosis
from vtab_h2t.tasks import preparing
from vtab_h2t.tasks import registry


def test_each_state_of_tfds_data_is_told(tmp_path, monkeypatch):
  monkeypatch.setattr(preparing, 'missing_modules', lambda source: [])
  for name in ('dtd', 'svhn', 'eurosat'):
    synthetic_tfds.prepare(name, tmp_path)
  next((tmp_path / 'svhn_cropped').rglob('*test.tfrecord*')).unlink()
  (tmp_path / 'eurosat/rgb/2.0.0/dataset_info.json').write_text('{')
  (tmp_path / 'cifar100/3.0.2').mkdir(parents=True)  # A copy that was cut off.
  found = diagnosis.diagnose(None, tmp_path, registry.TFDS)
  assert len(found) == 19
  status, advice = found.pop('dtd')
  assert status == diagnosis.PREPARED
  assert f'{tmp_path}/dtd/3.0.1 (not the data of VTAB-1k: train has' in advice
  for name, text in (('svhn', 'is missing; delete'), ('eurosat', 'is damaged')):
    status, advice = found.pop(name)
    assert status == diagnosis.BROKEN and text in advice
  for name, text in (
    ('resisc45', f'{tmp_path}/downloads/manual/NWPU-RESISC45'),
    ('retinopathy', 'trainLabels.csv'),
    ('cifar100', f'delete {tmp_path}/cifar100/3.0.2, which has no'),
    ('sun397', 'SUN397.tar.gz (39077296924 bytes, SHA-256 f404130965a7ad77'),
  ):
    status, advice = found.pop(name)
    assert status == diagnosis.MANUAL and text in advice
    assert advice.endswith('; a run with --download then prepares it')
  assert {status for status, _ in found.values()} == {diagnosis.DOWNLOADABLE}
  plain = 'a run with --download fetches and prepares it'
  assert all(advice.startswith(plain) for _, advice in found.values())
  assert found['kitti_dist'][1] == found['dmlab'][1] == plain
  assert (
    'https://github.com/tensorflow/datasets/issues/5336'
    in (found['snorb_azim'][1])
  )


def test_opencv_is_asked_for_where_it_is_needed_and_not_there(
  tmp_path, monkeypatch
):
  known = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda n: None if n == 'cv2' else known(n)
  )
  synthetic_tfds.prepare('kitti_dist', tmp_path)
  names = ['sun397', 'kitti_dist', 'retinopathy', 'dtd']
  found = diagnosis.diagnose(names, tmp_path, registry.TFDS)
  assert {n: s for n, (s, _) in found.items()} == {
    'sun397': diagnosis.MANUAL,
    'kitti_dist': diagnosis.PREPARED,
    'retinopathy': diagnosis.MANUAL,
    'dtd': diagnosis.DOWNLOADABLE,
  }
  assert {n for n, (_, advice) in found.items() if 'cv2' in advice} == {
    'sun397',
    'retinopathy',
  }
  assert found['sun397'][1].startswith("pip install 'vtab_h2t[vtab]', as TFDS")


def test_each_state_of_archives_is_told(tmp_path, caplog):
  testing.write_archive(tmp_path / 'cifar')
  broken = testing.write_archive(tmp_path / 'dtd')
  (broken / 'images/test/2.png').write_bytes(b'no image')
  testing.write_archive(tmp_path / 'mine')
  found = diagnosis.diagnose(
    ['cifar100', 'dtd', 'svhn', 'mine'], tmp_path, registry.ARCHIVE
  )
  assert {n: s for n, (s, _) in found.items()} == {
    'cifar100': diagnosis.PREPARED,
    'dtd': diagnosis.BROKEN,
    'svhn': diagnosis.MANUAL,
    'mine': diagnosis.PREPARED,
  }
  assert '8 + 4 train, 5 test' in found['mine'][1]
  assert 'warning' not in found['mine'][1] and not caplog.messages
  assert '5 test); warning: 4 of 17 images are JPEG' in found['cifar100'][1]
  assert 'dtd/images/test/2.png cannot be decoded' in found['dtd'][1]
  assert '--tasks=svhn --out=' in found['svhn'][1]


def test_bad_input_is_one_line(tmp_path):
  with pytest.raises(errors.InputError, match='unknown task'):
    diagnosis.diagnose(['nope'], tmp_path, registry.TFDS)
  (tmp_path / 'file').touch()
  for source in registry.SOURCES:
    with pytest.raises(errors.InputError, match='--data_dir'):
      diagnosis.diagnose(['dtd'], tmp_path / 'file', source)
