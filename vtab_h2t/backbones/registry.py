"""Backbones by name."""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import pathlib

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import keras_cv_resnet
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import resnet26
from vtab_h2t.backbones import retapping
from vtab_h2t.backbones import vit_taps

# The sets of taps of the paper's main results: Appendix C's and, of ViTs, the
# released code's.
RELEASED_TAPS = 'released'
PAPER_TAPS = backbone_lib.ALL_TAPS, RELEASED_TAPS


@dataclasses.dataclass(frozen=True)
class Entry:
  """How to build a backbone.

  Attributes:
    build: called with (weights, image_size, tap_set).
    weights: the weights it offers by name.
    default_weights: the one of these that is meant where none is named; None
      if they have to be named.
    files: what a path of weights must be of, or None if it takes none.
    image_size: the side in pixels that its weights want; None for any.
    tap_sets: the sets of taps it offers; the first is the default.
    cls_token: whether its tokens begin with a class token.
    scaling: of `input_names.INPUT_SCALINGS`, the one that its weights want, as
      far as runs are named after it; '' if they want another.
  """

  build: Callable[[str, int, str], backbone_lib.Backbone]
  weights: tuple[str, ...]
  _: dataclasses.KW_ONLY
  default_weights: str | None = None
  files: str | None = None
  image_size: int | None = None
  tap_sets: tuple[str, ...] = (backbone_lib.ALL_TAPS,)
  cls_token: bool = False
  scaling: str = input_names.HALF_INPUT

  def check_weights(self, weights: str) -> None:
    """Raises InputError unless they are offered, or a file that may do."""
    if weights in self.weights:
      return
    if self.files is None or not (
      weights.startswith(('http://', 'https://'))
      or pathlib.Path(weights).exists()
    ):
      raise errors.InputError(
        f'there are no weights {weights!r} for this backbone; choose from '
        f'{self._offers}'
      )

  def weights_or_default(self, weights: str | None) -> str:
    """Weights that are offered, or the default ones where none are named.

    Raises:
      errors.InputError: they are not offered, or have to be named.
    """
    weights = weights or self.default_weights
    if weights is None:
      raise errors.InputError(
        f'this backbone has no weights by default; name them: {self._offers}'
      )
    self.check_weights(weights)
    return weights

  @property
  def _offers(self) -> str:
    files_ = [f'the path of {self.files}'] if self.files else []
    return ', or '.join(filter(None, [', '.join(self.weights), *files_]))

  def check_tap_set(self, tap_set: str) -> None:
    """Raises InputError unless the backbone offers this set of taps."""
    if tap_set not in self.tap_sets:
      raise errors.InputError(
        f'there are no taps {tap_set!r} for this backbone; choose from '
        f'{", ".join(self.tap_sets)}'
      )

  def check_image_size(self, image_size: int | None) -> None:
    """Raises InputError if its weights want another size than asked for."""
    if image_size and self.image_size and image_size != self.image_size:
      raise errors.InputError(
        f'this backbone takes images of {self.image_size} pixels, not '
        f'{image_size}'
      )

  def check_cls_pooling(self, cls_pooling: str) -> None:
    """Raises InputError if a class token is asked for that is not there."""
    if cls_pooling != 'pooled' and not self.cls_token:
      raise errors.InputError(
        f'class token {cls_pooling!r} is for ViTs; this backbone has no '
        'class token'
      )


def _efficientnet(variant: efficientnet_lite.Variant) -> Entry:
  return Entry(
    functools.partial(efficientnet_lite.efficientnet_lite, variant),
    ('imagenet', 'random'),
    default_weights='imagenet',
    tap_sets=(backbone_lib.ALL_TAPS, *retapping.KINDS),
    scaling='',
  )


def _vit(name: str) -> Entry:
  def build(
    weights: str, image_size: int, tap_set: str
  ) -> backbone_lib.Backbone:
    from vtab_h2t.backbones import vit  # Imports Keras.

    return vit.vit(name, weights, image_size, tap_set)

  file = 'a weights file (names of timm, AugReg, DINOv2, CLIP or Hugging Face)'
  is_any = name == 'vit'
  return Entry(
    build,
    ('random',),
    files=file
    if is_any
    else f'{file} or of a SavedModel (folder, .tar.gz or URL)',
    image_size=None if is_any else 224,
    tap_sets=vit_taps.SETS,
    cls_token=True,
  )


def _resnet50() -> Entry:
  def build(
    weights: str, image_size: int, tap_set: str
  ) -> backbone_lib.Backbone:
    from vtab_h2t.backbones import resnet_v2  # Imports Keras.

    return resnet_v2.resnet50(weights, image_size, tap_set)

  return Entry(
    build,
    ('random',),
    files="a weights file (of keras.applications, or timm's resnetv2_50) or of "
    'a SavedModel (folder, .tar.gz or URL)',
    image_size=240,
    tap_sets=(backbone_lib.ALL_TAPS, 'figure6', *retapping.KINDS),
  )


def _resnet_v1() -> Entry:
  def build(
    weights: str, image_size: int, tap_set: str
  ) -> backbone_lib.Backbone:
    from vtab_h2t.backbones import resnet_v1  # Imports Keras.

    return resnet_v1.resnet_v1(weights, image_size, tap_set)

  return Entry(
    build,
    ('random',),
    files='a weights file of a ResNet v1 (names of torchvision, timm or '
    'Hugging Face)',
    tap_sets=(backbone_lib.ALL_TAPS, *retapping.KINDS),
    scaling=input_names.IMAGENET_INPUT,
  )


BACKBONES: dict[str, Entry] = {
  'efficientnet_lite0': _efficientnet(efficientnet_lite.LITE0),
  'efficientnet_lite1': _efficientnet(efficientnet_lite.LITE1),
  'efficientnet_lite2': _efficientnet(efficientnet_lite.LITE2),
  resnet26.NAME: Entry(resnet26.resnet26, ('random',)),
  'resnet50': _resnet50(),
  'resnet_v1': _resnet_v1(),
  'keras_cv_resnet50': Entry(
    keras_cv_resnet.keras_cv_resnet50,
    ('random',),
    files="a file that KerasCV's save_weights wrote",
    image_size=240,
    scaling=input_names.VTAB_INPUT,
  ),
  'vit_ti16': _vit('vit_ti16'),
  'vit_s16': _vit('vit_s16'),
  'vit_b16': _vit('vit_b16'),
  'vit': _vit('vit'),
}


def register(
  name: str,
  build: Callable[[str, int], backbone_lib.Backbone],
  weights: Sequence[str],
  any_file: str | None = None,
  image_size: int | None = None,
) -> None:
  """Adds a backbone of the user's own, under a name of its own.

  Args:
    name: for `--backbone` and result rows: lower-case letters, digits and _.-
    build: called with (weights, side of the input in pixels); see
      `Backbone.of_model`.
    weights: names that `build` knows; the first is the default.
    any_file: what a path of weights must be of, if `build` takes paths, too.
    image_size: the side in pixels that it wants; None for any.

  Raises:
    errors.InputError: a name that is taken or has other characters, no names
      of weights, or `build` cannot be called.
  """
  files.check_name('backbone', name)
  if name in BACKBONES:
    raise errors.InputError(f'there is a backbone {name} already')
  if isinstance(weights, str) or not (weights or any_file):
    raise errors.InputError(
      f'backbone {name}: its weights are a list of names, not {weights!r}'
    )
  if not callable(build):
    raise errors.InputError(
      f'backbone {name}: {build!r} is no function of weights and image size'
    )

  def build_named(
    weights: str,
    size: int,
    tap_set: str,  # noqa: ARG001  # As `Entry.build`.
  ) -> backbone_lib.Backbone:
    built = build(weights, size)
    if not isinstance(built, backbone_lib.Backbone):
      raise errors.InputError(
        f'backbone {name}: its function gave a {type(built).__name__}, not a '
        'vtab_h2t.Backbone; see Backbone.of_model'
      )
    return dataclasses.replace(built, name=name)

  BACKBONES[name] = Entry(
    build_named,
    tuple(weights),
    default_weights=next(iter(weights), None),
    files=any_file,
    image_size=image_size,
    scaling='',  # What it wants is not known before it is built.
  )


def check_name(name: str) -> None:
  """Raises InputError unless there is a backbone of this name."""
  if name not in BACKBONES:
    raise errors.InputError(
      f'unknown backbone {name!r}; choose from {", ".join(BACKBONES)}'
    )


def weights_of(name: str, weights: str | None) -> str:
  """The name or path of a backbone's weights.

  Args:
    name: of the backbone.
    weights: what was given; None for the backbone's default.

  Raises:
    errors.InputError: there is no such backbone, it does not offer them, or it
      has no default.
  """
  check_name(name)
  try:
    return BACKBONES[name].weights_or_default(weights)
  except errors.InputError as e:
    raise errors.InputError(f'{name}: {e}') from e


def load(
  name: str,
  weights: str | None,
  image_size: int,
  tap_set: str = backbone_lib.ALL_TAPS,
  cls_pooling: str = 'pooled',
  input: preprocessing.Input | None = None,  # noqa: A002  # As of a backbone.
) -> backbone_lib.Backbone:
  """Builds a registered backbone.

  Args:
    name: one of `BACKBONES`.
    weights: one of those it offers, or a file's path where it takes one; None
      for its default.
    image_size: side of the input in pixels, for backbones that take any.
    tap_set: one of those it offers.
    cls_pooling: of `pooling.CLS_POOLINGS`; 'pooled' for all but ViTs.
    input: how images become its input; None for as its weights want it.

  Raises:
    errors.InputError: unknown name, weights, taps or class token, or the
      weights cannot be read.
  """
  weights = weights_of(name, weights)
  entry = BACKBONES[name]
  entry.check_tap_set(tap_set)
  entry.check_cls_pooling(cls_pooling)
  size = entry.image_size or image_size
  if tap_set in retapping.KINDS:
    backbone = retapping.retap(
      entry.build(weights, size, backbone_lib.ALL_TAPS), tap_set
    )
  else:
    backbone = entry.build(weights, size, tap_set)
  layers = {layer.name for layer in backbone.model.layers}
  if cls_pooling != 'pooled' and 'patches' in layers and 'cls' not in layers:
    raise errors.InputError(
      f'class token {cls_pooling!r} is for networks with one, which {weights} '
      'has not'
    )
  return dataclasses.replace(
    backbone, cls_pooling=cls_pooling, input=input or backbone.input
  )


def input_scaling(
  name: str, scale: preprocessing.Level, offset: preprocessing.Level
) -> str:
  """Which of `input_names.INPUT_SCALINGS` a network has that is fed so.

  Args:
    name: its id.
    scale, offset: the network is fed `pixel * scale + offset`.
  """
  entry = BACKBONES.get(name)
  usual = '' if entry is None else entry.scaling
  found = input_names.scaling_of(scale, offset)
  if found is None or found == usual:
    return input_names.USUAL_INPUT
  return found
