"""What everything that is measured has in common: methods and studies."""

import abc
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any, ClassVar, TYPE_CHECKING

import numpy as np

from vtab_h2t.methods import data as data_lib
from vtab_h2t.methods import space as space_lib

if TYPE_CHECKING:
  from vtab_h2t.backbones import backbone as backbone_lib

# Stages of a method, second part of a head's seed.
FIRST, SECOND, HEAD, ORDER = 1, 2, 3, 4

Fields = dict[str, Any]  # Of a row.
OWN_TEST = 'test'  # In `images`: a task's own test set, not a further one.

# What every row has; settings are added as the method has them.
FIELDS = (
  'schema',
  'run',
  'job',
  'suite',
  'backbone',
  'protocol',
  'task',
  'group',
  'manifest_sha256',
  'method',
  'fold',
  'seed',
  'split',
  'correct',
  'total',
)
_NO_SETTING = {*FIELDS, 'failed', 'train_fraction'}


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
  """Some training examples, in the order of training, and others to judge on.

  Attributes:
    number: which of the folds.
    train: indices of the examples to train on.
    val: indices of the examples to choose settings on.
  """

  number: int
  train: np.ndarray
  val: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
  """How something is measured on a task.

  Attributes:
    folds: to choose on; none where nothing is chosen.
    examples: indices of the whole training set, in the order of training.
    space: what is tried.
    seed: of everything that is trained in order to choose.
    seeds: of what is trained in the end.
    known: validation rows that an earlier measurement left; where there are
      some, nothing is validated again.
  """

  folds: Sequence[Fold]
  examples: np.ndarray
  space: space_lib.Space
  seed: int
  seeds: tuple[int, ...]
  known: Sequence[Fields] = ()


class Measured(abc.ABC):
  """A method or a study: what it needs, and the rows it gives.

  Attributes:
    name: its id, as in rows.
    options_type: of its options in a space.
    trains_network: whether it trains a copy of the backbone, or something
      within the backbone. What it yields are then `data.TrainedLater`, else
      `data.FeatureHead`.
    moves: whether its rows are of each of a task's test sets, and tell how far
      training moved the embedding of the images there; for what trains the
      network and a head on its embedding.
    folder: of the run's folder, where its rows are.
    seeded: whether what it trains depends on the seed; else it is trained once
      and stands for every seed.
    any_network: whether every network allows it; if not, it is measured only
      where it is named, and `check_backbone` says what it wants.
  """

  name: str
  options_type: ClassVar[type[space_lib.Options]]
  trains_network: ClassVar[bool] = False
  moves: ClassVar[bool] = False
  folder: ClassVar[str] = 'rows'
  seeded: ClassVar[bool] = True
  any_network: ClassVar[bool] = True

  @property
  def file(self) -> str:
    """Its rows' file is called so."""
    return self.name

  @abc.abstractmethod
  def check(self, space: space_lib.Space) -> None:
    """Raises InputError if the space lacks what it needs."""

  def check_backbone(self, backbone: 'backbone_lib.Backbone') -> None:
    """Raises InputError if a network does not allow it."""
    if self.trains_network:
      backbone.check_trainable()

  @abc.abstractmethod
  def target_sizes(self, space: space_lib.Space) -> Sequence[int]:
    """Those whose features it reads, `extraction.LAST_BLOCKS` among them."""

  @abc.abstractmethod
  def measure(
    self, data: data_lib.TrainingData, plan: Plan
  ) -> Iterator[tuple[Fields, Any]]:
    """Trains what is to be judged.

    Args:
      data: features, labels, and the network where it is trained.
      plan: how.

    Yields:
      (fields of a row, what is to be judged on the test images, or None if the
      row is complete). Each has a seed, and for one seed the order is the same
      whatever the other seeds are.
    """


class Searched(Measured):
  """A method whose setting is chosen among candidates by validation.

  Attributes:
    label: what tables call a method of the user's own; by default its id.
  """

  label: str = ''

  @abc.abstractmethod
  def candidates(self, space: space_lib.Space) -> Sequence[space_lib.Setting]:
    """The settings to choose from; the cheaper first, as ties go to it.

    Raises:
      errors.InputError: the space lacks something that the method needs.
    """

  @abc.abstractmethod
  def validate(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Mapping[Any, space_lib.Counts]:
    """Correct answers of each candidate, in order, on each fold's `val`."""

  @abc.abstractmethod
  def fit(
    self,
    data: data_lib.TrainingData,
    examples: np.ndarray,
    setting: Any,
    space: space_lib.Space,
    seeds: Sequence[int],
  ) -> Iterator[Any]:
    """Trains one predictor for each seed on examples, in the order given."""

  def complete(
    self,
    data: data_lib.TrainingData,
    folds: Sequence[Fold],
    space: space_lib.Space,
    seed: int,
  ) -> Sequence[Any]:
    """The candidates, completed by what has to be chosen before."""
    del data, folds, seed
    return self.candidates(space)

  def check(self, space: space_lib.Space) -> None:
    self.candidates(space)

  def measure(
    self, data: data_lib.TrainingData, plan: Plan
  ) -> Iterator[tuple[Fields, Any]]:
    if plan.folds:
      results = self._known(data, plan) or self.validate(
        data, plan.folds, plan.space, plan.seed
      )
      chosen = space_lib.choose(results)
      for setting, counts in results.items():
        for fold, count in zip(plan.folds, counts, strict=True):
          yield (
            setting.as_row()
            | {
              'fold': fold.number,
              'seed': plan.seed,
              'split': 'val',
              'total': len(fold.val),
            }
            | outcome(count),
            None,
          )
    else:
      chosen = space_lib.only(
        self.name, self.complete(data, (), plan.space, plan.seed)
      )
    predictors = self.fit(data, plan.examples, chosen, plan.space, plan.seeds)
    for seed, predictor in zip(plan.seeds, predictors, strict=True):
      yield chosen.as_row() | {'seed': seed}, predictor

  def _known(
    self, data: data_lib.TrainingData, plan: Plan
  ) -> Mapping[Any, space_lib.Counts]:
    """What `validate` gave when the known rows were measured."""
    if not plan.known:
      return {}
    counts = {(r['fold'], _key(r)): r for r in plan.known}
    found: dict[Any, space_lib.Counts] = {}
    for setting in self.complete(data, plan.folds, plan.space, plan.seed):
      key = _key(setting.as_row())
      rows = [
        counts[fold.number, key]
        for fold in plan.folds
        if (fold.number, key) in counts
      ]
      if len(rows) < len(plan.folds):
        return {}
      found[setting] = [
        space_lib.Failure(r['failed']) if r['correct'] is None else r['correct']
        for r in rows
      ]
    return found


class Derived(abc.ABC):
  """A method whose rows follow from those of others, without training.

  Attributes:
    name: its id, as in rows.
    requires: the ids of those others.
  """

  name: str
  requires: tuple[str, ...]

  @abc.abstractmethod
  def check(self, space: space_lib.Space) -> None:
    """Raises InputError if the space lacks what it needs."""

  @abc.abstractmethod
  def derive(self, rows: Mapping[str, Sequence[Fields]]) -> list[Fields]:
    """The rows of each required method to this one's."""


def _key(row: Fields) -> tuple[tuple[str, Any], ...]:
  return tuple(sorted(setting_of(row).items()))


def setting_of(row: Fields) -> Fields:
  """The fields of a validation row that say which setting it is of."""
  return {k: v for k, v in row.items() if k not in _NO_SETTING}


def outcome(correct: int | space_lib.Failure) -> Fields:
  """Fields of a row: the count, or none and why."""
  if isinstance(correct, space_lib.Failure):
    return {'correct': None, 'failed': str(correct)}
  return {'correct': correct}
