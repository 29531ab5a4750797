"""Modules and files of the user's, imported once in a process."""

import sys

import pytest

from vtab_h2t import errors
from vtab_h2t import plugins


@pytest.fixture(autouse=True)
def forgotten():
  """What a test imports, no other test finds."""
  before = dict(sys.modules)
  yield
  for name in set(sys.modules) - set(before):
    del sys.modules[name]


def _counting(path):
  """A plugin that notes each time it is run."""
  path.write_text(
    'import pathlib\n'
    f'with open({str(path.with_suffix(".log"))!r}, "a") as f:\n'
    '  f.write("run\\n")\n'
  )
  return path, lambda: path.with_suffix('.log').read_text().count('run')


def test_a_file_is_run_once(tmp_path, monkeypatch):
  path, runs = _counting(tmp_path / 'mine.py')
  for _ in range(2):
    plugins.load(str(path))
  monkeypatch.chdir(tmp_path)
  plugins.load('mine.py')  # The same file by another path.
  assert runs() == 1


def test_files_of_one_name_in_two_folders_are_both_run(tmp_path):
  both = []
  for folder in 'ab':
    (tmp_path / folder).mkdir()
    both.append(_counting(tmp_path / folder / 'mine.py'))
  for path, _ in both * 2:
    plugins.load(str(path))
  assert [runs() for _, runs in both] == [1, 1]


def test_a_module_is_imported_by_its_name(tmp_path, monkeypatch):
  _, runs = _counting(tmp_path / 'some_plugin.py')
  monkeypatch.syspath_prepend(tmp_path)
  for _ in range(2):
    plugins.load('some_plugin')
  assert runs() == 1 and 'some_plugin' in sys.modules


@pytest.mark.parametrize(
  'plugin, message',
  [
    ('no_such_module', 'plugin no_such_module: No module named'),
    ('no.such.module', 'plugin no.such.module: No module named'),
    ('/no/such/file.py', 'plugin /no/such/file.py: there is no such file'),
  ],
)
def test_what_is_not_there_is_one_line(plugin, message):
  with pytest.raises(errors.InputError, match=message):
    plugins.load(plugin)


def test_a_folder_is_no_file(tmp_path):
  (tmp_path / 'folder.py').mkdir()
  with pytest.raises(errors.InputError, match='there is no such file'):
    plugins.load(str(tmp_path / 'folder.py'))


def test_a_file_that_fails_is_run_again(tmp_path):
  """Its error stays one, and is the cause of what is told."""
  path, runs = _counting(tmp_path / 'bad.py')
  path.write_text(f'{path.read_text()}raise RuntimeError("mine")')
  for _ in range(2):
    with pytest.raises(errors.InputError) as e:
      plugins.load(str(path))
    assert str(e.value) == f'plugin {path}: bad.py, line 4: RuntimeError: mine'
    assert isinstance(e.value.__cause__, RuntimeError)
  assert runs() == 2


@pytest.mark.parametrize(
  'text, message',
  [
    ('\nimport not_there\n', "bad_one.py, line 2: No module named 'not_there'"),
    ('a = = 1', 'SyntaxError: invalid syntax (bad_one.py, line 1)'),
    # Where the plugin stands, not the library that it calls.
    (
      'import json\ndef read():\n  json.loads("x")\n\nread()\n',
      'bad_one.py, line 3: JSONDecodeError: Expecting value: line 1 column 1 '
      '(char 0)',
    ),
    (
      'from vtab_h2t import errors\nraise errors.InputError("do that")',
      'bad_one.py, line 2: do that',
    ),
  ],
)
def test_what_fails_names_its_line(text, message, tmp_path, monkeypatch):
  path = tmp_path / 'bad_one.py'
  path.write_text(text)
  monkeypatch.syspath_prepend(tmp_path)
  for plugin in (str(path), 'bad_one'):
    with pytest.raises(errors.InputError) as e:
      plugins.load(plugin)
    assert str(e.value) == f'plugin {plugin}: {message}'


def test_a_plugin_registers(tmp_path):
  from vtab_h2t.tasks import registry

  path = tmp_path / 'tasks.py'
  path.write_text(
    'import numpy as np, vtab_h2t\n'
    'part = (np.zeros((10, 8, 8, 3), np.uint8), [0, 1] * 5)\n'
    'vtab_h2t.register_task(vtab_h2t.Task.of_arrays('
    '"from_a_plugin", part, part))\n'
  )
  try:
    plugins.load(str(path))
    (task,) = registry.tasks('own', ['from_a_plugin'])
    assert task.suite == 'own'
  finally:
    registry._registered.pop('from_a_plugin', None)
