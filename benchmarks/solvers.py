r"""Head2Toe with Adam's and with the convex solver's relevances.

  python -m benchmarks.solvers
  python -m benchmarks.solvers --setting=small
  python -m benchmarks.solvers --data_dir=DIR --weights=FILE

Quick grid, three seeds, each task of the embedded suite at 64 pixels with
either solver: accuracy, and the time of choosing and of training the final
heads. Features take the same with either and are not counted. With a
`--data_dir` that has archives and a ViT-Ti/16's `--weights`, Caltech101 comes
last.
"""

from collections.abc import Iterator, Sequence
import itertools

from absl import app
from absl import flags
import numpy as np

from benchmarks import harness
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.heads import convex
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.report import statistics
from vtab_h2t.tasks import registry as tasks
from vtab_h2t.tasks import task as task_lib

_DATA_DIR = flags.DEFINE_string('data_dir', None, 'Has archives of VTAB-1k.')
_WEIGHTS = flags.DEFINE_string('weights', None, "A ViT-Ti/16's.")
_ADAM, _CONVEX = 'adam', 'convex'
_METHOD, _SEEDS = head2toe.Head2Toe.name, (0, 1, 2)


class _Solved(head2toe.Head2Toe):
  """Head2Toe whose relevances are those of the convex solver."""

  folder = 'studies'  # So that a unit takes it beside registered methods.

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> dict[head2toe.Setting, list[int]]:
    options = space.of(self.name)
    found: dict[head2toe.Setting, list[int]] = {
      c: [] for c in self.candidates(space)
    }
    for size, fold in itertools.product(options.target_sizes, folds):
      solved = _relevances(data, size, fold.train, options.coefficients)
      for steps in options.steps:
        some = [c for c in found if (c.target_size, c.steps) == (size, steps)]
        columns = [
          fraction_lib.select(solved[c.coefficient], c.fraction) for c in some
        ]
        problems = [
          _second(data, c, fold.train, seed, chosen)
          for c, chosen in zip(some, columns)
        ]
        for i, (head,) in data.heads.train(problems, steps):
          found[some[i]].append(
            data.heads.correct(size, fold.val, head, columns[i])
          )
    return found

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: head2toe.Setting,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.FeatureHead]:
    size, coefficient = setting.target_size, setting.coefficient
    solved = _relevances(data, size, examples, [coefficient])
    columns = fraction_lib.select(solved[coefficient], setting.fraction)
    problems = [
      _second(data, setting, examples, seed, columns) for seed in seeds
    ]
    for _, (head,) in data.heads.train(problems, setting.steps):
      yield data_lib.FeatureHead(size, columns, head, data.rule)


def _relevances(
  data: data_lib.TrainingData,
  size: int | None,
  examples: np.ndarray,
  coefficients: Sequence[float],
) -> dict[float, np.ndarray]:
  """Of each coefficient, the order in which features enter."""
  return {
    s.coefficient: s.entered
    for s in convex.path(
      data.matrix(size, examples).numpy(), data.labels[examples], coefficients
    )
  }


def _second(
  data: data_lib.TrainingData,
  setting: head2toe.Setting,
  examples: np.ndarray,
  seed: int,
  columns: np.ndarray,
) -> sweep.Problem:
  """The head on the selected features, as Head2Toe trains it."""
  head = sweep.HeadSpec(setting.learning_rate, (seed, interface.SECOND))
  return data.heads.problem(setting.target_size, examples, [head], columns)


def _compare(
  task: task_lib.Task, backbone: backbone_lib.Backbone, weights: str
) -> list[dict[str, float | str]]:
  found = []
  for solver in (_ADAM, _CONVEX):
    rows, _, stages = harness.unit(
      task,
      backbone,
      weights,
      (_METHOD,) if solver == _ADAM else (),
      grids.quick(backbone.name),
      _SEEDS,
      (_Solved(),) if solver == _CONVEX else (),
    )
    chosen = next(r for r in rows if r['split'] == 'test')
    spent = [time for stage, time in stages.items() if stage.endswith(_METHOD)]
    found.append(
      {
        'task': task.name,
        'backbone': backbone.name,
        'pixels': backbone.image_size,
        'solver': solver,
        'accuracy_percent': float(
          statistics.summarise(rows).accuracy_percent.item()
        ),
        'fraction': chosen['fraction'],
        'coefficient': chosen['coefficient'],
        'cpu_seconds': sum(s.cpu for s in spent),
        'wall_seconds': sum(s.wall for s in spent),
      }
    )
  return found


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  backbone = backbones.load(
    'efficientnet_lite0', 'imagenet', 32 if small else 64
  )
  names = ['digits'] if small else None
  # Each task's rows are written when there are any.
  for task in tasks.tasks('embedded', names):
    harness.write('solvers', _compare(task, backbone, 'imagenet'))
  if _DATA_DIR.value:
    (task,) = tasks.tasks(
      'vtab', ['caltech101'], _DATA_DIR.value, tasks.ARCHIVE
    )
    backbone = backbones.load('vit_ti16', _WEIGHTS.value, 224)
    harness.write('solvers', _compare(task, backbone, 'own'))


if __name__ == '__main__':
  app.run(main)
