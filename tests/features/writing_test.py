import json
import os

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.features import writing
from vtab_h2t.tasks import task as task_lib


@pytest.fixture(scope='module')
def extractor():
  return extraction.Extractor(testing.tiny_backbone(), (30,), batch_size=16)


@pytest.fixture(autouse=True)
def _noted_often(monkeypatch):
  monkeypatch.setattr(writing, '_EVERY', 32)


def _split(count=100):
  return task_lib.array_split(
    'x', testing.images(count), np.zeros(count), range(count)
  )


def _bytes(folder):
  return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def _begin(root, extractor, split, images=80):
  """Is stopped after so many images."""

  def stop(done, total):
    if done >= images:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    store.open_or_compute(root, extractor, split, stop)
  return writing.part_of(root / store.key(extractor, split))


def _go_on(root, extractor, split):
  """How many images were done at each call, and the bytes of the store."""
  told = []
  store.open_or_compute(root, extractor, split, lambda *a: told.append(a[0]))
  return told, _bytes(root / store.key(extractor, split))


@pytest.fixture(scope='module')
def whole(extractor, tmp_path_factory):
  return _go_on(tmp_path_factory.mktemp('whole'), extractor, _split())[1]


@pytest.mark.parametrize('in_order', [True, False])
def test_what_was_stopped_goes_on_and_ends_with_the_same_bytes(
  tmp_path, extractor, whole, in_order
):
  import dataclasses

  split = _split()
  if not in_order:
    split = dataclasses.replace(split, in_order=None)
  part = _begin(tmp_path, extractor, split)
  assert os.listdir(tmp_path) == [part.name]
  assert json.loads((part / 'begun.json').read_text())['done'] == 64
  told, found = _go_on(tmp_path, extractor, split)
  assert told == [64, 80, 96, 100]
  assert found == whole
  assert os.listdir(tmp_path) == [store.key(extractor, split)]


@pytest.mark.parametrize('damage', ['flip', 'truncate', 'drop', 'note'])
def test_what_is_damaged_begins_again(tmp_path, extractor, whole, damage):
  part = _begin(tmp_path, extractor, _split())
  victim = sorted(part.glob('*.npy'))[0]
  if damage == 'flip':
    data = bytearray(victim.read_bytes())
    data[200] ^= 1
    victim.write_bytes(data)
  elif damage == 'truncate':
    victim.write_bytes(victim.read_bytes()[:300])
  elif damage == 'drop':
    victim.unlink()
  else:
    (part / 'begun.json').write_text('{"done": 64')
  told, found = _go_on(tmp_path, extractor, _split())
  assert told[0] == 16 and found == whole


def test_two_at_once_do_not_disturb_each_other(tmp_path, extractor, whole):
  split = _split()
  path = tmp_path / store.key(extractor, split)
  with writing.folder(path) as first:
    assert first == writing.part_of(path)
    _, found = _go_on(tmp_path, extractor, split)
    assert found == whole
    (first / 'meta.json').write_text('{}')
  assert _bytes(path) == whole  # The other was there before.
  assert os.listdir(tmp_path) == [path.name]


def test_what_is_too_large_for_half_precision_is_named(tmp_path):
  backbone = testing.tiny_backbone()
  kernel = backbone.model.weights[0]
  kernel.assign(1e6 * kernel)
  large = extraction.Extractor(backbone, (30,))
  with pytest.raises(errors.InputError, match='too large for float16'):
    store.open_or_compute(
      tmp_path, large, _split(), testing.no_progress, store.FLOAT16
    )
  assert os.listdir(tmp_path) == []
