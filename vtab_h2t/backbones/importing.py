"""What all weight importers share: every tensor is used, and fits."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
import contextlib
import os
from typing import NamedTuple, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors

if TYPE_CHECKING:
  import keras


_MAX_BYTES = 8 * 2**30  # A ViT-g/14's weights take 4.2 GiB as float32.
_MAX_SHOWN = 200  # Characters of what a file says, in a message.


class Tensor(NamedTuple):
  """Where a weight comes from.

  Attributes:
    name: of the tensor in the file.
    convert: turns it into the weight's value; raises ValueError if its shape
      does not allow that.
  """

  name: str
  convert: Callable[[np.ndarray], np.ndarray] = lambda value: value


def load(
  model: 'keras.Model',
  plan: Mapping[str, Tensor],
  tensors: Mapping[str, np.ndarray],
  file: str,
  ignored: Collection[str] = (),
) -> None:
  """Sets all weights of a model.

  Args:
    model: the model.
    plan: path of a weight ('<layer>/<weight>') to where it comes from.
    tensors: name to array.
    file: where they are from, for messages.
    ignored: names of tensors that need not be used.

  Raises:
    errors.InputError: tensors are missing, left over, or of another shape.
    ValueError: the plan does not cover the model's weights.
  """
  weights = {w.path: w for w in model.weights}
  if set(weights) - set(plan):
    raise ValueError(f'no plan for {sorted(set(weights) - set(plan))[:3]}')
  used = {plan[path].name for path in weights}
  check_names(used, set(tensors) - (set(ignored) - used), file)
  for path, weight in weights.items():
    name, convert = plan[path]
    try:
      value = convert(tensors[name])
      weight.assign(value)
    except (ValueError, IndexError, TypeError) as e:
      raise errors.InputError(
        f'{file} has {name} of shape {tensors[name].shape}, which does not '
        f'fit {path} of shape {tuple(weight.shape)}; it belongs to another '
        'architecture'
      ) from e


def check_names(
  wanted: Collection[str], found: Collection[str], file: str
) -> None:
  """Raises InputError if tensors are missing or left over.

  Args:
    wanted: names of those that a network has.
    found: names of those that are there.
    file: where they are from, for messages.
  """
  faults = []
  for what, names in (
    ('lacks', set(wanted) - set(found)),
    ('holds unknown', set(found) - set(wanted)),
  ):
    if names:
      shown = ', '.join(sorted(names)[:3])
      faults.append(
        f'{what} {shown}'
        + (f' and {len(names) - 3} more' if len(names) > 3 else '')
      )
  if faults:
    raise errors.InputError(
      f'{file} {" and ".join(faults)}; it belongs to another architecture or '
      'is incomplete'
    )


def check_shapes(
  wanted: Mapping[str, tuple[int, ...]],
  found: Mapping[str, tuple[int, ...]],
  file: str,
) -> None:
  """Raises InputError unless tensors are a network's, before it is built.

  Args:
    wanted: shapes of those that a network has, by their names.
    found: shapes of those that are there.
    file: where they are from, for messages.
  """
  check_names(wanted.keys(), found.keys(), file)
  for name, shape in wanted.items():
    if found[name] != shape:
      raise errors.InputError(
        f'{file} has {name} of shape {found[name]}, not {shape}; it belongs to '
        'another architecture'
      )


def check_size(path: str | os.PathLike[str], sizes: Iterable[int]) -> None:
  """Raises InputError if what a file claims to hold is no network's weights.

  Args:
    path: of the file.
    sizes: bytes of its tensors, as its headers give them.
  """
  total = sum(sizes)
  if total > _MAX_BYTES:
    raise errors.InputError(
      f'weights file {path} claims to hold {total / 2**30:.3g} GiB, more '
      f'than the {_MAX_BYTES / 2**30:g} that are read'
    )


def one_line(text: object) -> str:
  """Text of any origin as a part of one line that people read."""
  line = ' '.join(str(text)[:10000].split())
  line = ''.join(c if c.isprintable() else '?' for c in line)
  return line if len(line) <= _MAX_SHOWN else f'{line[: _MAX_SHOWN - 3]}...'


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
  """Whatever damage raises within becomes a ValueError that names a tensor."""
  try:
    yield
  except errors.InputError:
    raise
  except Exception as e:  # Damage shows as errors of a dozen kinds.
    raise ValueError(f'{one_line(name)}: {reason(e)}') from e


def reason(error: Exception) -> str:
  """What an error says, in one line; of those that say nothing, their name."""
  return one_line(error) or type(error).__name__
