"""Runs and rows on disk; what is damaged, mixed up or old is one line."""

import dataclasses
import json
import os

import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib

_NETWORK = run_lib.Network(
  backbone='tiny', weights='noise', sha256='a' * 64, scale=1.0, offset=0.0
)


def _run(**changes):
  return run_lib.Run(
    **{
      'suite': 'embedded',
      'data_source': None,
      'network': _NETWORK,
      'image_size': 16,
      'space': testing.tiny_space(),
    }
    | changes
  )


def _row(run, **changes):
  return (
    dict.fromkeys(ledger_lib.FIELDS, 0)
    | {'run': run.id, 'task': 't', 'method': 'm', 'split': 'test'}
    | changes
  )


@pytest.fixture
def ledger(tmp_path):
  return ledger_lib.Ledger(tmp_path)


@pytest.fixture
def folder(ledger):
  return ledger.open(_run())


def test_a_run_is_written_in_full(ledger, tmp_path):
  assert ledger.folders() == [] and ledger.find(_run()) is None
  folder = ledger.open(_run())
  assert folder.path == tmp_path / _run().name
  written = json.loads((folder.path / 'run.json').read_text())
  assert written['id'] == _run().id == folder.run.id
  assert written['run'] == json.loads(json.dumps(_run().as_json()))
  (found,) = ledger.folders()
  assert found.run == _run() and found.path == folder.path
  assert ledger.find(_run()).path == ledger.open(_run()).path == folder.path


def test_rows_are_read_as_they_were_written(folder):
  path = folder.rows_path('t', 'rows', 'm')
  assert folder.read(path) == []
  rows = [_row(folder.run, fold=None), _row(folder.run, learning_rate=1e-5)]
  folder.write(path, 'inputs', rows)
  assert folder.read(path) == folder.read(path, 'inputs') == rows
  assert path == folder.path / 'rows' / 't' / 'm.jsonl'
  first, *lines = path.read_text().splitlines()
  assert [json.loads(l) for l in lines] == rows
  assert lines[0] == json.dumps(rows[0], sort_keys=True, separators=(',', ':'))
  assert json.loads(first) == {
    'schema': 3,
    'run': folder.run.id,
    'task': 't',
    'file': 'm',
    'inputs': 'inputs',
    'sha256': files.sha256(''.join(f'{line}\n' for line in lines).encode()),
  }


def test_all_rows_of_a_run_are_read(folder):
  for kind, file in (('studies', 'one_tap'), ('rows', 'b'), ('rows', 'a')):
    folder.write(
      folder.rows_path('t', kind, file), '', [_row(folder.run, method=file)]
    )
  assert [r['method'] for r in folder.rows()] == ['a', 'b', 'one_tap']


def test_other_inputs_are_one_line(folder):
  """Other examples, or another version of the package."""
  path = folder.rows_path('t', 'rows', 'm')
  folder.write(path, 'before', [_row(folder.run)])
  with pytest.raises(
    errors.InputError,
    match=(
      r'm\.jsonl was measured on other examples or by another version of this '
      'package; delete it to measure again, or choose another --workdir'
    ),
  ):
    folder.read(path, 'now')


def test_a_full_disk_keeps_what_was_there(folder, monkeypatch):
  path = folder.rows_path('t', 'rows', 'm')
  folder.write(path, '', [_row(folder.run)])

  def full(fd):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  other = folder.rows_path('t', 'rows', 'o')
  for one in (path, other):
    with pytest.raises(OSError):
      folder.write(one, '', [_row(folder.run, correct=3)])
  assert folder.read(path) == [_row(folder.run)] and folder.read(other) == []
  assert os.listdir(path.parent) == ['m.jsonl']


def test_nan_is_not_written(folder):
  path = folder.rows_path('t', 'rows', 'm')
  with pytest.raises(ValueError):
    folder.write(path, '', [_row(folder.run, correct=float('nan'))])
  assert folder.read(path) == []


def _written(folder):
  path = folder.rows_path('t', 'rows', 'm')
  folder.write(path, '', [_row(folder.run, correct=n) for n in (10, 20)])
  return path


@pytest.mark.parametrize(
  'change',
  [
    lambda data: data.replace(b'"correct":10', b'"correct":11'),
    lambda data: data.replace(b'\n', b'\r\n'),
    lambda data: data.replace(b'"inputs":""', b'"inputs": ""'),
    lambda data: data.replace(b'{"file"', b'{"a":1,"file"', 1),
    lambda data: data[:-1],
    lambda data: data + b'\n',
    lambda data: data + data.splitlines(True)[-1],
    lambda data: b''.join(data.splitlines(True)[:-1]),
    lambda data: data[:-30] + b'\xff' + data[-29:],
  ],
)
def test_changed_bytes_are_noticed_and_named(folder, change):
  """They are measured again only if the file is deleted."""
  path = _written(folder)
  whole = path.read_bytes()
  assert change(whole) != whole
  path.write_bytes(change(whole))
  for read in (lambda: folder.read(path), folder.rows):
    with pytest.raises(
      errors.InputError,
      match=(
        r'rows/t/m\.jsonl was changed since it was written \(another checksum'
        r'\); delete it to measure again'
      ),
    ):
      read()
  path.write_bytes(whole)
  assert len(folder.read(path)) == 2


@pytest.mark.parametrize(
  'data',
  [
    b'',
    b'{"schema":3',
    b'{"schema":3}\n',
    b'[]\n',
    b'null\n',
    b'\xff\n',
    b'[' * 100_000,
  ],
)
def test_what_does_not_begin_as_rows_do_is_one_line(folder, data):
  path = _written(folder)
  path.write_bytes(data)
  with pytest.raises(
    errors.InputError,
    match=(
      r'm\.jsonl does not begin as a rows file does; delete it to measure'
    ),
  ):
    folder.read(path)


def test_rows_of_another_run_are_named_and_not_read(ledger, folder):
  other = ledger.open(_run(seed=1))
  mine, path = _written(folder), _written(other)
  path.write_bytes(mine.read_bytes())
  for read in (lambda: other.read(path), other.rows):
    with pytest.raises(errors.InputError) as caught:
      read()
    assert str(caught.value) == (
      f'{path} is of the run {folder.run.id} (schema 3), but its folder is '
      f'of {other.run.id} (schema 3); move it away'
    )


def test_another_schema_is_named(folder, monkeypatch):
  path = _written(folder)
  monkeypatch.setattr(ledger_lib, 'SCHEMA', 4)
  with pytest.raises(errors.InputError, match=r'\(schema 3\).*\(schema 4\)'):
    folder.read(path)


@pytest.mark.parametrize('task, file', [('t', 'o'), ('u', 'm')])
def test_rows_in_anothers_place_are_one_line(folder, task, file):
  path = _written(folder)
  other = folder.rows_path(task, 'rows', file)
  other.parent.mkdir(exist_ok=True)
  other.write_bytes(path.read_bytes())
  with pytest.raises(errors.InputError, match='holds rows of t/m; delete it'):
    folder.read(other)
  assert folder.read(path)


@pytest.mark.parametrize('text', ['{"schema": 2}', '[]', '{'])
def test_the_layout_before_runs_is_one_line(tmp_path, text):
  (tmp_path / 'schema.json').write_text(text)
  with pytest.raises(
    errors.InputError,
    match=(
      'written by an earlier version, whose rows do not say which run they are '
      'of; choose another --workdir'
    ),
  ):
    ledger_lib.Ledger(tmp_path)


def test_a_file_as_work_directory_is_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.InputError, match='choose another --workdir'):
    ledger_lib.Ledger(tmp_path / 'file')


@pytest.mark.parametrize(
  'damage',
  [
    lambda text: text[:-20],
    lambda text: '',
    lambda text: '[]',
    lambda text: '[' * 100_000,
    lambda text: text.replace('"seed": 0', '"seed": 1'),
    lambda text: text.replace('"taps": "all"', '"tap": "all"'),
    lambda text: text.replace('"linear"', '"straight"'),
    lambda text: json.dumps({**json.loads(text), 'run': None}),
  ],
)
def test_a_damaged_run_is_one_line(ledger, folder, damage):
  path = folder.path / 'run.json'
  before = path.read_text()
  assert damage(before) != before
  path.write_text(damage(before))
  for read in (ledger.folders, lambda: ledger.find(_run(seed=5))):
    with pytest.raises(
      errors.InputError,
      match=(
        'run.json is damaged or of another version .*; move the folder away'
      ),
    ):
      read()


def test_two_runs_of_one_chosen_name_are_one_line(ledger, tmp_path):
  ledger.open(_run(chosen_name='mine'))
  other = _run(chosen_name='mine', seed=1, protocol='official')
  for find in (ledger.find, ledger.open):
    with pytest.raises(errors.InputError) as caught:
      find(other)
    assert str(caught.value) == (
      f'{tmp_path / "mine"} is of another run; choose another --run_name. '
      'Different are protocol: exact and official; seed: 0 and 1'
    )
  assert [p.name for p in tmp_path.iterdir()] == ['mine']


def test_of_many_differences_some_are_named(ledger):
  ledger.open(_run(chosen_name='mine'))
  other = _run(
    chosen_name='mine',
    seed=1,
    protocol='official',
    taps='units',
    resize='legacy',
    image_size=32,
    normalization='once',
  )
  with pytest.raises(
    errors.InputError, match='image_size: 16 and 32.* and 2 more$'
  ):
    ledger.find(other)


def test_an_equal_run_is_found_under_the_name_it_was_given(ledger, tmp_path):
  ledger.open(_run(chosen_name='mine'))
  folder = ledger.open(_run())
  assert folder.path == tmp_path / 'mine' and folder.run.name == 'mine'
  assert ledger.find(_run(chosen_name='mine')).path == tmp_path / 'mine'
  for find in (ledger.find, ledger.open):
    with pytest.raises(
      errors.InputError,
      match=('this run is in .*/mine already; leave out --run_name=yours, or'),
    ):
      find(_run(chosen_name='yours'))
  assert len(ledger.folders()) == 1


def test_a_name_that_another_took_does_not_hide_an_equal_run(ledger, tmp_path):
  ledger.open(_run(chosen_name='zzz'))
  ledger.open(_run(seed=1, chosen_name=_run().name))
  assert ledger.find(_run()).path == tmp_path / 'zzz'


def test_derived_runs_are_found_whatever_their_parent_was_called(
  ledger, tmp_path
):
  control = {'second': dataclasses.replace(_NETWORK, backbone='other')}
  ledger.open(_run(chosen_name='mine').derived('control', **control))
  found = ledger.find(_run().derived('control', **control))
  assert found.path == tmp_path / 'mine.control'


def test_a_moved_folder_is_still_the_runs(ledger, folder, tmp_path):
  path = _written(folder)
  relative = path.relative_to(folder.path)
  folder.path.rename(tmp_path / 'renamed')
  found = ledger.open(_run())
  assert found.run.name == 'renamed'
  assert len(found.read(found.path / relative)) == 2


def test_provenance_is_kept_apart(folder):
  folder.write_provenance('t', {'seconds': {'test': 1.5}})
  folder.write_provenance('t', {'seconds': {'test': 2.5}})
  paths = sorted((folder.path / 'provenance').iterdir())
  assert all(p.name.startswith('t-') for p in paths)
  assert {json.loads(p.read_text())['seconds']['test'] for p in paths} == {
    1.5,
    2.5,
  }
  assert json.loads(paths[0].read_text())['task'] == 't'


def test_measurements_join_provenance_rows_and_manifest(folder):
  path = _written(folder)
  manifest = {'suite': 's', 'task': 't', 'sha256': 'a' * 64}
  folder.write_manifest(manifest)
  facts = {
    'methods': ['m'],
    'rows': {'m': path.relative_to(folder.path).as_posix()},
  }
  folder.write_provenance('t', facts)
  (found,) = folder.measurements()
  assert found.facts == facts | {'task': 't'} and found.manifest == manifest
  assert found.rows == {'m': folder.read(path)}
  for missing in (path, folder.path / 'manifests' / 't.json'):
    data = missing.read_bytes()
    missing.unlink()
    with pytest.raises(errors.InputError, match='delete it to leave it out'):
      list(folder.measurements())
    missing.write_bytes(data)
  assert list(folder.measurements())


@pytest.mark.parametrize('text', ['{', '{}', '{"rows": {}}', '[]'])
def test_damaged_provenance_is_one_line(folder, text):
  (folder.path / 'provenance').mkdir()
  (folder.path / 'provenance' / 't-1.json').write_text(text)
  with pytest.raises(errors.InputError, match='t-1.json.*delete it to leave'):
    list(folder.measurements())


def test_a_manifest_is_of_what_was_measured_last(folder):
  path = folder.path / 'manifests' / 't.json'
  for sha256 in 'abb':
    before = path.stat().st_ino if path.exists() else None
    folder.write_manifest({'task': 't', 'sha256': sha256})
    assert json.loads(path.read_text())['sha256'] == sha256
  assert path.stat().st_ino == before  # An equal one is left alone.


def test_features_are_no_run(ledger, folder, tmp_path):
  assert ledger.features == tmp_path / 'features'
  ledger.features.mkdir()
  assert [f.path for f in ledger.folders()] == [folder.path]


def test_what_is_in_a_field_keeps_its_order(folder):
  """Taps are in order of depth, which is not that of the alphabet."""
  taps = {'root': [1, 2], 'block1_unit1_layer0': [3, 4], 'embedding': [5, 6]}
  path = folder.rows_path('t', 'rows', 'm')
  folder.write(path, 'i', [_row(folder.run, selected_by_tap=taps)])
  (row,) = folder.read(path)
  assert list(row['selected_by_tap']) == list(taps)
  assert list(row) == sorted(row)
