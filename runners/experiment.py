"""The course of every runner of tables and figures: measure, derive, write."""

from collections.abc import Sequence
import dataclasses
from typing import TYPE_CHECKING

from vtab_h2t import errors
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.tasks import registry as tasks_registry

from . import common
from . import executor_flags
from . import flags
from . import progress as progress_lib

if TYPE_CHECKING:
  from vtab_h2t.backbones import backbone as backbone_lib
  from vtab_h2t.protocol import executors
  from vtab_h2t.report import output as output_lib
  from vtab_h2t.report import results as results_lib


def run(names: Sequence[str] | None) -> None:
  """Makes tables and figures of `report.catalogue`, and prints what it made.

  Args:
    names: which; None for all that the backbone and the source have.

  Raises:
    errors.InputError: an unknown name, one that the source does not have, or
      something could not be measured; what could be is made first.
  """
  from vtab_h2t.report import catalogue

  unknown = [name for name in names or () if name not in catalogue.OUTPUTS]
  if unknown:
    raise errors.InputError(
      f'there is no {unknown[0]}; choose from {", ".join(catalogue.OUTPUTS)}'
    )
  chosen = [catalogue.OUTPUTS[name] for name in names or catalogue.OUTPUTS]
  from_paper = flags.SOURCE.value == flags.PUBLISHED
  possible = [
    o
    for o in chosen
    if (
      o.published
      if from_paper
      else (
        o.measured
        and o.vit in (None, flags.is_vit())
        and flags.has_taps(o.all_jobs)
        and (flags.has_usual_taps() or not o.compares_taps)
      )
    )
  ]
  if names and len(possible) < len(chosen):
    first = next(o for o in chosen if o not in possible)
    raise errors.InputError(
      f'{first.name}: '
      + (
        "the paper's numbers do not suffice; leave out --source"
        if from_paper
        else 'not for this backbone, or nothing of it is '
        'measured; try --source=published'
      )
    )
  if from_paper:
    common.publish(possible, flags.WORKDIR.value)
  else:
    _measure_and_write(possible, are_named=bool(names))


def _measure_and_write(
  outputs: Sequence['output_lib.Output'], are_named: bool
) -> None:
  """Makes outputs of all that the run has, once what is asked for is there.

  Args:
    outputs: which.
    are_named: whether the user named them, so that none is left out.
  """
  outputs, view, whole, failures = _measure(outputs, are_named)
  if executor_flags.is_shard():
    if not failures:
      print(
        'this shard is done; when all are, the same command without shard '
        'flags makes the tables and figures'
      )
  elif whole is not None and view is not None:
    made = [o for o in outputs if o.possible(view)]
    for output in made:
      common.show(output, view, whole)
    _make_again(whole, made)
    print(f'rows: {whole.folder.path / "rows"}')
    if not made and not failures:
      failures.append('none of these has what it is made from')
  if failures:
    raise errors.InputError('; '.join(failures))


def _make_again(
  whole: 'results_lib.Results', made: Sequence['output_lib.Output']
) -> None:
  """Makes what is in the run's folder already from the rows of now."""
  from vtab_h2t.report import catalogue

  for output in catalogue.OUTPUTS.values():
    if output not in made and output.possible(whole) and output.is_in(whole):
      output.write_results(whole)


def _allowed(
  outputs: Sequence['output_lib.Output'],
  run_: run_lib.Run,
  backbone: 'backbone_lib.Backbone',
  are_named: bool,
) -> list['output_lib.Output']:
  """Those that the run and its network allow.

  Raises:
    errors.InputError: the user named one that they do not.
  """
  allowed = []
  for output in outputs:
    try:
      output.check(run_, backbone)
    except errors.InputError:
      if are_named:
        raise
    else:
      allowed.append(output)
  return allowed


def _required(
  outputs: Sequence['output_lib.Output'], are_named: bool
) -> list[str]:
  """The methods that outputs need, or are made of where they are named."""
  from vtab_h2t.methods import registry as methods

  named = [
    m for o in outputs if are_named for m in o.one_of if m in methods.ANYWHERE
  ]
  return list(dict.fromkeys([m for o in outputs for m in o.methods] + named))


def _has_second(outputs: Sequence['output_lib.Output']) -> bool:
  """Whether outputs need a second network."""
  from vtab_h2t.report import jobs

  return any(jobs.JOBS[job].has_second for o in outputs for job in o.all_jobs)


def _downloaded(
  places: 'executors.Places', names: Sequence[str]
) -> 'executors.Places':
  """Downloads what tasks lack, if that is wanted, before any is measured.

  Shards, and Ray's workers, download what they need themselves.

  Args:
    places: whether to download, and where to.
    names: of the tasks.

  Returns:
    The places, where what failed is not tried again.
  """
  from vtab_h2t.protocol import executors

  is_here = (
    executor_flags.executor() is executors.local
    and not executor_flags.is_shard()
  )
  if not places.download or not is_here:
    return places
  common.download(names, places.data_dir)
  return dataclasses.replace(places, download=False)


def _measure(
  outputs: Sequence['output_lib.Output'], are_named: bool
) -> tuple[
  list['output_lib.Output'],
  'results_lib.Results | None',
  'results_lib.Results | None',
  list[str],
]:
  """Measures what outputs lack.

  Args:
    outputs: which.
    are_named: whether the user named them, so that none is left out.

  Returns:
    The outputs that the run and its network allow, what was asked for, all
    that the run has, and what went wrong.

  Raises:
    errors.InputError: bad settings, or the network does not allow an output
      that was named or a method.
  """
  from vtab_h2t.report import jobs
  from vtab_h2t.report import results as results_lib

  places, tried = flags.places(), flags.space()
  suite, data_source = flags.suite_and_source()
  tasks = tasks_registry.tasks(
    suite, flags.task_names(), places.data_dir, data_source, places.download
  )
  groups = [
    tuple(t.name for t in group)
    for group in tasks_registry.sharing_images(tasks)
  ]
  for task in tasks:  # Bad settings fail before anything is loaded.
    for method in flags.methods(tried, _required(outputs, are_named)):
      methods_registry.check(method, tried.of_task(task.name))
  if _has_second(outputs):
    flags.check_second()
  executor_flags.prepare_tensorflow()
  from vtab_h2t.protocol import ledger as ledger_lib

  places = _downloaded(places, [t.name for t in tasks])
  ledger = ledger_lib.Ledger(flags.WORKDIR.value)
  run_ = flags.run()
  backbone = run_lib.load(run_, places.weights)
  outputs = _allowed(outputs, run_, backbone, are_named)
  names = [job for o in outputs for job in o.all_jobs]
  methods = flags.methods(tried, _required(outputs, are_named))
  jobs.check((), methods, backbone)
  there = ledger.find(run_)
  if there is not None:  # Under a name that it was given before.
    run_ = there.run
  other = flags.second(run_) if _has_second(outputs) else None
  if not names:  # What follows from no rows still has a folder.
    ledger.open(run_)
  failures = []
  batches = jobs.batches(names)
  if (
    executor_flags.is_shard()
  ):  # What needs other tasks' rows is for all to do.
    batches = [b for b in batches if jobs.TRANSFER not in b]
  executor_flags.say_devices()
  total = sum(jobs.count(batch) for batch in batches) * len(tasks)
  with progress_lib.Progress(total, 'tasks') as progress:
    for batch in batches:
      units = executor_flags.shard(
        jobs.units(batch, run_, other, groups, methods, flags.seeds(), ledger)
      )
      for unit, error in executor_flags.executor()(
        units, places, ledger, progress
      ):
        if error is not None:
          failures.append(f'{", ".join(unit.tasks)}: {error}')
  whole = results_lib.read(ledger, run_, other)
  view = (
    None
    if whole is None
    else whole.view({t.name for t in tasks}, set(methods), set(flags.seeds()))
  )
  return outputs, view, whole, failures
