"""What every backbone is: a functional Keras model with named, ordered taps."""

from collections.abc import Mapping
import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import files

if TYPE_CHECKING:
  import keras

ALL_TAPS = 'all'  # The default set of taps.
BILINEAR, LEGACY = 'bilinear', 'legacy'
RESIZES = (BILINEAR, LEGACY)


@dataclasses.dataclass(frozen=True)
class Backbone:
  """A frozen network whose intermediate representations are readable by name.

  Attributes:
    name: registry name, as in result rows.
    model: functional Keras model from float32 images `[B, H, W, 3]`, already
      scaled (see `scale` and `offset`), to a dict of tap name to tensor:
      `[B, h, w, C]` maps, `[B, n, C]` tokens or `[B, C]` vectors.
    taps: all tap names, ordered by depth; columns of features follow it.
    embedding: the tap that the Linear baseline reads (the paper's pre-logits).
    image_size: side of the square input, in pixels.
    scale, offset: the model is fed `pixel * scale + offset` for pixels 0..255.
    weights_sha256: identifies the weights in result rows and in cache keys.
    tap_set: which of the network's sets of taps this is, as in result rows.
    resize: of `RESIZES`. Both are bilinear to a square, without antialias;
      'bilinear' has half-pixel centres (TF2), 'legacy' has not (TF1, and so the
      released code).
    cls_pooling: how a class token is treated; see `features.pooling`.
    blocks: contiguous parts of the network, first to last, that surgical
      fine-tuning may tune alone: name to a pattern of layer names.
  """

  name: str
  model: 'keras.Model'
  taps: tuple[str, ...]
  embedding: str
  image_size: int
  scale: float
  offset: float
  weights_sha256: str
  tap_set: str = ALL_TAPS
  resize: str = BILINEAR
  cls_pooling: str = 'pooled'
  blocks: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.embedding not in self.taps:
      raise ValueError(f'embedding {self.embedding!r} is not a tap')
    if set(self.taps) != set(self.model.output):
      raise ValueError('taps and model outputs differ')

  def tap_shapes(self) -> dict[str, tuple[int, ...]]:
    """Shape of each tap without the batch axis, in depth order."""
    return {t: tuple(self.model.output[t].shape[1:]) for t in self.taps}

  def input_protocol(self) -> str:
    """Fingerprint of all that happens to an image before the first layer."""
    return files.fingerprint({
        'resize': f'{self.resize}, no antialias, square',
        'image_size': self.image_size,
        'scale': self.scale,
        'offset': self.offset,
    })

  def preprocess(self, image):
    """uint8 `[H, W, 3]` or `[B, H, W, 3]` to the model's float32 input."""
    import tensorflow as tf
    size = [self.image_size, self.image_size]
    resize = (tf.image.resize if self.resize == BILINEAR
              else tf.compat.v1.image.resize)
    image = resize(tf.cast(image, tf.float32), size)
    return image * self.scale + self.offset


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
        value = rng.normal(0, np.sqrt(2 / fan_in(layer, weight)),
                           tuple(weight.shape))
        weight.assign(value.astype(np.float32))
  return hash_weights(model)
