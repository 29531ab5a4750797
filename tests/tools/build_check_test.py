"""The tree is as BUILD says, and what is not is noticed."""

import ast
import itertools
import pathlib
import re
import shutil
import subprocess

import pytest

from tools import build_check
from tools import house as house_lib

_ROOT = house_lib.ROOT

_BUILD = """
load("@rules_python//python:py_library.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

exports_files(["constraints.txt"])

py_library(
    name = "core",
    srcs = ["vtab_h2t/errors.py"],
)

py_library(
    name = "tasks",
    srcs = glob(["vtab_h2t/tasks/*.py"]),
    deps = [
        ":core",
        "@pypi//numpy",
    ],
)

py_library(
    name = "heads",
    srcs = glob(["vtab_h2t/heads/*.py"], exclude = ["**/page.py"]),
    data = ["vtab_h2t/heads/page.html"],
    deps = [
        ":core",
        ":tasks",
    ],
)

[
    py_binary(
        name = "runners/" + name,
        srcs = ["runners/%s.py" % name],
        deps = [":heads"],
    )
    for name in ["table1"]
]

[
    py_test(
        name = path[:-len(".py")],
        srcs = [path],
        deps = [
            ":heads",
            "@pypi//pillow",
        ],
    )
    for path in glob(["tests/**/*_test.py"])
]
"""
_FILES = {
  'BUILD': _BUILD,
  'constraints.txt': 'numpy==2.4.6\nPillow==13.0.0\nscikit-learn==1.9.1\n',
  'vtab_h2t/errors.py': '',
  'vtab_h2t/tasks/__init__.py': '',
  'vtab_h2t/tasks/task.py': 'import os\nimport numpy as np\n',
  'vtab_h2t/tasks/source.py': 'from vtab_h2t.tasks.task import Task\n',
  'vtab_h2t/heads/__init__.py': '',
  'vtab_h2t/heads/sweep.py': 'from vtab_h2t import errors\n'
  'from vtab_h2t.tasks import task, source\n',
  'vtab_h2t/heads/page.html': '',
  'runners/table1.py': 'from vtab_h2t.heads import sweep\n',
  'tests/heads/sweep_test.py': 'from PIL import Image\n'
  'from vtab_h2t.heads import sweep\n',
}


@pytest.fixture(name='house')
def _house(tmp_path):
  """A small tree that is as its BUILD file says."""
  _write(tmp_path, _FILES)
  assert not build_check.findings(tmp_path)
  return tmp_path


def _write(root, texts):
  for path, text in texts.items():
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_tree_is_as_the_plan_says():
  found = build_check.findings()
  assert not found, '\n'.join(found)


@pytest.mark.parametrize(
  'text',
  [
    'from vtab_h2t.heads import sweep\n',
    'import vtab_h2t.heads.sweep\n',
    'from vtab_h2t.heads.sweep import train\n',
    'from ..heads import sweep\n',
    'def f():\n  from vtab_h2t.heads import sweep\n',
    'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n'
    '  from vtab_h2t.heads import sweep\n',
  ],
)
def test_an_import_against_the_plan(house, text):
  _write(house, {'vtab_h2t/tasks/new.py': text})
  line = len(text.splitlines())
  assert build_check.findings(house) == [
    f'vtab_h2t/tasks/new.py:{line}: tasks may not import from heads '
    '(vtab_h2t.heads.sweep)',
    'circle in the imports of rooms: heads -> tasks -> heads',
  ]


@pytest.mark.parametrize(
  'text, module',
  [
    ('from vtab_h2t.tasks import nothing\n', 'vtab_h2t.tasks.nothing'),
    ('from vtab_h2t import nothing\n', 'vtab_h2t.nothing'),
    ('import runners.table9\n', 'runners.table9'),
  ],
)
def test_an_import_of_what_is_not_there(house, text, module):
  _write(house, {'vtab_h2t/heads/new.py': text})
  assert build_check.findings(house) == [
    f'vtab_h2t/heads/new.py:1: there is no module {module}'
  ]


def test_a_package_that_build_does_not_name(house):
  _write(
    house, {'vtab_h2t/heads/new.py': 'import os\nfrom sklearn import svm\n'}
  )
  assert build_check.findings(house) == [
    'vtab_h2t/heads/new.py:2: imports sklearn, but heads in BUILD does not '
    'name @pypi//scikit_learn'
  ]


def test_a_package_that_nothing_imports_or_pins(house):
  _write(
    house, {'vtab_h2t/tasks/task.py': '', 'constraints.txt': 'Pillow==13.0.0\n'}
  )
  assert build_check.findings(house) == [
    'BUILD: tasks names @pypi//numpy, which none of its files imports',
    'BUILD: tasks names @pypi//numpy, which constraints.txt does not pin',
  ]


def test_a_circle_of_modules(house):
  _write(
    house,
    {
      'vtab_h2t/tasks/task.py': (
        'import numpy\ndef f():\n  from vtab_h2t.tasks import source\n'
      )
    },
  )
  assert build_check.findings(house) == [
    'circle in the imports of modules: vtab_h2t.tasks.source -> '
    'vtab_h2t.tasks.task -> vtab_h2t.tasks.source'
  ]


def test_a_circle_of_the_plan(house):
  _write(
    house,
    {
      'BUILD': _BUILD.replace(
        '":core",\n        "@pypi//numpy"', '":heads",\n        "@pypi//numpy"'
      )
    },
  )
  assert build_check.findings(house) == [
    'circle in the plan: heads -> tasks -> heads'
  ]


def test_knots_are_found_whole():
  assert not house_lib.knots({'a': ['b'], 'b': ['c'], 'c': []})
  assert house_lib.knots(
    {'a': ['b'], 'b': ['c'], 'c': ['a', 'b'], 'd': ['d', 'a'], 'e': ['d']}
  ) == [(['b', 'c', 'b'], ['a']), (['d', 'd'], [])]


@pytest.mark.parametrize(
  'path, finding',
  [
    ('vtab_h2t/new/thing.py', 'vtab_h2t/new/thing.py has no target'),
    ('vtab_h2t/heads/new.html', 'vtab_h2t/heads/new.html has no target'),
    ('scripts/new.py', 'scripts/new.py has no target'),
    (
      'vtab_h2t/heads/BUILD',
      'vtab_h2t/heads/BUILD hides its folder from the file BUILD above it',
    ),
  ],
)
def test_a_file_without_a_target(house, path, finding):
  _write(house, {path: ''})
  assert build_check.findings(house) == [finding]


def test_a_program_that_nothing_starts(house):
  _write(house, {'vtab_h2t/heads/new.py': "if __name__ == '__main__':\n  1\n"})
  assert build_check.findings(house) == [
    'vtab_h2t/heads/new.py is a program, but no py_binary starts it'
  ]


def test_what_build_names_and_is_not_there(house):
  _write(
    house,
    {
      'BUILD': _BUILD.replace('":heads",', '":hats",').replace(
        '["table1"]', '["table1", "table2"]'
      )
    },
  )
  assert build_check.findings(house)[-2:] == [
    'BUILD: runners/table2 has the file runners/table2.py, which is not there',
    'BUILD: tests/heads/sweep_test needs :hats, which is no target',
  ]


def test_two_libraries_of_one_file(house):
  _write(
    house,
    {
      'BUILD': _BUILD
      + ('py_library(name = "more", srcs = ["vtab_h2t/errors.py"])\n')
    },
  )
  assert 'vtab_h2t/errors.py belongs to core and to more' in (
    build_check.findings(house)
  )


def test_the_command_prints_findings_and_numbers(house, monkeypatch, capsys):
  monkeypatch.setattr(build_check.findings, '__defaults__', (house,))
  monkeypatch.setattr(build_check.summary, '__defaults__', (house,))
  assert build_check.main([]) == 0
  assert not capsys.readouterr().out
  _write(house, {'scripts/new.py': ''})
  assert build_check.main(['--summary']) == 1
  assert capsys.readouterr().out.splitlines() == [
    'scripts/new.py has no target',
    'folder-to-folder imports: 3 pairs of folders, 4 pairs of modules',
    'circles: 0 of rooms, 0 of modules',
    'longest file: vtab_h2t/tasks/task.py, 2 lines',
  ]


def _is_wiring(path):
  """Whether a runner's main is a line or two."""
  for node in ast.parse(path.read_text()).body:
    if isinstance(node, ast.FunctionDef) and node.name == 'main':
      return sum(1 for n in ast.walk(node) if isinstance(n, ast.stmt)) <= 3
  return False


def test_each_module_has_a_test_file():
  named = set(
    itertools.chain.from_iterable(
      re.findall(r"'(\w+)'", p.read_text())
      for p in (_ROOT / 'tests' / 'runners').glob('*_test.py')
    )
  )
  untested = []
  for path in house_lib.files():
    top, _, rest = path.partition('/')
    name = pathlib.PurePath(path).stem
    if (
      top not in ('vtab_h2t', 'runners')
      or not path.endswith('.py')
      or name in ('__init__', 'errors')
    ):
      continue
    test = (rest if top == 'vtab_h2t' else path).removesuffix('.py')
    if (_ROOT / 'tests' / f'{test}_test.py').exists():
      continue
    # What such a runner starts has tests; that it starts needs one.
    if not (top == 'runners' and name in named and _is_wiring(_ROOT / path)):
      untested.append(path)
  assert not untested, '\n'.join(untested)


@pytest.mark.skipif(
  not shutil.which('bazel'),
  reason='bazel is not installed (Debian: bazel-bootstrap)',
)
def test_bazel_reads_the_build_file(tmp_path):
  """A real Bazel lists all targets and files, offline, with stand-in rules."""
  tree, rules = tmp_path / 'tree', tmp_path / 'rules_python'
  declared = house_lib.targets()
  paths = {
    p
    for t in declared
    for p in (*t.srcs, *t.data)
    if p[0] not in ':@' and (_ROOT / p).is_file()
  }
  for path in sorted(paths | {'BUILD', 'constraints.txt'}):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_ROOT / path, tree / path)
  (tree / 'WORKSPACE').write_text('')
  (rules / 'python').mkdir(parents=True)
  (rules / 'WORKSPACE').write_text('')
  (rules / 'python' / 'BUILD').write_text('')
  for kind in ('py_library', 'py_binary', 'py_test'):
    (rules / 'python' / f'{kind}.bzl').write_text(f'{kind} = native.{kind}\n')
  done = subprocess.run(
    [
      'bazel',
      '--batch',
      f'--output_user_root={tmp_path / "root"}',
      'query',
      '//... + labels(srcs, //...) + labels(data, //...)',
      f'--override_repository=rules_python={rules}',
      '--output=label_kind',
    ],
    cwd=tree,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 0, done.stderr
  listed = set(done.stdout.splitlines())
  named = {
    p
    for t in declared
    for p in (*t.srcs, *t.data)
    if t.name and p[0] not in ':@'
  }
  assert listed == (
    {f'{t.kind} rule //:{t.name}' for t in declared if t.name}
    | {f'source file //:{p}' for p in named}
  )
