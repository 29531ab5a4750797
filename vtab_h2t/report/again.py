"""The commands that measure a run again, from what was recorded and the run."""

from collections.abc import Iterable, Mapping
import dataclasses
import pathlib
import shlex
from typing import Any

from vtab_h2t.backbones import registry as backbones
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import companion_rows

# What a recorded command has of the machine, and that determines no number.
_OF_THE_MACHINE = (
  *('workdir', 'run_name', 'explain', 'executor', 'ray_address'),
  *('unit_cpus', 'unit_gpus', 'memory_gib', 'shard_index', 'num_shards'),
  *('require_gpu', 'norequire_gpu'),
)


def commands(run: run_lib.Run, facts: Iterable[Mapping[str, Any]]) -> list[str]:
  """Each command once, with all that determines the run's numbers.

  What the run says itself goes before what was recorded when it was measured,
  as defaults may have been others then. A folder of data is DIR, and a file of
  weights has its name alone.

  Args:
    run: the run.
    facts: the provenance of its measurements.
  """
  return list(dict.fromkeys(_command(run, f['command']) for f in facts))


def _command(run: run_lib.Run, recorded: str) -> str:
  words = shlex.split(recorded)
  first = next((i for i, w in enumerate(words) if w[:2] == '--'), len(words))
  kept: dict[str, str | None] = {}
  for i, word in enumerate(words):
    name, is_given, value = word.removeprefix('--').partition('=')
    if word[:2] != '--' or name in _OF_THE_MACHINE:
      continue
    if is_given:
      kept[name] = value
    elif words[i + 1 : i + 2] and words[i + 1][:2] != '--':
      kept[name] = words[i + 1]
    else:
      kept[name] = None
  if kept.get('data_dir'):
    kept['data_dir'] = 'DIR'
  stated = flags(run)
  order = dict.fromkeys([*stated, *kept])
  return ' '.join(
    words[:first]
    + [
      f'--{name}' if value is None else f'--{name}={shlex.quote(value)}'
      for name in order
      for value in [stated.get(name, kept.get(name))]
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
