"""One forward pass gives all taps at all target sizes, pooled in the graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import functools
import operator
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import finite
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import block_tokens
from vtab_h2t.features import last_blocks
from vtab_h2t.features import pooling
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf

# The layout of the embedding alone, which the Linear baseline reads.
EMBEDDING = None
# As a target size: the layout of the last blocks; see `last_blocks`.
LAST_BLOCKS = 0
# As a target size: the layout of two vectors of each depth; see `block_tokens`.
BLOCK_TOKENS = -1
# What gives such layouts, and the tensors that are read besides taps.
_LAYOUTS = {LAST_BLOCKS: last_blocks.layout, BLOCK_TOKENS: block_tokens.layout}
_OUTPUTS = {
  LAST_BLOCKS: last_blocks.outputs,
  BLOCK_TOKENS: block_tokens.outputs,
}

BATCH_SIZE = 64  # Images of a forward pass.

# From images to blocks by name, and whether all sums are finite.
_Forward = Callable[['tf.Tensor'], tuple[dict[str, 'tf.Tensor'], 'tf.Tensor']]


def read(
  backbone: backbone_lib.Backbone,
  split: task_lib.Split,
  batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[int, 'tf.Tensor']]:
  """A split's images as a backbone wants them, batch by batch, in order.

  Yields:
    (number of images before the batch, float32 `[batch, H, W, 3]`).

  Raises:
    errors.InputError: an image cannot be decoded, or images are missing.
  """
  import tensorflow as tf

  images = split.images().map(
    backbone.preprocess, num_parallel_calls=tf.data.AUTOTUNE
  )
  done = 0
  try:
    for batch in images.batch(batch_size).prefetch(2):
      yield done, batch
      done += len(batch)
  except tf.errors.OpError:
    split.name_unreadable()
    raise
  if done != len(split.ids):
    raise errors.InputError(
      f'a split of {len(split.ids)} examples gave {done} images; prepare '
      'it again'
    )


def inputs(
  backbone: backbone_lib.Backbone, split: task_lib.Split
) -> np.ndarray:
  """All images of a split as a backbone wants them, float32 `[n, H, W, 3]`.

  Raises:
    errors.InputError: as `read` raises.
  """
  return np.concatenate([batch.numpy() for _, batch in read(backbone, split)])


def layout_of(
  backbone: backbone_lib.Backbone, target_size: int | None
) -> pooling.Layout:
  """The layout of a backbone's taps at a target size.

  Args:
    backbone: whose taps.
    target_size: number of features of a tap to aim at, or `EMBEDDING`,
      `LAST_BLOCKS` or `BLOCK_TOKENS`.
  """
  if target_size in _LAYOUTS:
    return _LAYOUTS[target_size](backbone)
  shapes = backbone.tap_shapes()
  if target_size is not EMBEDDING:
    return pooling.layout(shapes, target_size, backbone.cls_pooling)
  tap = backbone.embedding
  return pooling.Layout(
    (
      pooling.Block(
        tap, pooling.GLOBAL, pooling.pooled_size(shapes[tap], pooling.GLOBAL)
      ),
    )
  )


class Extractor:
  """Images in, pooled blocks out.

  Batches are dealt to the devices that `devices` names, each with a copy of the
  network; while a batch's features are used, the next are computed. Features
  are float32, and pooled in it, whatever the network's precision is. It is
  called in the scope of the strategy in which it was made.

  Attributes:
    backbone: the network.
    layouts: target size (or `EMBEDDING`, `LAST_BLOCKS` or `BLOCK_TOKENS`) to
      its layout.
    blocks: the distinct blocks of all layouts; what a pass computes.
  """

  def __init__(
    self,
    backbone: backbone_lib.Backbone,
    target_sizes: Sequence[int],
    batch_size: int = BATCH_SIZE,
  ) -> None:
    import keras
    import tensorflow as tf

    self.backbone = backbone
    self.layouts: dict[int | None, pooling.Layout] = {
      size: layout_of(backbone, size) for size in (EMBEDDING, *target_sizes)
    }
    self.blocks = pooling.unique_blocks(self.layouts.values())
    self._batch_size = batch_size
    self._network = backbone.model
    others = [_OUTPUTS[s](backbone) for s in target_sizes if s in _OUTPUTS]
    if others:
      self._network = keras.Model(
        backbone.model.inputs,
        functools.reduce(operator.or_, others, backbone.model.output),
      )
    names = devices.names()
    # A network that was made in a strategy's scope is on all of its devices.
    copied = [tf.distribute.has_strategy() or i > 0 for i in range(len(names))]
    self._forwards: dict[str, _Forward] = dict(
      zip(names, devices.spread(self._forward_on, copied))
    )

  def _forward_on(self, copied: bool, device: str) -> _Forward:
    """The compiled pass, of the network itself or of a copy on the device."""
    import keras
    import tensorflow as tf

    network = self._network
    if copied:
      network = keras.models.clone_model(network)
      network.set_weights(self._network.get_weights())

    def forward(
      images: 'tf.Tensor',
    ) -> tuple[dict[str, 'tf.Tensor'], 'tf.Tensor']:
      taps = {
        tap: tf.cast(x, tf.float32)
        for tap, x in network(images, training=False).items()
      }
      batch = {b.name: b(taps[b.tap]) for b in self.blocks}
      return batch, finite.sums_are(batch.values())

    if devices.needs_xla(device):
      return self._in_one_shape(tf.function(forward, jit_compile=True))
    # XLA is left off: it makes depthwise convolutions ten times slower on CPU.
    return tf.function(forward, reduce_retracing=True)

  def _in_one_shape(self, forward: _Forward) -> _Forward:
    """A pass that fills up a partial batch and returns its own features."""
    import tensorflow as tf

    def filled(
      images: 'tf.Tensor',
    ) -> tuple[dict[str, 'tf.Tensor'], 'tf.Tensor']:
      count = len(images)
      if count == self._batch_size:
        return forward(images)
      # Filled and cut on the host, as the device would compile either for each
      # count. A copy's features are finite where its image's are.
      with tf.device('CPU:0'):
        copies = tf.repeat(images[:1], self._batch_size - count, axis=0)
        whole = tf.concat([images, copies], axis=0)
      batch, fine = forward(whole)
      with tf.device('CPU:0'):
        return {name: value[:count] for name, value in batch.items()}, fine

    return filled

  def __call__(
    self, split: task_lib.Split
  ) -> Iterator[tuple[int, dict[str, 'tf.Tensor']]]:
    """Embeds a split, batch by batch, in order.

    Yields:
      (number of images before the batch, block name to float32
      `[batch, size]`).

    Raises:
      errors.InputError: an image cannot be decoded, a feature is NaN or
        infinite, or images are missing.
    """

    def embed(
      piece: tuple[int, 'tf.Tensor'], device: str
    ) -> tuple[int, dict[str, 'tf.Tensor']]:
      done, images = piece
      batch, fine = self._forwards[device](images)
      if not fine:
        self._name_fault(split, done, batch)
      return done, batch

    yield from devices.spread(
      embed, read(self.backbone, split, self._batch_size), ahead=True
    )

  def _name_fault(
    self, split: task_lib.Split, done: int, batch: Mapping[str, 'tf.Tensor']
  ) -> None:
    """Raises InputError that names the first block by depth with a fault.

    There may be none, as sums can overflow.
    """
    taps = {tap: i for i, tap in enumerate(self.backbone.taps)}
    # What is no tap is of the last blocks.
    by_depth = sorted(self.blocks, key=lambda b: taps.get(b.tap, len(taps)))
    fault = finite.first_fault({b.name: batch[b.name] for b in by_depth})
    if fault:
      name, row = fault
      raise errors.InputError(
        f'features {name} of image {split.ids[done + row]} are not finite; '
        "check the backbone's weights and the image"
      )

  def select(
    self, batch: dict[str, 'tf.Tensor'], target_size: int | None
  ) -> list['tf.Tensor']:
    """The blocks of one layout from a batch that `__call__` yielded."""
    return [batch[b.name] for b in self.layouts[target_size].blocks]
