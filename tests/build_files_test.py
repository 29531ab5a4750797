"""BUILD files mirror the tree, and the tree has no import against its order."""

import pathlib
import re
import shutil
import subprocess

import pytest

from tests import build_files

# Each folder may import from those before it only (docs/design.md).
_ORDER = ('tasks', 'backbones', 'features', 'heads', 'selection', 'methods',
          'studies', 'protocol', 'report')


def test_build_files_are_what_the_imports_say():
  expected = build_files.build_files()
  found = {p.relative_to(build_files.ROOT)
           for folder in build_files.FOLDERS
           for p in (build_files.ROOT / folder).rglob('BUILD')}
  assert found == set(expected)
  for path, text in expected.items():
    assert (build_files.ROOT / path).read_text() == text, (
        f'{path} is out of date; run python -m tests.build_files')


def test_a_change_of_imports_or_files_is_noticed(tmp_path):
  (tmp_path / 'vtab_h2t' / 'heads').mkdir(parents=True)
  module = tmp_path / 'vtab_h2t' / 'heads' / 'new.py'
  module.write_text('import numpy as np\nimport os\n')
  (tmp_path / 'vtab_h2t' / 'errors.py').write_text('')
  one = build_files.build_files(tmp_path)
  text = one[pathlib.Path('vtab_h2t/heads/BUILD')]
  assert 'name = "new"' in text and 'deps = ["@pypi//numpy"]' in text
  module.write_text('def f():\n  from vtab_h2t import errors\n')
  two = build_files.build_files(tmp_path)
  assert 'deps = ["//vtab_h2t:errors"]' in two[
      pathlib.Path('vtab_h2t/heads/BUILD')]


def test_folders_import_only_from_those_before_them():
  wrong = []
  for path in build_files.modules():
    parts = path.parts
    if parts[0] != 'vtab_h2t' or len(parts) < 3:
      continue
    allowed = set(_ORDER[:_ORDER.index(parts[1]) + 1])
    for label in build_files.dependencies(path):
      if label.startswith('//'):
        folder = label.removeprefix('//vtab_h2t').strip('/').split(':')[0]
        if not label.startswith('//vtab_h2t') or (
            folder and folder not in allowed):
          wrong.append(f'{path} imports {label}')
  assert not wrong


def test_each_module_has_a_test_file():
  untested = [
      path for path in build_files.modules()
      if path.parts[0] in ('vtab_h2t', 'runners')
      and path.name not in ('__init__.py', 'errors.py')
      # Names of outputs alone; run by tests/runners/experiment_test.py.
      and not re.fullmatch(r'runners/(figure\d+|table[24567]|scores)\.py',
                           path.as_posix())
      and not (build_files.ROOT / 'tests' / pathlib.Path(*path.parts[1:] if
               path.parts[0] == 'vtab_h2t' else path.parts).with_name(
                   f'{path.stem}_test.py')).exists()]
  assert not untested


@pytest.mark.skipif(not shutil.which('bazel'),
                    reason='bazel is not installed (Debian: bazel-bootstrap)')
def test_bazel_reads_every_build_file(tmp_path):
  """A real Bazel lists all targets, offline, with stand-in rules."""
  tree, rules = tmp_path / 'tree', tmp_path / 'rules_python'
  for path in [*build_files.modules(), *build_files.build_files(),
               pathlib.Path('BUILD'), pathlib.Path('constraints.txt'),
               pathlib.Path('setup.py'),
               pathlib.Path('results/published/BUILD')]:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build_files.ROOT / path, tree / path)
  (tree / 'WORKSPACE').write_text('')
  (rules / 'python').mkdir(parents=True)
  (rules / 'WORKSPACE').write_text('')
  (rules / 'python' / 'BUILD').write_text('')
  for kind in ('py_library', 'py_binary', 'py_test'):
    (rules / 'python' / f'{kind}.bzl').write_text(f'{kind} = native.{kind}\n')
  done = subprocess.run(
      ['bazel', '--batch', f'--output_user_root={tmp_path / "root"}', 'query',
       '//...', f'--override_repository=rules_python={rules}',
       '--output=label_kind'],
      cwd=tree, capture_output=True, text=True, timeout=300)
  assert done.returncode == 0, done.stderr
  listed = {tuple(l.split(' rule ')) for l in done.stdout.splitlines()}
  wanted = {('alias', '//:vtab_h2t'),
            ('filegroup', '//results/published:published')}
  for path in build_files.modules():
    folder, name = path.parent.as_posix(), path.stem
    if name.endswith('_test'):
      wanted.add(('py_test', f'//{folder}:{name}'))
    elif folder == 'runners' and name not in ('common', '__init__'):
      wanted |= {('py_library', f'//{folder}:{name}_lib'),
                 ('py_binary', f'//{folder}:{name}')}
    else:
      wanted.add(('py_library', f'//{folder}:{name}'))
  assert listed == wanted
