"""What all benchmarks share: timing, the machine's limits, rows of results."""

from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
import dataclasses
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import flags
import numpy as np

from vtab_h2t import machine
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import provenance
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.protocol import unit as unit_lib
from vtab_h2t.tasks import task as task_lib

SMALL, FULL = 'small', 'full'
SETTING = flags.DEFINE_enum(
  'setting',
  FULL,
  [SMALL, FULL],
  'small: ends within a minute, to notice '
  'when something has become slower. full: what the table of goals wants.',
)
_OUT = flags.DEFINE_string(
  'out',
  str(pathlib.Path(__file__).parent / 'results.jsonl'),
  'Where rows are added.',
)


def is_small() -> bool:
  """Whether only the small setting was asked for."""
  return SETTING.value == SMALL


@dataclasses.dataclass(frozen=True)
class Time:
  """Seconds: medians over repetitions."""

  wall: float
  cpu: float

  def __truediv__(self, count: float) -> 'Time':
    return Time(self.wall / count, self.cpu / count)


def timed(run: Callable[[], Any], repeats: int = 3, warm: int = 1) -> Time:
  """Median times of a call, after some that do not count."""
  for _ in range(warm):
    run()
  found = []
  for _ in range(repeats):
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    found.append((time.perf_counter() - wall, time.process_time() - cpu))
  return Time(*(float(x) for x in np.median(found, axis=0)))


def per_step(
  run: Callable[[int], Any], few: int, many: int, repeats: int = 3
) -> Time:
  """Time of a step: that of many less that of few, so starting costs nothing.

  Args:
    run: does so many steps.
    few, many: numbers of steps.
    repeats: of both.
  """
  run(few)
  one, two = (
    timed(lambda: run(few), repeats, 0),
    timed(lambda: run(many), repeats, 0),
  )
  return Time(
    (two.wall - one.wall) / (many - few), (two.cpu - one.cpu) / (many - few)
  )


def copy_bandwidth() -> float:
  """Bytes a second read and written by copies on all cores."""
  cores = os.cpu_count() or 1
  parts = [
    (np.ones(2**27 // cores, np.float32), np.empty(2**27 // cores, np.float32))
    for _ in range(cores)
  ]
  with futures.ThreadPoolExecutor(cores) as pool:
    spent = timed(
      lambda: list(pool.map(lambda p: np.copyto(p[1], p[0]), parts)), 5
    )
  return 2 * sum(p[0].nbytes for p in parts) / spent.wall


def tell_nobody(*progress: Any) -> None:
  """Where a call would tell of its progress."""
  del progress


def uniform(rows: int, columns: int, seed: int = 0) -> Any:
  """Features between 0 and 1, `[rows, columns]`.

  `tf.random.stateless_uniform` would hold three arrays of that size.
  """
  import tensorflow as tf

  key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=[seed, 1])
  return tf.raw_ops.StatelessRandomUniformV2(
    shape=[rows, columns], key=key, counter=counter, alg=1
  )


def unit(
  task: task_lib.Task,
  backbone: backbone_lib.Backbone,
  weights: str,
  methods: tuple[str, ...],
  space: space_lib.Space,
  seeds: tuple[int, ...],
  others: tuple[interface.Measured, ...] = (),
) -> tuple[list[ledger_lib.Row], Time, dict[str, Time]]:
  """Runs a work unit as the runners do, from images on.

  Args:
    task: its task.
    backbone: its network.
    weights: their name.
    methods: what to run.
    space: to search.
    seeds: of the final heads.
    others: what is measured besides and is not among the registered methods.

  Returns:
    Its rows, the time of all, and of each stage.
  """
  run = run_lib.Run(
    suite=task.suite,
    data_source=None,
    image_size=backbone.image_size,
    network=run_lib.Network(
      backbone=backbone.name,
      weights=weights,
      scale=backbone.input.scale,
      sha256=backbone.weights_sha256,
      offset=backbone.input.offset,
    ),
    space=space,
  )
  work = unit_lib.Unit(
    run=run, tasks=(task.name,), methods=methods, studies=others, seeds=seeds
  )
  with tempfile.TemporaryDirectory() as workdir:
    ledger = ledger_lib.Ledger(workdir)
    spent = timed(
      lambda: unit_lib.run(
        work,
        [task],
        backbone,
        lambda sizes: extraction.Extractor(backbone, sizes),
        ledger,
        8 * 2**30,
        tell_nobody,
      ),
      1,
      0,
    )
    folder = ledger.open(run)
    rows = folder.rows()
    (stages,) = [m.facts['seconds'] for m in folder.measurements()]
  return (
    rows,
    spent,
    {name: Time(s['wall'], s['cpu']) for name, s in stages.items()},
  )


def elsewhere(
  module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
  """What a module prints last, as JSON, in a process of its own.

  Args:
    module: its name.
    *arguments: for it.
    environment: variables to set besides those of this process.

  Raises:
    MemoryError: the process was killed, as Linux does where memory ends.
  """
  done = subprocess.run(
    [sys.executable, '-m', module, *arguments],
    check=False,
    stdout=subprocess.PIPE,
    text=True,
    env=os.environ | (environment or {}),
  )
  if done.returncode == -signal.SIGKILL:
    raise MemoryError(f'{module} {" ".join(arguments)} was killed')
  done.check_returncode()
  return json.loads(done.stdout.splitlines()[-1])


def write(benchmark: str, rows: Sequence[Mapping[str, Any]]) -> None:
  """Prints rows and adds them to the file of results."""
  import pandas as pd

  print(
    pd.json_normalize([*map(dict, rows)]).to_string(
      index=False, float_format=lambda v: f'{v:.4g}'
    )
  )
  facts = {
    'benchmark': benchmark,
    'setting': SETTING.value,
    'machine': platform.platform(),
    'processor': machine.processor(),
    'cores': os.cpu_count(),
    'git': provenance.git(),
    'time': time.strftime('%Y-%m-%d %H:%M'),
  }
  with open(_OUT.value, 'a', encoding='utf-8') as f:
    for row in rows:
      f.write(json.dumps(facts | dict(row), sort_keys=True) + '\n')
