"""What all methods that train the backbone share.

There are two kinds. One takes a number of optimisation steps and the network as
it is after the last (`BySteps`). The other is trained for a number of epochs,
is judged before the first step and after each epoch, and the epoch to stop at
is chosen like the rest of the setting (`ByEpochs`).
"""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any, ClassVar

import numpy as np

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.training import checkpoint
from vtab_h2t.training import judge as judge_lib
from vtab_h2t.training import trainer as trainer_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of a method that trains the backbone.

  Attributes:
    learning_rates: initial ones.
    batch: images in a step.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01)
  batch: int = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepOptions(Options):
  """Of a method that takes a number of steps.

  Attributes:
    steps: numbers of optimisation steps.
  """

  steps: tuple[int, ...] = (500, 5000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochOptions(Options):
  """Of a method whose epoch is chosen.

  Attributes:
    epochs: lengths of the schedule, in passes over what is trained on.
  """

  epochs: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.TrainedSetting):
  """Of a method that trains the backbone.

  Attributes:
    batch: images in a step.
  """

  batch: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSetting(Setting):
  """Of a method that takes a number of steps.

  Attributes:
    steps: optimisation steps.
  """

  steps: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochSetting(Setting):
  """Of a method whose epoch is chosen.

  Attributes:
    epochs: length of the schedule, in passes over what is trained on.
    epoch: after which of them training stops, 0 to `epochs`.
  """

  epochs: int
  epoch: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Start:
  """A network that is ready to be trained.

  Attributes:
    trainer: has its weights and its head.
    scales: gives the factors of learning rates; see `trainer.Trainer.run`.
    measure: is called when it is trained, and gives what else its row has.
  """

  trainer: trainer_lib.Trainer
  scales: Callable[[int, trainer_lib.Trainer], np.ndarray] | None = None
  measure: Callable[[], dict[str, float]] = dict


class Tuned(interface.Searched):
  """A method that trains the backbone; subclasses say from what start."""

  options_type: ClassVar[type[Options]]
  trains_network = True

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return ()

  @abc.abstractmethod
  def start(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
  ) -> Start:
    """A network that is ready to be trained on examples.

    Args:
      data: features, images and labels.
      examples: which to train on.
      setting: one of the candidates.
      options: of the method.
      seed: of the head, and of the order of the examples.
    """

  @abc.abstractmethod
  def _schedule(self, setting: Any, in_epoch: int) -> tuple[int, int | None]:
    """Steps of the schedule, and the epoch to stop at; None for its end.

    Args:
      setting: one of the candidates.
      in_epoch: steps of an epoch.
    """

  def _judged(self, setting: Any) -> tuple[Any, int]:
    """The training that validates a setting, and which of its judgements."""
    return setting, 0

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Any, space_lib.Counts]:
    options = space.of(self.name)
    settings = self.complete(data, folds, space, seed)
    found: dict[Any, list[tuple[list[int], str]]] = {}
    for training in dict.fromkeys(self._judged(s)[0] for s in settings):
      found[training] = []
      for fold in folds:
        key = self._key(training, options, ['fold', fold.number, seed])
        found[training].append(
          networks_of(data).remember(
            key,
            functools.partial(
              self._counts, data, fold, training, options, seed, key
            ),
          )
        )
    results = {}
    for setting in settings:
      training, number = self._judged(setting)
      results[setting] = [
        counts[number] if number < len(counts) else space_lib.Failure(why)
        for counts, why in found[training]
      ]
    return results

  def _counts(
    self,
    data: data_lib.TrainingData,
    fold: interface.Fold,
    setting: Any,
    options: Any,
    seed: int,
    key: Any,
  ) -> tuple[list[int], str]:
    """Correct answers on a fold, and why there are no more."""
    judge = judge_lib.Judge(networks_of(data).inputs(), data.labels, fold.val)
    started = self.start(data, fold.train, setting, options, seed)
    try:
      self._run(started, data, fold.train, setting, seed, key, judge)
    except trainer_lib.DivergedError as e:
      return judge.counts, str(e)
    return judge.counts, 'the training has ended'

  def _run(
    self,
    started: Start,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    seed: int,
    key: Any,
    judge: judge_lib.Judge | None = None,
  ) -> int:
    """Trains, with a checkpoint that is the training's own.

    Args:
      started: what to train.
      data: images and labels.
      examples: which to train on.
      setting: one of the candidates.
      seed: of the order of the examples.
      key: identifies the training.
      judge: counts what each setting that this training validates has right.

    Returns:
      How many steps were taken.

    Raises:
      trainer.DivergedError: the loss is not finite.
    """
    networks, trainer = networks_of(data), started.trainer
    in_epoch = trainer_lib.epoch_steps(len(examples), setting.batch)
    steps, stop = self._schedule(setting, in_epoch)
    trainer.run(
      networks.inputs(),
      data.labels,
      examples,
      setting.learning_rate,
      steps,
      (seed, interface.ORDER),
      started.scales,
      checkpoint.Checkpoint(networks.path(key, 'npz')),
      stop,
      None if stop is None else judge,
      networks.tell,
    )
    if stop is None:
      if judge is not None:
        judge(trainer)
      return steps
    return stop * in_epoch

  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[data_lib.TrainedLater]:
    options = space.of(self.name)
    for seed in seeds:
      key = self._key(setting, options, ['final', seed])
      yield functools.partial(
        self._train, data, examples, setting, options, seed, key
      )

  def _train(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
    key: Any,
  ) -> data_lib.TrainedNetwork:
    started = self.start(data, examples, setting, options, seed)
    steps = self._run(started, data, examples, setting, seed, key)
    return data_lib.TrainedNetwork(
      started.trainer, {'steps': steps} | started.measure()
    )

  def _key(self, setting: Any, options: Any, what: Any) -> Any:
    return [self.name, setting.as_row(), dataclasses.asdict(options), what]


class BySteps(Tuned):
  """A method that takes a number of steps, and is judged after the last."""

  options_type: ClassVar[type[StepOptions]] = StepOptions

  def candidates(self, space: space_lib.Space) -> Sequence[Any]:
    options = space.of(self.name)
    return [
      StepSetting(learning_rate=rate, steps=steps, batch=options.batch)
      for steps, rate in itertools.product(
        space_lib.require(self.name, 'ft_steps', options.steps),
        space_lib.require(self.name, 'ft_lr', options.learning_rates),
      )
    ]

  def _schedule(self, setting: Any, in_epoch: int) -> tuple[int, int | None]:
    return setting.steps, None


class ByEpochs(Tuned):
  """A method whose epoch is chosen, after a judgement of each.

  One training validates all epochs of a schedule. The chosen epoch is reached
  on the same schedule; epoch 0 is the start, and takes no step.
  """

  options_type: ClassVar[type[EpochOptions]]

  def candidates(self, space: space_lib.Space) -> Sequence[Any]:
    """The settings; without folds, those of the last epoch only.

    Earlier epochs come first, then the options' order but for the learning
    rates, of which the larger come first.
    """
    options = space.of(self.name)
    found = [
      EpochSetting(
        learning_rate=rate, epochs=epochs, epoch=epoch, batch=options.batch
      )
      for epochs, rate in itertools.product(
        space_lib.require(self.name, 'epochs', options.epochs),
        sorted(
          space_lib.require(self.name, 'ft_lr', options.learning_rates),
          reverse=True,
        ),
      )
      for epoch in (range(epochs + 1) if space.folds else (epochs,))
    ]
    return earlier_epochs_first(found)

  def _judged(self, setting: Any) -> tuple[Any, int]:
    return dataclasses.replace(setting, epoch=setting.epochs), setting.epoch

  def _schedule(self, setting: Any, in_epoch: int) -> tuple[int, int | None]:
    return setting.epochs * in_epoch, setting.epoch


def earlier_epochs_first(settings: Sequence[Any]) -> list[Any]:
  """Settings by epoch, and those of one epoch in the order given."""
  return sorted(settings, key=lambda setting: setting.epoch)


def networks_of(data: data_lib.TrainingData) -> data_lib.Networks:
  """What training the backbone needs; it was given, or this is a mistake."""
  if data.networks is None:
    raise ValueError('these data have no network to train')
  return data.networks
