"""What all methods that train the backbone share."""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any, ClassVar

import numpy as np

from vtab_h2t.heads import counting
from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import interface
from vtab_h2t.methods import space as space_lib
from vtab_h2t.training import checkpoint
from vtab_h2t.training import trainer as trainer_lib

_BATCH = 64  # Of what is predicted.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(space_lib.Options):
  """Of a method that trains the backbone.

  Attributes:
    learning_rates: initial ones.
    steps: numbers of optimisation steps.
    batch: images in a step.
  """

  learning_rates: tuple[float, ...] = (0.1, 0.01)
  steps: tuple[int, ...] = (500, 5000)
  batch: int = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(space_lib.Setting):
  """Of a method that trains the backbone.

  Attributes:
    batch: images in a step.
  """

  batch: int


class Tuned(interface.Searched):
  """A method that trains the backbone; subclasses say how."""

  options_type: ClassVar[type[Options]] = Options
  trains_network = True

  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    return ()

  def candidates(self, space: space_lib.Space) -> Sequence[Any]:
    options = space.of(self.name)
    return [
      Setting(learning_rate=rate, steps=steps, batch=options.batch)
      for steps, rate in itertools.product(
        space_lib.require(self.name, 'ft_steps', options.steps),
        space_lib.require(self.name, 'ft_lr', options.learning_rates),
      )
    ]

  @abc.abstractmethod
  def train(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    options: Any,
    seed: int,
    key: Any,
  ) -> data_lib.TrainedNetwork:
    """Trains one network on examples.

    Args:
      data: features, images and labels.
      examples: which to train on.
      setting: one of the candidates.
      options: of the method.
      seed: of head and order.
      key: identifies the training, for its checkpoint.

    Raises:
      trainer.DivergedError: the loss is not finite.
    """

  def run(
    self,
    trainer: trainer_lib.Trainer,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    seed: int,
    key: Any,
    scales: Callable[[int, trainer_lib.Trainer], np.ndarray] | None = None,
  ) -> None:
    """Runs a trainer that has been started, with a checkpoint of its own."""
    networks = networks_of(data)
    trainer.run(
      networks.inputs(),
      data.labels,
      examples,
      setting.learning_rate,
      setting.steps,
      (seed, interface.ORDER),
      scales,
      checkpoint.Checkpoint(networks.path(key, 'npz')),
    )

  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[interface.Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Any, space_lib.Counts]:
    options = space.of(self.name)
    found: dict[Any, list[int | space_lib.Failure]] = {}
    for setting in self.complete(data, folds, space, seed):
      found[setting] = []
      for fold in folds:
        key = self._key(setting, options, ['fold', fold.number, seed])
        result = networks_of(data).remember(
          key,
          functools.partial(
            self._correct, data, fold, setting, options, seed, key
          ),
        )
        found[setting].append(
          space_lib.Failure(result) if isinstance(result, str) else result
        )
    return found

  def _correct(
    self,
    data: data_lib.TrainingData,
    fold: interface.Fold,
    setting: Any,
    options: Any,
    seed: int,
    key: Any,
  ) -> int | str:
    """Correct answers on a fold, or why there are none."""
    try:
      found = self.train(data, fold.train, setting, options, seed, key)
    except trainer_lib.DivergedError as e:
      return str(e)
    inputs = networks_of(data).inputs()
    return sum(
      counting.correct(found.trainer.predict(inputs[part]), data.labels[part])
      for part in np.split(fold.val, range(_BATCH, len(fold.val), _BATCH))
    )

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
        self.train, data, examples, setting, options, seed, key
      )

  def _key(self, setting: Any, options: Any, what: Any) -> Any:
    return [self.name, setting.as_row(), dataclasses.asdict(options), what]


def networks_of(data: data_lib.TrainingData) -> data_lib.Networks:
  """What training the backbone needs; it was given, or this is a mistake."""
  if data.networks is None:
    raise ValueError('these data have no network to train')
  return data.networks
