"""The plan of the house, which is the file BUILD, and the files beside it."""

import ast
import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
import dataclasses
import os
import pathlib
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = '@pypi//'

# Import names that are not the names of their packages.
_DISTRIBUTIONS = {
  'PIL': 'pillow',
  'absl': 'absl_py',
  'google': 'protobuf',
  'skimage': 'scikit_image',
  'sklearn': 'scikit_learn',
}

Graph = Mapping[str, Iterable[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
  """One call of a rule in BUILD; paths are relative to the root."""

  kind: str
  name: str
  srcs: tuple[str, ...] = ()
  data: tuple[str, ...] = ()
  deps: tuple[str, ...] = ()

  @property
  def neighbours(self) -> set[str]:
    """Names of the targets that it depends on."""
    return {d[1:] for d in self.deps if d.startswith(':')}

  @property
  def packages(self) -> set[str]:
    return {
      d.removeprefix(PACKAGES) for d in self.deps if d.startswith(PACKAGES)
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Import:
  """One thing that a file imports."""

  path: str  # Of the file that imports.
  line: int
  module: str  # The longest part that is a module, with dots.

  @property
  def top(self) -> str:
    return self.module.partition('.')[0]

  @property
  def package(self) -> str:
    """Name in BUILD of the third-party package that has the module."""
    return _DISTRIBUTIONS.get(self.top, self.top).lower().replace('-', '_')


def targets(root: pathlib.Path = ROOT) -> list[Target]:
  """What BUILD declares: Starlark without loops is Python, so it is executed.

  Args:
    root: folder that has the BUILD file.
  """
  found: list[Target] = []

  def glob(
    include: list[str], exclude: Iterable[str] = (), **unused: Any
  ) -> list[str]:
    del unused
    paths = {
      p.relative_to(root).as_posix()
      for pattern in include
      for p in root.glob(f'{pattern}/*' if pattern.endswith('**') else pattern)
      if p.is_file()
    }
    left_out = set(glob(list(exclude))) if exclude else set()
    return sorted(paths - left_out)

  def rule(kind: str) -> Callable[..., None]:
    def declare(
      *,
      name: str,
      srcs: Iterable[str] = (),
      data: Iterable[str] = (),
      deps: Iterable[str] = (),
      **unused: Any,
    ) -> None:
      del unused
      found.append(
        Target(
          kind=kind,
          name=name,
          srcs=tuple(srcs),
          data=tuple(data),
          deps=tuple(deps),
        )
      )

    return declare

  def nothing(*args: Any, **kwargs: Any) -> None:
    del args, kwargs

  def exports_files(paths: list[str], **unused: Any) -> None:
    del unused
    found.append(Target(kind='exports_files', name='', data=tuple(paths)))

  kinds = 'py_library', 'py_binary', 'py_test', 'filegroup', 'alias'
  path = root / 'BUILD'
  code = compile(path.read_text(encoding='utf-8'), str(path), 'exec')
  exec(
    code,
    {  # pylint: disable=exec-used
      'glob': glob,
      'load': nothing,
      'package': nothing,
      'exports_files': exports_files,
      **{kind: rule(kind) for kind in kinds},
    },
  )
  return found


def files(root: pathlib.Path = ROOT) -> list[str]:
  """Files that need a target: Python files, and all that vtab_h2t has.

  And the BUILD files that folders have, which they should not.
  """
  ignored = {'__pycache__'}
  if (root / '.bazelignore').exists():
    ignored |= set((root / '.bazelignore').read_text('utf-8').split())
  found = []
  for folder, folders, names in os.walk(root):
    folders[:] = [f for f in folders if f not in ignored and f[0] != '.']
    relative = pathlib.Path(folder).relative_to(root)
    found += [
      (relative / n).as_posix()
      for n in names
      if n.endswith('.py')
      or relative.parts[:1] == ('vtab_h2t',)
      or (relative.parts and n in ('BUILD', 'BUILD.bazel'))
    ]
  return sorted(found)


class House:
  """The plan and what the files make of it.

  Attributes:
    targets: all that BUILD declares.
    rooms: name of each group of files that share their deps, and its target.
      Tests that have the same deps are one room, called tests; a program is a
      room if its file is in no other.
    owner: path of each file of a room, and the name of the room.
    modules: path of each module, by its name with dots.
    imports: what the files of rooms import, standard library left out.
  """

  def __init__(self, root: pathlib.Path = ROOT) -> None:
    self.root = root
    self.targets = targets(root)
    self.rooms: dict[str, Target] = {}
    tests: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
    for target in self.targets:
      if target.kind == 'py_library':
        self.rooms[target.name] = target
      elif target.kind == 'py_test':
        tests[target.deps] += target.srcs
    for n, (deps, srcs) in enumerate(tests.items()):
      name = 'tests' if len(tests) == 1 else f'tests, group {n + 1}'
      self.rooms[name] = Target(
        kind='py_test', name=name, deps=deps, srcs=tuple(sorted(set(srcs)))
      )
    shared = {path for room in self.rooms.values() for path in room.srcs}
    self.rooms |= {
      t.name: t
      for t in self.targets
      if t.kind == 'py_binary' and not set(t.srcs) <= shared
    }
    self.owner = {
      path: room.name
      for room in self.rooms.values()
      for path in room.srcs
      if (root / path).is_file()
    }
    self.modules = {dotted(p): p for p in self.owner if p.endswith('.py')}
    self._tops = {m.partition('.')[0] for m in self.modules}
    self.imports = [
      found
      for path in sorted(self.modules.values())
      for found in self._imports(path)
      if found.top not in sys.stdlib_module_names
    ]

  def _imports(self, path: str) -> Iterator[Import]:
    """Imports of a file, wherever in its body they stand."""
    text = (self.root / path).read_text(encoding='utf-8')
    for node in ast.walk(ast.parse(text)):
      if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
      elif isinstance(node, ast.ImportFrom):
        module = node.module or ''
        if node.level:
          above = path.split('/')[: -node.level]
          module = '.'.join([*above, module] if module else above)
        inner = [f'{module}.{alias.name}' for alias in node.names]
        names = sorted(
          {
            module if n not in self.modules and self._has_names(module) else n
            for n in inner
          }
        )
      else:
        continue
      for name in names:
        yield Import(path=path, line=node.lineno, module=name)

  def _has_names(self, module: str) -> bool:
    """Whether a module may have names that are no modules."""
    path = self.modules.get(module)
    if not path:
      return not self.is_ours(module)
    return not path.endswith('/__init__.py') or bool(
      (self.root / path).read_text(encoding='utf-8').strip()
    )

  def is_ours(self, module: str) -> bool:
    return module.partition('.')[0] in self._tops

  def room_of(self, found: Import) -> str | None:
    """Room of an imported module; None if there is no such module."""
    path = self.modules.get(found.module)
    return self.owner[path] if path else None

  def module_graph(self) -> dict[str, set[str]]:
    """Which module imports which of ours."""
    graph: dict[str, set[str]] = {m: set() for m in self.modules}
    for found in self.imports:
      if found.module in graph:
        graph[dotted(found.path)].add(found.module)
    return graph

  def room_graph(self) -> dict[str, set[str]]:
    """Which room imports which other room."""
    graph: dict[str, set[str]] = {name: set() for name in self.rooms}
    for found in self.imports:
      room, other = self.owner[found.path], self.room_of(found)
      if other and other != room:
        graph[room].add(other)
    return graph

  def plan_graph(self) -> dict[str, set[str]]:
    """Which room may import which other room."""
    return {
      name: room.neighbours & set(self.rooms)
      for name, room in self.rooms.items()
    }


def dotted(path: str) -> str:
  """'vtab_h2t/tasks/task.py' is 'vtab_h2t.tasks.task'."""
  return path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')


def _reachable(graph: Graph, start: str) -> dict[str, str]:
  """Nodes that a step or more from start reach, and the node before each."""
  before: dict[str, str] = {}
  queue = collections.deque([start])
  while queue:
    node = queue.popleft()
    for other in sorted(graph[node]):
      if other not in before:
        before[other] = node
        queue.append(other)
  return before


def knots(graph: Graph) -> list[tuple[list[str], list[str]]]:
  """Largest sets of nodes that all reach each other.

  Args:
    graph: for each node the nodes that it points to, which are nodes too.

  Returns:
    For each knot a shortest circle, its first node repeated, and the nodes of
    the knot that are not on that circle.
  """
  reached = {node: _reachable(graph, node) for node in graph}
  found, seen = [], set()
  for node in sorted(graph):
    knot = {n for n in reached[node] if node in reached[n]}
    if not knot or node in seen:
      continue
    seen |= knot
    paths = []
    for first in sorted(knot):
      path = [first, reached[first][first]]
      while path[-1] != first:
        path.append(reached[first][path[-1]])
      paths.append(path[::-1])
    circle = min(paths, key=len)
    found.append((circle, sorted(knot - set(circle))))
  return found
