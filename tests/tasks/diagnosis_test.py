import pytest

from tests import synthetic_tfds
from tests import testing
from vtab_h2t import errors
from vtab_h2t.tasks import diagnosis
from vtab_h2t.tasks import registry


def test_each_state_of_tfds_data_is_told(tmp_path):
  for name in ('dtd', 'svhn', 'eurosat'):
    synthetic_tfds.prepare(name, tmp_path)
  next((tmp_path / 'svhn_cropped').rglob('*test.tfrecord*')).unlink()
  (tmp_path / 'eurosat/rgb/2.0.0/dataset_info.json').write_text('{')
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
  ):
    status, advice = found.pop(name)
    assert status == diagnosis.MANUAL and text in advice
  assert set(found.values()) == {
    (diagnosis.DOWNLOADABLE, 'a run with --download fetches and prepares it')
  }


def test_each_state_of_archives_is_told(tmp_path):
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
  assert 'dtd/images/test/2.png cannot be decoded' in found['dtd'][1]
  assert '--tasks=svhn --out=' in found['svhn'][1]


def test_unknown_tasks_are_one_line(tmp_path):
  with pytest.raises(errors.InputError, match='unknown task'):
    diagnosis.diagnose(['nope'], tmp_path, registry.TFDS)
