"""One forward pass gives all taps at all target sizes, pooled in the graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import functools
from typing import TYPE_CHECKING

from vtab_h2t import devices
from vtab_h2t import errors
from vtab_h2t import finite
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.features import pooling
from vtab_h2t.tasks import task as task_lib

if TYPE_CHECKING:
  import tensorflow as tf

# The layout of the embedding alone, which the Linear baseline reads.
EMBEDDING = None

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


def layout_of(
  backbone: backbone_lib.Backbone, target_size: int | None
) -> pooling.Layout:
  """The layout of a backbone's taps at a target size, or of `EMBEDDING`."""
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
  network; while a batch's features are used, the next are computed.

  Attributes:
    backbone: the network.
    layouts: target size (or `EMBEDDING`) to its layout.
    blocks: the distinct blocks of all layouts; what a pass computes.
  """

  def __init__(
    self,
    backbone: backbone_lib.Backbone,
    target_sizes: Sequence[int],
    batch_size: int = BATCH_SIZE,
  ) -> None:
    import tensorflow as tf

    self.backbone = backbone
    self.layouts: dict[int | None, pooling.Layout] = {
      size: layout_of(backbone, size) for size in (EMBEDDING, *target_sizes)
    }
    self.blocks = pooling.unique_blocks(self.layouts.values())
    self._batch_size = batch_size
    self._forwards: list[_Forward] = []
    for device in devices.names():
      with tf.device(device):
        self._forwards.append(self._forward_on(bool(self._forwards)))

  def _forward_on(self, copy: bool) -> _Forward:
    """The compiled pass, of the network itself or of a copy here."""
    import keras
    import tensorflow as tf

    network = self.backbone.model
    if copy:
      network = keras.models.clone_model(network)
      network.set_weights(self.backbone.model.get_weights())
    pooled = {b.name: b(network.output[b.tap]) for b in self.blocks}
    model = keras.Model(network.inputs, pooled)

    # XLA is left off: it makes depthwise convolutions ten times slower on CPU.
    @functools.partial(tf.function, reduce_retracing=True)
    def forward(
      images: 'tf.Tensor',
    ) -> tuple[dict[str, 'tf.Tensor'], 'tf.Tensor']:
      batch = model(images, training=False)
      return batch, finite.sums_are(batch.values())

    return forward

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
      piece: tuple[int, 'tf.Tensor'], number: int
    ) -> tuple[int, dict[str, 'tf.Tensor']]:
      done, images = piece
      batch, fine = self._forwards[number](images)
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
    by_depth = sorted(
      self.blocks, key=lambda b: self.backbone.taps.index(b.tap)
    )
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
