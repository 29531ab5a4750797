import ast
import pathlib
import subprocess
import sys

import pytest

import vtab_h2t


@pytest.mark.parametrize('name', vtab_h2t.__all__)
def test_public_names_exist_and_are_documented(name):
  assert getattr(vtab_h2t, name).__doc__
  assert name in dir(vtab_h2t)


def test_type_checkers_see_the_same_names():
  tree = ast.parse(pathlib.Path(vtab_h2t.__file__).read_text())
  imported = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and node.module.startswith('vtab_h2t.'):
      for alias in node.names:
        imported[alias.asname or alias.name] = (
          node.module.removeprefix('vtab_h2t.'),
          alias.name,
        )
  assert imported == vtab_h2t._API


def test_unknown_name():
  with pytest.raises(AttributeError, match='no .nope.'):
    _ = vtab_h2t.nope


def test_import_is_light():
  subprocess.run(
    [
      sys.executable,
      '-c',
      (
        'import sys, vtab_h2t\n'
        'assert not {"tensorflow", "keras", "pandas"} & set(sys.modules)'
      ),
    ],
    check=True,
  )
