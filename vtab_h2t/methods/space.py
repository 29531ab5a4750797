"""The settings: what is tried, one of them, and the choice among them.

Each method has options of its own, which say what it tries and how it is done;
a space has the options of every method and study. Together with the network and
the data it determines all numbers, so it is a part of the run.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, TypeVar

from vtab_h2t import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """What a method tries, and how; each method adds its own.

  Fields are numbers, strings, None, or tuples of them. An empty tuple means:
  not given, so that the method cannot be run.
  """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Space:
  """What every method and study tries.

  Attributes:
    name: of the grid, as users choose it.
    folds: numbers of the folds to choose on; none where nothing is chosen.
    options: of each method and study, by its id.
    by_task: spaces of single tasks, in place of this one.
  """

  name: str
  folds: tuple[int, ...]
  options: Mapping[str, Options]
  by_task: Mapping[str, 'Space'] = dataclasses.field(default_factory=dict)

  def of_task(self, task: str) -> 'Space':
    """What is tried on a task."""
    return self.by_task.get(task, self)

  def of(self, method: str) -> Any:
    """The options of a method or study.

    Raises:
      errors.InputError: the space has none for it.
    """
    if method not in self.options:
      raise errors.InputError(
        f'the grid {self.name} has no options for {method}; choose another '
        '--grid'
      )
    return self.options[method]

  def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> 'Space':
    """The same with other values of some options.

    Args:
      changes: for a method's id, option to value.
    """
    options = {
      name: dataclasses.replace(one, **changes.get(name, {}))
      for name, one in self.options.items()
    }
    return dataclasses.replace(
      self,
      options=options,
      by_task={
        task: space.changed(changes) for task, space in self.by_task.items()
      },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
  """One setting of a method; methods add fields."""

  def as_row(self) -> dict[str, float | int | str]:
    """The fields that are given, for a result row."""
    return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedSetting(Setting):
  """One of a method that takes optimisation steps.

  Attributes:
    learning_rate: the initial one.
  """

  learning_rate: float


class Failure(str):
  """Why a setting could not be judged; stands for its correct answers."""


# Correct answers on each fold, or why there are none.
Counts = Sequence[int | Failure]


_Setting = TypeVar('_Setting', bound=Setting)


def choose(results: Mapping[_Setting, Counts]) -> _Setting:
  """The setting with the most correct answers over all folds.

  Ties go to the first, and candidates are ordered from cheap to dear. One that
  failed on a fold is chosen only if all did.
  """

  def correct(setting: _Setting) -> int:
    counts = [c for c in results[setting] if not isinstance(c, Failure)]
    return -1 if len(counts) < len(results[setting]) else sum(counts)

  return max(results, key=correct)


def only(method: str, settings: Sequence[_Setting]) -> _Setting:
  """The setting of a method, where there is no fold to choose on.

  Raises:
    errors.InputError: there are several.
  """
  if len(settings) > 1:
    raise errors.InputError(
      f'{method} has {len(settings)} settings and no fold to choose on; add '
      'what it lacks to --hparams'
    )
  return settings[0]


_Value = TypeVar('_Value')


def require(
  method: str, what: str, values: Sequence[_Value]
) -> Sequence[_Value]:
  """`values`, unless the options give none."""
  if not values:
    raise errors.InputError(
      f'the grid gives no {what} for {method}; add it to --hparams, choose '
      'another --grid or leave the method out of --methods'
    )
  return values
