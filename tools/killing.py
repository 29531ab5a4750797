"""Kills a small run again and again, at random points, and looks what it left.

  python -m tools.killing WORKDIR KILLS SEED

Prints how many kills hit, at which stages, and how many runs were finished
between them. Exits with status 1 if a finished run's rows differ from those of
a run that was left alone. Children are forks of a process that has imported
TensorFlow and not used it, so each costs a second.
"""

import collections
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import traceback

import tensorflow as tf  # So that children need not.

from tests import testing
from vtab_h2t.features import extraction
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import unit

_METHODS = 'linear', 'all_l1', 'head2toe', 'finetune'
_SPACE = testing.tiny_space(
  folds=(4,),
  all_l1={'target_sizes': (6,), 'coefficients': (1e-4,)},
  head2toe={'target_sizes': (6,), 'coefficients': (1e-4,)},
  finetune={'learning_rates': (0.1, 0.01), 'steps': (4,), 'batch': 32},
)


def _run(workdir: pathlib.Path) -> None:
  tf.config.experimental.enable_op_determinism()
  task, backbone = (
    testing.tiny_task(train=60, test=30),
    (testing.normed_backbone()),
  )
  work = unit.Unit(
    run=testing.tiny_run(backbone, space=_SPACE),
    tasks=(task.name,),
    methods=_METHODS,
    seeds=(0, 1),
  )

  def tell(stage: str, done: int, total: int) -> None:
    del done, total
    (workdir / 'stage').write_text(stage)

  workdir.mkdir(parents=True, exist_ok=True)
  unit.run(
    work,
    [task],
    backbone,
    lambda sizes: extraction.Extractor(backbone, sizes),
    ledger_lib.Ledger(workdir),
    2**28,
    tell,
  )


def _fork(workdir: pathlib.Path) -> int:
  child = os.fork()
  if child:
    return child
  status = 1
  try:
    _run(workdir)
    status = 0
  except BaseException:
    traceback.print_exc()
  finally:
    os._exit(status)


def main(root: pathlib.Path, wanted: int, seed: int) -> int:
  """Returns the exit status."""
  rng = random.Random(seed)
  started = time.monotonic()
  _, status = os.waitpid(_fork(root / 'whole'), 0)
  whole = time.monotonic() - started
  reference = testing.rows_files(root / 'whole')
  if status or len(reference) != len(_METHODS):
    print('the run that was left alone failed')
    return 1
  stages: collections.Counter[str] = collections.Counter()
  finished, workdir = 0, root / 'killed'
  while sum(stages.values()) < wanted:
    child = _fork(workdir)
    time.sleep(rng.uniform(0, whole))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
      stage = workdir / 'stage'
      stages[stage.read_text() if stage.exists() else 'start'] += 1
      if any(v != reference[k] for k, v in testing.rows_files(workdir).items()):
        print(f'half a result after {sum(stages.values())} kills')
        return 1
      continue
    if status or testing.rows_files(workdir) != reference:
      print(f'other rows after {sum(stages.values())} kills')
      return 1
    finished += 1
    shutil.rmtree(workdir)
  _, status = os.waitpid(_fork(workdir), 0)
  if status or testing.rows_files(workdir) != reference:
    print('other rows at the end')
    return 1
  left = [str(p) for p in workdir.rglob('*.tmp-*')]
  left += [str(p) for p in workdir.glob('features/*.part')]
  left += [str(p) for p in workdir.glob('*/unfinished/*')]
  if left:
    print(f'left behind: {left}')
    return 1
  for name, count in sorted(stages.items()):
    print(f'{count} kills at: {name}')
  print(f'{sum(stages.values())} kills, {finished + 1} runs finished')
  return 0


if __name__ == '__main__':
  sys.exit(main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
