"""How far a file's tensors are those of vision transformers."""

from collections.abc import Iterator, Mapping
import dataclasses

from vtab_h2t import errors
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import saved_variables
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_reading
from vtab_h2t.backbones import vit_schemes
from vtab_h2t.backbones import vit_taps
from vtab_h2t.backbones import vit_tensors

_VIT = 'vit'


def fits(
  shapes: fitting.Shapes, file: str, tap_set: str = 'all'
) -> Iterator[fitting.Fit]:
  """ViTs that may be meant.

  Args:
    shapes: of all tensors, by the names that the file has.
    file: where they are from, for messages; see `vit_reading.identify`.
    tap_set: the taps that those of `vit_architecture.NAMED` have to have.
  """
  try:
    guess = vit_reading.presumed(shapes, file)
  except errors.InputError as e:
    yield from _other_vits(shapes, file, fitting.without_path(str(e), file))
    return
  found = {name: shapes[full] for name, full in guess.stored.items()}
  about = _of_vit(guess.scheme, guess.network)
  stored = set(guess.stored.values())
  fit = fitting.compare(
    vit_tensors.shapes(guess.scheme, guess.network),
    found,
    dataclasses.replace(
      about,
      configured=hf_input.found(
        file, guess.scheme.model_types, guess.scheme.input
      ),
      aside=tuple(name for name in shapes if name not in stored),
      prefix=fitting.prefix_of(guess.stored.values(), guess.scheme.anchor),
    ),
  )
  yield fit
  for name in vit_architecture.NAMED:
    try:
      vit_reading.check_named(guess, name, tap_set, file)
    except errors.InputError:
      continue
    yield dataclasses.replace(fit, backbone=name)


def saved_fits(
  variables: saved_variables.Variables, file: str
) -> Iterator[fitting.Fit]:
  """ViTs that a SavedModel may be.

  Args:
    variables: the model's.
    file: where they are from, for messages.
  """
  scheme = vit_names.AUGREG
  arrays = variables.under(scheme.anchor)
  trees = [] if arrays is None else [arrays]
  if arrays is None:  # JAX's converter leaves an order, and no names.
    trees = [
      dict(zip(order, values, strict=True))
      for values in variables.lists()
      for depth in {n.depth for n in vit_architecture.NAMED.values()}
      for order in vit_tensors.augreg_orders(depth, len(values))
    ]
  for tree in trees:
    shapes = {name: array.shape for name, array in tree.items()}
    # A SavedModel's variables may lack the head: its graph has no need of it.
    for fit in fits(shapes, file, vit_taps.RELEASED):
      if fit.backbone in vit_architecture.NAMED:
        yield fitting.only_wanted(
          dataclasses.replace(
            fit,
            scheme=scheme.name
            + ('' if arrays is not None else ', in the order of its tree'),
          )
        )


def _of_vit(
  scheme: vit_names.Scheme, network: vit_architecture.Architecture
) -> fitting.Fit:
  """What is said of a ViT, but for its tensors."""
  return fitting.Fit(
    backbone=_VIT,
    scheme=scheme.name,
    network=str(network),
    patch=network.patch,
    trained_size=network.grid * network.patch,
  )


def _other_vits(
  shapes: fitting.Shapes, file: str, fault: str
) -> Iterator[fitting.Fit]:
  """The published ViT that a file is nearest to whose ViT cannot be told."""
  known: list[tuple[vit_names.Scheme, Mapping[str, str] | None]]
  try:
    known = [vit_schemes.find(shapes, file)]
  except errors.InputError:  # It may be of any of them.
    known = [(scheme, None) for scheme in vit_names.SCHEMES]
    known.sort(key=lambda pair: pair[0].marks)
  found_fits = []
  for scheme, stored in known:
    prefix = fitting.prefix_of(shapes, scheme.anchor)
    if stored is None:
      found = fitting.without_prefix(shapes, prefix)
    else:
      found = {name: shapes[full] for name, full in stored.items()}
    for name, network in vit_architecture.NAMED.items():
      about = fitting.Fit(
        backbone=name, scheme=scheme.name, prefix=prefix, fault=fault
      )
      wanted = vit_tensors.shapes(scheme, network)
      found_fits.append(fitting.compare(wanted, found, about))
  # The first of equals: a scheme that asks for no marks.
  yield max(found_fits, key=lambda fit: fit.share)
