"""A head in the released code's manner: a Keras layer, a tape, Keras' Adam."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vtab_h2t.heads import initial
from vtab_h2t.heads import regularizers
from vtab_h2t.heads import sweep

if TYPE_CHECKING:
  import keras
  import tensorflow as tf


def head(
  features: int,
  classes: int,
  spec: sweep.HeadSpec,
  steps: int,
  penalty: str | None,
) -> 'tuple[keras.Layer, Callable[[tf.Tensor, tf.Tensor], None]]':
  """A layer that starts as the sweep trainer's head does, and its step.

  Returns:
    The layer, and what a step does with features `[B, D]` and labels `[B]`; to
    be compiled or not.
  """
  import keras
  import tensorflow as tf

  layer = keras.layers.Dense(
    classes, kernel_regularizer=regularizers.get(penalty, spec.coefficient)
  )
  layer.build((None, features))
  layer.kernel.assign(initial.kernel(spec.seed, features, classes).T)
  optimizer = keras.optimizers.Adam(
    keras.optimizers.schedules.CosineDecay(spec.learning_rate, steps)
  )
  optimizer.build(layer.trainable_variables)

  def step(x: 'tf.Tensor', y: 'tf.Tensor') -> None:
    with tf.GradientTape() as tape:
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(y, layer(x))
      if layer.losses:
        loss += tf.add_n(layer.losses)
      loss = tf.nn.compute_average_loss(
        loss, global_batch_size=sweep.BATCH_SIZE
      )
    optimizer.apply(tape.gradient(loss, layer.trainable_variables))

  return layer, step
