"""A work unit: everything for one (suite, backbone, task).

Train features are computed once (or read from the store), hyper-parameters are
chosen on the folds, final heads are trained for every seed, and one pass over
the test images judges them all. Units whose tasks label the same images share
that pass.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import base
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.protocol import evaluation
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import provenance
from vtab_h2t.tasks import manifest
from vtab_h2t.tasks import task as task_lib

# Changes whenever the same inputs would give other rows.
VERSION = 1

Progress = Callable[[str, int, int], None]  # Stage, done, total.


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a unit is run.

  Attributes:
    methods: method ids.
    grid: the search space.
    protocol: of accuracy; see `protocol.accuracy`.
    seeds: of the final heads; the first also serves the folds.
    rule: of normalisation; see `features.normalization`.
    memory_bytes: working memory for training heads.
  """

  methods: tuple[str, ...]
  grid: grids.Grid
  protocol: str
  seeds: tuple[int, ...]
  rule: str
  memory_bytes: int


def choose(results: Mapping[base.Hparams, Sequence[int]]) -> base.Hparams:
  """The setting with the most correct answers over all folds.

  Ties go to the first, and candidates are ordered from cheap to dear.
  """
  return max(results, key=lambda h: sum(results[h]))


def inputs_of(task: task_lib.Task, backbone: backbone_lib.Backbone,
              weights: str, settings: Settings, method: str
              ) -> dict[str, Any]:
  """Everything that determines a method's rows."""
  return {
      'schema': ledger_lib.SCHEMA,
      'version': VERSION,
      'suite': task.suite,
      'task': task.name,
      'manifest_sha256': manifest.sha256(task),
      'backbone': backbone.name,
      'weights': weights,
      'weights_sha256': backbone.weights_sha256,
      'taps': backbone.taps,
      'cls_pooling': backbone.cls_pooling,
      'input': backbone.input_protocol(),
      'method': method,
      'grid': dataclasses.asdict(settings.grid),
      'protocol': settings.protocol,
      'seeds': settings.seeds,
      'normalization': settings.rule,
  }


def run(tasks: Sequence[task_lib.Task], backbone: backbone_lib.Backbone,
        weights: str, settings: Mapping[str, Settings],
        ledger: ledger_lib.Ledger,
        extractor_for: Callable[[tuple[int, ...]], extraction.Extractor],
        progress: Progress) -> list[ledger_lib.Row]:
  """Runs the methods whose rows are not in the ledger yet; returns all rows.

  Args:
    tasks: one task, or several that may label the same images: where they do,
      the backbone sees each image once.
    backbone: the frozen network.
    weights: their name, as in rows.
    settings: how to run each task, by its name.
    ledger: where rows are read and written.
    extractor_for: gives the backbone's extractor for some target sizes.
    progress: is told of every step.

  Raises:
    errors.InputError: bad data, features that are not finite, too little
      memory.
    OSError: the disk is full or the work directory not writable.
  """
  watch = provenance.Stopwatch()
  units, rows = [], {}
  with watch.stage('load'):
    progress('load images', 0, 1)
    for task in tasks:
      unit = _Unit(task, backbone, weights, settings[task.name], ledger)
      rows[task.name] = unit.found
      if unit.missing:
        units.append(unit)
        ledger.write_manifest(manifest.describe(task))
  for together in _sharing(units):
    _measure(together, extractor_for(_target_sizes(together)), ledger, progress,
             watch)
    for unit in together:
      rows[unit.task.name] |= unit.write(
          ledger, watch, backbone, weights, [u.task.name for u in together])
  return [row for t in tasks for m in settings[t.name].methods
          for row in rows[t.name][m]]


class _Unit:
  """A task, the rows that are there, and the methods that are not.

  Attributes:
    found: rows of the methods that were measured before.
    missing: the other methods.
    rows: measured rows of each, without the fields that they all share.
  """

  def __init__(self, task, backbone, weights, settings, ledger):
    self.task = task
    self.settings = settings
    self._inputs = {m: inputs_of(task, backbone, weights, settings, m)
                    for m in settings.methods}
    read = {m: ledger.read(i) for m, i in self._inputs.items()}
    self.found = {m: r for m, r in read.items() if r is not None}
    self.missing = methods_registry.methods(
        [m for m in settings.methods if read[m] is None])
    self.rows = {m.name: [] for m in self.missing}

  def write(self, ledger, watch, backbone, weights, together
            ) -> dict[str, list[ledger_lib.Row]]:
    """Writes what was measured with these tasks together; returns the rows."""
    first = self._inputs[self.missing[0].name]
    common = {
        'schema': ledger_lib.SCHEMA,
        'protocol': self.settings.protocol,
        'suite': self.task.suite,
        'backbone': backbone.name,
        'weights': weights,
        'weights_sha256': backbone.weights_sha256,
        'image_size': backbone.image_size,
        'resize': backbone.resize,
        'taps': backbone.tap_set,
        'cls_pooling': backbone.cls_pooling,
        'task': self.task.name,
        'group': self.task.group,
        'manifest_sha256': first['manifest_sha256'],
        'normalization': self.settings.rule,
        'grid': self.settings.grid.name,
    }
    names = list(self.rows)
    ledger.write_provenance(first | {'method': names},
                            provenance.facts(watch) | {
                                'methods': names, 'tasks': together})
    measured = {m: [common | {'method': m} | row for row in rows]
                for m, rows in self.rows.items()}
    for method, rows in measured.items():
      ledger.write(self._inputs[method], rows)
    return measured


def _sharing(units) -> list[list[_Unit]]:
  """Groups units by their images."""
  groups = {}
  for unit in units:
    key = unit.task.train.sha256, unit.task.test.sha256
    groups.setdefault(key, []).append(unit)
  return list(groups.values())


def _target_sizes(units) -> tuple[int, ...]:
  """All target sizes of some units, in the order of their grids."""
  return tuple(dict.fromkeys(
      size for unit in units for size in unit.settings.grid.target_sizes))


def _measure(units, extractor, ledger, progress, watch) -> None:
  """Fills in the rows of units that label the same images."""
  train = units[0].task.train
  with watch.stage('embed train'):
    features = store.open_or_compute(
        ledger.features, extractor, train,
        lambda done, total: progress('embed train images', done, total))
  judged, predictions = [], []
  for unit in units:
    for row, head in _train(unit, features, progress, watch):
      judged.append((unit, row))
      predictions.append((head, unit.task.test.labels))
  with watch.stage('test'):
    correct = evaluation.count_correct(
        extractor, units[0].task.test, predictions,
        lambda done, total: progress('embed test images', done, total))
  for (unit, (method, row)), count in zip(judged, correct):
    unit.rows[method].append(row | {'correct': count})


def _train(unit, features, progress, watch):
  """Chooses and trains; yields ((method, its test row), head) of each head."""
  task, settings = unit.task, unit.settings
  data = base.TrainingData(features, task.train.labels, task.num_classes,
                           settings.rule, settings.memory_bytes)
  folds = folds_lib.folds(task, settings.grid.folds)
  final_rows = folds_lib.training_order(task.final_rows)
  folds_lib.check_classes(task, final_rows, 'the training set')
  for i, method in enumerate(unit.missing):
    progress(f'choose and train {method.name}', i, len(unit.missing))
    with watch.stage(f'choose {method.name}'):
      validation, chosen = _choose(method, data, folds, settings)
    unit.rows[method.name] += validation
    with watch.stage(f'train {method.name}'):
      heads = method.fit(data, final_rows, chosen, settings.seeds)
    for seed, head in zip(settings.seeds, heads):
      row = chosen.as_row() | {'fold': None, 'seed': seed, 'split': 'test',
                               'total': len(task.test.ids)}
      yield (method.name, row), head


def _choose(method, data, folds, settings
            ) -> tuple[list[ledger_lib.Row], base.Hparams]:
  """Validation rows of all candidates, and the best; one needs no folds."""
  candidates = method.candidates(settings.grid)
  if len(candidates) == 1:
    return [], candidates[0]
  seed = settings.seeds[0]
  results = method.cross_validate(data, folds, settings.grid, seed)
  rows = [
      hparams.as_row() | {
          'fold': fold.number, 'seed': seed, 'split': 'val',
          'correct': correct, 'total': len(fold.val_rows)}
      for hparams, counts in results.items()
      for fold, correct in zip(folds, counts)]
  return rows, choose(results)
