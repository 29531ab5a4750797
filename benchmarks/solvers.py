r"""Head2Toe with Adam's and with the convex solver's relevances.

  python -m benchmarks.solvers
  python -m benchmarks.solvers --setting=small
  python -m benchmarks.solvers --data_dir=DIR --weights=FILE

Quick grid, three seeds, each task of the embedded suite with either solver:
accuracy, and the time of choosing and of training the final heads. Features
take the same with either and are not counted. With a `--data_dir` that has
archives and a ViT-Ti/16's `--weights`, Caltech101 comes last.
"""

from collections.abc import Sequence
import dataclasses

from absl import app
from absl import flags

from benchmarks import harness
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.methods import base
from vtab_h2t.protocol import grids
from vtab_h2t.report import statistics
from vtab_h2t.tasks import registry as tasks

_DATA_DIR = flags.DEFINE_string('data_dir', None, 'Has archives of VTAB-1k.')
_WEIGHTS = flags.DEFINE_string('weights', None, 'A ViT-Ti/16\'s.')
_METHOD, _SEEDS = 'head2toe', (0, 1, 2)


def _compare(task, backbone, weights) -> list[dict[str, float | str]]:
  found = []
  for solver in base.SCORE_SOLVERS:
    grid = dataclasses.replace(
        grids.quick(backbone.name), name=f'quick-{solver}', score_solver=solver)
    rows, _, stages = harness.unit(
        task, backbone, weights, (_METHOD,), grid, _SEEDS)
    chosen = next(r for r in rows if r['split'] == 'test')
    spent = [stages[f'{stage} {_METHOD}'] for stage in ('choose', 'train')]
    found.append({
        'task': task.name, 'backbone': backbone.name, 'solver': solver,
        'accuracy_percent':
            float(statistics.summarise(rows).accuracy_percent.item()),
        'fraction': chosen['fraction'], 'coefficient': chosen['coefficient'],
        'cpu_seconds': sum(s.cpu for s in spent),
        'wall_seconds': sum(s.wall for s in spent)})
  return found


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  backbone = backbones.load('efficientnet_lite0', 'imagenet', 32 if small
                            else 96)
  names = ['digits'] if small else None
  # Each task's rows are written when there are any.
  for task in tasks.tasks('embedded', names):
    harness.write('solvers', _compare(task, backbone, 'imagenet'))
  if _DATA_DIR.value:
    task, = tasks.tasks('vtab', ['caltech101'], _DATA_DIR.value, tasks.ARCHIVE)
    backbone = backbones.load('vit_ti16', _WEIGHTS.value, 224)
    harness.write('solvers', _compare(task, backbone, 'own'))


if __name__ == '__main__':
  app.run(main)
