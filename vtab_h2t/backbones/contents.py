"""What is said of a file of weights, or of a SavedModel."""

from collections.abc import Iterator
import dataclasses
import shlex

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import fitting
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import own_head
from vtab_h2t.backbones import registry

# Schemes of networks of whose tensors nothing is known.
BY_ENDPOINTS, BY_PLUGIN = "its signature's endpoints", 'its plugin'
UNCOUNTED = (BY_ENDPOINTS, BY_PLUGIN)
# The least share of tensors in common with a network that is called near: of
# others, a few names are common by chance.
_NEAR = 0.05


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
    beside: of a file of torch, what it has beside the state dict.
    not_finite: names of tensors with NaNs or infinities.
  """

  location: str
  format: str
  shapes: fitting.Shapes
  nbytes: int
  sha256: str
  fits: tuple[fitting.Fit, ...]
  backbone: backbone_lib.Backbone | None
  beside: tuple[str, ...] = ()
  not_finite: tuple[str, ...] = ()

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
    # Suites differ in the size that they show by default.
    if registry.BACKBONES[self.backbone.name].image_size is None:
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
      yield 'prefix', f'{fit.prefix!r}, which is before its names'
    others = [f.backbone for f in self.fits if f.is_whole and f != fit]
    counted = (
      f': {fit.matched} of {fit.wanted} tensors, named as by {fit.scheme}'
      if fit.scheme not in UNCOUNTED
      else f', by {fit.scheme}'
    )
    also = f'; also read as {", ".join(others)}' if others else ''
    yield 'fits', f'{name}{counted}{also}'
    if fit.network:
      yield 'network', fit.network
    if fit.configured:
      yield (
        'settings',
        f'{" and ".join(fit.configured)} beside it, as part of the weights',
      )
    yield from self._aside(fit)
    yield 'images', self._images(fit)
    yield 'input', self._input(fit)
    yield 'head', _head(self.backbone)

  def _misfit(self) -> Iterator[tuple[str, str]]:
    """Why nothing was built with it."""
    near = (
      fit for fit in self.fits if fit.scheme in UNCOUNTED or fit.share >= _NEAR
    )
    nearest = next(near, None)
    if nearest is None:
      names = fitting.shown(self.shapes)
      yield (
        'fits',
        'no network that is read, and none is near'
        + (f' (its tensors are {names})' if names else '')
        + '; docs/backbones.md lists whose weights are read',
      )
      return
    if nearest.prefix:
      yield 'prefix', f'{nearest.prefix!r}, which is before its names'
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

  def _aside(self, fit: fitting.Fit) -> Iterator[tuple[str, str]]:
    """What of the file is not used, and what of the rest is damaged."""
    if fit.aside:
      yield (
        'left over',
        f'{fitting.shown(fit.aside)}, which features do not depend on',
      )
    if self.beside:
      yield 'left over', f'{fitting.shown(self.beside)}, beside the state dict'
    bad = [name for name in self.not_finite if name not in fit.aside]
    if bad:
      yield (
        'damaged',
        f'{fitting.shown(bad)}: values that are NaN or infinite',
      )

  def _images(self, fit: fitting.Fit) -> str:
    assert self.backbone is not None
    size = self.backbone.image_size
    if fit.trained_size is None:
      return (
        f'{size} pixels a side; tensors do not say what it was trained with'
      )
    if fit.trained_size == size:
      return f'{size} pixels a side, as it was trained with'
    return (
      f'{size} pixels a side; trained with {fit.trained_size}, so that '
      'position embeddings are interpolated'
    )

  def _input(self, fit: fitting.Fit) -> str:
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
    said_by = 'assumed from the names, as tensors do not say it'
    if hf_input.PREPROCESSOR in fit.configured:
      said_by = f'as {hf_input.PREPROCESSOR} says'
    return (
      f'mean {mean}, deviation {std} of pixels 0 to 1, {fed.resize}, {crop}: '
      f'{said_by}; --input_scaling, --resize and --crop set others'
    )


def _head(backbone: backbone_lib.Backbone) -> str:
  if own_head.LOGITS not in backbone.taps:
    return 'none, or none that these taps have'
  classes = backbone.tap_shapes()[own_head.LOGITS][-1]
  labels = own_head.labels(classes)
  return f'{classes} classes' + (f', presumably {labels}' if labels else '')
