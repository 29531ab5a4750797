"""Methods by id, those of Table 1 first, in the order of its rows."""

from collections.abc import Sequence
import dataclasses
import math
from typing import Any

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.methods import alf
from vtab_h2t.methods import dino_linear
from vtab_h2t.methods import finetune
from vtab_h2t.methods import head2toe
from vtab_h2t.methods import head2toe_ft
from vtab_h2t.methods import head_probe
from vtab_h2t.methods import interface
from vtab_h2t.methods import knn
from vtab_h2t.methods import linear
from vtab_h2t.methods import linearized
from vtab_h2t.methods import logistic
from vtab_h2t.methods import lp_ft
from vtab_h2t.methods import ridge
from vtab_h2t.methods import space as space_lib
from vtab_h2t.methods import surgical
from vtab_h2t.methods import vqt

# Those of Table 1 that leave the backbone as it is.
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
# Those of Table 1 that train the backbone.
_TRAINED: dict[str, interface.Searched] = {
  m.name: m
  for m in (
    finetune.Finetune('scratch', scratch=True),
    finetune.Finetune('finetune', scratch=False),
    head2toe_ft.Head2ToeFt(),
  )
}
# What came after Head2Toe, on the same frozen network.
SUCCESSORS: dict[str, interface.Searched] = {
  m.name: m
  for m in (
    ridge.Ridge(),
    ridge.AllRidge(),
    logistic.Logistic(),
    logistic.AllLogistic(),
    knn.Knn(),
    dino_linear.DinoLinear(),
    alf.Alf(),
    vqt.Vqt(),
  )
}
MEASURED: dict[str, interface.Searched] = (
  FROZEN
  | _TRAINED
  | SUCCESSORS
  | {
    m.name: m
    for m in (
      linearized.Linearized(),
      lp_ft.LpFt(),
      surgical.Surgical(),
      surgical.AutoRgn(),
      surgical.AutoSnr(),
      head_probe.HeadProbe(),
    )
  }
)
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
# Those of plugins, in the order in which they were registered. Only who names
# them measures them: they are in none of the other collections.
REGISTERED: dict[str, interface.Searched] = {}
# What tables call each of them.
LABELS: dict[str, str] = {}
# Those of the paper's Table 1.
TABLE1 = tuple(
  name for name in METHODS if name in {**FROZEN, **_TRAINED, **DERIVED}
)
# Those that any network allows; who wants the others names them.
ANYWHERE = tuple(
  name for name in METHODS if name in DERIVED or MEASURED[name].any_network
)
SETS = {'all': ANYWHERE, 'paper': TABLE1}  # What stands for many.


def register(method: interface.Searched) -> None:
  """Adds a method of the user's own, under a name of its own.

  From then on each grid that is made has its options, with their defaults, so
  runs with them are others than without. `--methods` has to name it.

  Args:
    method: an object whose `name` is for `--methods` and result rows, of
      lower-case letters, digits and _.-, and whose `options_type` is a
      dataclass, derived from `methods.space.Options`, with defaults for all.
      Tables call it by its `label`, if it has one.

  Raises:
    errors.InputError: a name that is taken or has other characters, or the
      method, its label or its options are not as the interface wants them.
  """
  if not isinstance(method, interface.Searched):
    raise errors.InputError(
      'register_method takes an object of a class that derives from '
      f'methods.interface.Searched, not {method!r}'
    )
  name = getattr(method, 'name', None)
  if not isinstance(name, str):
    raise errors.InputError(
      f'the method {type(method).__name__} has no name; set its attribute name'
    )
  files.check_name('method', name)
  if name in (*METHODS, *REGISTERED, *SETS):
    raise errors.InputError(f'the method name {name} is taken; choose another')
  _check_options(name, getattr(method, 'options_type', None))
  _check_label(name, method.label)
  REGISTERED[name] = method
  LABELS[name] = method.label or name


def _check_label(name: str, label: Any) -> None:
  """Raises InputError unless a label fits into a cell of a table."""
  if not isinstance(label, str) or not label.isprintable():
    raise errors.InputError(
      f'method {name}: its label must be a text of one line, not {label!r}'
    )
  if '|' in label or label != label.strip():
    raise errors.InputError(
      f'method {name}: its label {label!r} must have no | in it, and no spaces '
      'around it'
    )


def _check_options(name: str, options_type: Any) -> None:
  """Raises InputError unless a method's options can be a part of a run."""
  if not isinstance(options_type, type) or not issubclass(
    options_type, space_lib.Options
  ):
    raise errors.InputError(
      f'method {name}: its options_type must be a class that derives from '
      f'methods.space.Options, not {options_type!r}'
    )
  # A class that derives from a dataclass without being one has its fields only.
  if '__dataclass_fields__' not in vars(options_type):
    raise errors.InputError(
      f'method {name}: its {options_type.__name__} must be a dataclass; add '
      '@dataclasses.dataclass(frozen=True, kw_only=True)'
    )
  missing = dataclasses.MISSING
  lacking = [
    field.name
    for field in dataclasses.fields(options_type)
    if field.default is missing and field.default_factory is missing
  ]
  if lacking:
    raise errors.InputError(
      f'method {name}: its options {", ".join(lacking)} need defaults, which '
      'are what grids try'
    )
  defaults = options_type()
  for field in dataclasses.fields(options_type):
    option, value = field.name, getattr(defaults, field.name)
    values = value if isinstance(value, tuple) else (value,)
    if not all(map(_is_plain, values)):
      raise errors.InputError(
        f'method {name}: its option {option} is {value!r}, but options are '
        'finite numbers, strings, None, or tuples of them'
      )


def _is_plain(value: Any) -> bool:
  """Whether JSON keeps a value as it is."""
  if isinstance(value, float):
    return math.isfinite(value)
  return value is None or isinstance(value, (bool, int, str))


def check_name(name: str) -> None:
  """Raises InputError unless there is a method of this name."""
  if name not in (*METHODS, *REGISTERED):
    raise errors.InputError(
      f'unknown method {name!r}; choose from '
      f'{", ".join((*METHODS, *REGISTERED))}'
    )


def check(name: str, space: space_lib.Space) -> None:
  """Raises InputError if a method is unknown or the space lacks its needs."""
  check_name(name)
  if name in REGISTERED and name not in space.options:
    raise errors.InputError(
      f'the grid {space.name} has no options for {name}, because it was made '
      'before this method was registered; make it again'
    )
  method = DERIVED.get(name) or MEASURED.get(name) or REGISTERED[name]
  method.check(space)
  if name in REGISTERED and not space.folds:
    # Of the others the options are empty where there is nothing to choose by.
    space_lib.only(name, REGISTERED[name].candidates(space))


def with_required(names: Sequence[str]) -> list[str]:
  """The named methods and those they require, in the table's order."""
  wanted = set(names)
  for name in names:
    if name in DERIVED:
      wanted |= set(DERIVED[name].requires)
  return [name for name in (*METHODS, *REGISTERED) if name in wanted]


def measured(names: Sequence[str]) -> list[interface.Searched]:
  """The named methods and those they require, but for the derived ones."""
  return [
    MEASURED.get(name) or REGISTERED[name]
    for name in with_required(names)
    if name not in DERIVED
  ]


def available(space: space_lib.Space) -> list[str]:
  """Those of `FROZEN` for which a space has all they need."""
  found = []
  for name, method in FROZEN.items():
    try:
      method.check(space)
    except errors.InputError:
      continue
    found.append(name)
  return found
