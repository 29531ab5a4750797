"""A head that attends over a few vectors of an image (attentive layer fusion).

One learned query looks at `T` tokens of width `d` with `M = T` heads of size
`h = 2 floor(d / M)`. With three layer norms `N_q`, `N_k` and `N_v`, each with a
scale and an offset, a head `m` gives

  a_mt = softmax_t( (W_q,m N_q(q)) . (W_k,m N_k(x_t)) / sqrt(h) )
  o_m  = W_v,m sum_t a_mt N_v(x_t)

and the logits are a linear function of the batch-normalised `W_o o + b`. There
is no residual and no position.

The query is the same for all images, which saves nearly all work without
changing a result: of the scores, `W_k,m^T W_q,m N_q(q)` is one vector a head,
and tokens are averaged before `W_v,m` is applied, not after. What adds the same
to all images has no effect either, as the batch norm takes it away, nor what
adds the same to all scores of a head, which the softmax does not see. So there
is no `b` and no offset of `N_k` here, and the offset of `N_v` counts only where
dropout makes the weights' sum another than 1, by the difference. (Gradients of
the rest are 0 but for rounding, which an optimiser that divides by a gradient's
size would spread.) What a trained head stores is folded: the batch norm and the
linear layer into `W_o`.

Shapes: `G` heads side by side, `B` images, `C` classes.
"""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any, Self, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf

EPSILON = 1e-5  # Of layer and batch norms, as in torch.
_QUERY_DEVIATION = 0.02
# Names of the parameters, in the order in which they are drawn.
_PARAMETERS = (
  'query',
  'query_scale',
  'query_offset',
  'key_scale',
  'value_scale',
  'value_offset',
  'w_query',
  'w_key',
  'w_value',
  'w_out',
  'batch_scale',
  'batch_offset',
  'kernel',
  'bias',
)
Parameters = Mapping[str, Any]  # Their arrays or tensors, by name.


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Of a head.

  Attributes:
    widths: of the tokens, in order; narrower ones are filled up with zeros.
    classes: number of classes.
  """

  widths: tuple[int, ...]
  classes: int

  @property
  def tokens(self) -> int:
    """`T`, also the number of attention heads."""
    return len(self.widths)

  @property
  def width(self) -> int:
    """`d`, that of the widest token."""
    return max(self.widths)

  @property
  def head(self) -> int:
    """`h`, the size of an attention head."""
    return 2 * max(self.width // self.tokens, 1)

  def tokens_of(self, matrix: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """Tokens `[n, T, d]` of features side by side, `[n, sum(widths)]`."""
    import tensorflow as tf

    return tf.stack(
      [
        tf.pad(x, [[0, 0], [0, self.width - x.shape[1]]])
        for x in tf.split(matrix, self.widths, axis=1)
      ],
      axis=1,
    )

  def shapes(self) -> dict[str, tuple[int, ...]]:
    """Those of the parameters."""
    d, h, m, c = self.width, self.head, self.tokens, self.classes
    one = (d,)
    shapes = dict.fromkeys(_PARAMETERS, one)
    projections = dict.fromkeys(('w_query', 'w_key', 'w_value'), (m, h, d))
    return (
      shapes
      | projections
      | {
        'w_out': (d, m * h),
        'kernel': (c, d),
        'bias': (c,),
      }
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
  """A trained head, folded.

  Attributes:
    sizes: of it.
    keys: float32 `[M, d]`; their products with normed tokens are scores.
    values: `[M, h, d]`, of averages of normed tokens.
    kernel: `[C, M * h]`.
    bias: `[C]`.
  """

  sizes: Sizes
  keys: 'tf.Tensor'
  values: 'tf.Tensor'
  kernel: 'tf.Tensor'
  bias: 'tf.Tensor'

  @property
  def num_parameters(self) -> int:
    """How many numbers it stores."""
    return sum(
      int(np.prod(x.shape))
      for x in (self.keys, self.values, self.kernel, self.bias)
    )

  def logits(self, matrix: 'np.ndarray | tf.Tensor') -> 'tf.Tensor':
    """Logits `[n, C]` of tokens side by side, each of unit norm."""
    import tensorflow as tf

    x = normed(self.sizes.tokens_of(matrix))
    weights = tf.nn.softmax(tf.einsum('btd,md->bmt', x, self.keys))
    outs = tf.einsum('bmd,mhd->bmh', tf.matmul(weights, x), self.values)
    flat = tf.reshape(outs, [-1, self.kernel.shape[1]])
    return tf.matmul(flat, self.kernel, transpose_b=True) + self.bias

  @classmethod
  def folded(
    cls,
    sizes: Sizes,
    parameters: Parameters,
    mean: np.ndarray,
    variance: np.ndarray,
  ) -> Self:
    """That of parameters, and of the batch norm's running statistics `[d]`."""
    import tensorflow as tf

    p = {k: np.asarray(v, np.float64) for k, v in parameters.items()}
    query = _normed_array(p['query']) * p['query_scale'] + p['query_offset']
    keys = np.einsum('mhd,mh->md', p['w_key'], p['w_query'] @ query)
    scale = p['batch_scale'] / np.sqrt(np.asarray(variance) + EPSILON)
    # Of a batch norm and a linear layer, in the terms of what they read.
    kernel = p['kernel'] * scale
    bias = p['bias'] + p['kernel'] @ p['batch_offset'] - kernel @ mean
    arrays = (
      keys * p['key_scale'] / math.sqrt(sizes.head),
      p['w_value'] * p['value_scale'],
      kernel @ p['w_out'],
      bias,
    )
    return cls(sizes, *(tf.constant(x.astype(np.float32)) for x in arrays))


def normed(x: 'tf.Tensor') -> 'tf.Tensor':
  """A layer norm over the last axis without scale and offset."""
  import tensorflow as tf

  centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
  variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
  return centred * tf.math.rsqrt(variance + EPSILON)


def _normed_array(x: np.ndarray) -> np.ndarray:
  return (x - x.mean()) / np.sqrt(x.var() + EPSILON)


def start(sizes: Sizes, seed: tuple[int, ...]) -> dict[str, np.ndarray]:
  """Parameters that are not trained yet, float32, as torch draws them.

  Kernels and biases of linear layers are uniform up to one over the root of
  their fan-in, the query is normal with a deviation of 0.02, scales are 1 and
  offsets 0.
  """
  rng = np.random.default_rng(seed)
  fans = {
    **dict.fromkeys(('w_query', 'w_key', 'w_value'), sizes.width),
    'w_out': sizes.tokens * sizes.head,
    **dict.fromkeys(('kernel', 'bias'), sizes.width),
  }
  found = {}
  for name, shape in sizes.shapes().items():
    if name == 'query':
      found[name] = _QUERY_DEVIATION * rng.standard_normal(shape, np.float32)
    elif name in fans:
      limit = np.float32(1 / math.sqrt(fans[name]))
      found[name] = (2 * rng.random(shape, np.float32) - 1) * limit
    else:
      found[name] = np.full(shape, float(name.endswith('scale')), np.float32)
  return found


def scores(
  x: 'tf.Tensor', p: Parameters, mask: 'tf.Tensor | None' = None
) -> 'tf.Tensor':
  """What the batch norm reads, of heads side by side, but for a constant.

  Args:
    x: tokens `[B, T, d]`, through a norm without scale and offset.
    p: parameters, each with a first axis `G`.
    mask: what attention weights are multiplied by, `[B, G, 1 or M, T]`.

  Returns:
    `[G, B, d]`.
  """
  import tensorflow as tf

  groups, heads, size, width = tf.unstack(tf.shape(p['w_value']))
  batch, tokens = tf.shape(x)[0], tf.shape(x)[1]
  query = normed(p['query']) * p['query_scale'] + p['query_offset']  # [G, d]
  queries = tf.einsum('gmhd,gd->gmh', p['w_query'], query)
  keys = tf.einsum('gmhd,gmh->gmd', p['w_key'], queries)
  keys *= p['key_scale'][:, None] * tf.math.rsqrt(tf.cast(size, x.dtype))
  flat = tf.reshape(keys, [groups * heads, width])
  weights = tf.nn.softmax(tf.einsum('btd,kd->bkt', x, flat))
  excess = None  # Of the weights' sums over 1.
  if mask is not None:
    kept = tf.reshape(weights, [batch, groups, heads, tokens])
    excess = tf.reduce_sum(kept * (mask - 1), axis=3)
    weights = tf.reshape(kept * mask, [batch, groups * heads, tokens])
  means = tf.reshape(
    tf.transpose(tf.matmul(weights, x), [1, 0, 2]),
    [groups, heads, batch, width],
  )
  means *= p['value_scale'][:, None, None]
  if excess is not None:
    excess = tf.transpose(excess, [1, 2, 0])[..., None]
    means += excess * p['value_offset'][:, None, None]
  outs = tf.matmul(means, p['w_value'], transpose_b=True)  # [G, M, B, h]
  outs = tf.reshape(
    tf.transpose(outs, [0, 2, 1, 3]), [groups, batch, heads * size]
  )
  return tf.matmul(outs, p['w_out'], transpose_b=True)


def losses(
  read: 'tf.Tensor',
  p: Parameters,
  labels: 'tf.Tensor',
  class_weights: 'tf.Tensor',
) -> tuple['tf.Tensor', 'tf.Tensor', 'tf.Tensor']:
  """The weighted mean of the cross-entropies, with a batch's statistics.

  Args:
    read: what `scores` gives, `[G, B, d]`.
    p: parameters, each with a first axis `G`.
    labels: integers `[B]`.
    class_weights: `[C]`.

  Returns:
    `[G]`; the batch's mean and its variance, both `[G, d]`.
  """
  import tensorflow as tf

  mean = tf.reduce_mean(read, axis=1)
  centred = read - mean[:, None]
  variance = tf.reduce_mean(tf.square(centred), axis=1)
  scale = p['batch_scale'] * tf.math.rsqrt(variance + EPSILON)
  y = centred * scale[:, None] + p['batch_offset'][:, None]
  logits = tf.matmul(y, p['kernel'], transpose_b=True) + p['bias'][:, None]
  weights = tf.gather(class_weights, labels)
  repeated = tf.repeat(labels[None], tf.shape(read)[0], axis=0)
  entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(repeated, logits)
  loss = tf.linalg.matvec(entropies, weights) / tf.reduce_sum(weights)
  return loss, mean, variance
