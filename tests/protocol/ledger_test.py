import json
import os

import pytest

from vtab_h2t import errors
from vtab_h2t.protocol import ledger as ledger_lib

_INPUTS = {'suite': 's', 'backbone': 'b', 'task': 't', 'method': 'm', 'x': 1}


def _row(**changes):
  row = dict.fromkeys(ledger_lib.FIELDS, 0)
  return row | _INPUTS | {'split': 'test'} | changes


def test_rows_are_read_as_they_were_written(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  assert ledger.read(_INPUTS) is None
  rows = [_row(fold=None), _row(correct=3, learning_rate=1e-5)]
  ledger.write(_INPUTS, rows)
  assert ledger.read(_INPUTS) == rows
  assert ledger.read(_INPUTS | {'x': 2}) is None
  path = ledger.rows_path(_INPUTS)
  assert path.parent == tmp_path / 'rows' / 's' / 'b' / 't'
  lines = path.read_text().splitlines()
  assert [json.loads(l) for l in lines] == rows
  assert lines[0] == json.dumps(rows[0], sort_keys=True,
                                separators=(',', ':'))


def test_a_full_disk_keeps_what_was_there(tmp_path, monkeypatch):
  ledger = ledger_lib.Ledger(tmp_path)
  ledger.write(_INPUTS, [_row()])
  def full(fd):
    raise OSError(28, 'No space left on device')
  monkeypatch.setattr(os, 'fsync', full)
  other = _INPUTS | {'x': 2}
  with pytest.raises(OSError):
    ledger.write(other, [_row()])
  assert ledger.read(_INPUTS) == [_row()] and ledger.read(other) is None
  assert len(os.listdir(ledger.rows_path(other).parent)) == 1


def test_nan_is_not_written(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  with pytest.raises(ValueError):
    ledger.write(_INPUTS, [_row(correct=float('nan'))])
  assert ledger.read(_INPUTS) is None


@pytest.mark.parametrize('text, message', [
    ('{"schema": 0}', 'written by schema 0, this version writes 2; choose'),
    ('[]', 'not this project'), ('{', 'not this project')])
def test_another_schema_is_one_line(tmp_path, text, message):
  (tmp_path / 'schema.json').write_text(text)
  with pytest.raises(errors.InputError, match=message):
    ledger_lib.Ledger(tmp_path)


def test_a_file_as_work_directory_is_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.InputError, match='choose another --workdir'):
    ledger_lib.Ledger(tmp_path / 'file')


@pytest.mark.parametrize('text', ['{"schema":2', '{"schema":2}\n'])
def test_damaged_rows_are_one_line(tmp_path, text):
  ledger = ledger_lib.Ledger(tmp_path)
  ledger.write(_INPUTS, [_row()])
  ledger.rows_path(_INPUTS).write_text(text)
  with pytest.raises(errors.InputError, match='delete it to measure again'):
    ledger.read(_INPUTS)


def test_provenance_is_kept_apart(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  ledger.write_provenance(_INPUTS, {'seconds': {'test': 1.5}})
  path, = (tmp_path / 'provenance' / 's' / 'b').iterdir()
  assert json.loads(path.read_text()) == {'seconds': {'test': 1.5}}


def test_units_join_provenance_rows_and_manifest(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  row = _row(manifest_sha256='a' * 64)
  ledger.write(_INPUTS, [row])
  ledger.write_manifest({'suite': 's', 'task': 't', 'sha256': 'a' * 64})
  facts = {'methods': ['m'], 'rows': [ledger.rows_path(_INPUTS).name]}
  ledger.write_provenance(_INPUTS, facts)
  # One from before rows were named tells nothing.
  ledger.write_provenance(_INPUTS | {'x': 2}, {'methods': ['m']})
  unit, = ledger.units()
  assert unit.facts == facts and unit.rows == {'m': [row]}
  assert unit.manifest['task'] == 't'
  ledger.rows_path(_INPUTS).unlink()
  with pytest.raises(errors.InputError, match='delete it to leave it out'):
    list(ledger.units())


def test_rows_in_anothers_place_are_one_line(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  other = _INPUTS | {'method': 'o'}
  ledger.write(_INPUTS, [_row()])
  ledger.write(other, [_row(method='o')])
  ledger.rows_path(_INPUTS).write_bytes(ledger.rows_path(other).read_bytes())
  with pytest.raises(errors.InputError, match='holds rows of s/b/t/o; delete'):
    ledger.read(_INPUTS)
  assert ledger.read(other)
