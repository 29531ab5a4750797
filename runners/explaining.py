"""What --explain prints: what a cell of Table 1 is made of."""

import shlex
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from vtab_h2t import errors

from . import common
from . import flags

if TYPE_CHECKING:
  from vtab_h2t.report import results as results_lib

# What say which cell, or measure, and have nothing to say beside --explain.
_NOT_BESIDE = 'tasks', 'methods', 'seeds', 'download', 'num_shards'
# What of a command says which cells are measured.
_VIEWS = 'tasks', 'methods', 'seeds', 'only'


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
  """The words of the command that measures a cell once more."""
  from vtab_h2t.report import again

  program = ['python', '-m', 'runners.table1']
  recorded = [
    m.facts
    for m in results.folder.measurements()
    if m.facts['task'] == task and method in m.rows
  ] or [{'command': ' '.join(program)}]
  command = again.command(results.run, recorded[-1]['command'])
  seeds = sorted(
    r['seed']
    for r in results.of(results.run.job)
    if (r['task'], r['method'], r['split']) == (task, method, 'test')
  )
  return [
    *program,
    *(
      word
      for word in shlex.split(command)
      if word.startswith('--')
      and word.removeprefix('--').partition('=')[0] not in _VIEWS
    ),
    f'--tasks={task}',
    f'--methods={method}',
    f'--seeds={",".join(map(str, seeds))}',
  ]
