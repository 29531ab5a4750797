"""A frozen vision transformer whose blocks are read by learned queries.

Before each block stand `q` queries of its own. They attend to the block's
tokens, not to each other, and go through its norms, attention and MLP as tokens
do; what comes out is read, and not handed on, so the tokens, and with them keys
and values of all blocks, are what they are without queries (visual query
tuning). So keys and values are computed once, and training runs the blocks on
queries only.
"""

from collections.abc import Callable, Sequence
import math
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np

from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import normalization
from vtab_h2t.features import transformer_blocks

if TYPE_CHECKING:
  import keras
  import tensorflow as tf

_BATCH = 64  # Images whose keys and values are computed together.
_ITEM = 4  # Bytes of a number.


class Context(NamedTuple):
  """What a network's blocks show of images; `L` blocks of `H` heads.

  Attributes:
    keys: `[B, L, n, H, k]`.
    values: `[B, L, n, H, v]`.
    embedding: the class token through the final norm, float32 `[B, d]`; where
      there is none, the mean of the patches' tokens.
  """

  keys: 'tf.Tensor'
  values: 'tf.Tensor'
  embedding: 'tf.Tensor'


class QueryNetwork:
  """A vision transformer that queries read; nothing of it is trained.

  Attributes:
    depth: `L`.
    width: `d`.
    limit: of the uniform distribution that queries start from.
    steps: compiled steps of training, by the number of classes; tracing one
      costs more than many steps.
  """

  def __init__(self, backbone: backbone_lib.Backbone) -> None:
    """Initialises.

    Raises:
      errors.InputError: the network has no blocks that can be read.
    """
    import keras
    import tensorflow as tf

    model = backbone.model
    blocks, final = _parts(backbone)
    tokens = final.shape[1]
    # Of which tokens the mean is the embedding; None for the class token's own.
    self._patches = (
      None
      if transformer_blocks.has_class_token(model, tokens)
      else slice(transformer_blocks.prefix(model, tokens), None)
    )
    self.depth, self.width = len(blocks), final.shape[-1]
    self.limit = math.sqrt(
      6 / (transformer_blocks.patch_inputs(model) + self.width)
    )
    self._attentions = [block.attention for block in blocks]
    self._norms = [_again([b.given], b.normed) for b in blocks]
    self._rests = [_again([b.given, b.attended], b.output) for b in blocks]
    self._model = keras.Model(
      model.inputs, [*(block.normed for block in blocks), final]
    )
    sizes = [
      math.prod(dense.kernel.shape[1:])
      for a in self._attentions
      for dense in (a.key_dense, a.value_dense)
    ]
    self._tokens = tokens
    self._context_bytes = _ITEM * (tokens * sum(sizes) + self.width)
    self._activations = _ITEM * sum(
      16 * self.width + 2 * a.num_heads * tokens for a in self._attentions
    )
    self.context = tf.function(self._context)
    self.steps: dict[int, Callable[..., Any]] = {}

  def features(self, queries: int) -> int:
    """How many features a number of queries a block gives, with the token."""
    return self.width * (1 + self.depth * queries)

  def context_bytes(self, images: int) -> int:
    """Memory that keys and values of images take."""
    return images * self._context_bytes

  def query_bytes(self, images: int, queries: int) -> int:
    """Memory that reading images with queries takes, and the gradient."""
    return images * queries * self._activations

  def start(self, queries: int, seed: Sequence[int]) -> np.ndarray:
    """Queries that are not trained yet, float32 `[L, q, d]`."""
    rng = np.random.default_rng(seed)
    shape = self.depth, queries, self.width
    uniform = 2 * rng.random(shape, np.float32) - 1
    return uniform * np.float32(self.limit)

  def _context(self, images: 'tf.Tensor') -> Context:
    """What the blocks show of images that are scaled as the network wants."""
    import tensorflow as tf

    *normed, final = self._model(images, training=False)
    keys, values = (
      tf.stack(
        [getattr(a, which)(x) for a, x in zip(self._attentions, normed)], axis=1
      )
      for which in ('key_dense', 'value_dense')
    )
    final = tf.cast(final, tf.float32)
    embedding = (
      final[:, 0]
      if self._patches is None
      else tf.reduce_mean(final[:, self._patches], axis=1)
    )
    return Context(keys, values, embedding)

  def read(
    self,
    context: Context,
    queries: 'tf.Tensor',
    masks: 'tf.Tensor | None' = None,
  ) -> 'tf.Tensor':
    """Features, of each block and of the embedding at unit norm.

    Args:
      context: of `B` images.
      queries: of `G` sets, `[G, L, q, d]`.
      masks: what queries are multiplied by, `[B, L, q, d]`.

    Returns:
      float32 `[B, G, d + L q d]`: the embedding, then the blocks by depth.
    """
    import tensorflow as tf

    sets, _, number, width = tf.unstack(tf.shape(queries))
    batch = tf.shape(context.embedding)[0]
    unit = normalization.unit_norm(context.embedding)
    parts = [tf.repeat(unit[:, None], sets, axis=1)]
    for i, attention in enumerate(self._attentions):
      z = tf.repeat(queries[None, :, i], batch, axis=0)  # [B, G, q, d]
      if masks is not None:
        z *= masks[:, None, i]
      z = tf.reshape(z, [batch, sets * number, self.width])
      heads = attention.query_dense(self._norms[i]([z]))
      scores = tf.einsum('bqhk,bnhk->bhqn', heads, context.keys[:, i])
      weights = tf.nn.softmax(scores / math.sqrt(attention.key_dim))
      seen = tf.einsum('bhqn,bnhv->bqhv', weights, context.values[:, i])
      out = self._rests[i]([z, attention.output_dense(seen)])
      out = tf.reshape(tf.cast(out, tf.float32), [batch, sets, number * width])
      parts.append(normalization.unit_norm(out))
    return tf.concat(parts, axis=2)


def check(backbone: backbone_lib.Backbone) -> None:
  """Raises InputError unless queries can read a network's blocks."""
  _parts(backbone)


def _parts(
  backbone: backbone_lib.Backbone,
) -> 'tuple[list[transformer_blocks.Block], keras.KerasTensor]':
  """A network's blocks, and its tokens through the final norm."""
  blocks = transformer_blocks.blocks(backbone.model)
  final = transformer_blocks.final(backbone.model)
  if not blocks or final is None:
    raise errors.InputError(
      f'vqt asks the blocks of a vision transformer, and {backbone.name} has '
      'none that can be read; leave it out of --methods, or choose a ViT with '
      'weights that are read into variables'
    )
  return blocks, final


def _again(
  inputs: Sequence[Any], output: Any
) -> 'Callable[[Sequence[tf.Tensor]], tf.Tensor]':
  """A part of a network as a function, for any number of tokens.

  What it is a part of has one number of tokens, on which Keras' public call
  insists; layers of a block treat each token by itself.
  """
  import keras

  part = keras.Function(list(inputs), output)

  def call(tensors: 'Sequence[tf.Tensor]') -> 'tf.Tensor':
    return part._run_through_graph(list(tensors))  # pylint: disable=protected-access

  return call


class Contexts:
  """What a network shows of some images, kept if there is memory for it."""

  def __init__(
    self, network: QueryNetwork, inputs: np.ndarray, memory_bytes: int
  ) -> None:
    """Initialises.

    Args:
      network: what shows it.
      inputs: images as the network wants them, float32 `[n, H, W, 3]`.
      memory_bytes: that it may take. Without enough for what is kept and a
        batch, keys and values are computed whenever they are asked for.
    """
    import tensorflow as tf

    self._network, self._inputs = network, inputs
    self._kept: list[Context] | None = None  # One for each image.
    count = len(inputs)
    if network.context_bytes(count + min(count, _BATCH)) <= memory_bytes:
      self._kept = []
      for i in range(0, count, _BATCH):
        batch = network.context(tf.constant(inputs[i : i + _BATCH]))
        self._kept += map(Context, *map(tf.unstack, batch))

  @property
  def is_kept(self) -> bool:
    """Whether keys and values are held."""
    return self._kept is not None

  def __call__(self, examples: np.ndarray) -> Context:
    """Of images by their numbers."""
    import tensorflow as tf

    if self._kept is None:
      return self._network.context(tf.constant(self._inputs[examples]))
    return Context(*map(tf.stack, zip(*(self._kept[i] for i in examples))))

  def features(self, queries: np.ndarray, examples: np.ndarray) -> 'tf.Tensor':
    """What one set of queries `[L, q, d]` reads, float32 `[n, D]`."""
    import tensorflow as tf

    one = tf.constant(queries[None])
    return tf.concat(
      [
        self._network.read(self(examples[i : i + _BATCH]), one)[:, 0]
        for i in range(0, len(examples), _BATCH)
      ],
      axis=0,
    )
