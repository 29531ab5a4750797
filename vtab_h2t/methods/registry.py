"""Methods by id, in the order of Table 1's rows."""

from collections.abc import Sequence

from vtab_h2t import errors
from vtab_h2t.methods import finetune
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import linearized
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import surgical

# Those that leave the backbone as it is.
FROZEN: dict[str, interface.Searched] = {
  m.name: m
  for m in (
    linear.Linear(),
    linear.All('all_l2', 'l2'),
    linear.All('all_l1', 'l1'),
    linear.All('all_l21', 'l21'),
    head2toe.Head2Toe(),
  )
}
MEASURED: dict[str, interface.Searched] = FROZEN | {
  m.name: m
  for m in (
    finetune.Finetune('scratch', scratch=True),
    finetune.Finetune('finetune', scratch=False),
    linearized.Linearized(),
    head2toe_ft.Head2ToeFt(),
    lp_ft.LpFt(),
    surgical.Surgical(),
    surgical.AutoRgn(),
    surgical.AutoSnr(),
    head_probe.HeadProbe(),
  )
}
DERIVED: dict[str, interface.Derived] = {
  m.name: m for m in (head2toe_ft.Head2ToeFtPlus(),)
}


def _in_order() -> tuple[str, ...]:
  """A derived method comes after the last that it requires."""
  names = list(MEASURED)
  for name, method in DERIVED.items():
    names.insert(1 + max(names.index(r) for r in method.requires), name)
  return tuple(names)


METHODS = _in_order()


def check(name: str, space: space_lib.Space) -> None:
  """Raises InputError if a method is unknown or the space lacks its needs."""
  if name not in METHODS:
    raise errors.InputError(
      f'unknown method {name!r}; choose from {", ".join(METHODS)}'
    )
  method = DERIVED[name] if name in DERIVED else MEASURED[name]
  method.check(space)


def with_required(names: Sequence[str]) -> list[str]:
  """The named methods and those they require, in the table's order."""
  wanted = set(names)
  for name in names:
    if name in DERIVED:
      wanted |= set(DERIVED[name].requires)
  return [name for name in METHODS if name in wanted]


def available(space: space_lib.Space) -> list[str]:
  """The frozen methods for which a space has all they need."""
  found = []
  for name, method in FROZEN.items():
    try:
      method.check(space)
    except errors.InputError:
      continue
    found.append(name)
  return found
