"""The suite 'shifted': tasks of 64 pixels that are about a shift.

A base task (`bases.BASES`) has its plain name. A **pair** `A.to.B` is A with
further test sets that are shifted, for methods that are judged out of the
distribution that they learned from (LP-FT). A **target** `A.SHIFT` is a
labelled pool and a test set, both shifted, for a network that learned the task
`source` without the shift (surgical fine-tuning). docs/embedded_suite.md shows
every shift and says what it can show.
"""

from collections.abc import Callable, Mapping
import functools
import itertools

import numpy as np

from vtab_h2t import errors
from vtab_h2t.tasks import bases
from vtab_h2t.tasks import corruptions
from vtab_h2t.tasks import labelled
from vtab_h2t.tasks import task as task_lib

SUITE = 'shifted'

# Declared before anything was run.
PROBED = ('mnist_5k', 'photo_patches', 'shapes_count')
PAIRS = (
  'digits.to.mnist_5k',
  'mnist_5k.to.digits',
  'photo_patches.to.corrupted',
  'solids_category.to.instances',
  'mnist_colour.to.reversed',
)
TARGETS = (
  'photo_patches.same',
  'mnist_5k.same',
  *(f'photo_patches.{name}5' for name in corruptions.NAMES),
  'mnist_5k.noise5',
  'shapes_count.noise5',
  'solids_category.instances',
  'photo_classes.photographs',
  'mnist_pairs.odd',
  'mnist_5k.flipped',
  'photo_patches.permuted',
  'mnist_colour.reversed',
)

SAME, FLIPPED, PERMUTED, CORRUPTED = 'same', 'flipped', 'permuted', 'corrupted'
_TO = 'to.'
_SEED = 0  # Draws the derangement.


def names() -> tuple[str, ...]:
  """The declared tasks: bases, then pairs, then targets."""
  return PROBED + PAIRS + TARGETS


def task(name: str) -> task_lib.Task:
  """The task of a name, declared or not; nothing is read yet.

  Args:
    name: a base's, `A.to.B` or `A.SHIFT`.

  Raises:
    errors.InputError: there is no such base, pair, shift or severity.
  """
  base, dot, rest = name.partition('.')
  if base not in bases.BASES:
    raise errors.InputError(
      f'unknown task {name!r} in suite {SUITE}; there are A, A.to.B and '
      f'A.SHIFT, where A is one of {", ".join(bases.BASES)}'
    )
  if not dot:
    return _made(name, bases.BASES[base].group, base, _own(base))
  if rest.startswith(_TO):
    return _pair(name, base, rest.removeprefix(_TO))
  return _target(name, base, rest)


def derangement(classes: int) -> np.ndarray:
  """A fixed permutation `[classes]` that leaves no label where it is.

  Args:
    classes: their number, at least 2.
  """
  rng = np.random.default_rng(_SEED)
  while True:
    order = rng.permutation(classes)
    if (order != np.arange(classes)).all():
      return order


def corrupted_split(
  clean: labelled.Labelled, name: str, severity: int
) -> task_lib.Split:
  """Images under a corruption; their noise follows the clean images' ids."""
  return clean.split(
    lambda c: corruptions.corrupt(c.images, name, severity, c.ids),
    f'/{name}{severity}',
  )


def _made(
  name: str,
  group: str,
  base: str,
  load: Callable[[], task_lib.Examples],
  further: Mapping[str, Callable[[], task_lib.Split]] | None = None,
  source: task_lib.Task | None = None,
) -> task_lib.Task:
  """A task with a base's classes, whose labels are checked when loaded."""
  classes = len(bases.BASES[base].classes)

  def checked() -> task_lib.Examples:
    examples = load()
    for split in (examples.train, examples.test):
      task_lib.check_labels(f'task {name}', split, classes)
    return examples

  return task_lib.Task(
    SUITE, name, group, classes, checked, further=further or {}, source=source
  )


def _own(base: str) -> Callable[[], task_lib.Examples]:
  return lambda: task_lib.Examples.in_order(
    bases.own(base, 'train').split(), bases.own(base, 'test').split()
  )


def _pair(name: str, base: str, other: str) -> task_lib.Task:
  """Base `base` with what `other` names as further test sets."""
  made = bases.BASES[base]
  corruption = _corruption(name, other)
  if other == CORRUPTED or corruption:
    kind = 'input'
    wanted = (
      [corruption]
      if corruption
      else itertools.product(corruptions.NAMES, corruptions.SEVERITIES)
    )
    further = {f'{c}{s}': _corrupted_test(base, (c, s)) for c, s in wanted}
  elif other == made.shift:
    kind = made.kind
    further = {other: lambda: bases.own(base, 'shifted').split()}
  elif other in _alike(base):
    kind = 'real'
    further = {other: lambda: bases.own(other, 'test').split()}
  else:
    raise errors.InputError(_no_pair(name, base, other))
  return _made(name, kind, base, _own(base), further)


def _alike(base: str) -> list[str]:
  """Other bases whose labels mean the same."""
  classes = bases.BASES[base].classes
  return [
    name
    for name, other in bases.BASES.items()
    if name != base and other.classes == classes
  ]


def _no_pair(name: str, base: str, other: str) -> str:
  """Says why there is no such pair, and which there are."""
  made = bases.BASES[base]
  choices = ', '.join(
    [*_alike(base), *filter(None, [made.shift]), CORRUPTED, 'or a corruption']
  )
  if other in bases.BASES and other != base:
    has = len(made.classes), len(bases.BASES[other].classes)
    why = (
      f'{base} and {other} have different labels ({has[0]} and {has[1]} classes'
      f', {made.classes[0]!r} and {bases.BASES[other].classes[0]!r} the first)'
    )
  else:
    why = f'{base} has no pair with {other!r}'
  return (
    f'task {name}: {why}; choose from {choices} such as {corruptions.SHIFTS[0]}'
  )


def _corruption(name: str, shift: str) -> tuple[str, int] | None:
  """`corruptions.parse`, with the task's name in what it raises."""
  try:
    return corruptions.parse(shift)
  except errors.InputError as e:
    raise errors.InputError(f'task {name}: {e}') from e


def _corrupted_test(
  base: str, corruption: tuple[str, int]
) -> Callable[[], task_lib.Split]:
  return lambda: corrupted_split(bases.own(base, 'test'), *corruption)


@functools.cache
def _source(base: str) -> task_lib.Task:
  """What the networks of all targets of a base learn first."""

  def load() -> task_lib.Examples:
    train, test = (
      bases.part(base, False, which).split()
      for which in ('source', 'source_test')
    )
    return task_lib.Examples.in_order(train, test, len(train.ids) * 4 // 5)

  return _made(f'{base}.source', bases.BASES[base].group, base, load)


def _target(name: str, base: str, shift: str) -> task_lib.Task:
  """Base `base` under a shift, with its source.

  The pool is `train`; the first `bases.SHOTS` of each class are `train800`, the
  others `val200`: of photographs, these two share no pixel.
  """
  made = bases.BASES[base]
  corruption = _corruption(name, shift)
  kinds = {SAME: 'none', FLIPPED: 'output', PERMUTED: 'output'}
  if made.shift:
    kinds[made.shift] = made.kind
  if not corruption and shift not in kinds:
    raise errors.InputError(
      f'task {name}: {base} has no shift {shift!r}; choose from '
      f'{", ".join(kinds)}, or a corruption with its severity such as '
      f'{corruptions.SHIFTS[0]} ({", ".join(corruptions.NAMES)}; 1 to 5)'
    )
  classes = len(made.classes)
  new_labels = {
    FLIPPED: np.arange(classes)[::-1],
    PERMUTED: derangement(classes),
  }.get(shift, np.arange(classes))

  def split(clean: labelled.Labelled) -> task_lib.Split:
    if corruption:
      return corrupted_split(clean, *corruption)
    return labelled.Labelled(
      clean.ids, clean.images, new_labels[clean.labels]
    ).split()

  def load() -> task_lib.Examples:
    shots, validation, test = (
      bases.part(base, shift == made.shift, which)
      for which in ('shots', 'validation', 'test')
    )
    pool = labelled.joined(shots, validation)
    return task_lib.Examples.in_order(split(pool), split(test), len(shots.ids))

  return _made(
    name,
    'input' if corruption else kinds[shift],
    base,
    load,
    source=_source(base),
  )
