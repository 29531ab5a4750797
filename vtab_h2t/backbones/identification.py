"""What a file of weights is: which network it fits, and what that takes."""

from collections.abc import Iterator, Sequence
import dataclasses
import json
import os
import pathlib
import shlex

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import candidates
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import own_head
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import tensor_formats
from vtab_h2t.backbones import tensors
from vtab_h2t.backbones import vit_architecture

_SIZE = 224  # Pixels of the image that runs show a network by default.
# Networks that SavedModels are read as by their endpoints; of ViTs the width
# says which of several.
_WITH_ENDPOINTS = ('resnet50', 'vit_ti16')
_BY_ENDPOINTS, _BY_PLUGIN = "its signature's endpoints", 'its plugin'
_UNCOUNTED = (_BY_ENDPOINTS, _BY_PLUGIN)  # Nothing is known of their tensors.
# Whose tensors `candidates` knows, or which take no files.
_KNOWN = frozenset(registry.BACKBONES)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
  """What a file, or a SavedModel, holds.

  Attributes:
    location: its path or address.
    format: what it is, with the types that it stores, for people.
    shapes: of its tensors or variables, by names.
    nbytes: its size.
    sha256: of it; see `tensors.Tensors` and `saved_model.sha256`.
    fits: networks that it may be of, nearest first.
    backbone: the first of them that was built with it; None if none was.
  """

  location: str
  format: str
  shapes: fitting.Shapes
  nbytes: int
  sha256: str
  fits: tuple[fitting.Fit, ...]
  backbone: backbone_lib.Backbone | None

  @property
  def command(self) -> str:
    """The command that measures with it.

    Raises:
      ValueError: no network was built with it.
    """
    if self.backbone is None:
      raise ValueError(f'{self.location} is of no network that is read')
    parts = [
      f'--backbone={self.backbone.name}',
      f'--weights={self.location}',
    ]
    if self.backbone.tap_set != backbone_lib.ALL_TAPS:
      parts.append(f'--taps={self.backbone.tap_set}')
    has_size = registry.BACKBONES[self.backbone.name].image_size
    if not has_size and self.backbone.image_size != _SIZE:
      parts.append(f'--image_size={self.backbone.image_size}')
    return f'python -m runners.table1 {shlex.join(parts)}'

  def described(self) -> Iterator[tuple[str, str]]:
    """What there is to say: a subject and a line about it."""
    yield (
      'file',
      f'{self.format}, {self.nbytes / 2**20:.1f} MiB: {len(self.shapes)} '
      f'tensors of {fitting.numbers(self.shapes):,} numbers',
    )
    yield 'sha256', self.sha256
    if self.backbone is None:
      yield from self._misfit()
      return
    name = self.backbone.name
    fit = next(fit for fit in self.fits if fit.backbone == name)
    if fit.prefix:
      yield 'prefix', f'{fit.prefix!r}, which is before all names'
    others = [f.backbone for f in self.fits if f.is_whole and f != fit]
    counted = (
      f': {fit.matched} of {fit.wanted} tensors, named as by {fit.scheme}'
      if fit.scheme not in _UNCOUNTED
      else f', by {fit.scheme}'
    )
    also = f'; also read as {", ".join(others)}' if others else ''
    yield 'fits', f'{name}{counted}{also}'
    if fit.network:
      yield 'network', fit.network
    yield 'images', self._images(fit)
    yield 'input', self._input()
    yield 'head', _head(self.backbone)

  def _misfit(self) -> Iterator[tuple[str, str]]:
    """Why nothing was built with it."""
    if not self.fits:
      names = fitting.shown(self.shapes)
      yield (
        'fits',
        'no network that is read: no name of a tensor is known'
        + (f' ({names})' if names else '')
        + '; docs/backbones.md lists whose weights are read',
      )
      return
    nearest = self.fits[0]
    if nearest.prefix:
      yield 'prefix', f'{nearest.prefix!r}, which is before names'
    yield (
      'fits',
      f'no network that is read; nearest is {nearest.backbone}'
      + (
        f', named as by {nearest.scheme}: {nearest.matched} of '
        f'{nearest.wanted} tensors fit'
        if nearest.wanted
        else f', by {nearest.scheme}'
      ),
    )
    for fault in nearest.faults():
      yield 'differs', fault

  def _images(self, fit: fitting.Fit) -> str:
    assert self.backbone is not None
    size = self.backbone.image_size
    if fit.trained_size in (None, size):
      return f'{size} pixels a side'
    return (
      f'{size} pixels a side; trained with {fit.trained_size}, so that '
      'position embeddings are interpolated'
    )

  def _input(self) -> str:
    assert self.backbone is not None
    fed = self.backbone.input
    mean, std = (
      ', '.join(
        f'{x:.4g}' for x in (values if len(set(values)) > 1 else values[:1])
      )
      for values in (
        tuple(round(x, 6) for x in fed.mean),
        tuple(round(x, 6) for x in fed.std),
      )
    )
    crop = 'squashed' if fed.crop is None else f'crop {fed.crop:.4g}'
    return (
      f'mean {mean}, deviation {std} of pixels 0 to 1, {fed.resize}, {crop}: '
      'assumed from the names, as tensors do not say it; --input_scaling, '
      '--resize and --crop set others'
    )


def _head(backbone: backbone_lib.Backbone) -> str:
  if own_head.LOGITS not in backbone.taps:
    return 'none, or none that these taps have'
  classes = backbone.tap_shapes()[own_head.LOGITS][-1]
  labels = own_head.labels(classes)
  return f'{classes} classes' + (f', presumably {labels}' if labels else '')


def identify(
  location: str,
  image_size: int | None = None,
  tap_set: str = backbone_lib.ALL_TAPS,
) -> Contents:
  """Says what a file of weights, or a SavedModel, is.

  Args:
    location: of a file that `tensors.read` reads; or of a SavedModel, see
      `saved_model.fetch`.
    image_size: side in pixels of what networks are shown that take any; None
      for 224, or what it was trained with if that is less or 224 is no multiple
      of its patches.
    tap_set: the taps that are wanted; where a network has not these, it is
      built with the released ones.

  Raises:
    errors.InputError: it cannot be read.
  """
  from vtab_h2t.backbones import saved_model  # Imports Keras.

  if saved_model.is_location(location):
    return _of_saved_model(location, image_size, tap_set)
  stored = tensors.read(location)
  shapes = {name: array.shape for name, array in stored.arrays.items()}
  about, sha256 = str(stored), stored.sha256
  del stored  # Of several GiB, perhaps.
  found, backbone = _built(
    [*candidates.of_tensors(shapes, location), *_plugins()],
    location,
    image_size,
    tap_set,
  )
  return Contents(
    location=location,
    format=about,
    shapes=shapes,
    nbytes=sum(os.path.getsize(path) for path in _parts(location)),
    sha256=sha256,
    fits=found,
    backbone=backbone,
  )


def _of_saved_model(
  location: str, image_size: int | None, tap_set: str
) -> Contents:
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
      [_tried(name, _BY_ENDPOINTS) for name in _WITH_ENDPOINTS],
      location,
      image_size,
      tap_set,
    )
    if backbone is not None and backbone.name == _WITH_ENDPOINTS[-1]:
      called, backbone = _of_width(backbone, location)
    found = called if backbone else (*found, *called)
  return Contents(
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
  """Networks of one's own that take files, which are asked last."""
  for name, entry in registry.BACKBONES.items():
    if name not in _KNOWN and entry.files is not None:
      yield _tried(name, _BY_PLUGIN)


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
  """
  found = list(fits)
  for i, fit in enumerate(fits):
    if not fit.is_whole:
      continue
    offered = registry.BACKBONES[fit.backbone].tap_sets
    fault = ''
    for taps in dict.fromkeys((tap_set, *registry.PAPER_TAPS)):
      if taps not in offered:
        continue
      try:
        backbone = registry.load(
          fit.backbone, location, image_size or _size(fit), taps
        )
      except errors.InputError as e:
        fault = fault or str(e)
      else:
        return tuple(found), backbone
    matched = 0 if fit.scheme in _UNCOUNTED else fit.matched
    found[i] = dataclasses.replace(fit, fault=fault, matched=matched)
  found.sort(key=lambda fit: fit.share, reverse=True)
  return tuple(found), None


def _size(fit: fitting.Fit) -> int:
  """Side in pixels of what a network is shown by default."""
  trained = fit.trained_size or _SIZE
  return trained if trained < _SIZE or _SIZE % fit.patch else _SIZE


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
        [_tried(name, _BY_ENDPOINTS)], location, None, smallest.tap_set
      )
  widths = ', '.join(str(n.width) for n in vit_architecture.NAMED.values())
  fit = fitting.Fit(
    backbone=smallest.name,
    scheme=_BY_ENDPOINTS,
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
