"""Downloads, with stand-ins for TFDS's builders: nothing is fetched."""

import contextlib
import hashlib
import importlib.util
import inspect
import io
import pathlib
import re
import sys
import tarfile
import urllib.parse

import numpy as np
import pytest

from tests import synthetic_tfds
from vtab_h2t import errors
from vtab_h2t.tasks import preparing
from vtab_h2t.tasks import tfds_source
from vtab_h2t.tasks import vtab

_SOURCES = {s.spec: s for s in vtab.sources(list(vtab.ENTRIES))}
_SUN397, _KITTI = _SOURCES['sun397/tfds'], _SOURCES['kitti']


@pytest.fixture(autouse=True)
def _opencv(monkeypatch):
  """The package counts as installed, whether it is or not."""
  known = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda n: n if n == 'cv2' else known(n)
  )


@pytest.fixture
def without_opencv(monkeypatch):
  known = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, 'find_spec', lambda n: None if n == 'cv2' else known(n)
  )


@pytest.fixture
def stand_in(monkeypatch):
  """A function that sets what TFDS's builders do."""
  import tensorflow_datasets as tfds

  def set_action(action):
    class Builder:
      def download_and_prepare(self):
        action()

    monkeypatch.setattr(tfds, 'builder', lambda *a, **k: Builder())

  return set_action


def _raiser(error, cause=None):
  def act(*unused_args, **unused_kwargs):
    raise error from cause

  return act


class _EndedError(Exception):
  """TFDS is not to go on."""


class _Recorder:
  """Stands in for TFDS's download manager; ends where files are needed."""

  manual_dir = pathlib.Path('/nowhere')

  def __init__(self):
    self.urls = []

  def download_and_extract(self, wanted):
    values = wanted.values() if isinstance(wanted, dict) else [wanted]
    self.urls += [getattr(value, 'url', value) for value in values]
    raise _EndedError

  download = download_and_extract


@pytest.mark.parametrize('spec', _SOURCES)
def test_files_are_those_that_tfds_asks_for(spec):
  import tensorflow_datasets as tfds

  source = _SOURCES[spec]
  recorder = _Recorder()
  builder = tfds.builder(f'{spec}:{source.version}', data_dir='/nowhere')
  # Manual files are missing where TFDS looks for them first.
  with contextlib.suppress(_EndedError, AssertionError, OSError):
    builder._split_generators(recorder)
  files = preparing.files_of(source)
  if not recorder.urls:
    assert source.manual
  else:
    assert {f.url for f in files} == set(recorder.urls)
  assert len({f.name for f in files}) == len(files)


def test_modules_are_those_of_the_builders():
  import tensorflow_datasets as tfds

  for spec, source in _SOURCES.items():
    text = inspect.getsource(inspect.getmodule(tfds.builder_cls(source.name)))
    assert source.modules == (('cv2',) if 'imports.cv2' in text else ()), spec


def test_troubles_are_of_the_suites_data():
  assert set(preparing.TROUBLES) <= set(_SOURCES)
  assert [s for s, t in preparing.TROUBLES.items() if t.is_gone] == [
    'sun397/tfds'
  ]


def test_hosts_that_are_named_are_those_of_the_files():
  for spec, trouble in preparing.TROUBLES.items():
    hosts = {
      urllib.parse.urlparse(f.url).hostname.removeprefix('www.')
      for f in preparing.files_of(_SOURCES[spec])
    }
    named = re.match(r'its host, (?:www\.)?([\w.]+[a-z]),', trouble.what)
    if spec in ('sun397/tfds', 'oxford_iiit_pet'):  # Of another, or of none.
      assert not named
    else:
      assert {named[1]} == hosts


def test_a_folder_without_its_info_is_in_the_way(tmp_path, stand_in):
  """TFDS takes an empty one for a data set, and does nothing."""
  folder = tmp_path / 'dtd' / '3.0.1'
  folder.mkdir(parents=True)
  dtd = _SOURCES['dtd']
  stand_in(lambda: None)
  assert preparing.by_hand(dtd, tmp_path) == [
    f'delete {folder}, which has no dataset_info.json'
  ]
  with pytest.raises(errors.InputError, match='no data set, as it .*delete it'):
    preparing.download(dtd, tmp_path)
  folder.rename(folder.with_name('3.0.1.incompleteXY_dtd'))  # TFDS's own.
  assert preparing.by_hand(dtd, tmp_path) == []
  assert preparing.download(dtd, tmp_path)


def _place(monkeypatch, folder, contents):
  """Lists files with a content in place of TFDS's; puts some into a folder.

  Args:
    monkeypatch: pytest's.
    folder: where.
    contents: by name; only those that are not None are put there.
  """
  folder.mkdir(parents=True, exist_ok=True)
  files = []
  for name, content in contents.items():
    data = content or b'elsewhere'
    files.append(
      preparing.File(
        name=name,
        url=f'https://host/{name}',
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
      )
    )
    if content:
      (folder / name).write_bytes(content)
  monkeypatch.setattr(preparing, 'files_of', lambda source: files)
  return files


def test_files_in_the_manual_folder_need_no_host(tmp_path, monkeypatch):
  manual = tmp_path / 'downloads' / 'manual'
  steps = preparing.by_hand(_SUN397, tmp_path)
  assert len(steps) == 1
  for text in ('SUN397.tar.gz', 'Partitions.zip', 'its address is gone'):
    assert text in steps[0]
  _place(monkeypatch, manual, {'SUN397.tar.gz': b'a', 'Partitions.zip': None})
  (step,) = preparing.by_hand(_SUN397, tmp_path)
  assert step.startswith('put Partitions.zip (9 bytes, SHA-256 ')
  (manual / 'Partitions.zip').write_bytes(b'cut')
  assert preparing.by_hand(_SUN397, tmp_path) == [step]
  (manual / 'Partitions.zip').write_bytes(b'elsewhere')
  assert preparing.by_hand(_SUN397, tmp_path) == []
  assert preparing.outlook(_SUN397, tmp_path) == (
    'a run with --download prepares it from the files that are there'
  )


def test_tfds_takes_files_from_the_manual_folder(tmp_path, monkeypatch):
  """TFDS's own download manager, which would else go to the network."""
  from tensorflow_datasets.core.download import checksums
  from tensorflow_datasets.core.download import download_manager

  manual = tmp_path / 'downloads' / 'manual'
  (file,) = _place(monkeypatch, manual, {'a.tar.gz': b'content'})

  def manager():
    return download_manager.DownloadManager(
      download_dir=tmp_path / 'downloads',
      manual_dir=manual,
      dataset_name='sun397',
      url_infos={
        file.url: checksums.UrlInfo(
          size=file.size, checksum=file.sha256, filename=file.name
        )
      },
    )

  found = manager().download(file.url)
  assert pathlib.Path(found) == manual / 'a.tar.gz'
  (manual / 'a.tar.gz').write_bytes(b'another')
  with pytest.raises(
    download_manager.NonMatchingChecksumError, match='wrong checksum'
  ):
    manager().download(file.url)


def _cifar(count):
  """The archive of CIFAR-100, with so few images in each part."""
  images = np.random.default_rng(0).integers(0, 20, (count, 3074), np.uint8)
  parts = {'train.bin': images.tobytes(), 'test.bin': images.tobytes()}
  for kind, classes in (('fine', 100), ('coarse', 20)):
    names = ''.join(f'{kind}{i}\n' for i in range(classes))
    parts[f'{kind}_label_names.txt'] = names.encode()
  found = io.BytesIO()
  with tarfile.open(fileobj=found, mode='w:gz') as archive:
    for name, data in parts.items():
      entry = tarfile.TarInfo(f'cifar-100-binary/{name}')
      entry.size = len(data)
      archive.addfile(entry, io.BytesIO(data))
  return found.getvalue()


def test_tfds_prepares_from_the_manual_folder(tmp_path, monkeypatch):
  """With its own builder, and no stand-in."""
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import checksums

  source = _SOURCES['cifar100']
  (file,) = preparing.files_of(source)
  data = _cifar(3)
  manual = tmp_path / 'downloads' / 'manual'
  manual.mkdir(parents=True)
  (manual / file.name).write_bytes(data)
  info = checksums.UrlInfo(
    size=len(data),
    checksum=hashlib.sha256(data).hexdigest(),
    filename=file.name,
  )
  monkeypatch.setattr(
    tfds.builder_cls('cifar100'), 'url_infos', {file.url: info}
  )
  assert preparing.to_fetch(source, tmp_path) == []
  assert preparing.download(source, tmp_path)
  builder = tfds_source.open_builder(source, tmp_path)
  assert builder.info.splits['test'].num_examples == 3
  assert not preparing.download(source, tmp_path)


@pytest.mark.parametrize('folder', ['', 'sun397'])
def test_files_that_were_fetched_before_are_known(
  tmp_path, monkeypatch, folder
):
  from tensorflow_datasets.core.download import resource

  (file,) = _place(monkeypatch, tmp_path / 'x', {'a.zip': None})
  name = resource.get_dl_fname(file.url, file.sha256)
  place = tmp_path / 'downloads' / folder / name
  place.parent.mkdir(parents=True, exist_ok=True)
  place.touch()
  assert preparing.to_fetch(_SUN397, tmp_path) == [file]  # TFDS wants both.
  resource.get_info_path(place).touch()
  assert preparing.to_fetch(_SUN397, tmp_path) == []


def test_opencv_is_looked_for_before_anything_is_fetched(
  tmp_path, stand_in, without_opencv
):
  called = []
  stand_in(lambda: called.append(1))
  with pytest.raises(
    errors.InputError,
    match=r'^kitti cannot be prepared without cv2; pip install .vtab_h2t\[vtab',
  ):
    preparing.download(_KITTI, tmp_path)
  assert not called
  preparing.download(_SOURCES['dtd'], tmp_path)
  assert called


def test_what_cannot_be_imported_while_preparing_is_one_line(
  tmp_path, stand_in, monkeypatch
):
  import tensorflow_datasets as tfds

  monkeypatch.setitem(sys.modules, 'cv2', None)  # An import of it then fails.
  stand_in(lambda: tfds.core.lazy_imports.cv2)
  with pytest.raises(errors.InputError) as caught:
    preparing.download(_KITTI, tmp_path)
  assert str(caught.value).endswith(
    "); pip install 'vtab_h2t[vtab]', then run again"
  )
  assert '\n' not in str(caught.value) and 'cv2' in str(caught.value)
  stand_in(_raiser(RuntimeError('wrapped'), ImportError('libGL.so.1')))
  with pytest.raises(errors.InputError, match=r'wrapped.*h2t\[vtab\]'):
    preparing.download(_KITTI, tmp_path)


def test_a_failed_download_is_one_line(tmp_path, stand_in):
  import requests
  import tensorflow_datasets as tfds

  stand_in(_raiser(requests.exceptions.ConnectionError('no route')))
  with pytest.raises(
    errors.InputError,
    match=r'cifar100 could not be downloaded .no route. .its host, cs.tor.*; '
    r'check the connection and run again, or put cifar-100-binary.tar.gz \(1',
  ):
    preparing.download(_SOURCES['cifar100'], tmp_path)
  stand_in(_raiser(tfds.download.DownloadError('HTTP code: 404')))
  with pytest.raises(errors.InputError, match='gone: https.*put SUN397.tar.gz'):
    preparing.download(_SUN397, tmp_path)


def test_other_failures_are_one_line(tmp_path, stand_in, monkeypatch):
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import download_manager

  stand_in(_raiser(download_manager.NonMatchingChecksumError('x has\nwrong')))
  with pytest.raises(
    errors.InputError, match=r'x has wrong\); delete that fil'
  ):
    preparing.download(_SOURCES['dtd'], tmp_path)
  with monkeypatch.context() as patched:
    patched.setattr(tfds, 'builder', _raiser(ValueError('no such version')))
    with pytest.raises(errors.InputError, match='dtd .*Error: no such version'):
      preparing.download(_SOURCES['dtd'], tmp_path)
  stand_in(_raiser(OSError('Not enough disk space')))
  with pytest.raises(errors.InputError, match='dtd .*OSError: Not enough disk'):
    preparing.download(_SOURCES['dtd'], tmp_path)
  stand_in(_raiser(KeyboardInterrupt()))
  with pytest.raises(KeyboardInterrupt):
    preparing.download(_SOURCES['dtd'], tmp_path)


@pytest.mark.parametrize(
  'spec, wanted',
  [
    ('resisc45', ['NWPU-RESISC45']),
    (
      'diabetic_retinopathy_detection/btgraham-300',
      ['sample', 'train', 'test', 'trainLabels.csv'],
    ),
  ],
)
def test_manual_data_name_file_and_place(tmp_path, spec, wanted):
  with pytest.raises(errors.InputError) as caught:
    preparing.download(_SOURCES[spec], tmp_path)
  (step,) = preparing.by_hand(_SOURCES[spec], tmp_path)
  for text in (str(caught.value), step):
    assert 'https://' in text
    for file in wanted:
      assert f'{tmp_path}/downloads/manual/{file}' in text
  for file in wanted:
    (tmp_path / 'downloads/manual' / file).mkdir(parents=True)
  assert tfds_source.missing_files(_SOURCES[spec], tmp_path) == []


def test_what_tfds_prints_is_not_part_of_the_output(tmp_path, stand_in, capsys):
  stand_in(lambda: print('Downloading and preparing dataset'))
  preparing.download(_SOURCES['dtd'], tmp_path)
  assert not capsys.readouterr().out


def test_prepared_data_are_left_alone(tmp_path, monkeypatch):
  import tensorflow_datasets as tfds

  synthetic_tfds.prepare('dtd', tmp_path)
  monkeypatch.delattr(tfds, 'builder')
  assert not preparing.download(_SOURCES['dtd'], tmp_path)


def test_progress_tells_megabytes_and_then_prepares(
  tmp_path, stand_in, monkeypatch
):
  monkeypatch.setattr(preparing, '_SECONDS', 0.01)
  file = preparing.File(name='a', url='u', size=5 * 10**6, sha256='00' * 32)
  monkeypatch.setattr(preparing, 'files_of', lambda source: [file])
  folder = tmp_path / 'downloads' / 'dtd'
  (folder / 'a.tmp.1').mkdir(parents=True)
  (folder / 'a.tmp.1' / 'a').write_bytes(bytes(10**6))  # Of an earlier try.
  told = []

  def wait_for(stage):
    for _ in range(1000):
      if told[-1] == stage:
        return
      preparing.threading.Event().wait(0.01)
    raise AssertionError(told)

  def act():
    wait_for(('fetch (MB)', 0, 5))
    (folder / 'a.tmp.2').mkdir()
    (folder / 'a.tmp.2' / 'a').write_bytes(bytes(2 * 10**6))
    wait_for(('fetch (MB)', 2, 5))
    (folder / 'a.tmp.2' / 'a').write_bytes(bytes(5 * 10**6))
    wait_for(('prepare', 0, 1))

  stand_in(act)
  assert preparing.download(
    _SOURCES['dtd'], tmp_path, lambda *stage: told.append(stage)
  )
  count = len(told)
  preparing.threading.Event().wait(0.05)
  assert len(told) == count
