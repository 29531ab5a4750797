"""Where in a photograph the answer comes from.

A linear head's logit is a sum of weights times features, and a feature is a
mean over places of a tap. So a logit can be dealt out to the places of the taps
without loss: what a place gives is its value, times the weight less the mean
weight of all classes, over the number of places that the feature averages and
over the norm that it is divided by. What is for every class alike does not
count; a place that gives more than 0 speaks for the class, one below 0 against.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import math

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.classifier import artefact
from vtab_h2t.features import normalization
from vtab_h2t.features import pooling

# Tokens that are no part of the image, as class tokens and registers; they come
# first.
_MOST_SPECIAL_TOKENS = 5


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
  """How the logit of the predicted class came about, less the mean of all.

  Attributes:
    predicted: the class.
    logit: of it, less the mean over classes, before any temperature.
    bias: the part of it that is the same for every image.
    places: what the places of each tap that has places give, by its name:
      float32 `[h, w]`.
    elsewhere: what the taps give that have no places, by name.
    seen: what the network saw, uint8 `[H, W, 3]`.
  """

  predicted: int
  logit: float
  bias: float
  places: Mapping[str, np.ndarray]
  elsewhere: Mapping[str, float]
  seen: np.ndarray

  def map(self) -> np.ndarray:
    """All places on one another, float32 `[H, W]`, as large as `seen`.

    The sum is about that of `places`; what is between places is interpolated.
    """
    from PIL import Image

    height, width = self.seen.shape[:2]
    found = np.zeros((height, width), np.float32)
    for value in self.places.values():
      large = Image.fromarray(value).resize(
        (width, height), Image.Resampling.BILINEAR
      )
      found += np.asarray(large) * (value.size / found.size)
    return found

  def parts(self) -> tuple[float, float, float]:
    """What all places give, what has none, and the bias: `logit` is the sum."""
    return (
      sum(float(v.sum(dtype=np.float64)) for v in self.places.values()),
      sum(self.elsewhere.values()),
      self.bias,
    )


def explainer(
  model: artefact.Model,
) -> Callable[[np.ndarray], Explanation]:
  """What explains answers of a model.

  Args:
    model: an adapted model, or one that was read.

  Returns:
    A function of an image, uint8 `[H, W, 3]`.
  """
  import keras
  import tensorflow as tf

  backbone, readout = model.backbone, model.readout
  channels = {shape[-1] for t, shape in _shapes(model).items()}
  # A vector may be the mean of a map that the head does not read.
  wanted = [
    t
    for t, shape in backbone.tap_shapes().items()
    if t in readout.taps or (len(shape) == 3 and shape[-1] in channels)
  ]
  part = keras.Model(
    backbone.model.inputs, {t: backbone.model.output[t] for t in wanted}
  )
  forward = tf.function(functools.partial(part, training=False))

  def explain(image: np.ndarray) -> Explanation:
    fed = backbone.preprocess(image)
    outputs = {
      t: tf.cast(x[0], tf.float32).numpy()
      for t, x in forward(fed[None]).items()
    }
    return _explain(model, outputs, _pixels(backbone, fed.numpy()))

  return explain


def _shapes(model: artefact.Model) -> dict[str, tuple[int, ...]]:
  """Of the taps that a model's head reads and that are vectors."""
  return {
    t: shape
    for t, shape in model.backbone.tap_shapes().items()
    if t in model.readout.taps and len(shape) == 1
  }


def _pixels(backbone: backbone_lib.Backbone, fed: np.ndarray) -> np.ndarray:
  """The network's input `[H, W, 3]` as uint8."""
  pixels = (fed - np.asarray(backbone.input.offset)) / np.asarray(
    backbone.input.scale
  )
  return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def _explain(
  model: artefact.Model, outputs: Mapping[str, np.ndarray], seen: np.ndarray
) -> Explanation:
  """Of an image's taps, by name, without the batch axis."""
  readout = model.readout
  columns, starts = readout.columns, readout.layout.starts
  parts = []
  for i, block in enumerate(readout.layout.blocks):
    first, last = np.searchsorted(columns, starts[i : i + 2])
    if first < last:
      local = columns[first:last] - starts[i]
      pooled = np.asarray(block(outputs[block.tap][None]))[0]
      scale = _scale(pooled, local, readout.rule)
      parts.append((block, slice(first, last), local, pooled[local], scale))
  features = np.concatenate([x * scale for *_, x, scale in parts])
  logits = model.kernel @ features + model.bias
  predicted = int(logits.argmax())
  weights = model.kernel[predicted] - model.kernel.mean(axis=0)
  places: dict[str, np.ndarray] = {}
  elsewhere: dict[str, float] = {}
  for block, part, local, _, scale in parts:
    found, rest = _dealt(block, local, weights[part] * scale, outputs)
    if found is not None:
      places[block.tap] = found.astype(np.float32)
    if found is None or rest:
      elsewhere[block.tap] = rest
  return Explanation(
    predicted=predicted,
    logit=float(logits[predicted] - logits.mean()),
    bias=float(model.bias[predicted] - model.bias.mean()),
    places=places,
    elsewhere=elsewhere,
    seen=seen,
  )


def _scale(pooled: np.ndarray, local: np.ndarray, rule: str) -> float:
  """By what the features of a block are multiplied."""
  if rule == normalization.NONE:
    return 1.0
  counted = pooled if rule == normalization.ONCE else pooled[local]
  whole = normalization.unit_norm(counted[None])
  largest = int(np.abs(counted).argmax())
  if not counted[largest]:
    return 1.0
  return float(whole[0, largest] / counted[largest])


def _dealt(
  block: pooling.Block,
  local: np.ndarray,
  weights: np.ndarray,
  outputs: Mapping[str, np.ndarray],
) -> tuple[np.ndarray | None, float]:
  """What features give, dealt out to the places of their tap.

  Args:
    block: of the features.
    local: their columns `[k]` in the block.
    weights: of the features, as they are pooled, `[k]`.
    outputs: taps of an image.

  Returns:
    `[h, w]`, or None of a tap without places; and what has no place.
  """
  x = outputs[block.tap].astype(np.float64)
  spread = np.zeros(block.size)
  spread[local] = weights
  if x.ndim == 1:
    source = _mean_of(x, outputs)
    if source is None:
      return None, float(spread @ x)
    return _over_map(source, pooling.GLOBAL, spread), 0.0
  if x.ndim == 3:
    return _over_map(x, block.pool, spread), 0.0
  width = x.shape[-1]
  if block.cls == pooling.CLS_ONLY:
    return None, float(spread @ x[0])
  if block.cls == pooling.CLS_BOTH:
    single, rest = spread[:width] @ x[0], x[1:]
    dealt = _over_tokens(rest, block.pool, spread[width:])
    dealt = np.concatenate([[single], dealt])
  else:
    dealt = _over_tokens(x, block.pool, spread)
  side = math.isqrt(len(dealt))
  special = len(dealt) - side**2
  if side < 2 or special > _MOST_SPECIAL_TOKENS:
    return None, float(dealt.sum())
  return dealt[special:].reshape(side, side), float(dealt[:special].sum())


def _mean_of(
  vector: np.ndarray, outputs: Mapping[str, np.ndarray]
) -> np.ndarray | None:
  """The map `[h, w, C]` whose mean over places a vector `[C]` is, if any."""
  for x in reversed(list(outputs.values())):
    if x.ndim == 3 and x.shape[-1] == len(vector):
      mean = x.mean(axis=(0, 1), dtype=np.float64)
      if np.allclose(mean, vector, rtol=1e-4, atol=1e-5):
        return x.astype(np.float64)
  return None


def _over_map(x: np.ndarray, pool: int, spread: np.ndarray) -> np.ndarray:
  """What the places `[h, w]` of a map `[h, w, C]` give."""
  height, width, channels = x.shape
  tall, wide = (height, width) if pool == pooling.GLOBAL else (pool, pool)
  rows, columns = height // tall, width // wide
  cells = x[: rows * tall, : columns * wide].reshape(
    rows, tall, columns, wide, channels
  )
  dealt = np.einsum(
    'atbwc,abc->atbw', cells, spread.reshape(rows, columns, channels)
  )
  found = np.zeros((height, width))
  found[: rows * tall, : columns * wide] = dealt.reshape(
    rows * tall, columns * wide
  ) / (tall * wide)
  return found


def _over_tokens(x: np.ndarray, pool: int, spread: np.ndarray) -> np.ndarray:
  """What the tokens `[n]` of a tap `[n, C]` give."""
  count, channels = x.shape
  size = count if pool == pooling.GLOBAL else pool
  windows = count // size
  cells = x[: windows * size].reshape(windows, size, channels)
  dealt = np.einsum('awc,ac->aw', cells, spread.reshape(windows, channels))
  found = np.zeros(count)
  found[: windows * size] = dealt.ravel() / size
  return found
