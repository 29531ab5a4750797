"""What every backbone is: a functional Keras model with named, ordered taps."""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t import files
from vtab_h2t.backbones import preprocessing

if TYPE_CHECKING:
  import keras
  import tensorflow as tf

ALL_TAPS = 'all'  # The default set of taps.
# What a network computes in, as Keras' dtype policies.
FLOAT32, MIXED_BFLOAT16 = 'float32', 'mixed_bfloat16'
PRECISIONS = (FLOAT32, MIXED_BFLOAT16)
_UNIT = re.compile(r'(.*block\d+(?:_unit\d+)?)_')


@dataclasses.dataclass(frozen=True)
class Backbone:
  """A frozen network whose intermediate representations are readable by name.

  Attributes:
    name: registry name, as in result rows.
    model: functional Keras model from float32 images `[B, H, W, 3]`, already
      scaled (see `input`), to a dict of tap name to tensor: `[B, h, w, C]`
      maps, `[B, n, C]` tokens or `[B, C]` vectors.
    taps: all tap names, ordered by depth; columns of features follow it.
    embedding: the tap that the Linear baseline reads (the paper's pre-logits).
    image_size: side of the square input, in pixels.
    input: how images become the model's input.
    weights_sha256: identifies the weights in result rows and in cache keys.
    tap_set: which of the network's sets of taps this is, as in result rows.
    cls_pooling: how a class token is treated; see `features.pooling`.
    precision: of `PRECISIONS`; what the model computes in, and a trained copy
      of it. Its weights are float32.
    blocks: contiguous parts of the network, first to last, that surgical
      fine-tuning may tune alone: name to a pattern of layer names.
    misfit: why the variables of a SavedModel are not the model's, so that its
      signature is called; '' where they are, or there is no SavedModel.
  """

  name: str
  model: 'keras.Model'
  taps: tuple[str, ...]
  embedding: str
  image_size: int
  input: preprocessing.Input
  weights_sha256: str
  _: dataclasses.KW_ONLY
  tap_set: str = ALL_TAPS
  cls_pooling: str = 'pooled'
  precision: str = FLOAT32
  blocks: Mapping[str, str] = dataclasses.field(default_factory=dict)
  misfit: str = ''

  def __post_init__(self) -> None:
    if self.embedding not in self.taps:
      raise ValueError(f'embedding {self.embedding!r} is not a tap')
    if set(self.taps) != set(self.model.output):
      raise ValueError('taps and model outputs differ')

  @classmethod
  def of_model(
    cls,
    model: 'keras.Model',
    taps: "Sequence[str] | Mapping[str, 'keras.KerasTensor']",
    scale: float | Sequence[float] | None = None,
    offset: float | Sequence[float] | None = None,
    embedding: str | None = None,
    blocks: Mapping[str, str] | None = None,
    *,
    input: preprocessing.Input | None = None,  # noqa: A002  # As the attribute.
  ) -> 'Backbone':
    """A functional Keras model of the user's own.

    Args:
      model: takes one image batch `[B, H, W, 3]` of a fixed, square size. Its
        outputs are not used; it becomes frozen, or is copied, see
        `tapping.tap`.
      taps: the features, by depth: names of layers, whose outputs they are; or
        of taps, with their tensors of the model's graph, or of a model within.
      scale: the model is fed `pixel * scale + offset` for pixels 0..255,
        squashed to a square; a number, or three for red, green and blue.
      offset: as `scale`.
      embedding: the tap that the Linear baseline reads; the last by default.
      blocks: of `Backbone.blocks`; by default all of it is one, 'whole'.
      input: instead of scale and offset, all that is done to images.

    Raises:
      errors.InputError: the model is not functional or takes something else, a
        tap is not in it or not a map, tokens or a vector, or the input is
        missing, given twice or not one that there is.
    """
    import keras

    from vtab_h2t.backbones import tapping  # Imports Keras.

    if (
      not isinstance(model, keras.Model)
      or not hasattr(model, 'inputs')
      or (not model.inputs)
    ):
      raise errors.InputError(
        'a backbone must be a functional (or built Sequential) Keras model'
      )
    shape = tuple(model.inputs[0].shape[1:])
    if (
      len(model.inputs) != 1
      or len(shape) != 3
      or shape[0] is None
      or (shape[0] != shape[1])
      or shape[2] != 3
    ):
      raise errors.InputError(
        f'a backbone takes one batch of images [B, H, H, 3] with a fixed H; '
        f'{model.name} takes {[tuple(i.shape) for i in model.inputs]}'
      )
    if embedding not in (None, *taps) or not taps:
      raise errors.InputError(
        f'the embedding {embedding!r} is not among the taps '
        f'{", ".join(taps) or "(none)"}'
      )
    given = (scale is not None, offset is not None, input is not None)
    if given not in ((True, True, False), (False, False, True)):
      raise errors.InputError(
        f'say how {model.name} is fed: give scale and offset, or input'
      )
    fed = input or preprocessing.Input(
      scale=preprocessing.level('scale', scale),
      offset=preprocessing.level('offset', offset),
    )
    tapped = tapping.tap(model, taps)
    tapped.trainable = False
    return cls(
      model.name,
      tapped,
      tuple(taps),
      embedding or tuple(taps)[-1],
      shape[0],
      fed,
      hash_weights(tapped),
      blocks={'whole': '.*'} if blocks is None else blocks,
    )

  @property
  def is_trainable(self) -> bool:
    """Whether its weights are variables of the model, which may be trained."""
    return bool(self.model.weights)

  def check_trainable(self) -> None:
    """Raises InputError unless its weights may be trained."""
    if not self.is_trainable:
      raise errors.InputError(
        f"the weights of {self.name} are a SavedModel's signature, which "
        'cannot be trained'
        + (f' ({self.misfit})' if self.misfit else '')
        + '; give weights that are read into variables, as docs/backbones.md '
        'lists them'
      )

  def tap_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of each tap without the batch axis, in depth order."""
    return {t: tuple(self.model.output[t].shape[1:]) for t in self.taps}

  def input_protocol(self) -> str:
    """Fingerprint of all that happens to an image before the first layer."""
    return files.fingerprint(
      self.input.described() | {'image_size': self.image_size}
    )

  def preprocess(self, image: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """uint8 `[H, W, 3]` or `[B, H, W, 3]` to the model's float32 input."""
    return self.input.apply(image, self.image_size)


def unit_of(tap: str) -> str:
  """The unit of a network that a tap is in: a residual or an encoder block.

  By its name: what begins like 'block03_' or 'block1_unit2_' belongs to
  'block03' or 'block1_unit2'. Any other tap is a unit of its own.
  """
  found = _UNIT.match(tap)
  return found[1] if found else tap


def hash_weights(model: 'keras.Model') -> str:
  """sha256 over the paths, shapes and values of a model's weights, in order."""
  digest = hashlib.sha256()
  for weight in model.weights:
    value = weight.numpy()
    digest.update(f'{weight.path}{value.shape}{value.dtype}'.encode())
    digest.update(value.tobytes())
  return digest.hexdigest()


def fan_in(layer: 'keras.Layer', kernel: 'keras.Variable') -> int:
  """How many inputs each output of a layer's kernel sums up."""
  shape, kind = tuple(kernel.shape), type(layer).__name__
  if kind == 'DepthwiseConv2D':
    return int(np.prod(shape[:2]))
  if kind == 'MultiHeadAttention' and 'attention_output' not in kernel.path:
    return shape[0]  # [inputs, heads, size]
  return int(np.prod(shape[:-1]))


def randomise(model: 'keras.Model', seed: int) -> str:
  """He-normal kernels, identity batch norms; returns the weights' hash."""
  rng = np.random.default_rng(seed)
  for layer in model.layers:
    for weight in layer.weights:
      if weight.name == 'kernel':
        value = rng.normal(
          0, np.sqrt(2 / fan_in(layer, weight)), tuple(weight.shape)
        )
        weight.assign(value.astype(np.float32))
  return hash_weights(model)
