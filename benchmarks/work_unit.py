r"""Table 1's frozen methods on one task, against the released code's manner.

  python -m benchmarks.work_unit
  python -m benchmarks.work_unit --setting=small
  python -m benchmarks.work_unit --grid=paper     # 15 to 30 minutes

The baseline embeds the images for each configuration (train, validation, test),
trains one head at a time with a compiled Keras step, and shares nothing. One
configuration of each method and number of steps is timed and counted as often
as the grid has it, folds and final seeds included; its correct answers are
compared with the sweep's for the same setting.
"""

from collections.abc import Sequence
from typing import Any

from absl import app
from absl import flags
import numpy as np
import tensorflow as tf

from benchmarks import baseline
from benchmarks import harness
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.features import normalization
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.heads import sweep
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.tasks import registry as tasks
from vtab_h2t.tasks import task as task_lib

_GRID = flags.DEFINE_enum(
  'grid',
  'quick',
  ['quick', 'paper'],
  'quick: of the embedded suite. paper: that grid at the smallest target size.',
)
_TASK, _SEEDS = 'digits', (0, 1, 2)
# What each method's (first) head is penalised with.
_PENALTIES = {
  'linear': None,
  'all_l2': 'l2',
  'all_l1': 'l1',
  'all_l21': 'l21',
  'head2toe': 'l21',
}


class _Baseline:
  """Trains and tests one configuration, from images on."""

  def __init__(
    self, task: task_lib.Task, backbone: backbone_lib.Backbone, target_size: int
  ) -> None:
    self._task, self._backbone = task, backbone
    self._extractor = extraction.Extractor(backbone, (target_size,))
    self._size = target_size

  def _embed(self, split: task_lib.Split, size: int | None) -> list[np.ndarray]:
    parts = [
      [part.numpy() for part in self._extractor.select(batch, size)]
      for _, batch in self._extractor(split)
    ]
    return [np.concatenate(column) for column in zip(*parts)]

  def _train(
    self,
    x: tf.Tensor,
    y: np.ndarray,
    spec: sweep.HeadSpec,
    steps: int,
    penalty: str | None,
  ) -> Any:
    layer, step = baseline.head(
      x.shape[1], self._task.num_classes, spec, steps, penalty
    )
    step = tf.function(step, reduce_retracing=True)
    batches = (
      tf.data.Dataset.from_tensor_slices((x, y))
      .batch(sweep.BATCH_SIZE)
      .repeat()
      .take(steps)
    )
    for batch in batches:
      step(*batch)
    return layer

  def run(
    self,
    method: str,
    setting: linear.Setting,
    seed: int,
    examples: np.ndarray,
    test_split: task_lib.Split,
    test_examples: np.ndarray,
  ) -> int:
    """Correct answers of one configuration on some examples."""
    size, penalty = setting.target_size, _PENALTIES[method]
    layout = self._extractor.layouts[size]
    train = self._embed(self._task.train, size)
    test = self._embed(test_split, size)
    labels = self._task.train.labels[examples]

    def matrix(
      blocks: list[np.ndarray],
      some: np.ndarray,
      columns: np.ndarray | None = None,
    ) -> tf.Tensor:
      return normalization.design_matrix(blocks, layout, some, columns)

    first = sweep.HeadSpec(
      setting.learning_rate, (seed, interface.FIRST), setting.coefficient or 0.0
    )
    layer = self._train(
      matrix(train, examples), labels, first, setting.steps, penalty
    )
    columns = None
    if method == 'head2toe':
      # Selection is a run of its own there, with its own embedding.
      train = self._embed(self._task.train, size)
      columns = fraction_lib.select(
        fraction_lib.relevance_scores(tf.transpose(layer.kernel)),
        setting.fraction,
      )
      second = sweep.HeadSpec(setting.learning_rate, (seed, interface.SECOND))
      layer = self._train(
        matrix(train, examples, columns), labels, second, setting.steps, None
      )
    answers = layer(matrix(test, test_examples, columns)).numpy().argmax(1)
    return int((answers == test_split.labels[test_examples]).sum())


def _versus(
  task: task_lib.Task,
  released: _Baseline,
  name: str,
  steps: int,
  space: space_lib.Space,
  rows: Sequence[ledger_lib.Row],
) -> dict[str, float | str]:
  """One configuration of the baseline, and how often the unit has its like."""
  candidates = [
    c for c in methods.MEASURED[name].candidates(space) if c.steps == steps
  ]
  count = len(candidates) * len(space.folds) + sum(
    r['split'] == 'test' and (r['method'], r['steps']) == (name, steps)
    for r in rows
  )
  chosen = candidates[len(candidates) // 2]
  fold = space.folds[-1]
  val = task.folds[fold]
  answers = []
  one = harness.timed(
    lambda: answers.append(
      released.run(
        name,
        chosen,
        _SEEDS[0],
        np.setdiff1d(task.cv_examples, val),
        task.train,
        val,
      )
    ),
    1,
    0,
  )
  (of_sweep,) = [
    r['correct']
    for r in rows
    if (r['method'], r['split'], r['fold']) == (name, 'val', fold)
    and chosen.as_row().items() <= r.items()
  ]
  assert abs(answers[0] - of_sweep) <= 2, (name, answers, of_sweep)
  return {
    'what': f'baseline, {name}, {steps} steps',
    'count': count,
    'cpu_seconds': one.cpu,
    'all_cpu_seconds': one.cpu * count,
    'correct': answers[0],
    'correct_of_ours': of_sweep,
    'of': len(val),
  }


def main(argv: Sequence[str]) -> None:
  del argv
  small = harness.SETTING.value == harness.SMALL
  tf.config.experimental.enable_op_determinism()
  backbone = backbones.load(
    'efficientnet_lite0', 'imagenet', 32 if small else 96
  )
  (task,) = tasks.tasks('embedded', [_TASK])
  space = grids.get(_GRID.value, backbone.name)
  size = grids.target_sizes(backbone.name)[0]
  space = space.changed(
    {name: {'target_sizes': (size,)} for name in _PENALTIES if name != 'linear'}
  )
  names = tuple(methods.FROZEN)[:1] if small else tuple(methods.FROZEN)
  rows, spent, stages = harness.unit(
    task, backbone, 'imagenet', names, space, _SEEDS
  )
  found = [
    {'what': f'ours, {stage}', 'all_cpu_seconds': seconds.cpu}
    for stage, seconds in stages.items()
  ]
  found.append(
    {
      'what': 'ours, all',
      'all_cpu_seconds': spent.cpu,
      'wall_seconds': spent.wall,
    }
  )
  released = _Baseline(task, backbone, size)
  others = [
    _versus(task, released, name, steps, space, rows)
    for name in names
    for steps in space.of(name).steps
  ]
  total = sum(f['all_cpu_seconds'] for f in others)
  found += [
    *others,
    {
      'what': 'baseline, all (one of each kind x count)',
      'all_cpu_seconds': total,
      'over_ours': total / spent.cpu,
    },
  ]
  harness.write('work_unit', [{'grid': space.name} | f for f in found])


if __name__ == '__main__':
  app.run(main)
