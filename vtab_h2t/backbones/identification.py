"""What a file of weights is: which network it fits, and what that takes."""

from collections.abc import Iterator, Sequence
import dataclasses
import json
import os
import pathlib

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import candidates
from vtab_h2t.backbones import contents
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import tensor_formats
from vtab_h2t.backbones import tensors
from vtab_h2t.backbones import vit_architecture

_USUAL_SIZE = 224  # Pixels a side that a network is shown here by default.
# Networks that SavedModels are read as by their endpoints; of ViTs the width
# says which of several.
_WITH_ENDPOINTS = ('resnet50', 'vit_ti16')
# Whose tensors `candidates` knows; any other that takes files is tried.
_KNOWN = frozenset(
  ('resnet50', 'resnet_v1', 'keras_cv_resnet50', 'vit', *vit_architecture.NAMED)
)


def identify(
  location: str,
  image_size: int | None = None,
  tap_set: str = backbone_lib.ALL_TAPS,
) -> contents.Contents:
  """Says what a file of weights, or a SavedModel, is.

  Args:
    location: of a file that `tensors.read` reads; or of a SavedModel, see
      `saved_model.fetch`.
    image_size: side in pixels of what networks are shown that take any; None
      for 224, or what it was trained with if that is less or 224 is no multiple
      of its patches.
    tap_set: the taps that are wanted. Where a network, a SavedModel for
      example, has not all of the default ones, it is built with the released.

  Raises:
    errors.InputError: it cannot be read, it is no location but a name of
      weights, or no network has these taps or takes images of this size.
  """
  offered = dict.fromkeys(
    taps for entry in registry.BACKBONES.values() for taps in entry.tap_sets
  )
  if tap_set not in offered:
    raise errors.InputError(
      f'no network has taps {tap_set!r}; choose from {", ".join(offered)}'
    )
  _check_location(location)
  from vtab_h2t.backbones import saved_model  # Imports Keras.

  if saved_model.is_location(location):
    return _of_saved_model(location, image_size, tap_set)
  stored = tensors.read(location)
  shapes = {name: array.shape for name, array in stored.arrays.items()}
  about, sha256, beside = str(stored), stored.sha256, stored.beside
  not_finite = tuple(
    name
    for name, array in stored.arrays.items()
    if array.dtype.kind == 'f' and not np.isfinite(array).all()
  )
  del stored  # Of several GiB, perhaps.
  found, backbone = _built(
    [*candidates.of_tensors(shapes, location, tap_set), *_plugins()],
    location,
    image_size,
    tap_set,
  )
  return contents.Contents(
    location=location,
    format=about,
    shapes=shapes,
    nbytes=sum(os.path.getsize(path) for path in _parts(location)),
    sha256=sha256,
    beside=beside,
    not_finite=not_finite,
    fits=found,
    backbone=backbone,
  )


def _check_location(location: str) -> None:
  """Raises InputError if this names no file, but weights of networks."""
  if not location:
    raise errors.InputError(
      'no file of weights is named; give its path, --weights=FILE'
    )
  of = [n for n, e in registry.BACKBONES.items() if location in e.weights]
  if of and not pathlib.Path(location).exists():
    raise errors.InputError(
      f'{location!r} is a name of weights of {", ".join(of)}, and no file; say '
      f'which of these networks is meant, --backbone={of[0]} '
      f'--weights={location}, or name a file'
    )


def _of_saved_model(
  location: str, image_size: int | None, tap_set: str
) -> contents.Contents:
  from vtab_h2t.backbones import saved_model
  from vtab_h2t.backbones import saved_variables

  folder = saved_model.fetch(location)
  variables = saved_variables.read(folder)
  shapes = {
    n: v.shape for n, v in (variables.placed or variables.named).items()
  }
  found, backbone = _built(
    candidates.of_variables(variables, location), location, image_size, tap_set
  )
  if backbone is None:
    called, backbone = _built(
      [_tried(name, contents.BY_ENDPOINTS) for name in _WITH_ENDPOINTS],
      location,
      image_size,
      tap_set,
    )
    if backbone is not None and backbone.name == _WITH_ENDPOINTS[-1]:
      called, backbone = _of_width(backbone, location)
    found = called if backbone else (*found, *called)
  return contents.Contents(
    location=location,
    format='SavedModel',
    shapes=shapes,
    nbytes=sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()),
    sha256=saved_model.sha256(folder),
    fits=found,
    backbone=backbone,
  )


def _tried(name: str, scheme: str) -> fitting.Fit:
  """Of a network that is built to see whether it takes the weights."""
  return fitting.Fit(backbone=name, scheme=scheme, matched=1)


def _plugins() -> Iterator[fitting.Fit]:
  """Networks of the user's own that take files, which are asked last."""
  for name, entry in registry.BACKBONES.items():
    if name not in _KNOWN and entry.files is not None:
      yield _tried(name, contents.BY_PLUGIN)


def _built(
  fits: Sequence[fitting.Fit],
  location: str,
  image_size: int | None,
  tap_set: str,
) -> tuple[tuple[fitting.Fit, ...], backbone_lib.Backbone | None]:
  """The first network that can be built.

  Args:
    fits: networks that weights may be of, nearest first.
    location: of the weights.
    image_size, tap_set: as of `identify`.

  Returns:
    The fits, with why those before could not be built; and the network.

  Raises:
    errors.InputError: the nearest has no such taps, or takes images of other
      sizes.
  """
  found = list(fits)
  # Others than the default ones are asked for, and not replaced.
  is_usual = tap_set == backbone_lib.ALL_TAPS
  sets = registry.PAPER_TAPS if is_usual else (tap_set,)
  for i, fit in enumerate(fits):
    if not fit.is_whole:
      continue
    _check_fit(fit, location, image_size, tap_set)
    fault = ''
    for taps in sets:
      if taps not in registry.BACKBONES[fit.backbone].tap_sets:
        fault = fault or f'has no taps {taps}'
        continue
      try:
        backbone = registry.load(
          fit.backbone, location, image_size or _size(fit), taps
        )
      except errors.InputError as e:
        fault = fault or str(e)
      else:
        return tuple(found), backbone
    matched = 0 if fit.scheme in contents.UNCOUNTED else fit.matched
    found[i] = dataclasses.replace(fit, fault=fault, matched=matched)
  found.sort(key=lambda fit: fit.share, reverse=True)
  return tuple(found), None


def _check_fit(
  fit: fitting.Fit, location: str, image_size: int | None, tap_set: str
) -> None:
  """Raises InputError if a network has no such taps, or takes other images.

  Of networks that are only tried, nothing is known.
  """
  if fit.scheme in contents.UNCOUNTED:
    return
  entry = registry.BACKBONES[fit.backbone]
  try:
    entry.check_tap_set(tap_set)
  except errors.InputError as e:
    raise errors.InputError(f'{location} is of {fit.backbone}: {e}') from e
  if image_size and entry.image_size is None and image_size % fit.patch:
    raise errors.InputError(
      f'{location} is of {fit.backbone} with patches of {fit.patch} pixels, of '
      f'which an image size is a multiple, and {image_size} is none'
    )


def _size(fit: fitting.Fit) -> int:
  """Side in pixels of what a network is shown by default."""
  trained = fit.trained_size or _USUAL_SIZE
  return (
    trained if trained < _USUAL_SIZE or _USUAL_SIZE % fit.patch else _USUAL_SIZE
  )


def _of_width(
  smallest: backbone_lib.Backbone, location: str
) -> tuple[tuple[fitting.Fit, ...], backbone_lib.Backbone | None]:
  """The ViT that a SavedModel is, which the smallest one's name fits as well.

  Args:
    smallest: the SavedModel under that name.
    location: of the SavedModel.
  """
  width = smallest.tap_shapes()['norm'][-1]
  for name, network in vit_architecture.NAMED.items():
    if network.width == width:
      return _built(
        [_tried(name, contents.BY_ENDPOINTS)], location, None, smallest.tap_set
      )
  widths = ', '.join(str(n.width) for n in vit_architecture.NAMED.values())
  fit = fitting.Fit(
    backbone=smallest.name,
    scheme=contents.BY_ENDPOINTS,
    fault=f'gives tokens of width {width}; ViTs that are read so have {widths}',
  )
  return (fit,), None


def _parts(location: str) -> list[pathlib.Path]:
  """A file; of an index of shards, which has been read, its shards as well."""
  path = pathlib.Path(location)
  if not tensor_formats.is_json(tensor_formats.head_of(path)):
    return [path]
  shards = json.loads(path.read_bytes())['weight_map'].values()
  return [path, *(path.parent / shard for shard in sorted(set(shards)))]
