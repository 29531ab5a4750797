r"""Tests the companion papers' claims on real networks under real shifts.

LP-FT (Kumar et al., 2022), surgical fine-tuning (Lee et al., 2023) and head
probing (Ren et al., 2023), on tasks whose test images differ from what was
trained on. Prints tables and claims, and writes them with figures. A run that
is cut off goes on from where it was when it is started again; all of it takes
hours on a CPU, and --only and --tasks measure it in pieces.

  python -m runners.companions --quick
  python -m runners.companions --only=surgical --tasks=mnist_5k.flipped
  python -m runners.companions --source=published
"""

from collections.abc import Sequence
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from vtab_h2t import errors
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.protocol import companions
from vtab_h2t.tasks import registry as tasks_registry
from vtab_h2t.tasks import shifted

from . import common
from . import progress as progress_lib
from . import shared_flags

if TYPE_CHECKING:
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import run as run_lib
  from vtab_h2t.report import results as results_lib

_ONLY = flags.DEFINE_list(
  'only',
  None,
  f'Comma-separated papers, of {", ".join(companions.NAMES)}; all by default.',
)
_TASKS = flags.DEFINE_list(
  'tasks',
  None,
  'Comma-separated tasks, as digits.to.mnist_5k (a pair, for lp_ft) or '
  'mnist_5k.noise3 (a target, for surgical); docs/companions.md lists them.',
)
_QUICK = flags.DEFINE_bool(
  'quick',
  False,
  'One task of each kind, fewer settings and one seed: a quarter of an hour '
  'on two cores. It is a run of its own.',
)
_SEEDS = shared_flags.seeds(None, '; by default 0,1,2, and 0 with --quick')
_WORKDIR = shared_flags.workdir()
_SOURCE = shared_flags.source()
_PLUGINS = shared_flags.plugins()
_BACKBONE = shared_flags.backbone()
_WEIGHTS = shared_flags.weights()
_REQUIRE_GPU = shared_flags.require_gpu()
_IMAGE_SIZE = flags.DEFINE_integer(
  'image_size',
  tasks_registry.IMAGE_SIZES[shifted.SUITE],
  'Side in pixels of what the networks see; the images have 64.',
  lower_bound=32,
)

common.check_choices('only', companions.NAMES)

# LP-FT is measured with these seeds besides where three do not decide.
_MORE_SEEDS = 3, 4


def main() -> None:
  from vtab_h2t.report import catalogue

  names = _ONLY.value or companions.NAMES
  outputs = [
    o
    for o in catalogue.COMPANIONS.values()
    if o.name.startswith((*names, 'companion'))
  ]
  if _SOURCE.value == shared_flags.PUBLISHED:
    common.publish(outputs, _WORKDIR.value)
    return
  work = _work(names)
  common.prepare_tensorflow(_REQUIRE_GPU.value)
  from vtab_h2t.protocol import ledger as ledger_lib

  ledger = ledger_lib.Ledger(_WORKDIR.value)
  run = _run()
  small = _small(run.image_size)
  there = ledger.find(run)
  if there is not None:
    run = there.run
  common.say_devices()
  failures = _measure(work, run, small, _seeds(), ledger)
  whole = _results(ledger, run, small)
  if (
    companions.LP_FT in work
    and not _SEEDS.value
    and not _TASKS.value
    and not _QUICK.value
    and not failures
    and _is_undecided(whole)
  ):
    print(
      'some claims on LP-FT are undecided with three seeds; two more are '
      'measured'
    )
    failures = _measure(
      {companions.LP_FT: work[companions.LP_FT]},
      run,
      small,
      (*_seeds(), *_MORE_SEEDS),
      ledger,
    )
    whole = _results(ledger, run, small)
  if whole is not None:
    for output in outputs:
      if output.possible(whole):
        common.show(output, whole, whole)
    print(f'rows: {whole.folder.path / "studies"}')
  if failures:
    raise errors.InputError('; '.join(failures))


def _weights() -> str:
  return backbones.weights_of(_BACKBONE.value, _WEIGHTS.value)


def _seeds() -> tuple[int, ...]:
  if _SEEDS.value:
    return tuple(map(int, _SEEDS.value))
  return (0,) if _QUICK.value else (0, 1, 2)


def _work(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
  """The tasks of each paper.

  Raises:
    errors.InputError: a task that there is not, or that none of the papers is
      measured on.
  """
  declared = companions.QUICK_TASKS if _QUICK.value else companions.TASKS
  if not _TASKS.value:
    return {name: declared[name] for name in names}
  found: dict[str, list[str]] = {}
  for task in _TASKS.value:
    taken = [n for n in names if companions.takes(n, shifted.task(task))]
    if not taken:
      raise errors.InputError(
        f'{task} is no task for {", ".join(names)}: lp_ft takes pairs '
        '(A.to.B), surgical targets (A.SHIFT), head_probe tasks without a shift'
      )
    for name in taken:
      found.setdefault(name, []).append(task)
  return {name: tuple(found[name]) for name in names if name in found}


def _is_wanted(job: str, task: str) -> bool:
  """Whether a job is measured on a task.

  The large network is adapted surgically to one shift of each kind, unless the
  user names others, and not at all in the quick form.
  """
  if job != companions.LARGE:
    return True
  if _QUICK.value:
    return False
  return bool(_TASKS.value) or task in companions.OF_EACH_KIND


def _run() -> 'run_lib.Run':
  """The run of the large network.

  Raises:
    errors.InputError: its weights cannot be read.
  """
  from vtab_h2t.protocol import run as run_lib

  size = backbones.BACKBONES[_BACKBONE.value].image_size or _IMAGE_SIZE.value
  return run_lib.Run(
    suite=shifted.SUITE,
    data_source=None,
    network=run_lib.network(_BACKBONE.value, _weights(), size),
    image_size=size,
    space=companions.space(
      companions.QUICK if _QUICK.value else companions.FULL
    ),
  )


def _small(image_size: int) -> 'run_lib.Network':
  """The small network, with random weights."""
  from vtab_h2t.protocol import run as run_lib

  return run_lib.network(
    companions.SMALL_NETWORK,
    'random',
    companions.small_image_size(image_size),
  )


def _measure(
  work: dict[str, tuple[str, ...]],
  run: 'run_lib.Run',
  small: 'run_lib.Network',
  seeds: tuple[int, ...],
  ledger: 'ledger_lib.Ledger',
) -> list[str]:
  """Measures what is missing; returns what went wrong."""
  from vtab_h2t.protocol import executors
  from vtab_h2t.report import jobs

  units = [
    unit
    for name, tasks in work.items()
    for job in companions.JOBS[name]
    for unit in jobs.units(
      [job],
      run,
      small,
      [(task,) for task in tasks if _is_wanted(job, task)],
      (),
      seeds,
      ledger,
    )
  ]
  places = executors.Places(
    weights={pathlib.Path(_weights()).name: _weights()},
    plugins=tuple(_PLUGINS.value or ()),
  )
  failures = []
  with progress_lib.Progress(len(units), 'tasks') as progress:
    for unit, error in executors.local(units, places, ledger, progress):
      if error is not None:
        failures.append(f'{", ".join(unit.tasks)}: {error}')
  return failures


def _results(
  ledger: 'ledger_lib.Ledger', run: 'run_lib.Run', small: 'run_lib.Network'
) -> 'results_lib.Results | None':
  from vtab_h2t.report import results as results_lib

  return results_lib.read(ledger, run, small)


def _is_undecided(results: 'results_lib.Results | None') -> bool:
  """Whether a claim on LP-FT is neither found right nor wrong."""
  from vtab_h2t.report import claims_lp_ft
  from vtab_h2t.report import judging

  return results is not None and any(
    v.claim in claims_lp_ft.CLAIMS and v.verdict == judging.UNDECIDED
    for v in judging.verdicts(results)
  )


if __name__ == '__main__':
  common.run(main)
