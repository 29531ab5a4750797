"""Whatever bytes a file holds, its reader gives values or one line of error.

Weights files and pictures have more such tests of their own, in `tensors_test`,
`torch_stream_test` and `pictures_test`.
"""

import contextlib
import functools
import json
import tarfile

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import keras
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import testing
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.backbones import saved_model
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.classifier import artefact
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.tasks import archive

_fuzz = settings(
  max_examples=60,
  deadline=None,
  derandomize=True,
  suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Flipped bits at relative places, and where the file ends.
_damage = st.tuples(
  st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)),
    max_size=8,
  ),
  st.one_of(st.none(), st.floats(0, 1)),
)


def _damaged(data: bytes, damage) -> bytes:
  flips, end = damage
  changed = bytearray(data)
  for place, bits in flips:
    if changed:
      changed[int(place * len(changed))] ^= bits
  return bytes(changed if end is None else changed[: int(end * len(changed))])


@functools.cache
def _run():
  return run_lib.Run(
    suite='s',
    data_source=None,
    image_size=16,
    network=run_lib.Network(
      backbone='b', weights='w', sha256='0', scale=1.0, offset=0.0
    ),
    space=testing.tiny_space(),
  )


def _npz_compressed(folder):
  np.savez_compressed(folder / 'w.npz', a=np.zeros(5000))
  return folder / 'w.npz', tensors_lib.read


def _index_of_shards(folder):
  weight_map = {}
  for name in 'abc':
    safetensors_numpy.save_file({name: np.eye(2)}, folder / f'{name}.st')
    weight_map[name] = f'{name}.st'
  path = folder / 'w.index.json'
  path.write_text(json.dumps({'metadata': {}, 'weight_map': weight_map}))
  return path, tensors_lib.read


def _rows(folder):
  opened = ledger_lib.Ledger(folder).open(_run())
  path = opened.rows_path('t', 'rows', 'm')
  opened.write(path, 'inputs', [dict.fromkeys(ledger_lib.FIELDS)] * 2)
  return path, lambda path: opened.read(path, 'inputs')


def _run_json(folder):
  ledger = ledger_lib.Ledger(folder)
  return ledger.open(_run()).path / 'run.json', lambda path: ledger.folders()


def _provenance(folder):
  opened = ledger_lib.Ledger(folder).open(_run())
  opened.write(opened.rows_path('t', 'rows', 'm'), '', [])
  opened.write_manifest({'task': 't'})
  opened.write_provenance('t', {'rows': {'m': 'rows/t/m.jsonl'}})
  (path,) = (opened.path / 'provenance').iterdir()
  return path, lambda path: list(opened.measurements())


def _list(folder):
  testing.write_archive(folder / 'mine')
  return (
    folder / 'mine' / 'test.txt',
    lambda path: archive.load(folder / 'mine', 3),
  )


def _tar(folder):
  (folder / 'm').mkdir()
  (folder / 'm' / 'saved_model.pb').write_bytes(bytes(range(256)) * 4)
  with tarfile.open(folder / 'm.tar.gz', 'w:gz') as f:
    f.add(folder / 'm', '.')
  return folder / 'm.tar.gz', lambda path: saved_model.fetch(str(path))


def _tar_plain(folder):
  """Without compression, so that headers are reached."""
  (folder / 'm').mkdir()
  (folder / 'm' / 'saved_model.pb').write_bytes(b'x')
  with tarfile.open(folder / 'm.tar.gz', 'w') as f:
    f.add(folder / 'm', '.')
  return folder / 'm.tar.gz', lambda path: saved_model.fetch(str(path))


def _keras_cv(folder):
  model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
  model.save_weights(folder / 'w.weights.h5')

  def read(path):
    backbones.load('keras_cv_resnet50', str(path), 240)

  return folder / 'w.weights.h5', read


@pytest.mark.parametrize(
  'make',
  [
    _npz_compressed,
    _index_of_shards,
    _rows,
    _run_json,
    _provenance,
    _list,
    _tar,
    _tar_plain,
  ],
)
@_fuzz
@given(damage=_damage)
def test_damaged_files_are_read_or_refused(
  make, damage, tmp_path_factory, monkeypatch
):
  folder = tmp_path_factory.mktemp('fuzz')
  monkeypatch.setenv('TFHUB_CACHE_DIR', str(folder / 'cache'))
  path, read = make(folder)
  assert read(path) is not None
  path.write_bytes(_damaged(path.read_bytes(), damage))
  with contextlib.suppress(errors.InputError):
    read(path)


@_fuzz
@given(damage=_damage)
def test_changed_rows_are_never_read(damage, tmp_path_factory):
  path, read = _rows(tmp_path_factory.mktemp('fuzz'))
  whole = path.read_bytes()
  path.write_bytes(_damaged(whole, damage))
  if path.read_bytes() != whole:
    with pytest.raises(errors.InputError, match=r'm\.jsonl'):
      read(path)


@pytest.mark.soak
@settings(_fuzz, max_examples=5)
@given(damage=_damage)
def test_damaged_weights_of_keras_cv_are_refused(damage, tmp_path_factory):
  path, read = _keras_cv(tmp_path_factory.mktemp('fuzz'))
  path.write_bytes(_damaged(path.read_bytes(), damage))
  with pytest.raises(errors.InputError):  # They are no ResNet's even if whole.
    read(path)


@pytest.fixture(scope='module')
def stored(tmp_path_factory):
  """A feature store's folder, its files, and what reads it."""
  root = tmp_path_factory.mktemp('store')
  task = testing.tiny_task(train=20)
  extractor = extraction.Extractor(testing.tiny_backbone(), (6,))

  def read():
    opened = store.open_or_compute(
      root, extractor, task.train, testing.no_progress
    )
    return np.concatenate([np.array(b) for b in opened.blocks(6)], 1)

  wanted = read()
  (path,) = root.iterdir()
  return path, {p.name: p.read_bytes() for p in path.iterdir()}, read, wanted


@pytest.mark.soak
@_fuzz
@given(data=st.data(), damage=_damage)
def test_a_damaged_store_never_gives_other_features(stored, data, damage):
  path, whole, read, wanted = stored
  name = data.draw(st.sampled_from(sorted(whole)))
  (path / name).write_bytes(_damaged(whole[name], damage))
  np.testing.assert_array_equal(read(), wanted)
  assert (path / name).read_bytes() == whole[name]


_values = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
  lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
  ),
  max_leaves=5,
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A model's files: 256 features of an untrained network, two classes."""
  folder = tmp_path_factory.mktemp('model')
  backbone = backbones.load('efficientnet_lite0', 'random', 32)
  size = extraction.layout_of(backbone, 256).size
  tensors = safetensors_numpy.save(
    {'kernel': np.zeros((2, size), 'f4'), 'bias': np.zeros(2, 'f4')}
  )
  (folder / 'model.safetensors').write_bytes(tensors)
  accuracy = {'correct': 3, 'total': 4, 'low': 0.3, 'high': 0.9}
  facts = {
    'format': artefact.FORMAT,
    'classes': ['a', 'b'],
    'method': 'all_l2',
    'backbone': backbone.name,
    'weights': 'random',
    'weights_sha256': backbone.weights_sha256,
    'image_size': 32,
    'taps': 'all',
    'scale': backbone.input.scale,
    'offset': backbone.input.offset,
    'resize': 'bilinear',
    'crop': None,
    'cls_pooling': 'pooled',
    'normalization': 'selected',
    'target_size': 256,
    'num_features': size,
    'tensors_sha256': files.sha256(tensors),
    'hparams': {},
    'accuracy': accuracy,
    'apart': accuracy,
    'linear': accuracy,
    'temperature': 1.5,
    'label_type': 'str',
    'source': 'photos',
    'images': [4, 5],
    'calibration_error': {'before': 0.2, 'after': 0.1, 'by_chance': 0.1},
  }
  (folder / 'model.json').write_text(json.dumps(facts))
  assert artefact.load(folder).classes == ('a', 'b')
  return folder, facts


@settings(_fuzz, max_examples=30)
@given(data=st.data())
def test_an_edited_model_is_read_or_refused(model, data, tmp_path_factory):
  source, facts = model
  folder = tmp_path_factory.mktemp('edited')
  name = data.draw(st.sampled_from(sorted(facts)))
  changed = facts | {name: data.draw(_values)}
  tensors = (source / 'model.safetensors').read_bytes()
  # Damage to the tensors with a checksum to match; the header is at the front.
  tensors = _damaged(tensors[:400], data.draw(_damage)) + tensors[400:]
  if name != 'tensors_sha256':
    changed['tensors_sha256'] = files.sha256(tensors)
  (folder / 'model.json').write_text(json.dumps(changed))
  (folder / 'model.safetensors').write_bytes(tensors)
  with contextlib.suppress(errors.InputError):
    artefact.load(folder)
