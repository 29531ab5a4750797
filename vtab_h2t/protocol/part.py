"""A task of a work unit: what of it is missing, and where its rows go."""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import numpy as np

from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.protocol import folds as folds_lib
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import provenance
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.tasks import manifest
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import network as network_lib

# Changes whenever the same run would give other rows.
VERSION = 2
_FRACTIONS_SEED = 0  # Draws the examples where not all are used.


class Part:
  """A task: what is missing, and the rows that are found.

  Attributes:
    run: with what is measured.
    task: the task, with as much of its training set as the run uses.
    space: what is tried on it.
    missing: what is to be measured.
    measured: its new rows, without the fields that they all share.
  """

  def __init__(
    self,
    run: run_lib.Run,
    task: task_lib.Task,
    methods: Sequence[str],
    studies: Sequence[interface.Measured],
    seeds: tuple[int, ...],
    backbone: backbone_lib.Backbone,
    ledger: ledger_lib.Ledger,
  ) -> None:
    """Reads what there is.

    Args:
      run: with what is measured.
      task: the task.
      methods: ids of the methods that are wanted.
      studies: in addition to them.
      seeds: of what is trained in the end.
      backbone: the run's.
      ledger: where rows are read and written.

    Raises:
      errors.InputError: bad data, or damaged rows.
    """
    if run.train_fraction < 1:
      task = task.reduced(run.train_fraction, _FRACTIONS_SEED)
    self.task = task
    self.space = run.space.of_task(task.name)
    self.run = run
    self._seeds, self._methods, self._ledger = seeds, methods, ledger
    self._backbone = backbone
    self._folder = ledger.find(run)
    self._manifest_sha256 = manifest.sha256(task)
    self._inputs = self._fingerprint(self._manifest_sha256)
    wanted: list[interface.Measured] = [
      *methods_registry.measured(methods),
      *studies,
    ]
    self._known = {m.file: self._read(m.folder, m.file) for m in wanted}
    self.missing = [m for m in wanted if self.seeds_of(m)]
    self.measured: dict[str, list[interface.Fields]] = {
      m.file: [] for m in self.missing
    }
    # Of these, the seconds are not those of the whole.
    self._resumed = [
      m.file
      for m in self.missing
      if self._known[m.file]
      or (self._folder and self._folder.unfinished(task.name, m.file).exists())
    ]

  def _fingerprint(self, manifest_sha256: str) -> str:
    """What a measurement on a task's examples follows from besides the run."""
    return files.fingerprint(
      {
        'version': VERSION,
        'manifest_sha256': manifest_sha256,
        'taps': self._backbone.taps,
        'input': self._backbone.input_protocol(),
      }
    )

  def _read(self, kind: str, file: str) -> list[ledger_lib.Row]:
    if self._folder is None:
      return []
    return self._folder.read(
      self._folder.rows_path(self.task.name, kind, file), self._inputs
    )

  def seeds_of(self, method: interface.Measured) -> tuple[int, ...]:
    """The seeds that a method is still to be trained with."""
    there = {
      row['seed'] for row in self._known[method.file] if row['split'] != 'val'
    }
    return tuple(s for s in self._seeds if s not in there)

  def plan(self, method: interface.Measured) -> interface.Plan:
    """How a missing method is measured."""
    task = self.task
    examples = folds_lib.training_order(task.final_examples)
    folds_lib.check_classes(task, examples, 'the training set')
    return interface.Plan(
      folds=folds_lib.folds(task, self.space.folds),
      examples=examples,
      space=self.space,
      seed=self.run.seed,
      seeds=self.seeds_of(method),
      known=[r for r in self._known[method.file] if r['split'] == 'val'],
    )

  def networks(
    self,
    method: interface.Measured,
    inputs: Callable[[], np.ndarray],
    network: Callable[[], network_lib.Network],
    memory: dict[Any, Any],
    tell: Callable[[int, int], None],
  ) -> data_lib.Networks:
    """What a method needs that trains the backbone."""
    folder = self._open()
    return data_lib.Networks(
      inputs,
      network,
      folder.unfinished(self.task.name, method.file),
      memory,
      self._source(),
      folder.sources,
      tell,
    )

  def _source(self) -> data_lib.Source | None:
    """The task's source, if it has one."""
    source = self.task.source
    if source is None:
      return None

    def inputs(split: task_lib.Split) -> Callable[[], np.ndarray]:
      return functools.cache(lambda: extraction.inputs(self._backbone, split))

    return data_lib.Source(
      id=self._fingerprint(manifest.sha256(source)),
      inputs=inputs(source.train),
      labels=source.train.labels,
      test_inputs=inputs(source.test),
      test_labels=source.test.labels,
    )

  def _open(self) -> ledger_lib.Folder:
    if self._folder is None:
      self._folder = self._ledger.open(self.run)
    return self._folder

  def write(self, watch: provenance.Stopwatch, together: Sequence[str]) -> None:
    """Writes what was measured, with these tasks together."""
    folder, task = self._open(), self.task
    folder.write_manifest(manifest.describe(task))
    written = {}
    for method in self.missing:
      path = folder.rows_path(task.name, method.folder, method.file)
      written[method.file] = path.relative_to(folder.path).as_posix()
      unfinished_ = folder.unfinished(task.name, method.file)
      rows = [self._whole(method, r) for r in self.measured[method.file]]
      new = {r['seed'] for r in rows if r['split'] != 'val'}
      # Read again: another process may have added other seeds.
      kept = [
        r
        for r in self._read(method.folder, method.file)
        if r['split'] != 'val' and r['seed'] not in new
      ]
      rows = [r for r in rows if r['split'] == 'val'] + sorted(
        kept + [r for r in rows if r['split'] != 'val'], key=lambda r: r['seed']
      )
      folder.write(path, self._inputs, rows)
      if unfinished_.exists():
        files.discard(unfinished_)
    folder.write_provenance(
      task.name,
      provenance.facts(watch)
      | {
        'methods': [m.file for m in self.missing],
        'rows': written,
        'seeds': {m.file: self.seeds_of(m) for m in self.missing},
        'resumed': self._resumed,
        'tasks': list(together),
      },
    )

  def _whole(
    self, method: interface.Measured, row: interface.Fields
  ) -> ledger_lib.Row:
    run = self.run
    common = {
      'schema': ledger_lib.SCHEMA,
      'run': run.id,
      'job': run.job_of(method.name, ledger_lib.is_study(method)),
      'suite': self.task.suite,
      'backbone': run.backbone,
      'protocol': run.protocol,
      'task': self.task.name,
      'group': self.task.group,
      'manifest_sha256': self._manifest_sha256,
      'method': method.name,
    }
    if run.train_fraction < 1:
      common['train_fraction'] = run.train_fraction
    return common | row

  def derive(self) -> None:
    """Writes the rows of methods that follow from those of others."""
    for name in self._methods:
      if name not in methods_registry.DERIVED:
        continue
      method, folder = methods_registry.DERIVED[name], self._open()
      path = folder.rows_path(self.task.name, 'rows', name)
      rows = method.derive({r: self._read('rows', r) for r in method.requires})
      if self._read('rows', name) != rows:
        folder.write(path, self._inputs, rows)
