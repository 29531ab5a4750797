"""SavedModels whose variables are read into a graph of ours, to be trained.

A SavedModel's signature can be called but not trained: it has no layers, and
its batch norms do not update their statistics. Where the names of its variables
are known, they are copied into a graph of ours, which takes the signature's
place only if both give the same taps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
from typing import NamedTuple

import keras
import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import importing
from vtab_h2t.backbones import saved_variables

# The largest difference of a tap that is taken for rounding, as a share of the
# tap's largest magnitude.
TOLERANCE = 1e-4

Arrays = Mapping[str, np.ndarray]
Build = Callable[[], keras.Model]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scheme:
  """How some code names the variables of an architecture.

  Attributes:
    anchor: one variable's name; what a SavedModel has before it is the prefix
      of all names.
    variants: given variables by their names and the shapes of the signature's
      taps, what builds the graphs that may be meant, with random weights.
    plan: of a model, as `importing.load` takes it.
    orders: given a number of variables, the orders of names that a list of so
      many may have that keeps none.
  """

  anchor: str
  variants: Callable[[Arrays, Mapping[str, tuple[int, ...]]], Sequence[Build]]
  plan: Callable[[keras.Model], Mapping[str, importing.Tensor]]
  orders: Callable[[int], Sequence[Sequence[str]]] = lambda _: ()

  def find(self, variables: saved_variables.Variables) -> Iterator[Arrays]:
    """Variables by their names, in each way in which they may have them."""
    found = variables.under(self.anchor)
    if found is not None:
      yield found
      return
    for values in variables.lists():
      for names in self.orders(len(values)):
        yield dict(zip(names, values, strict=True))


class _Trial(NamedTuple):
  """A graph, and how far its taps are from the signature's.

  Attributes:
    gap: largest difference of a tap, as a share of its largest magnitude.
    fault: what is in the way, if it is more than `TOLERANCE`.
    model: the graph, with the variables; None if they do not fit.
  """

  gap: float
  fault: str
  model: keras.Model | None


def read(
  called: Callable[[], backbone_lib.Backbone],
  variables: saved_variables.Variables,
  location: str,
  schemes: Sequence[Scheme],
  blocks: Mapping[str, str],
) -> backbone_lib.Backbone:
  """A SavedModel as a backbone that can be trained, if its variables allow it.

  Args:
    called: gives the backbone that calls the model's signature.
    variables: the model's.
    location: where it is from, for messages.
    schemes: of its architecture.
    blocks: of the graphs that they build; see `backbone.Backbone`.

  Returns:
    A graph of ours with the model's variables, if its taps and the signature's
    agree within `TOLERANCE` on a fixed image of noise; else what `called`
    gives, whose `misfit` names the variable or the tap that is in the way.

  Raises:
    errors.InputError: as `called` raises.
  """
  with _float32():  # Another policy's rounding would hide differences.
    signature = called()
    best = min(
      _trials(signature, variables, location, schemes),
      key=lambda trial: trial.gap,
      default=None,
    )
  if best is None:
    return dataclasses.replace(signature, misfit=_nameless(variables))
  if best.model is None or best.gap > TOLERANCE:
    return dataclasses.replace(signature, misfit=best.fault)
  return dataclasses.replace(signature, model=best.model, blocks=blocks)


@contextlib.contextmanager
def _float32() -> Iterator[None]:
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy('float32')
  try:
    yield
  finally:
    keras.config.set_dtype_policy(before)


def _nameless(variables: saved_variables.Variables) -> str:
  names = sorted(variables.named) or sorted(variables.placed)
  return (
    f'its variables ({names[0]}, ...) have names of no known scheme'
    if names
    else 'it has no variables'
  )


def _trials(
  signature: backbone_lib.Backbone,
  variables: saved_variables.Variables,
  location: str,
  schemes: Sequence[Scheme],
) -> Iterator[_Trial]:
  """Every graph that may be meant, beside the signature."""
  size = signature.image_size
  pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3))
  image = signature.preprocess(pixels.astype(np.uint8))
  wanted = {t: np.asarray(x) for t, x in signature.model(image).items()}
  shapes = signature.tap_shapes()
  for scheme in schemes:
    for arrays in scheme.find(variables):
      for build in scheme.variants(arrays, shapes):
        try:
          model = build()
          plan = scheme.plan(model)
          used = {plan[weight.path].name for weight in model.weights}
          tensors = {n: value for n, value in arrays.items() if n in used}
          importing.load(model, plan, tensors, location)
        except errors.InputError as e:
          yield _Trial(np.inf, str(e), None)
          continue
        found = model(image, training=False)
        gaps = {t: _gap(np.asarray(found[t]), x) for t, x in wanted.items()}
        first = next((t for t, gap in gaps.items() if gap > TOLERANCE), '')
        yield _Trial(
          max(gaps.values()),
          f'with its variables in our graph the tap {first} differs by '
          f'{gaps.get(first, 0):.2g} of its largest magnitude',
          model,
        )


def _gap(ours: np.ndarray, theirs: np.ndarray) -> float:
  """Largest difference, as a share of the largest magnitude of theirs."""
  if ours.shape != theirs.shape:
    return np.inf
  gap = np.abs(ours - theirs).max() / max(
    np.abs(theirs).max(), np.finfo(np.float32).tiny
  )
  return float(gap) if np.isfinite(gap) else np.inf
