"""Where work units run: in this process, or on a Ray cluster.

Units are independent of each other. On a cluster each runs in a work directory
of its own and sends back the files that it wrote; they are the same, byte for
byte, as those of a run in one process, which then only reads them.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import os
import pathlib
import socket
import tempfile
import time

from absl import flags

from runners import common
from runners import run_flags
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import reproduction
from vtab_h2t.studies import base as study_lib
from vtab_h2t.tasks import task as task_lib

# Tasks that label the same images; they are one unit.
Group = Sequence[task_lib.Task]
# The rows of each group, or what went wrong.
Results = Iterator[tuple[Group, list[ledger_lib.Row] | errors.InputError]]

# How often a unit is sent again whose worker or node died.
_RETRIES = 3
_RESULTS = 'rows', 'provenance', 'manifests'


@dataclasses.dataclass(frozen=True)
class Batch:
  """Jobs of `protocol.reproduction` that are alike but for their studies.

  Attributes:
    names: of the jobs.
    studies: of those that have one.
    required: methods that must be run besides those of the flags.
  """

  names: tuple[str, ...]
  studies: tuple[study_lib.Study, ...]
  required: tuple[str, ...]

  @property
  def job(self) -> reproduction.Job:
    """What they have in common."""
    return reproduction.JOBS[self.names[0]]

  @property
  def title(self) -> str:
    """For progress."""
    if self.names == (reproduction.ACCURACY,):
      return ''
    return ', '.join(self.names) + ': '

  def settings(self, tasks: Group) -> dict:
    """How each task is run, by its name."""
    return {t.name: run_flags.settings(t, self.job, self.studies, self.required)
            for t in tasks}


def local(batch: Batch, groups: Sequence[Group], ledger: ledger_lib.Ledger,
          progress: common.Progress) -> Results:
  """Runs one unit after the other in this process."""
  from vtab_h2t.features import extraction
  from vtab_h2t.protocol import unit
  progress.start(batch.title)
  progress.stage('load', 0, 1)
  backbone = run_flags.load_backbone(batch.job)
  extractor_for = functools.cache(
      lambda sizes: extraction.Extractor(backbone, sizes))
  for group in groups:
    started = time.monotonic()
    name = _name(batch, group)
    progress.start(name)
    try:
      rows = unit.run(
          reproduction.tasks_of(batch.job, group), backbone,
          run_flags.weights_name(batch.job), batch.settings(group), ledger,
          extractor_for, progress.stage)
    except errors.InputError as e:
      progress.finish(f'{name}: failed', len(group))
      yield group, e
    else:
      progress.finish(f'{name}: {time.monotonic() - started:.0f} s', len(group))
      yield group, rows


def on_ray(batch: Batch, groups: Sequence[Group], ledger: ledger_lib.Ledger,
           progress: common.Progress) -> Results:
  """Sends units to a Ray cluster and collects their files.

  Raises:
    errors.InputError: Ray is not installed, the cluster cannot be reached, or
      none of its nodes has what a unit needs.
  """
  ray = _connect()
  send = ray.remote(_run_elsewhere).options(
      max_retries=_RETRIES, **run_flags.unit_needs())
  waiting = {}
  for group, present in _unfinished(batch, groups, ledger):
    waiting[send.remote(_own_flags(), os.getcwd(), batch,
                        tuple(t.name for t in group), present)] = group
  total, failed = len(waiting), {}
  progress.start(batch.title)
  while waiting:
    progress.stage('on the cluster', total - len(waiting), total)
    for done in ray.wait(list(waiting), timeout=1)[0]:
      group = waiting.pop(done)
      try:
        outcome = ray.get(done)
      except ray.exceptions.RayError as e:
        first = str(e).strip().splitlines()
        outcome = (f'its worker failed {_RETRIES + 1} times or stopped with an '
                   f'error ({first[-1] if first else type(e).__name__})')
      if isinstance(outcome, str):
        failed[id(group)] = errors.InputError(outcome)
        continue
      for name, content in outcome.items():
        with files.atomic_write(ledger.workdir / name, binary=True) as f:
          f.write(content)
  good = [g for g in groups if id(g) not in failed]
  for group in groups:
    if id(group) in failed:
      progress.finish(f'{_name(batch, group)}: failed', len(group))
      yield group, failed[id(group)]
  if good:
    yield from local(batch, good, ledger, progress)


EXECUTORS: dict[str, Callable[..., Results]] = {'local': local, 'ray': on_ray}


def _name(batch, group) -> str:
  return batch.title + ', '.join(t.name for t in group)


def _connect():
  """The module `ray`, connected."""
  try:
    import ray
  except ModuleNotFoundError as e:
    raise errors.InputError(
        '--executor=ray needs Ray: pip install \'vtab_h2t[ray]\'') from e
  if not ray.is_initialized():
    host, _, port = run_flags.RAY_ADDRESS.value.rpartition(':')
    try:
      if host and port.isdecimal():  # Ray itself would try for minutes.
        socket.create_connection((host, int(port)), timeout=10).close()
      ray.init(address=run_flags.RAY_ADDRESS.value, log_to_driver=False,
               logging_level='ERROR')
    except (OSError, ValueError, RuntimeError) as e:
      raise errors.InputError(
          f'no Ray cluster at --ray_address={run_flags.RAY_ADDRESS.value}: '
          f'{e}') from e
  needs = run_flags.unit_needs()
  wanted = {'CPU': needs['num_cpus'], 'GPU': needs['num_gpus'],
            'memory': needs['memory']}
  nodes = [n['Resources'] for n in ray.nodes() if n['Alive']]
  if not any(all(node.get(k, 0) >= v for k, v in wanted.items())
             for node in nodes):
    raise errors.InputError(
        f'no node of the Ray cluster has {needs["num_cpus"]} CPUs, '
        f'{needs["num_gpus"]} GPUs and {needs["memory"] / 2**30:.3g} GiB; '
        'lower --unit_cpus, --unit_gpus or --memory_gib')
  return ray


def _unfinished(batch, groups, ledger):
  """Groups whose rows are not all there, with the rows files that are."""
  from vtab_h2t.protocol import unit
  backbone = run_flags.load_backbone(batch.job)
  for group in groups:
    try:
      paths = unit.rows_paths(
          reproduction.tasks_of(batch.job, group), backbone,
          run_flags.weights_name(batch.job), batch.settings(group), ledger)
    except errors.InputError:
      continue  # The data are bad: `local` says so.
    present = {str(p.relative_to(ledger.workdir)): p.read_bytes()
               for p in paths if p.exists()}
    if len(present) < len(paths):
      yield group, present


def _own_flags() -> list[str]:
  """The flags of `run_flags` that were given, for another process."""
  own = flags.FLAGS.flags_by_module_dict()[run_flags.__name__]
  return [f.serialize() for f in own if not f.using_default_value]


def _run_elsewhere(arguments: Sequence[str], folder: str, batch: Batch,
                   tasks: Sequence[str], present: dict[str, bytes]
                   ) -> dict[str, bytes] | str:
  """A unit in a worker: its files by their paths, or what went wrong."""
  if os.path.isdir(folder):
    os.chdir(folder)  # Where flags name files.
  flags.FLAGS(['unit', *arguments])
  common.prepare_tensorflow()
  with tempfile.TemporaryDirectory(prefix='vtab_h2t-') as workdir:
    for name, content in present.items():
      with files.atomic_write(pathlib.Path(workdir, name), binary=True) as f:
        f.write(content)
    group = [t for t in run_flags.tasks() if t.name in tasks]
    with common.Progress(len(group), 'tasks') as progress:
      (_, outcome), = local(
          batch, [group], ledger_lib.Ledger(workdir), progress)
    if isinstance(outcome, errors.InputError):
      return str(outcome)
    return {str(path.relative_to(workdir)): path.read_bytes()
            for part in _RESULTS
            for path in sorted(pathlib.Path(workdir, part).rglob('*.json*'))
            if str(path.relative_to(workdir)) not in present}
