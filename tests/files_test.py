import json
import os

import pytest

from vtab_h2t import errors
from vtab_h2t import files


def test_canonical_json_ignores_order_and_refuses_nan():
  assert files.canonical_json({'b': 1, 'a': [1.5, None]}) == (
    '{"a":[1.5,null],"b":1}'
  )
  with pytest.raises(ValueError):
    files.canonical_json(float('nan'))


def test_fingerprint_tells_values_apart():
  assert files.fingerprint({'a': 1, 'b': 2}) == files.fingerprint(
    {'b': 2, 'a': 1}
  )
  assert files.fingerprint({'a': 1}) != files.fingerprint({'a': '1'})


def test_atomic_write_appears_only_when_whole(tmp_path):
  path = tmp_path / 'deep' / 'rows.jsonl'
  with pytest.raises(RuntimeError), files.atomic_write(path) as f:
    f.write('half')
    raise RuntimeError
  assert os.listdir(path.parent) == []
  with files.atomic_write(path) as f:
    f.write('whole')
    assert not path.exists()
  assert path.read_text() == 'whole'


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path):
  path = tmp_path / 'x.json'
  path.write_text('old')
  with pytest.raises(OSError), files.atomic_write(path) as f:
    f.write('new')
    raise OSError(28, 'No space left on device')
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['x.json']


def test_atomic_directory_of_two_writers(tmp_path):
  path = tmp_path / 'store'
  with files.atomic_directory(path) as first:
    (first / 'a').write_text('1')
    with files.atomic_directory(path) as second:
      (second / 'a').write_text('1')
  assert os.listdir(tmp_path) == ['store']
  assert (path / 'a').read_text() == '1'


def test_what_dead_processes_left_is_removed(tmp_path):
  path = tmp_path / 'store'
  pid = os.fork()
  if pid == 0:
    context = files.atomic_directory(path)
    (context.__enter__() / 'half').write_text('x')
    writer = files.atomic_write(tmp_path / 'rows')
    writer.__enter__().write('half')
    os._exit(9)  # Dies without cleaning up.
  os.waitpid(pid, 0)
  assert len(os.listdir(tmp_path)) == 2
  with files.atomic_write(tmp_path / 'rows') as f:
    f.write('whole')
  with files.atomic_directory(path) as mine:
    with files.atomic_directory(tmp_path / 'other') as other:
      (other / 'b').write_text('2')  # A living process's is left alone.
    (mine / 'a').write_text(json.dumps(1))
  assert sorted(os.listdir(tmp_path)) == ['other', 'rows', 'store']
  assert os.listdir(path) == ['a']


def test_discarding_what_another_process_discards(tmp_path):
  (tmp_path / 'a' / 'b').mkdir(parents=True)
  (tmp_path / 'a' / 'b' / 'c').write_text('x')
  for _ in range(2):
    files.discard(tmp_path / 'a')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['../a', 'a/b', '', '.a', 'A', '-a', 'a b'])
def test_names_that_are_no_part_of_a_path(name):
  with pytest.raises(errors.InputError, match='name has lower-case letters'):
    files.check_name('task', name)
  files.check_name('task', 'a-1_b.c')


def test_a_temporary_directory_is_deleted_with_what_is_in_it(tmp_path):
  path = tmp_path / 'deep' / 'work'
  with (
    pytest.raises(RuntimeError),
    files.temporary_directory(path) as first,
    files.temporary_directory(path) as second,
  ):
    assert first != second and first.parent == path.parent
    assert first.name.startswith('work.tmp-')
    (first / 'a').mkdir()
    raise RuntimeError
  assert os.listdir(path.parent) == []


def test_a_place_for_new_results_is_checked_before_work_begins(tmp_path):
  files.check_is_new(tmp_path / 'not' / 'yet')
  assert os.listdir(tmp_path) == []
  (tmp_path / 'file').touch()
  (tmp_path / 'link').symlink_to('nowhere')
  for name in ('', 'file', 'link'):
    with pytest.raises(errors.InputError, match='is there already; choose'):
      files.check_is_new(tmp_path / name)
  with pytest.raises(
    errors.InputError, match=r'file/x cannot be written \(Not a dir.*/file\)'
  ):
    files.check_is_new(tmp_path / 'file' / 'x')
