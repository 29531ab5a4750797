"""How alike a network finds a photograph and an altered copy of it.

What counts as a near-duplicate depends on the network and on the photographs,
so it is measured and not set: some photographs are recompressed (JPEG of
quality 50), halved, and cropped by a twentieth on each side. A pair of images
counts that is as alike as nine of ten of these copies are to their originals.
"""

from collections.abc import Callable, Iterable, Iterator
import io

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import extraction

QUALITY, MARGIN = 50, 0.05
SAMPLE = 64  # Images that are enough to measure on.
_FOUND = 0.9


def threshold(
  backbone: backbone_lib.Backbone, images: Iterable[np.ndarray]
) -> float:
  """The cosine of embeddings that nine of ten altered copies reach.

  Args:
    backbone: whose embedding.
    images: uint8 `[H, W, 3]`, at least one.
  """
  embed = _embedder(backbone)
  found = []
  for image in images:
    original, *altered = embed(np.stack(list(_fed(backbone, image))))
    found += [_cosine(original, copy) for copy in altered]
  return float(np.quantile(found, 1 - _FOUND))


def _embedder(
  backbone: backbone_lib.Backbone,
) -> Callable[[np.ndarray], np.ndarray]:
  """From a network's inputs to embeddings, float32 `[n, E]`."""
  import keras
  import tensorflow as tf

  (block,) = extraction.layout_of(backbone, extraction.EMBEDDING).blocks
  network = keras.Model(
    backbone.model.inputs, backbone.model.output[backbone.embedding]
  )

  @tf.function(reduce_retracing=True)
  def embed(fed: 'tf.Tensor') -> 'tf.Tensor':
    return block(tf.cast(network(fed, training=False), tf.float32))

  return lambda fed: embed(fed).numpy()


def _fed(
  backbone: backbone_lib.Backbone, image: np.ndarray
) -> Iterator[np.ndarray]:
  """What a network is fed of an image and of each copy."""
  for one in (image, *altered(image)):
    yield backbone.preprocess(one).numpy()


def altered(image: np.ndarray) -> Iterator[np.ndarray]:
  """Copies of an image, uint8 `[H, W, 3]`: recompressed, halved, cropped."""
  from PIL import Image

  height, width = image.shape[:2]
  picture = Image.fromarray(image)
  buffer = io.BytesIO()
  picture.save(buffer, 'JPEG', quality=QUALITY)
  yield np.asarray(Image.open(buffer))
  half = max(1, width // 2), max(1, height // 2)
  yield np.asarray(picture.resize(half, Image.Resampling.LANCZOS))
  top, left = round(height * MARGIN), round(width * MARGIN)
  yield image[top : height - top, left : width - left]


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
  """Of two vectors; 1 of equal ones, 0 where one of others is zero."""
  length = np.linalg.norm(one) * np.linalg.norm(other)
  if not length:
    return float(np.array_equal(one, other))
  return float(one @ other / length)
