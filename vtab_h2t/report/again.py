"""The commands that measure a run again, from what was recorded and the run."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import pathlib
import shlex
from typing import Any

from vtab_h2t.backbones import registry as backbones
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_rows
from vtab_h2t.tasks import registry as tasks

# What a recorded command has of the machine, and that determines no number.
_OF_THE_MACHINE = (
  *('workdir', 'run_name', 'explain', 'executor', 'ray_address'),
  *('unit_cpus', 'unit_gpus', 'memory_gib', 'shard_index', 'num_shards'),
  *('require_gpu', 'norequire_gpu'),
)
# What commands that measured the same of different tasks may differ in.
_VIEWS = 'tasks', 'methods', 'seeds'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
  """What one command measures again.

  Attributes:
    command: as of `command`.
    facts: the provenance of all that it stands for.
    pieces: how many commands measured it, each some of the tasks.
  """

  command: str
  facts: Sequence[Mapping[str, Any]]
  pieces: int


def command(run: run_lib.Run, recorded: str) -> str:
  """What measures again, with all that determines the run's numbers.

  What the run says itself goes before what was recorded when it was measured,
  as defaults may have been others then. A folder of data is DIR, and a file of
  weights has its name alone.

  Args:
    run: the run.
    recorded: the command that measured it.
  """
  program, given = _split(recorded)
  return _joined(program, _flags(run, given))


def parts(run: run_lib.Run, facts: Iterable[Mapping[str, Any]]) -> list[Part]:
  """The commands of a run; those that differ only in their tasks are one.

  They are if they measured the same methods with the same seeds, whether they
  name these or leave them to the defaults. The command names the tasks of all
  of them, unless these are all that the suite has.

  Args:
    run: the run.
    facts: the provenance of its measurements.
  """
  by_command: dict[str, list[Mapping[str, Any]]] = {}
  for one in facts:
    by_command.setdefault(command(run, one['command']), []).append(one)
  found: list[tuple[Any, list[list[Mapping[str, Any]]]]] = []
  for of in by_command.values():
    kind = _kind(run, of)
    for other, pieces in found:
      if kind == other and not any(_tasks(of) & _tasks(p) for p in pieces):
        pieces.append(of)
        break
    else:
      found.append((kind, [of]))
  return [
    Part(
      command=_merged(run, pieces),
      facts=[one for of in pieces for one in of],
      pieces=len(pieces),
    )
    for _, pieces in found
  ]


def _tasks(facts: Iterable[Mapping[str, Any]]) -> set[str]:
  return {one['task'] for one in facts}


def _kind(run: run_lib.Run, facts: Sequence[Mapping[str, Any]]) -> Any:
  """What commands of one part have in common; from all facts of one."""
  program, given = _split(facts[0]['command'])
  kept = {k: v for k, v in _flags(run, given).items() if k not in _VIEWS}
  seeds = {
    (method, *found)
    for one in facts
    for method, found in one.get('seeds', {}).items()
  }
  if not all('seeds' in one for one in facts):  # Of older provenance.
    seeds.add(('', given.get('seeds')))
  return (
    *program,
    frozenset(kept.items()),
    frozenset(measured(facts)),
    frozenset(seeds),
  )


def measured(facts: Iterable[Mapping[str, Any]]) -> list[str]:
  """The methods and studies that were measured, each once."""
  return list(
    dict.fromkeys(
      method for one in facts for method in one.get('methods', one['rows'])
    )
  )


def _merged(
  run: run_lib.Run, pieces: Sequence[Sequence[Mapping[str, Any]]]
) -> str:
  """One command for what several have measured of different tasks."""
  if len(pieces) == 1:
    return command(run, pieces[0][0]['command'])
  found: dict[str, str | None] = {}
  for of in pieces:
    program, given = _split(of[0]['command'])
    found |= _flags(run, given)
  every = _tasks(one for of in pieces for one in of)
  known = tasks.order(run.suite)
  if 'tasks' in found:
    found['tasks'] = ','.join(
      sorted(every, key=lambda t: known.index(t) if t in known else len(known))
    )
  if every == set(known):
    found.pop('tasks', None)
  return _joined(program, found)


def _split(recorded: str) -> tuple[list[str], dict[str, str | None]]:
  """A program's words, and its flags but those of the machine."""
  words = shlex.split(recorded)
  first = next((i for i, w in enumerate(words) if w[:2] == '--'), len(words))
  given: dict[str, str | None] = {}
  for i, word in enumerate(words):
    name, is_given, value = word.removeprefix('--').partition('=')
    if word[:2] != '--' or name in _OF_THE_MACHINE:
      continue
    if is_given:
      given[name] = value
    elif words[i + 1 : i + 2] and words[i + 1][:2] != '--':
      given[name] = words[i + 1]
    else:
      given[name] = None
  return words[:first], given


def _flags(
  run: run_lib.Run, given: Mapping[str, str | None]
) -> dict[str, str | None]:
  """What the run says itself, then what was given; without folders."""
  shown = {**given, **({'data_dir': 'DIR'} if given.get('data_dir') else {})}
  stated = flags(run)
  return {
    name: stated.get(name, shown.get(name))
    for name in dict.fromkeys([*stated, *shown])
  }


def _joined(program: Sequence[str], found: Mapping[str, str | None]) -> str:
  return ' '.join(
    [
      *program,
      *(
        f'--{name}' if value is None else f'--{name}={shlex.quote(value)}'
        for name, value in found.items()
      ),
    ]
  )


def flags(run: run_lib.Run) -> dict[str, str]:
  """What flags say of a run that defaults may not, and its name if chosen."""
  if run.suite == companion_rows.SUITE:
    # Their program has one suite, grids of its own and networks that it names.
    return {'image_size': str(run.image_size)}
  found = {'suite': run.suite}
  entry = backbones.BACKBONES.get(run.network.backbone)
  found['backbone'] = run.network.backbone
  found['weights'] = pathlib.PurePath(run.network.weights).name
  if run.data_source:
    found['data_source'] = run.data_source
  if entry is None or entry.image_size is None:
    found['image_size'] = str(run.image_size)
  if run.space.name in grids.SEARCHES:
    found['grid'] = run.space.name
  usual = dataclasses.replace(run, chosen_name=None).name
  return found | ({'run_name': run.name} if run.name != usual else {})
