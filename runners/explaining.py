"""What --explain prints: what a cell of Table 1 is made of."""

import dataclasses
import pathlib
import shlex
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from vtab_h2t import errors
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.protocol import grids

from . import common
from . import flags

if TYPE_CHECKING:
  from vtab_h2t.protocol import run as run_lib
  from vtab_h2t.report import results as results_lib

# What say which cell, or measure, and have nothing to say beside --explain.
_NOT_BESIDE = 'tasks', 'methods', 'seeds', 'download', 'num_shards'
# What a recorded command has that determines no number of one cell.
_VIEWS = (
  *('tasks', 'methods', 'seeds', 'only', 'explain', 'workdir', 'run_name'),
  *('executor', 'ray_address', 'unit_cpus', 'unit_gpus', 'memory_gib'),
  *('shard_index', 'num_shards', 'require_gpu', 'norequire_gpu'),
)


def explain(cell: str) -> None:
  """Prints what a cell is made of; nothing is measured.

  Args:
    cell: as TASK/METHOD.

  Raises:
    errors.InputError: it is none, or other flags do not go with it.
  """
  task, slash, method = cell.partition('/')
  if not (task and slash and method) or '/' in method:
    raise errors.InputError(
      f'--explain={cell} is not TASK/METHOD, as sprites_loc/head2toe'
    )
  for name in _NOT_BESIDE:
    flag = absl_flags.FLAGS[name]
    if flag.present and flag.value != flag.default:
      raise errors.InputError(
        f'--explain={cell} names one cell and measures nothing; leave out '
        f'--{name}'
      )
  from vtab_h2t.report import explain as explain_lib

  if flags.SOURCE.value == flags.PUBLISHED:
    if flags.RUN_NAME.value:
      raise errors.InputError(
        'the paper has no runs; leave out --run_name or --source=published'
      )
    print(explain_lib.of_paper(task, method))
    return
  common.prepare_tensorflow()
  results = _results(task, method)
  explain_lib.check(results, task, method)
  print(
    explain_lib.measured(results, task, method, _again(results, task, method))
  )


def _results(task: str, method: str) -> 'results_lib.Results':
  """Those of the run that the flags say.

  Raises:
    errors.InputError: it has none; those that have the cell are named.
  """
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.report import explain as explain_lib
  from vtab_h2t.report import results as results_lib

  ledger = ledger_lib.Ledger(flags.WORKDIR.value)
  runs = {f.path.name: f.run for f in ledger.folders() if not f.run.parent}
  run = runs.get(flags.RUN_NAME.value or '')
  if run is None and not flags.RUN_NAME.value:
    run = flags.run()
  found = None if run is None else results_lib.read(ledger, run)
  if found is not None:
    return found
  having = [
    f'--run_name={r.folder.path.name}'
    for r in results_lib.read_all(ledger)
    if explain_lib.has(r, task, method)
  ]
  name = flags.RUN_NAME.value or (run.name if run else '')
  raise errors.InputError(
    f'there is no run {name} in {flags.WORKDIR.value}; '
    + (
      f'{task}/{method} is in that of {" or ".join(having)}'
      if having
      else f'no run there has {task}/{method}'
    )
  )


def _again(results: 'results_lib.Results', task: str, method: str) -> list[str]:
  """The words of the command that measures a cell once more.

  What the run says itself goes before what was recorded when it was measured,
  as defaults may have been others then.
  """
  run = results.run
  kept: dict[str, str | None] = {}
  for measurement in results.folder.measurements():
    if measurement.facts['task'] == task and method in measurement.rows:
      kept = _flags_of(measurement.facts['command'])
  seeds = sorted(
    r['seed']
    for r in results.of(run.job)
    if (r['task'], r['method'], r['split']) == (task, method, 'test')
  )
  return [
    *('python', '-m', 'runners.table1'),
    *(
      f'--{name}' if value is None else f'--{name}={value}'
      for name, value in (
        kept
        | _flags_of_run(run)
        | {
          'tasks': task,
          'methods': method,
          'seeds': ','.join(map(str, seeds)),
        }
      ).items()
    ),
  ]


def _flags_of(command: str) -> dict[str, str | None]:
  """The flags of a recorded command that determine numbers; None: no value."""
  found: dict[str, str | None] = {}
  words = shlex.split(command)
  for i, word in enumerate(words):
    name, is_given, value = word.removeprefix('--').partition('=')
    if not word.startswith('--') or name in _VIEWS:
      continue
    follows = words[i + 1] if i + 1 < len(words) else '--'
    if is_given:
      found[name] = value
    else:
      found[name] = None if follows.startswith('--') else follows
  return found


def _flags_of_run(run: 'run_lib.Run') -> dict[str, str | None]:
  """What flags say of a run that defaults may not, and its name if chosen."""
  entry = backbones.BACKBONES.get(run.network.backbone)
  found: dict[str, str | None] = {'suite': run.suite}
  found['backbone'] = run.network.backbone
  found['weights'] = run.network.weights
  if run.data_source:
    found['data_source'] = run.data_source
  if entry is None or entry.image_size is None:
    found['image_size'] = str(run.image_size)
  if run.space.name in grids.SEARCHES:
    found['grid'] = run.space.name
  usual = dataclasses.replace(run, chosen_name=None).name
  name = pathlib.PurePath(run.name).name
  return found | ({'run_name': name} if name != usual else {})
