"""A work unit: methods and studies of one run on a task.

Train features are computed once (or read from the store), settings are chosen
on the folds, what was chosen is trained for every seed, and one pass over the
test images judges all heads. Tasks that label the same images share that pass.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
from typing import Any, Protocol

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import interface
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import evaluation
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import part as part_lib
from vtab_h2t.protocol import provenance
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.tasks import task as task_lib
from vtab_h2t.training import network as network_lib
from vtab_h2t.training import readout as readout_lib
from vtab_h2t.training import trainer as trainer_lib

ExtractorFor = Callable[[tuple[int, ...]], extraction.Extractor]


class Progress(Protocol):
  """Is told of every step: the stage, how much of it is done, and in all."""

  def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
  """What is to be measured; it can be sent to another machine.

  Attributes:
    run: with what.
    tasks: names of tasks that label the same images.
    methods: ids of methods.
    studies: in addition to them.
    seeds: of what is trained in the end.
  """

  run: run_lib.Run
  tasks: tuple[str, ...]
  methods: tuple[str, ...] = ()
  studies: tuple[interface.Measured, ...] = ()
  seeds: tuple[int, ...]

  @property
  def name(self) -> str:
    """For people."""
    parts = [] if self.run.parent is None else [self.run.job]
    if self.run.train_fraction < 1:
      parts[-1:] = [f'{self.run.job} {self.run.train_fraction:g}']
    parts += [study.file for study in self.studies]
    return ': '.join(filter(None, (', '.join(parts), ', '.join(self.tasks))))

  def check(self) -> None:
    """Raises InputError if the run's space lacks what a method needs."""
    for task in self.tasks:
      space = self.run.space.of_task(task)
      for name in self.methods:
        methods_registry.check(name, space)
      for study in self.studies:
        study.check(space)


def run(
  unit: Unit,
  tasks: Sequence[task_lib.Task],
  backbone: backbone_lib.Backbone,
  extractor_for: ExtractorFor,
  ledger: ledger_lib.Ledger,
  memory_bytes: int,
  progress: Progress,
) -> None:
  """Measures what of a unit is not in the ledger yet.

  Args:
    unit: what.
    tasks: the unit's.
    backbone: the run's.
    extractor_for: gives its extractor for some target sizes.
    ledger: where rows are read and written.
    memory_bytes: working memory for training heads.
    progress: is told of every step.

  Raises:
    errors.InputError: options that a method lacks, bad data, features that are
      not finite, too little memory.
    OSError: the disk is full or the work directory not writable.
  """
  unit.check()
  watch = provenance.Stopwatch()
  with watch.stage('load'):
    progress('load images', 0, 1)
    parts = _parts(unit, tasks, backbone, ledger)
  missing = [p for p in parts if p.missing]
  for together in _sharing(missing):
    _measure(
      together, backbone, extractor_for, ledger, memory_bytes, progress, watch
    )
    for part in together:
      part.write(watch, [p.task.name for p in together])
  for part in parts:
    part.derive()


def unfinished(
  unit: Unit,
  tasks: Sequence[task_lib.Task],
  backbone: backbone_lib.Backbone,
  ledger: ledger_lib.Ledger,
) -> bool:
  """Whether `run` would measure something.

  Raises:
    errors.InputError: bad data, or damaged rows.
  """
  return any(part.missing for part in _parts(unit, tasks, backbone, ledger))


def _parts(
  unit: Unit,
  tasks: Sequence[task_lib.Task],
  backbone: backbone_lib.Backbone,
  ledger: ledger_lib.Ledger,
) -> list[part_lib.Part]:
  """The unit's tasks, and what of each is missing."""
  return [
    part_lib.Part(
      unit.run, task, unit.methods, unit.studies, unit.seeds, backbone, ledger
    )
    for task in tasks
  ]


def _sharing(parts: Sequence[part_lib.Part]) -> list[list[part_lib.Part]]:
  """Groups parts by their images."""
  groups: dict[tuple[str, str], list[part_lib.Part]] = {}
  for part in parts:
    key = part.task.train.sha256, part.task.test.sha256
    groups.setdefault(key, []).append(part)
  return list(groups.values())


def _measure(
  parts: Sequence[part_lib.Part],
  backbone: backbone_lib.Backbone,
  extractor_for: ExtractorFor,
  ledger: ledger_lib.Ledger,
  memory_bytes: int,
  progress: Progress,
  watch: provenance.Stopwatch,
) -> None:
  """Fills in the rows of parts that label the same images."""
  sizes = tuple(
    dict.fromkeys(
      size
      for part in parts
      for method in part.missing
      for size in method.target_sizes(part.space)
    )
  )
  extractor = extractor_for(sizes)
  train, test = parts[0].task.train, parts[0].task.test
  with watch.stage('embed train'):
    features = store.open_or_compute(
      ledger.features,
      extractor,
      train,
      lambda done, total: progress('embed train images', done, total),
    )
  network = functools.cache(lambda: network_lib.Network(backbone))
  inputs = functools.cache(lambda: extraction.inputs(backbone, train))
  waiting: list[interface.Fields] = []
  heads: list[tuple[data_lib.FeatureHead, np.ndarray]] = []
  for part in parts:
    memory: dict[Any, Any] = {}
    data = data_lib.TrainingData(
      features,
      part.task.train.labels,
      part.task.num_classes,
      part.run.normalization,
      memory_bytes,
      usable=np.union1d(part.task.cv_examples, part.task.final_examples),
    )
    for i, method in enumerate(part.missing):
      progress(f'choose and train {method.file}', i, len(part.missing))
      if method.trains_network:
        data.networks = part.networks(
          method,
          inputs,
          network,
          memory,
          functools.partial(progress, f'steps of {method.file}'),
        )
      judging = _Judging(backbone, part.task, network, method, watch, progress)
      rows = part.measured[method.file]
      for found, predictor in _pairs(method, data, part.plan(method), watch):
        fields: interface.Fields = {'fold': None, **found}
        if predictor is None:
          rows.append(fields)
          continue
        fields['split'] = 'test'
        if method.trains_network:
          judged = tuned.networks_of(data).remember(
            ['test', fields], functools.partial(judging.of, predictor)
          )
          rows += [fields | one for one in judged]
        else:
          fields |= {'total': len(test.ids), **predictor.measures}
          rows.append(fields)
          waiting.append(fields)
          heads.append((predictor, part.task.test.labels))
  if heads:
    with watch.stage('test'):
      correct = evaluation.count_correct(
        extractor,
        test,
        heads,
        lambda done, total: progress('embed test images', done, total),
      )
    for fields, count in zip(waiting, correct, strict=True):
      fields['correct'] = count


def _pairs(
  method: interface.Measured,
  data: data_lib.TrainingData,
  plan: interface.Plan,
  watch: provenance.Stopwatch,
) -> Iterator[tuple[interface.Fields, Any]]:
  """What `measure` yields, timed: choosing ends where validation rows come."""
  pairs = method.measure(data, plan)
  chooses = plan.folds and not plan.known and not ledger_lib.is_study(method)
  stage = f'{"choose" if chooses else "train"} {method.file}'
  while True:
    with watch.stage(stage):
      pair = next(pairs, None)
    if pair is None:
      return
    yield pair
    if pair[1] is None:
      stage = f'train {method.file}'


class _Judging:
  """How the networks that a method trains on a task are judged."""

  def __init__(
    self,
    backbone: backbone_lib.Backbone,
    task: task_lib.Task,
    network: Callable[[], network_lib.Network],
    method: interface.Measured,
    watch: provenance.Stopwatch,
    progress: Progress,
  ) -> None:
    self._backbone = backbone
    self._task = task
    self._network = network
    self._method = method
    self._watch = watch
    self._progress = progress

  def of(self, train: data_lib.TrainedLater) -> list[interface.Fields]:
    """Trains a network and counts its correct answers, or says why not.

    Returns:
      The fields of a row of each test set, without counts if the training
      failed.
    """
    moves = self._method.moves
    if moves:  # Of the network that has not been trained yet.
      _ = self._before
    failure: interface.Fields = {}
    with self._watch.stage(f'train {self._method.file}'):
      try:
        found = train()
      except trainer_lib.DivergedError as e:
        failure = interface.outcome(space_lib.Failure(e))
    rows: list[interface.Fields] = []
    with self._watch.stage(f'test {self._method.file}'):
      for name, split in self._tests.items():
        row = {'total': len(split.ids)} | ({'images': name} if moves else {})
        if failure:
          rows.append(row | failure)
        else:
          judge = self._moved if moves else self._counted
          rows.append(row | found.measures | judge(name, split, found))
    return rows

  def _tell(self, done: int, total: int) -> None:
    self._progress(f'test {self._method.file}', done, total)

  @property
  def _tests(self) -> dict[str, task_lib.Split]:
    """The further ones are for what tells how far their embeddings move."""
    further = self._task.further_tests if self._method.moves else {}
    return {interface.OWN_TEST: self._task.test, **further}

  @functools.cached_property
  def _before(self) -> dict[str, np.ndarray]:
    """The embedding of each test set before training."""
    self._network().reset()
    return {name: self._embed(split) for name, split in self._tests.items()}

  def _embed(self, split: task_lib.Split) -> np.ndarray:
    return evaluation.embed_images(
      self._backbone, split, self._network().embed, self._tell
    )

  def _counted(
    self, name: str, split: task_lib.Split, found: data_lib.TrainedNetwork
  ) -> interface.Fields:
    """How many images of a test set are right."""
    del name
    return interface.outcome(
      evaluation.count_correct_of_network(
        self._backbone, split, found.trainer.predict, self._tell
      )
    )

  def _moved(
    self, name: str, split: task_lib.Split, found: data_lib.TrainedNetwork
  ) -> interface.Fields:
    """The same, and how far the embedding of its images has moved."""
    features = self._embed(split)
    logits = readout_lib.apply_head(features, found.trainer.head).numpy()
    correct = counting.correct(logits.argmax(axis=1), split.labels)
    return {
      **head_probe.adaptation(self._before[name], features),
      **interface.outcome(correct),
    }
