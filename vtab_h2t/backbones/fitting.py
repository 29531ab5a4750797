"""How far a file's tensors are those of a network, by names and shapes alone.

Reading a file says whether it fits, and stops at the first fault. Here all
faults are told, so that of several networks the nearest can be named.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools
import math

import numpy as np

from vtab_h2t.backbones import importing

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_COUNTS = 'num_batches_tracked'  # Of torch's batch norm, which nothing needs.
_SHOWN = 3  # Names of a list that a line shows.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
  """What a network and a file have in common.

  Attributes:
    backbone: of `registry.BACKBONES`.
    scheme: who names tensors so.
    matched: how many tensors have the names and the shapes of the network's.
    missing: names of the network's tensors that are not there.
    left_over: names of tensors that are not the network's.
    misshapen: names of tensors with another shape: it, and the network's.
    aside: the file's names of tensors that its reader leaves aside.
    configured: names of the files beside it that say more of the network.
    prefix: what the file has before the scheme's names.
    network: what was read of the network, in words; '' if nothing was.
    patch: side in pixels of what images have to be a multiple of.
    trained_size: side in pixels of the images that it was trained with; None
      where tensors do not tell.
    fault: why it is not read, where names and shapes are not all; '' if it is.
  """

  backbone: str
  scheme: str
  matched: int = 0
  missing: tuple[str, ...] = ()
  left_over: tuple[str, ...] = ()
  misshapen: Mapping[str, tuple[Shape, Shape]] = dataclasses.field(
    default_factory=dict
  )
  aside: tuple[str, ...] = ()
  configured: tuple[str, ...] = ()
  prefix: str = ''
  network: str = ''
  patch: int = 1
  trained_size: int | None = None
  fault: str = ''

  @property
  def wanted(self) -> int:
    """How many tensors the network has."""
    return self.matched + len(self.missing) + len(self.misshapen)

  @property
  def is_whole(self) -> bool:
    """Whether the file is what the network's reader takes."""
    return not (
      self.missing or self.left_over or self.misshapen or self.fault
    ) and bool(self.matched)

  @property
  def share(self) -> float:
    """How near it is, 0 to 1: of all tensors, here or there, those in common.

    Those of another shape count half.
    """
    total = self.wanted + len(self.left_over)
    return (self.matched + len(self.misshapen) / 2) / total if total else 0.0

  def faults(self) -> Iterator[str]:
    """What is in the way of reading it, a line each."""
    if self.fault:
      yield self.fault
    if self.missing:
      yield f'lacks {shown(self.missing)}'
    if self.left_over:
      yield f'has besides {shown(self.left_over)}'
    if self.misshapen:
      yield 'has of other shapes ' + shown(
        f'{name} {_written(found)}, not {_written(wanted)}'
        for name, (found, wanted) in self.misshapen.items()
      )


def compare(wanted: Shapes, found: Shapes, about: Fit) -> Fit:
  """Compares tensors by names and shapes.

  Args:
    wanted: a network's shapes by names.
    found: those that are there.
    about: what is said of the network; its counts and names are replaced.
  """
  common = [name for name in wanted if name in found]
  misshapen = {
    name: (tuple(found[name]), tuple(wanted[name]))
    for name in common
    if tuple(found[name]) != tuple(wanted[name])
  }
  return dataclasses.replace(
    about,
    matched=len(common) - len(misshapen),
    missing=tuple(name for name in wanted if name not in found),
    left_over=tuple(name for name in found if name not in wanted),
    misshapen=misshapen,
  )


def shapes_of_plan(
  weights: Shapes, plan: Mapping[str, importing.Tensor], found: Shapes
) -> dict[str, Shape]:
  """The shapes that a network's tensors have in a file, by the file's names.

  Args:
    weights: shapes of the network's weights by their paths.
    plan: of the network, as `importing.load` takes it.
    found: shapes of the file's tensors. Where a tensor's shape becomes the
      weight's, it is the one that is wanted; else the order of axes is sought
      that the plan takes.
  """
  shapes = {}
  for path, shape in weights.items():
    tensor = plan[path]
    ones = (1,) * (4 - len(shape))  # As of a matrix kept as a convolution.
    orders = itertools.chain(
      [found[tensor.name]] if tensor.name in found else [],
      itertools.permutations(shape),
      itertools.permutations((*shape, *ones)) if len(shape) == 2 else [],
    )
    shapes[tensor.name] = next(
      (order for order in orders if _becomes(tensor, order, shape)), shape
    )
  return shapes


def _becomes(tensor: importing.Tensor, found: Shape, wanted: Shape) -> bool:
  """Whether a tensor of one shape becomes a weight of another."""
  value = np.broadcast_to(np.float32(0), found)  # Takes no memory.
  try:
    return tuple(tensor.convert(value).shape) == tuple(wanted)
  except (ValueError, IndexError, TypeError):
    return False


def prefix_of(stored: Iterable[str], anchor: str) -> str:
  """What the shortest name that ends with an anchor has before it."""
  found = [n for n in stored if f'.{n}'.endswith((f'.{anchor}', f'/{anchor}'))]
  return min(found, key=len, default=anchor).removesuffix(anchor)


def without_path(fault: str, file: str) -> str:
  """A reader's line without the file's path at its beginning."""
  return fault.removeprefix(file).strip()


def counts(names: Iterable[str]) -> tuple[str, ...]:
  """Those of torch's counts of batches."""
  return tuple(name for name in names if name.endswith(_COUNTS))


def without_prefix(shapes: Shapes, prefix: str) -> Shapes:
  """By names without a prefix, and without torch's counts of batches."""
  return {
    name.removeprefix(prefix): shape
    for name, shape in shapes.items()
    if not name.endswith(_COUNTS)
  }


def only_wanted(fit: Fit) -> Fit:
  """Of a SavedModel, where other variables, of training, may be left over."""
  return dataclasses.replace(fit, left_over=())


def numbers(shapes: Shapes) -> int:
  """How many numbers tensors hold."""
  return sum(map(math.prod, shapes.values()))


def shown(names: Iterable[str]) -> str:
  """The first few names, and how many more there are."""
  names = list(names)
  more = len(names) - _SHOWN
  return ', '.join(map(importing.one_line, names[:_SHOWN])) + (
    f' and {more} more' if more > 0 else ''
  )


def _written(shape: Shape) -> str:
  return f'[{", ".join(map(str, shape))}]'
