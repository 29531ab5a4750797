"""Where work units run: in this process, or on a Ray cluster.

Units are independent of each other. On a cluster each runs in a work directory
of its own and sends back the files that it wrote; they are the same, byte for
byte, as those of one process, which then only reads them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import logging
import os
import socket
import sys
import tempfile
import time
from typing import Any, Protocol

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t import plugins
from vtab_h2t.features import extraction
from vtab_h2t.methods import interface
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.protocol import unit as unit_lib
from vtab_h2t.tasks import registry as tasks_registry
from vtab_h2t.tasks import task as task_lib

# Each unit, and what went wrong, if something did.
Results = Iterator[tuple[unit_lib.Unit, errors.InputError | None]]

# How often a unit is sent again whose worker or node died.
_RETRIES = 3


class Progress(Protocol):
  """Is told what begins, how far it is, and what has ended."""

  def start(self, name: str) -> None: ...

  def stage(self, stage: str, done: int, total: int) -> None: ...

  def finish(self, message: str, count: int = 1) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
  """Where a machine has what runs only name; it changes no number.

  Attributes:
    data_dir: of the data of VTAB-1k, or None.
    download: whether TensorFlow Datasets may fetch what is not prepared.
    weights: path or address of weights that are not packaged, by their name.
    plugins: modules and files that register backbones, methods and tasks.
    memory_bytes: working memory for training heads.
    require_gpu: whether a worker without a GPU is an error.
  """

  data_dir: str | None = None
  download: bool = False
  weights: Mapping[str, str] = dataclasses.field(default_factory=dict)
  plugins: tuple[str, ...] = ()
  memory_bytes: int = 8 * 2**30
  require_gpu: bool = False

  def tasks(
    self, run: run_lib.Run, names: Sequence[str] | None
  ) -> list[task_lib.Task]:
    """The named tasks of a run's suite; None for all.

    Raises:
      errors.InputError: as `tasks.registry.tasks` raises.
    """
    return tasks_registry.tasks(
      run.suite,
      names,
      self.data_dir,
      run.data_source or tasks_registry.TFDS,
      self.download,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
  """A Ray cluster, and what a unit reserves on it.

  Attributes:
    address: of the cluster; 'auto' for the one that this machine belongs to.
    cpus, gpus: that a unit reserves.
  """

  address: str = 'auto'
  cpus: int = 1
  gpus: float = 0


def local(
  units: Sequence[unit_lib.Unit],
  places: Places,
  ledger: ledger_lib.Ledger,
  progress: Progress,
) -> Results:
  """Runs one unit after the other in this process."""
  extractors: dict[str, unit_lib.ExtractorFor] = {}
  for unit in units:
    started = time.monotonic()
    progress.start(unit.name)
    progress.stage('load', 0, 1)
    try:
      backbone = run_lib.load(unit.run, places.weights)
      if unit.run.id not in extractors:  # Only the last run's are kept.
        extractors = {
          unit.run.id: functools.cache(
            functools.partial(extraction.Extractor, backbone)
          )
        }
      unit_lib.run(
        unit,
        places.tasks(unit.run, unit.tasks),
        backbone,
        extractors[unit.run.id],
        ledger,
        places.memory_bytes,
        progress.stage,
      )
    except errors.InputError as e:
      progress.finish(f'{unit.name}: failed', len(unit.tasks))
      yield unit, e
    else:
      progress.finish(
        f'{unit.name}: {time.monotonic() - started:.0f} s', len(unit.tasks)
      )
      yield unit, None


Executor = Callable[
  [Sequence[unit_lib.Unit], Places, ledger_lib.Ledger, Progress], Results
]
EXECUTORS = 'local', 'ray'


def ray(cluster: Cluster) -> Executor:
  """What runs units on a cluster."""
  return functools.partial(_on_ray, cluster)


def _on_ray(
  cluster: Cluster,
  units: Sequence[unit_lib.Unit],
  places: Places,
  ledger: ledger_lib.Ledger,
  progress: Progress,
) -> Results:
  """Sends units to a Ray cluster and collects their files.

  Raises:
    errors.InputError: Ray is not installed, the cluster cannot be reached, or
      none of its nodes has what a unit needs.
  """
  module = connect(cluster, places.memory_bytes)
  send = module.remote(_run_elsewhere).options(
    max_retries=_RETRIES,
    num_cpus=cluster.cpus,
    num_gpus=cluster.gpus,
    memory=places.memory_bytes,
  )
  waiting = {}
  for unit in units:
    if _is_unfinished(unit, places, ledger):
      waiting[
        send.remote(
          sys.argv,
          os.getcwd(),
          _Sent.of(unit),
          places,
          _present(unit, ledger),
        )
      ] = unit
  total, failed = len(waiting), {}
  progress.start('')
  while waiting:
    progress.stage('on the cluster', total - len(waiting), total)
    for done in module.wait(list(waiting), timeout=1)[0]:
      unit = waiting.pop(done)
      try:
        outcome = module.get(done)
      except module.exceptions.RayError as e:
        first = str(e).strip().splitlines()
        outcome = (
          f'its worker failed {_RETRIES + 1} times or stopped with an '
          f'error ({first[-1] if first else type(e).__name__})'
        )
      if isinstance(outcome, str):
        failed[unit] = errors.InputError(outcome)
        continue
      folder = ledger.open(unit.run).path
      for name, content in outcome.items():
        with files.atomic_write(folder / name, binary=True) as f:
          f.write(content)
  for unit, error in failed.items():
    progress.finish(f'{unit.name}: failed', len(unit.tasks))
    yield unit, error
  yield from local(
    [u for u in units if u not in failed], places, ledger, progress
  )


def connect(cluster: Cluster, memory_bytes: int) -> Any:
  """The module `ray`, connected.

  Args:
    cluster: to which.
    memory_bytes: that a piece of work reserves.

  Raises:
    errors.InputError: Ray is not installed, the cluster cannot be reached, or
      none of its nodes has what a piece of work reserves.
  """
  try:
    import ray as module
  except ModuleNotFoundError as e:
    raise errors.InputError(
      "--executor=ray needs Ray: pip install 'vtab_h2t[ray]'"
    ) from e
  if not module.is_initialized():
    host, _, port = cluster.address.rpartition(':')
    try:
      if host and port.isdecimal():  # Ray itself would try for minutes.
        socket.create_connection((host, int(port)), timeout=10).close()
      module.init(
        address=cluster.address,
        log_to_driver=False,
        logging_level=logging.ERROR,
      )
    except (OSError, ValueError, RuntimeError) as e:
      raise errors.InputError(
        f'no Ray cluster at --ray_address={cluster.address}: {e}'
      ) from e
  wanted = {'CPU': cluster.cpus, 'GPU': cluster.gpus, 'memory': memory_bytes}
  nodes = [n['Resources'] for n in module.nodes() if n['Alive']]
  if not any(
    all(node.get(k, 0) >= v for k, v in wanted.items()) for node in nodes
  ):
    raise errors.InputError(
      f'no node of the Ray cluster has {cluster.cpus} CPUs, '
      f'{cluster.gpus} GPUs and {memory_bytes / 2**30:.3g} GiB; lower '
      '--unit_cpus, --unit_gpus or --memory_gib'
    )
  return module


def _is_unfinished(
  unit: unit_lib.Unit, places: Places, ledger: ledger_lib.Ledger
) -> bool:
  """Whether there is something for a worker to do."""
  try:
    return unit_lib.unfinished(
      unit,
      places.tasks(unit.run, unit.tasks),
      run_lib.load(unit.run, places.weights),
      ledger,
    )
  except errors.InputError:
    return False  # `local` says what is wrong.


def _present(
  unit: unit_lib.Unit, ledger: ledger_lib.Ledger
) -> dict[str, bytes]:
  """The rows files of a unit's tasks that are there, by their paths."""
  folder = ledger.find(unit.run)
  return (
    {}
    if folder is None
    else {
      path.relative_to(folder.path).as_posix(): path.read_bytes()
      for kind in ('rows', 'studies')
      for task in unit.tasks
      for path in sorted((folder.path / kind / task).glob('*.jsonl'))
    }
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Sent:
  """A unit as a worker is sent it.

  The run is as in JSON: a plugin's method has options of a type that a worker
  does not know before it has loaded the plugin.

  Attributes:
    run: what `Run.as_json` gives.
    name: of the run, if it was given one.
    tasks, methods, studies, seeds: of the unit.
  """

  run: Mapping[str, Any]
  name: str | None
  tasks: tuple[str, ...]
  methods: tuple[str, ...]
  studies: tuple[interface.Measured, ...]
  seeds: tuple[int, ...]

  @classmethod
  def of(cls, unit: unit_lib.Unit) -> '_Sent':
    """Takes a unit apart."""
    return cls(
      run=unit.run.as_json(),
      name=unit.run.chosen_name,
      tasks=unit.tasks,
      methods=unit.methods,
      studies=unit.studies,
      seeds=unit.seeds,
    )

  def unit(self) -> unit_lib.Unit:
    """Puts it together again, once plugins are loaded."""
    return unit_lib.Unit(
      run=run_lib.from_json(self.run, self.name),
      tasks=self.tasks,
      methods=self.methods,
      studies=self.studies,
      seeds=self.seeds,
    )


def _run_elsewhere(
  command: Sequence[str],
  working_directory: str,
  sent: _Sent,
  places: Places,
  present: Mapping[str, bytes],
) -> dict[str, bytes] | str:
  """A unit in a worker: its new files by their paths, or what went wrong."""
  import tensorflow as tf

  tf.config.experimental.enable_op_determinism()
  sys.argv = list(command)  # The user's, for the provenance.
  if os.path.isdir(working_directory):
    os.chdir(working_directory)  # Where relative paths begin.
  try:
    for plugin in places.plugins:
      plugins.load(plugin)
    if places.require_gpu:
      devices.check_gpu()
    unit = sent.unit()
    with tempfile.TemporaryDirectory(prefix='vtab_h2t-') as workdir:
      ledger = ledger_lib.Ledger(workdir)
      folder = ledger.open(unit.run).path
      for name, content in present.items():
        with files.atomic_write(folder / name, binary=True) as f:
          f.write(content)
      ((_, error),) = local([unit], places, ledger, _Silent())
      if error is not None:
        return str(error)
      found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*.json*'))
      }
      del found['run.json']
      return {
        name: content
        for name, content in found.items()
        if present.get(name) != content
      }
  except errors.InputError as e:
    return str(e)


class _Silent:
  """Tells nobody."""

  def start(self, name: str) -> None:
    pass

  def stage(self, stage: str, done: int, total: int) -> None:
    pass

  def finish(self, message: str, count: int = 1) -> None:
    pass
