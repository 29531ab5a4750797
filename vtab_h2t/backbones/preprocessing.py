"""What happens to an image before a network's first layer.

An image is made square, and its pixels are scaled. Published networks differ in
both. What their own code does, and what is matched here:

- timm, torchvision and Hugging Face resize 8-bit images with Pillow, one axis
  after the other, the width first. Pillow's filters grow with the factor by
  which an image shrinks ('antialias'), and each of the two results is rounded
  half up and kept within 0..255. `BILINEAR_ANTIALIAS` and `BICUBIC_ANTIALIAS`
  are that, but for sums of half a level. Pillow 13 resizes the height first
  where that shrinks much more than the width, which earlier versions did not;
  the width is always first here. PyTorch's antialiased bicubic filter is
  Pillow's, too.
- Pillow's bicubic filter has a = -0.5 (Keys, 1981), and so has TensorFlow's
  with half-pixel centres. PyTorch's without antialias has a = -0.75, and is not
  offered.
- `BILINEAR` is `tf.image.resize`, and `BICUBIC` is its bicubic without
  antialias; TensorFlow rounds the filter to 1024 steps, which changes less than
  half a level. Both give fractions of levels.
- With a crop the shorter side becomes floor(size / crop), as in timm, and the
  longer side keeps the shape, rounded down, as in all three. Then a square is
  cut out of the middle, from round(difference / 2), halves to the even number,
  as in timm and torchvision; Hugging Face's NumPy code rounds halves down.
"""

from collections.abc import Sequence
import dataclasses
import math
from typing import Any, TYPE_CHECKING

from vtab_h2t import errors

if TYPE_CHECKING:
  import keras
  import numpy as np
  import tensorflow as tf

BILINEAR, LEGACY, BICUBIC = 'bilinear', 'legacy', 'bicubic'
BILINEAR_ANTIALIAS = 'bilinear_antialias'
BICUBIC_ANTIALIAS = 'bicubic_antialias'
RESIZES = (BILINEAR, LEGACY, BICUBIC, BILINEAR_ANTIALIAS, BICUBIC_ANTIALIAS)
_ANTIALIASED = (BILINEAR_ANTIALIAS, BICUBIC_ANTIALIAS)
_CUBIC = (BICUBIC, BICUBIC_ANTIALIAS)
# The crop that is none: the whole image is squashed to a square.
SQUARE = None
# The least crop, as images are enlarged by its inverse.
MIN_CROP = 0.01
# Beyond these, float32 has 0, or no number.
_LEAST, _MOST = 2.0**-126, 3.4028234e38
# Sums whose exact value is half a level are rounded up, as Pillow does it,
# though they are a little less in float32.
_HALF = 0.5 + 2**-10

Channels = tuple[float, float, float]
# One for all channels, or one a channel (red, green, blue).
Level = float | Channels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
  """From pixels 0..255 of any size to what a network is fed.

  Attributes:
    scale: the network is fed `pixel * scale + offset`; a number, or three.
      They, and not mean and deviation, are what is kept, as it is they that
      are computed with; see `of`.
    offset: as `scale`.
    resize: of `RESIZES`.
    crop: which part of the shorter side is seen, `MIN_CROP` to 1, of a square
      in the middle; `SQUARE`: all of the image, squashed.
  """

  scale: Level
  offset: Level
  resize: str = BILINEAR
  crop: float | None = SQUARE

  def __post_init__(self) -> None:
    for name in ('scale', 'offset'):
      object.__setattr__(self, name, level(name, getattr(self, name)))
    if min(map(abs, _each(self.scale))) < _LEAST:
      raise errors.InputError(
        f'the scale of an input must not be 0 in float32, as of {self.scale!r}'
      )
    if self.resize not in RESIZES:
      raise errors.InputError(
        f'unknown resize {self.resize!r}; choose from {", ".join(RESIZES)}'
      )
    if self.crop is not SQUARE:
      crop = _plain(self.crop)
      if not (_is_number(crop) and MIN_CROP <= crop <= 1):
        raise errors.InputError(
          f'a crop is from {MIN_CROP} to 1, not {self.crop!r}; None squashes '
          'the whole image to a square'
        )
      object.__setattr__(self, 'crop', float(crop))

  @classmethod
  def of(
    cls,
    *,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    resize: str = BILINEAR,
    crop: float | None = SQUARE,
  ) -> 'Input':
    """By mean and standard deviation, as networks are published with them.

    Args:
      mean: the network is fed `(pixel / 255 - mean) / std`; a number, or three.
      std: as `mean`.
      resize: as the attribute.
      crop: as the attribute.

    Raises:
      errors.InputError: a number is not finite in float32, a deviation is not
        above 0, there are not one or three numbers, or an unknown resize or
        crop.
    """
    means, stds = (
      _each(level(n, v)) for n, v in (('mean', mean), ('std', std))
    )
    if min(stds) < _LEAST:
      raise errors.InputError(
        f'the standard deviation of an input must be above 0, not {std!r}'
      )
    return cls(
      scale=level('scale', [1 / (255 * s) for s in stds]),
      # Not -m, which of 0 is -0.
      offset=level('offset', [(0 - m) / s for m, s in zip(means, stds)]),
      resize=resize,
      crop=crop,
    )

  def described(self) -> dict[str, Any]:
    """What it does, as a JSON value, from which stored results have names.

    The words are those that the first two ways to resize were stored with.
    """
    resize = f'{self.resize}, no antialias, square'
    if self.resize not in (BILINEAR, LEGACY) or self.crop is not SQUARE:
      resize = f'{self.resize}, crop {self.crop}'
    return {'resize': resize, 'scale': self.scale, 'offset': self.offset}

  def apply(self, image: 'np.ndarray | tf.Tensor', size: int) -> 'tf.Tensor':
    """Pixels 0..255 to what a network is fed.

    Args:
      image: `[H, W, 3]` or `[B, H, W, 3]`.
      size: side of the network's square input, in pixels.

    Returns:
      float32 `[size, size, 3]` or `[B, size, size, 3]`.
    """
    import tensorflow as tf

    image = tf.cast(image, tf.float32)
    whole = tf.cast(tf.shape(image)[-3:-1], tf.int64)
    if self.crop is SQUARE:
      new = tf.constant([size, size], tf.int64)
    else:
      new = shorter_side(size, self.crop) * whole // tf.reduce_min(whole)
    # tf.round rounds halves to the even number, as round() does.
    start = tf.round(tf.cast(new - size, tf.float64) / 2)
    if self.resize in (BILINEAR, LEGACY):
      resize = tf.image.resize
      if self.resize == LEGACY:
        resize = tf.compat.v1.image.resize
      image = resize(image, tf.cast(new, tf.int32))
      top, left = tf.unstack(tf.cast(start, tf.int32))
      image = image[..., top : top + size, left : left + size, :]
    else:
      batch = image if image.shape.rank == 4 else image[None]
      batch = self._translated(batch, new / whole, start, size)
      image = batch if image.shape.rank == 4 else batch[0]
    image.set_shape([*image.shape[:-3], size, size, image.shape[-1]])
    return image * self.scale + self.offset

  def _translated(
    self, batch: 'tf.Tensor', factor: 'tf.Tensor', start: 'tf.Tensor', size: int
  ) -> 'tf.Tensor':
    """A square of resized images; what is outside of it is not computed.

    Args:
      batch: float32 `[B, H, W, 3]`.
      factor: from their height and width to those of the resized images.
      start: the row and the column where the square begins.
      size: its side, in pixels.

    Returns:
      float32 `[B, size, size, 3]`.
    """
    import tensorflow as tf

    factor, start = (tf.cast(x, tf.float32) for x in (factor, start))

    def scaled(
      x: 'tf.Tensor', height: 'int | tf.Tensor', axes: list[float]
    ) -> 'tf.Tensor':
      """Resized along the axes that are 1."""
      return tf.raw_ops.ScaleAndTranslate(
        images=x,
        size=[height, size],
        scale=tf.where(tf.cast(axes, tf.bool), factor, 1.0),
        translation=-start * axes,
        kernel_type='keyscubic' if self.resize in _CUBIC else 'triangle',
        antialias=self.resize in _ANTIALIASED,
      )

    if self.resize in _ANTIALIASED:
      wide = scaled(batch, tf.shape(batch)[1], [0.0, 1.0])
      wide = tf.clip_by_value(tf.floor(wide + _HALF), 0, 255)
      done = scaled(wide, size, [1.0, 0.0])
      return tf.clip_by_value(tf.floor(done + _HALF), 0, 255)
    return scaled(batch, size, [1.0, 1.0])

  def after(self, other: 'Input') -> tuple[Any, Any]:
    """Scale and offset from another input of the same pixels to this one.

    Returns:
      A number each, or a list of three, as Keras' Rescaling takes them.
    """
    factors = [s / o for s, o in zip(_each(self.scale), _each(other.scale))]
    offsets = [
      s - o * f
      for s, o, f in zip(_each(self.offset), _each(other.offset), factors)
    ]
    return _for_keras(factors), _for_keras(offsets)

  def symbolic(self, images: 'keras.KerasTensor', size: int) -> Any:
    """What `apply` does, of Keras' own layers and operations.

    It is for exported models. Where no layer of Keras' resizes so, each axis is
    multiplied by the matrix of all weights, which costs more than `apply` on
    large images.

    Args:
      images: symbolic, float32 `[B, H, W, 3]` of any size, pixels 0..255.
      size: side of the network's square input, in pixels.

    Returns:
      Symbolic, float32 `[B, size, size, 3]`.
    """
    from keras import layers
    from keras import ops

    if self.resize == BILINEAR and self.crop is SQUARE:
      x = layers.Resizing(size, size, interpolation='bilinear', name='resize')(
        images
      )
    else:
      # 0, 1, ... up to the height and the width, which are not known yet.
      rows, columns = (
        ops.cumsum(ops.reshape(ops.ones_like(line), (-1,))) - 1
        for line in (images[:1, :, :1, :1], images[:1, :1, :, :1])
      )
      height, width = ops.max(rows) + 1, ops.max(columns) + 1
      new, start = [size, size], [0 * height, 0 * width]
      if self.crop is not SQUARE:
        whole = [ops.cast(n, 'int32') for n in (height, width)]
        side = shorter_side(size, self.crop)
        short = ops.minimum(*whole)
        new = [
          ops.cast(ops.floor_divide(side * n, short), 'float32') for n in whole
        ]
        start = [ops.round((n - size) / 2) for n in new]
      x = ops.einsum(
        'bhwc,xw->bhxc',
        images,
        self._matrix(columns, width, new[1], start[1], size),
      )
      x = self._levels(x)
      x = ops.einsum(
        'bhxc,yh->byxc', x, self._matrix(rows, height, new[0], start[0], size)
      )
      x = self._levels(x)
      x = ops.reshape(x, (-1, size, size, 3))
    scale, offset = _for_keras(self.scale), _for_keras(self.offset)
    return layers.Rescaling(scale, offset, name='rescale')(x)

  def _matrix(
    self, places: Any, length: Any, new: Any, start: Any, size: int
  ) -> Any:
    """Symbolic weights `[size, length]` of an axis.

    Args:
      places: 0, 1, ... `[length]`.
      length: of the axis, in pixels.
      new: what the axis is resized to, in pixels.
      start: the first of `size` pixels of it that are wanted; symbolic.
      size: how many.
    """
    from keras import ops
    import numpy as np

    factor = length / new
    # Not Keras' arange, whose tensor an ONNX graph would have as an input.
    wanted = ops.add(np.arange(size, dtype=np.float32), start)
    if self.resize == LEGACY:
      at = ops.minimum(wanted * factor, length - 1)
    else:
      at = (wanted + 0.5) * factor - 0.5
    far = ops.abs(ops.expand_dims(at, 1) - ops.expand_dims(places, 0))
    if self.resize in _ANTIALIASED:
      far = far / ops.maximum(factor, 1.0)
    if self.resize in _CUBIC:
      weights = ops.where(
        far < 1,
        (1.5 * far - 2.5) * far * far + 1,
        ops.where(far < 2, ((2.5 - 0.5 * far) * far - 4) * far + 2, 0.0),
      )
    else:
      weights = ops.maximum(1 - far, 0.0)
    return weights / ops.sum(weights, axis=1, keepdims=True)

  def _levels(self, x: Any) -> Any:
    """Symbolic: whole levels where Pillow's results are matched."""
    from keras import ops

    if self.resize not in _ANTIALIASED:
      return x
    return ops.clip(ops.floor(x + _HALF), 0.0, 255.0)

  @property
  def mean(self) -> Channels:
    """Of each channel, in units of pixels 0..1."""
    red, green, blue = (
      (0 - o) / (255 * s) for s, o in zip(_each(self.scale), _each(self.offset))
    )
    return red, green, blue

  @property
  def std(self) -> Channels:
    """Standard deviation of each channel, in units of pixels 0..1."""
    red, green, blue = (1 / (255 * s) for s in _each(self.scale))
    return red, green, blue


def level(name: str, value: Any) -> Level:
  """A number as it is, three as a tuple, or as one where they are alike.

  A number is not converted: 0 and 0.0 are written differently, and what is
  written of an input is a part of the names of stored results.

  Args:
    name: what it is, for messages.
    value: the number or numbers.

  Raises:
    errors.InputError: there are not one or three, or one is not finite.
  """
  value = _plain(value)
  several = tuple(value) if isinstance(value, Sequence) else (value,)
  several = tuple(map(_plain, several))
  if len(several) not in (1, 3) or not all(
    _is_number(v) and abs(v) <= _MOST for v in several
  ):
    raise errors.InputError(
      f'the {name} of an input is one finite number or three, not {value!r}'
    )
  return several[0] if len(set(several)) == 1 else several


def _plain(value: Any) -> Any:
  """Python's number or list for one of NumPy's; else the value itself."""
  return value.tolist() if hasattr(value, 'tolist') else value


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)


def _for_keras(value: Sequence[float] | float) -> list[float] | float:
  """A number, or a list where channels differ."""
  value = level('scale', value)
  return list(value) if isinstance(value, tuple) else value


def _each(value: Level) -> Channels:
  """One a channel."""
  return value if isinstance(value, tuple) else (value, value, value)


def shorter_side(size: int, crop: float) -> int:
  """To how many pixels the shorter side is resized before it is cropped.

  The little that is added keeps 448 / (448 / 491) from becoming 490.
  """
  return math.floor(size / crop + 1e-6)


# Scalings by the names that they have elsewhere, of images that are squashed;
# `dataclasses.replace` gives them another resize or crop.
# torchvision's and timm's.
IMAGENET = Input.of(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# OpenAI's.
CLIP = Input.of(
  mean=(0.48145466, 0.4578275, 0.40821073),
  std=(0.26862954, 0.26130258, 0.27577711),
)
HALF = Input.of(mean=0.5, std=0.5)  # -1 to 1.
UNIT = Input.of(mean=0, std=1)  # 0 to 1.
PIXELS = Input(scale=1.0, offset=0.0)  # 0 to 255.
