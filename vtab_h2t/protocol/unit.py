"""A work unit: everything for one (suite, backbone, task).

Train features are computed once (or read from the store), hyper-parameters are
chosen on the folds, final heads are trained for every seed, and one pass over
the test images judges them all. Units whose tasks label the same images share
that pass.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import base
from vtab_h2t.methods import network as network_lib
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.methods import trainer as trainer_lib
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import evaluation
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import provenance
from vtab_h2t.studies import base as study_lib
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
    grid: the search space; for studies what they are run with.
    protocol: of accuracy; see `protocol.accuracy`.
    seeds: of the final heads; the first also serves the folds.
    rule: of normalisation; see `features.normalization`.
    memory_bytes: working memory for training heads.
    studies: in place of methods.
  """

  methods: tuple[str, ...]
  grid: grids.Grid | study_lib.Space
  protocol: str
  seeds: tuple[int, ...]
  rule: str
  memory_bytes: int
  studies: tuple[study_lib.Study, ...] = ()


def inputs_of(task: task_lib.Task, backbone: backbone_lib.Backbone,
              weights: str, settings: Settings, method: str,
              study: study_lib.Study | None = None) -> dict[str, Any]:
  """Everything that determines the rows of a method or study."""
  grid = dataclasses.asdict(settings.grid)
  if method in methods_registry.FROZEN:
    del grid['tuning']
  if grid.get('score_solver') == base.ADAM:
    del grid['score_solver']  # Rows from before there was a choice stay good.
  return ({'study': study.inputs()} if study else {}) | {
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
      'grid': grid,
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
  units = []
  with watch.stage('load'):
    progress('load images', 0, 1)
    for task in tasks:
      unit = _Unit(task, backbone, weights, settings[task.name], ledger)
      units.append(unit)
      if unit.missing:
        ledger.write_manifest(manifest.describe(task))
  for together in _sharing([u for u in units if u.missing]):
    _measure(together, extractor_for(_target_sizes(together)), ledger, progress,
             watch)
    names = [u.task.name for u in together]
    for unit in together:
      unit.write(watch, names)
  for unit in units:
    unit.derive()
  return [row for unit in units for m in unit.wanted for row in unit.rows[m]]


def rows_paths(tasks: Sequence[task_lib.Task], backbone: backbone_lib.Backbone,
               weights: str, settings: Mapping[str, Settings],
               ledger: ledger_lib.Ledger) -> list[pathlib.Path]:
  """The files of all rows that `run` with the same arguments gives.

  Raises:
    errors.InputError: bad data.
  """
  return [path for task in tasks for path in _Unit(
      task, backbone, weights, settings[task.name], ledger).rows_paths()]


class _Unit:
  """A task, and the rows of its methods.

  Attributes:
    wanted: names of the methods and studies that were asked for.
    missing: the methods that are to be measured.
    measured: their rows, without the fields that they all share.
    rows: whole rows of each method that has been finished.
  """

  def __init__(self, task, backbone, weights, settings, ledger):
    self.task = task
    self.settings = settings
    self.wanted = [*settings.methods, *(s.name for s in settings.studies)]
    self._backbone, self._weights, self._ledger = backbone, weights, ledger
    methods = methods_registry.methods(settings.methods)
    self._inputs = {m.name: inputs_of(task, backbone, weights, settings, m.name)
                    for m in methods} | {
        s.name: inputs_of(task, backbone, weights, settings, s.name, s)
        for s in settings.studies}
    methods += settings.studies
    read = {m: ledger.read(i) for m, i in self._inputs.items()}
    self.rows = {m: r for m, r in read.items() if r is not None}
    missing = [m for m in methods if m.name not in self.rows]
    self.missing = [m for m in missing if not isinstance(m, base.Derived)]
    self._derived = [m for m in missing if isinstance(m, base.Derived)]
    self.measured = {m.name: [] for m in self.missing}
    # Of these, the seconds are those of the last process only.
    self._resumed = [m for m in self.measured if self.runs(m).exists()]

  def rows_paths(self) -> list[pathlib.Path]:
    """Where the rows are, or will be."""
    return [self._ledger.rows_path(i) for i in self._inputs.values()]

  def runs(self, method: str) -> pathlib.Path:
    """Where the single runs of a method keep results and states."""
    return self._ledger.runs / files.fingerprint(self._inputs[method])[:32]

  def write(self, watch: provenance.Stopwatch, together: Sequence[str]) -> None:
    """Writes what was measured, with these tasks together."""
    names = list(self.measured)
    inputs = self._inputs[names[0]]
    self._ledger.write_provenance(
        inputs | {'method': names},
        provenance.facts(watch) | {
            'methods': names,
            'rows': [self._ledger.rows_path(self._inputs[m]).name
                     for m in names],
            'resumed': self._resumed, 'tasks': together})
    common = {
        'schema': ledger_lib.SCHEMA,
        'protocol': self.settings.protocol,
        'suite': self.task.suite,
        'backbone': self._backbone.name,
        'weights': self._weights,
        'weights_sha256': self._backbone.weights_sha256,
        'image_size': self._backbone.image_size,
        'resize': self._backbone.resize,
        'taps': self._backbone.tap_set,
        'cls_pooling': self._backbone.cls_pooling,
        'task': self.task.name,
        'group': self.task.group,
        'manifest_sha256': inputs['manifest_sha256'],
        'normalization': self.settings.rule,
        'grid': self.settings.grid.name,
    }
    if self.task.train_fraction < 1:
      common['train_fraction'] = self.task.train_fraction
    for method, rows in self.measured.items():
      self._finish(method, [common | {'method': method} | r for r in rows])
      if self.runs(method).exists():
        files.discard(self.runs(method))

  def derive(self) -> None:
    """Writes the rows of methods that follow from those of others."""
    for method in self._derived:
      self._finish(method.name, method.derive(self.rows))

  def _finish(self, method, rows) -> None:
    self.rows[method] = rows
    self._ledger.write(self._inputs[method], rows)


def _sharing(units) -> list[list[_Unit]]:
  """Groups units by their images."""
  groups = {}
  for unit in units:
    key = unit.task.train.sha256, unit.task.test.sha256
    groups.setdefault(key, []).append(unit)
  return list(groups.values())


def _target_sizes(units) -> tuple[int, ...]:
  """All target sizes of some units, in the order of their grids."""
  def of(method, grid):
    if isinstance(method, study_lib.Study):
      return method.target_sizes(grid)
    return grid.target_sizes

  return tuple(dict.fromkeys(
      size for unit in units for method in unit.missing
      for size in of(method, unit.settings.grid)))


def _measure(units, extractor, ledger, progress, watch) -> None:
  """Fills in the rows of units that label the same images."""
  train = units[0].task.train
  with watch.stage('embed train'):
    features = store.open_or_compute(
        ledger.features, extractor, train,
        lambda done, total: progress('embed train images', done, total))
  network = functools.cache(lambda: network_lib.Network(extractor.backbone))
  inputs = functools.cache(lambda: np.concatenate([
      batch.numpy() for _, batch in extraction.read(
          extractor.backbone, train)]))
  judged, heads = [], []
  for unit in units:
    data = base.TrainingData(
        features, unit.task.train.labels, unit.task.num_classes,
        unit.settings.rule, unit.settings.memory_bytes)
    for i, method in enumerate(unit.missing):
      progress(f'choose and train {method.name}', i, len(unit.missing))
      data.images = tuned.Images(inputs, network, unit.runs(method.name))
      for row, head in _train(unit, method, data, extractor.backbone, progress,
                              watch):
        judged.append((unit.measured[method.name], row))
        heads.append((head, unit.task.test.labels))
  if heads:
    with watch.stage('test'):
      correct = evaluation.count_correct(
          extractor, units[0].task.test, heads,
          lambda done, total: progress('embed test images', done, total))
    for (rows, row), count in zip(judged, correct):
      rows.append(row | {'correct': count})


def _train(unit, method, data, backbone, progress, watch):
  """Chooses and trains; yields (test row, head) of each head to be judged.

  Networks are judged at once, as only one is held, and heads all together.
  """
  task, settings = unit.task, unit.settings
  rows = unit.measured[method.name]
  folds = folds_lib.folds(task, settings.grid.folds)
  final_rows = folds_lib.training_order(task.final_rows)
  folds_lib.check_classes(task, final_rows, 'the training set')
  test = {'fold': None, 'split': 'test', 'total': len(task.test.ids)}
  if isinstance(method, study_lib.Study):
    with watch.stage(f'train {method.name}'):
      found = list(method.measure(data, folds, final_rows, settings.grid,
                                  settings.seeds))
    for fields, head in found:
      if head is None:
        rows.append({'fold': None} | fields)
      else:
        yield fields | test, head
    return
  with watch.stage(f'choose {method.name}'):
    validation, chosen = _choose(method, data, folds, settings)
  rows += validation
  row = chosen.as_row() | test
  if not isinstance(method, tuned.Tuned):
    with watch.stage(f'train {method.name}'):
      heads = method.fit(data, final_rows, chosen, settings.seeds)
    for seed, head in zip(settings.seeds, heads):
      yield row | {'seed': seed}, head
    return
  networks = method.fit(data, final_rows, chosen, settings.seeds, settings.grid)
  for seed, train in zip(settings.seeds, networks):
    def judge(train=train):
      with watch.stage(f'train {method.name}'):
        try:
          found = train()
        except trainer_lib.DivergedError as e:
          return _outcome(base.Failure(e))
      with watch.stage(f'test {method.name}'):
        return found.measures | _outcome(evaluation.count_correct_of_network(
            backbone, task.test, found.trainer.predict,
            lambda done, total: progress(f'test {method.name}', done, total)))
    rows.append(row | {'seed': seed} | data.images.remember(
        ['test', seed], judge))


def _outcome(correct: int | base.Failure) -> dict[str, Any]:
  """Fields of a row: the count, or none and why."""
  if isinstance(correct, base.Failure):
    return {'correct': None, 'failed': str(correct)}
  return {'correct': correct}


def _choose(method, data, folds, settings
            ) -> tuple[list[ledger_lib.Row], base.Hparams]:
  """Validation rows of all candidates, and the best; one needs no folds."""
  grid, seed = settings.grid, settings.seeds[0]
  trains_backbone = isinstance(method, tuned.Tuned)
  candidates = (method.complete(data, folds, grid, seed) if trains_backbone
                else method.candidates(grid))
  if not candidates:
    raise errors.InputError(
        f'the grid gives nothing to try for {method.name}; add ft_lr and '
        'ft_steps to --hparams, or choose another --grid')
  # Where there are folds, a network is validated even if nothing is chosen:
  # Head2Toe-FT+ goes by it.
  if len(candidates) == 1 and not (trains_backbone and folds):
    return [], candidates[0]
  if not folds:
    raise errors.InputError(
        f'{method.name} has {len(candidates)} settings and no fold to choose '
        'on; add what it lacks to --hparams')
  results = method.cross_validate(data, folds, grid, seed)
  rows = [
      hparams.as_row() | {
          'fold': fold.number, 'seed': seed, 'split': 'val',
          'total': len(fold.val_rows)} | _outcome(correct)
      for hparams, counts in results.items()
      for fold, correct in zip(folds, counts)]
  return rows, base.choose(results)
