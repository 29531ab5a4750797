"""How long methods train: what a comparison's sides must have in common.

A budget is the numbers of steps that a method tries and the images in a step.
How many settings are tried is none: the paper compares the 24 of Head2Toe with
the 4 of fine-tuning and says so.
"""

from collections.abc import Iterable, Sequence
import itertools

from vtab_h2t.heads import sweep
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib

Budget = tuple[tuple[int, ...], int]  # Steps that are tried; images in each.


def of(method: str, space: space_lib.Space) -> set[Budget]:
  """Of a method, or of all those that a derived one chooses from.

  Empty where the space does not give steps, as for methods by epochs.
  """
  if method in methods.DERIVED:
    required = methods.DERIVED[method].requires
    return set().union(*(of(name, space) for name in required))
  options = space.options.get(method)
  steps = getattr(options, 'steps', ())
  if isinstance(steps, int):
    steps = (steps,)
  if not steps:
    return set()
  return {(tuple(sorted(steps)), getattr(options, 'batch', sweep.BATCH_SIZE))}


def settings(method: str, space: space_lib.Space) -> int:
  """How many settings a method of this package tries on each fold."""
  return len(methods.MEASURED[method].candidates(space))


def is_one_setting(space: space_lib.Space) -> bool:
  """Whether one setting was given for all tasks, and none searched for."""
  return not space.folds and not space.by_task


def differing(
  sides: Sequence[str], space: space_lib.Space, tasks: Iterable[str]
) -> str:
  """Which budgets differ on some task, in words; '' if none does."""
  found: dict[str, None] = {}
  for task in tasks:
    budgets = [sorted(of(s, space.of_task(task))) for s in sides]
    different = [*dict.fromkeys(itertools.chain(*budgets))]
    if len(different) > 1:
      found[in_words(different)] = None
  return '; '.join(found)


def in_words(budgets: Sequence[Budget]) -> str:
  """For example '500 steps of 128 images against 80 of 64'."""
  first, *others = [
    (' or '.join(map(str, steps)), images) for steps, images in budgets
  ]
  return ' against '.join(
    [
      f'{first[0]} steps of {first[1]} images',
      *(f'{steps} of {images}' for steps, images in others),
    ]
  )
