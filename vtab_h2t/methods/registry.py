"""Methods by id, in the order of Table 1's rows."""

from collections.abc import Sequence

from vtab_h2t import errors
from vtab_h2t.methods import base
from vtab_h2t.methods import finetune
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import linear
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import surgical
from vtab_h2t.methods import tuned

# Those that leave the backbone as it is.
FROZEN: dict[str, base.Method] = {m.name: m for m in (
    linear.Probe('linear', None),
    linear.Probe('all_l2', 'l2'),
    linear.Probe('all_l1', 'l1'),
    linear.Probe('all_l21', 'l21'),
    head2toe.Head2Toe(),
)}
METHODS: dict[str, base.Method | tuned.Tuned | base.Derived] = (
    FROZEN | {m.name: m for m in (
        finetune.Finetune('scratch', scratch=True),
        finetune.Finetune('finetune', scratch=False),
        head2toe_ft.Head2ToeFt(),
        head2toe_ft.Head2ToeFtPlus(),
        lp_ft.LpFt(),
        surgical.Surgical(),
        surgical.AutoRgn(),
        surgical.AutoSnr(),
        head_probe.HeadProbe(),
    )})


def methods(names: Sequence[str]) -> list[base.Method]:
  """The named methods and those they require, in the table's order.

  Raises:
    errors.InputError: unknown method.
  """
  for name in names:
    if name not in METHODS:
      raise errors.InputError(
          f'unknown method {name!r}; choose from {", ".join(METHODS)}')
  wanted = set(names)
  for name in names:
    method = METHODS[name]
    if isinstance(method, base.Derived):
      wanted |= set(method.requires)
  return [m for m in METHODS.values() if m.name in wanted]


def available(grid: base.SearchSpace) -> list[base.Method]:
  """The frozen methods for which a grid has all they need."""
  found = []
  for method in FROZEN.values():
    try:
      method.candidates(grid)
    except errors.InputError:
      continue
    found.append(method)
  return found
