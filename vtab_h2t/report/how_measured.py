"""When, on what and for how long a run was measured, and by which commands."""

from collections.abc import Mapping, Sequence
from typing import Any

from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import again
from vtab_h2t.report import rounding
from vtab_h2t.report import run_names
from vtab_h2t.report import seconds as seconds_lib
from vtab_h2t.report import tables

_FOLDERS = {
  'rows': 'the rows of methods, a file for each task and method',
  'studies': 'the rows of studies, a file for each task and study',
  'manifests': 'which images each task has',
  'provenance': 'the facts of each measurement',
}
# Shares of the time by the clock: of processor time that says nothing more,
# and below which the processor mostly waited.
_ALIKE = 0.9, 1.1
_WAITED = 0.75
_QUIET = '#where-make-table1-spends-its-time'


def markdown(folder: ledger_lib.Folder, asked: run_lib.Run) -> str:
  """The section of a run's README that says how it was measured.

  Args:
    folder: of the run.
    asked: the run that commands name: itself, or the one it is derived from.
  """
  facts = [m.facts for m in folder.measurements()]
  there = [name for name in _FOLDERS if (folder.path / name).is_dir()]
  parts = [
    '## How it was measured',
    _facts(facts),
    _commands(folder, asked, facts),
    'What is in this folder: [run.json](run.json) says all that determines '
    'the numbers'
    + ''.join(f'; [{name}]({name}/) has {_FOLDERS[name]}' for name in there)
    + '.',
  ]
  return '\n\n'.join(part for part in parts if part)


def _facts(facts: Sequence[Mapping[str, Any]]) -> str:
  """When, on which processor, for how long, at which commit."""
  if not facts:
    return 'There is no provenance of these rows.'
  days = sorted({f['when'][:10] for f in facts if 'when' in f})
  lines = []
  if days:
    lines.append(
      f'- It was measured {_between(days)}'
      + (
        '.'
        if all('when' in f for f in facts)
        else ', as far as the day was recorded.'
      )
    )
  commits = sorted(
    {
      f['git']['commit'][:12] + (' with changes' if f['git']['dirty'] else '')
      for f in facts
      if f['git']
    }
  )
  memory = max(f['peak_memory_bytes'] for f in facts) / 2**30
  packages = [f['packages'] for f in facts]
  versions = ', '.join(
    f'{label} {_listed({p[name] for p in packages if p.get(name)})}'
    for name, label in (('tensorflow', 'TensorFlow'), ('keras', 'Keras'))
  )
  lines += [
    f'- It took {_took(facts)}. At most {memory:.1f} GiB of memory were in '
    'use.',
    f'- Processor: {_listed({f["processor"] for f in facts})}'
    f'{_accelerators(facts)}. System: '
    f'{_listed({f["machine"] for f in facts})}.',
    f'- Commit: {", ".join(f"`{c}`" for c in commits) or "not recorded"}. '
    f'Python {_listed({f["python"] for f in facts})}, {versions}.',
  ]
  return '\n'.join(lines)


def _between(days: Sequence[str]) -> str:
  if len(days) == 1:
    return f'on {days[0]}'
  return f'between {days[0]} and {days[-1]}'


def _listed(values: set[str]) -> str:
  return ', '.join(sorted(values))


def _accelerators(facts: Sequence[Mapping[str, Any]]) -> str:
  """How many cores were used, and what was used beside the processor."""
  devices = [d for f in facts for d in f.get('devices', ())]
  cores = sorted({d['cores'] for d in devices if d.get('cores')})
  others = _listed(
    {
      d['model']
      for d in devices
      if d.get('model') and d['model'] not in {f['processor'] for f in facts}
    }
  )
  said = [f'{" or ".join(map(str, cores))} cores'] if cores else []
  return ', '.join(['', *said, *([others] if others else [])])


def _took(facts: Sequence[Mapping[str, Any]]) -> str:
  """The time by the clock, and that of processors where it says more."""
  wall, cpu = (seconds_lib.total(facts, clock) for clock in ('wall', 'cpu'))
  text = f'{_duration(wall)} by the clock'
  if len({f['command'] for f in facts}) > 1:
    text += ', its parts added up'
  low, high = _ALIKE
  if low * wall <= cpu <= high * wall or _duration(wall) == _duration(cpu):
    return text
  return f'{text}, and {_duration(cpu)} of processor time, all cores added up'


def _duration(seconds: float) -> str:
  if seconds < 99.5:
    return f'{seconds:.0f} seconds'
  if seconds < 99.5 * 60:
    return f'{seconds / 60:.0f} minutes'
  return f'{seconds / 3600:.1f} hours'


def _commands(
  folder: ledger_lib.Folder,
  asked: run_lib.Run,
  facts: Sequence[Mapping[str, Any]],
) -> str:
  """What measures it again, and how long each part took."""
  parts = again.parts(asked, facts)
  if not parts:
    return ''
  waited = [part for part in parts if _waited(part)]
  notes = []
  if len(parts) > 1 and any(part.pieces > 1 for part in parts):
    notes.append(
      'Pieces are commands that measured some of the tasks each; here is one '
      'for all of them.'
    )
  if waited:
    note = _note(folder.run, waited)
    notes.append(rounding.linked(note, folder.path, _QUIET))
  if any('=DIR' in part.command for part in parts):
    notes.append(
      '`DIR` is the folder of the data set, in the form that `docs/data.md` '
      'describes.'
    )
  if len(parts) == 1:
    text = f'This command measures it again:\n\n    {parts[0].command}'
  else:
    text = 'These commands measure it again:\n\n' + '\n\n'.join(
      f'- {_part(part)}\n\n        {part.command}' for part in _ordered(parts)
    )
  return '\n\n'.join(filter(None, [text, ' '.join(notes)]))


def _ordered(parts: Sequence[again.Part]) -> list[again.Part]:
  """Methods first, in the order of Table 1."""
  known = list(tables.LABELS)

  def place(part: again.Part) -> int:
    first = again.measured(part.facts)[0]
    return known.index(first) if first in known else len(known)

  return sorted(parts, key=place)


def _part(part: again.Part) -> str:
  """What was measured, on which tasks, and how long that took."""
  # The features that tasks selected are studied once for each task.
  names = dict.fromkeys(
    name.partition('-from-')[0] for name in again.measured(part.facts)
  )
  named = ', '.join(
    tables.LABELS.get(name) or run_names.job(name) for name in names
  )
  found = list(dict.fromkeys(one['task'] for one in part.facts))
  where = found[0] if len(found) == 1 else f'{len(found)} tasks'
  text = f'{named[0].upper()}{named[1:]} on {where}: '
  text += f'{_hours(part, "wall")} by the clock'
  if part.pieces > 1:
    text += f' in {part.pieces} pieces'
  if _waited(part):
    text += f', {_hours(part, "cpu")} of processor time'
  return text


def _hours(part: again.Part, clock: str) -> str:
  return _duration(seconds_lib.total(part.facts, clock))


def _waited(part: again.Part) -> bool:
  """Whether its processors were not busy for most of the time."""
  wall, cpu = (
    seconds_lib.total(part.facts, clock) for clock in ('wall', 'cpu')
  )
  return cpu < _WAITED * wall


def _note(run: run_lib.Run, waited: Sequence[again.Part]) -> str:
  """What it means that processors were not busy."""
  text = (
    'Where processor time is much less than the time by the clock, the '
    'computation waited for a good part of it, as on a machine that does other '
    'work at the same time; what it waited for was not recorded.'
  )
  is_main = rounding.is_known(run) and any(
    set(again.measured(part.facts)) == set(methods.FROZEN) for part in waited
  )
  if is_main:
    text += (
      ' How long Linear to Head2Toe take on a quiet machine is in '
      f'{rounding.WHERE}.'
    )
  return text
