"""Cross-validation folds and the order of training examples."""

from collections.abc import Sequence

import numpy as np

from vtab_h2t import errors
from vtab_h2t.methods import interface
from vtab_h2t.tasks import task as task_lib

# The released code draws one order and keeps it for all steps; here it is the
# same for every head, so that heads share their batches.
_ORDER_SEED = 0


def training_order(examples: np.ndarray) -> np.ndarray:
  """Examples in the fixed order in which batches are cut."""
  return np.random.default_rng(_ORDER_SEED).permutation(examples)


def folds(task: task_lib.Task, numbers: Sequence[int]) -> list[interface.Fold]:
  """Some of the five contiguous folds of the cross-validation examples.

  Raises:
    errors.InputError: a class has no example to train on in a fold.
  """
  parts = task.folds
  found = []
  for number in numbers:
    train = np.concatenate([p for i, p in enumerate(parts) if i != number])
    check_classes(task, train, f'fold {number}')
    found.append(interface.Fold(number, training_order(train), parts[number]))
  return found


def check_classes(
  task: task_lib.Task, examples: np.ndarray, where: str
) -> None:
  """Raises InputError if a class has no example among the examples."""
  present = np.bincount(task.train.labels[examples], minlength=task.num_classes)
  if task.every_class and not present.all():
    raise errors.InputError(
      f'task {task.name}: class {int(present.argmin())} has no training '
      f'example in {where}; give it more examples, or order them so that '
      'each fifth has every class'
    )
