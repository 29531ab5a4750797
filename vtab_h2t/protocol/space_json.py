"""Spaces as JSON values.

Methods that came after those of the paper leave the runs that were measured
before them what they were. Of `methods.registry.SUCCESSORS`, options that a
grid has by itself are not written, and are added again where a space is read. A
test holds them to their values: else rows of one run could be of two settings.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.studies import registry as studies

# What a single setting gives, of which the options of Head2Toe.
_SINGLE = {
  'lr': 'learning_rates',
  'steps': 'steps',
  'target_size': 'target_sizes',
  'fraction': 'fractions',
  'l21': 'coefficients',
}


def as_json(space: space_lib.Space, backbone: str) -> dict[str, Any]:
  """A space without what goes without saying.

  Args:
    space: any.
    backbone: id of the network that it is for.
  """
  usual = _usual(space, backbone)
  value = dataclasses.asdict(space)
  for name, options in usual.items():
    if space.options.get(name) == options:
      del value['options'][name]
  value['by_task'] = {
    task: as_json(own, backbone) for task, own in space.by_task.items()
  }
  return value


def from_json(value: Mapping[str, Any], backbone: str) -> space_lib.Space:
  """The space that `as_json` gave.

  Raises:
    KeyError, TypeError, AttributeError: it is not a space of this version.
  """
  space = space_lib.Space(
    name=value['name'],
    folds=tuple(value['folds']),
    options={
      name: _options_from_json(name, own)
      for name, own in value['options'].items()
    },
    by_task={
      task: from_json(own, backbone) for task, own in value['by_task'].items()
    },
  )
  return dataclasses.replace(
    space, options={**_usual(space, backbone), **space.options}
  )


def _usual(
  space: space_lib.Space, backbone: str
) -> dict[str, space_lib.Options]:
  """The options of methods after Head2Toe that a grid has by itself."""
  if 'head2toe' not in space.options:
    return {}
  if space.name in grids.SEARCHES:
    grid = grids.SEARCHES[space.name](backbone)
  elif not space.folds:
    own = space.of('head2toe')
    grid = grids.single(
      space.name,
      backbone,
      {
        key: getattr(own, option)[0]
        for key, option in _SINGLE.items()
        if getattr(own, option)
      },
    )
  else:
    return {}
  return {name: grid.of(name) for name in methods.SUCCESSORS}


def _options_from_json(
  name: str, value: Mapping[str, Any]
) -> space_lib.Options:
  """The options of a method or study that were written as JSON.

  Of a method that is not of this package and is not registered, or has other
  options since, they are kept as they are: its runs stay readable.

  Raises:
    TypeError: they are not those of this version.
  """
  fields = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
  types: dict[str, type[space_lib.Options]] = {
    **studies.OPTIONS,
    **{s.name: s.options_type for s in studies.COMPANIONS.values()},
    **{m.name: m.options_type for m in methods.MEASURED.values()},
  }
  known = types.get(name)
  if known is None and name in methods.REGISTERED:
    registered = methods.REGISTERED[name].options_type
    has = {f.name for f in dataclasses.fields(registered)}
    known = registered if has == fields.keys() else None
  return (known or _unknown(tuple(sorted(fields))))(**fields)


# Cached, so that equal options are of one type and equal.
@functools.cache
def _unknown(fields: Sequence[str]) -> type[space_lib.Options]:
  """A type of options that are only read."""
  return dataclasses.make_dataclass(
    'Options',
    [(field, Any) for field in fields],
    bases=(space_lib.Options,),
    frozen=True,
    kw_only=True,
  )
