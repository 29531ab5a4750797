import dataclasses
import json
import os

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import preprocessing
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.tasks import task as task_lib


@pytest.fixture(scope='module')
def extractor():
  return extraction.Extractor(testing.tiny_backbone(), (30,), batch_size=16)


def _split(seed=0, count=40):
  return task_lib.array_split(
    'x', testing.images(count, seed), np.zeros(count), range(count)
  )


def _open(root, extractor, split):
  calls = []
  features = store.open_or_compute(
    root, extractor, split, lambda *a: calls.append(a)
  )
  return features, calls


def test_its_size_is_known_before(tmp_path, extractor):
  _open(tmp_path, extractor, _split())
  arrays = [np.load(p, mmap_mode='r') for p in tmp_path.rglob('*.npy')]
  assert arrays and sum(a.nbytes for a in arrays) == store.size(
    extractor.backbone, (30,), 40
  )


def test_computes_once_and_reads_the_same_again(tmp_path, extractor):
  split = _split()
  first, calls = _open(tmp_path, extractor, split)
  assert calls == [(16, 40), (32, 40), (40, 40)]
  again, calls = _open(tmp_path, extractor, split)
  assert calls == []
  direct = [batch for _, batch in extractor(split)]
  for name, one, two in zip(
    [b.name for b in extractor.layouts[30].blocks],
    first.blocks(30),
    again.blocks(30),
  ):
    assert isinstance(two, np.memmap) and two.dtype == np.float32
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(
      one, np.concatenate([b[name] for b in direct])
    )
  assert len(again.blocks(extraction.EMBEDDING)) == 1


def test_key_covers_what_changes_values(extractor):
  split = _split()
  keys = {store.key(extractor, split), store.key(extractor, _split(seed=1))}
  other_weights = testing.tiny_backbone(seed=1)
  keys.add(store.key(extraction.Extractor(other_weights, (30,)), split))
  keys.add(store.key(extraction.Extractor(extractor.backbone, (6,)), split))
  scaled = dataclasses.replace(extractor.backbone, input=preprocessing.PIXELS)
  keys.add(store.key(extraction.Extractor(scaled, (30,)), split))
  mixed = precision.compute_in(extractor.backbone, 'mixed_bfloat16')
  keys.add(store.key(extraction.Extractor(mixed, (30,)), split))
  assert len(keys) == 6
  relabelled = dataclasses.replace(split, labels=split.labels + 1)
  assert store.key(extractor, relabelled) == store.key(extractor, split)


@pytest.mark.parametrize('damage', ['truncate', 'flip', 'swap', 'meta', 'drop'])
def test_damaged_stores_are_computed_again(tmp_path, extractor, damage, caplog):
  split = _split()
  first, _ = _open(tmp_path, extractor, split)
  wanted = [np.array(b) for b in first.blocks(30)]
  path = tmp_path / store.key(extractor, split)
  victim, other = sorted(path.glob('*.npy'))[:2]
  if damage == 'truncate':
    victim.write_bytes(victim.read_bytes()[:-8])
  elif damage == 'flip':
    data = bytearray(victim.read_bytes())
    data[-5] ^= 64
    victim.write_bytes(data)
  elif damage == 'swap':
    victim.write_bytes(other.read_bytes())
  elif damage == 'meta':
    (path / 'meta.json').write_text('[1, 2')
  else:
    victim.unlink()
  again, calls = _open(tmp_path, extractor, split)
  assert calls and f'{path} is damaged (' in caplog.text
  for one, two in zip(wanted, again.blocks(30)):
    np.testing.assert_array_equal(one, two)


def test_failure_leaves_nothing_behind(tmp_path, extractor):
  split = _split()

  def stop(done, total):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    store.open_or_compute(tmp_path, extractor, split, stop)
  assert os.listdir(tmp_path) == []


def test_bad_features_leave_nothing_behind(tmp_path):
  backbone = testing.tiny_backbone()
  kernel = backbone.model.weights[2]
  kernel.assign(np.full(kernel.shape, np.nan))
  bad = extraction.Extractor(backbone, (30,))
  with pytest.raises(errors.InputError, match='not finite'):
    store.open_or_compute(tmp_path, bad, _split(), testing.no_progress)
  assert os.listdir(tmp_path) == []


def test_no_pickle_is_read(tmp_path, extractor):
  """A store whose array would need unpickling is damaged, not loaded."""
  split = _split()
  _open(tmp_path, extractor, split)
  path = tmp_path / store.key(extractor, split)
  victim = sorted(path.glob('*.npy'))[0]
  np.save(victim, np.array([print], dtype=object), allow_pickle=True)
  meta = json.loads((path / 'meta.json').read_text())
  from vtab_h2t import files

  meta[victim.stem]['sha256'] = files.sha256_file(victim)
  (path / 'meta.json').write_text(json.dumps(meta))
  _, calls = _open(tmp_path, extractor, split)
  assert calls


@pytest.mark.parametrize(
  'examples', [np.arange(3, 9), np.array([3, 4, 9, 7]), np.array([39, 0])]
)
def test_rows_are_those_of_blocks(tmp_path, extractor, examples):
  features, _ = _open(tmp_path, extractor, _split())
  found = features.rows(30, examples)
  for one, block in zip(found, features.blocks(30), strict=True):
    assert not isinstance(one, np.memmap) and one.dtype == np.float32
    np.testing.assert_array_equal(one, block[examples])


def test_half_precision_is_another_store_of_half_the_size(tmp_path, extractor):
  split = _split()
  wanted = store.missing_bytes(tmp_path, extractor, split)
  assert wanted == 2 * store.missing_bytes(
    tmp_path, extractor, split, store.FLOAT16
  )
  whole, _ = _open(tmp_path, extractor, split)
  assert store.missing_bytes(tmp_path, extractor, split) == 0
  half = store.open_or_compute(
    tmp_path, extractor, split, testing.no_progress, store.FLOAT16
  )
  assert len(os.listdir(tmp_path)) == 2
  rows = np.arange(40)
  for one, two in zip(whole.rows(30, rows), half.rows(30, rows), strict=True):
    assert two.dtype == np.float32
    np.testing.assert_array_equal(one.astype(np.float16), two)


def test_columns_of_a_layout_on_their_own(tmp_path, extractor):
  features, _ = _open(tmp_path, extractor, _split())
  (tmp_path / 'narrow').mkdir()
  whole = np.concatenate(features.blocks(30), axis=1)
  tokens = features.layouts[30].starts[1:3]
  columns = np.r_[1, 4, tokens[1] : whole.shape[1]]  # None of the tokens.
  narrow = features.narrowed(30, columns, tmp_path / 'narrow')
  assert [b.tap for b in narrow.layouts[30].blocks] == ['early', 'pooled']
  assert narrow.layouts[30].starts == (0, 2, len(columns))
  for rows in (np.arange(40), np.array([39, 2])):
    np.testing.assert_array_equal(
      np.concatenate(narrow.rows(30, rows), axis=1),
      whole[np.ix_(rows, columns)],
    )
