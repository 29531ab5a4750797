"""What methods cost (Head2Toe, Appendix B and Table 3).

Per image, with `f` the forward pass of the backbone, `E` the size of its
embedding, `N` the number of features at a target size, `C` classes and `B` the
batch size, and 2 operations for each multiplication and addition:

  fine-tuning   3 f + 6 E C             for each of `B * steps` images
  Linear        f                       for each of 1000 images, and
                4 E C                   for each of `B * steps`
  Head2Toe      f                       for each of 1000 images, and
                4 N C                   for each of `B * steps`

A frozen head needs no gradient to its input, hence 4 and not 6. The heads that
Head2Toe trains on selected features are left out, as they are in the printed
table: with them it cannot be fitted. Sizes are in numbers of 32 bits: `k C` for
the kernel on `k` selected features and `N / 32` for the bitmap that selects
them. Biases are not counted, as in the paper.

Table 3 follows from Table 2 by these formulas and two constants that the paper
does not give, `f` and the number of the backbone's parameters; both are fitted.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import published

if TYPE_CHECKING:
  import pandas as pd

  from vtab_h2t.backbones import backbone as backbone_lib

TRAIN_IMAGES, BATCH = 1000, 128
RESNET50_EMBEDDING = 2048
_PRINTED = 0.5e-6  # Half a unit of Table 3's last digit.


@dataclasses.dataclass(frozen=True)
class Network:
  """What a backbone adds to a cost.

  Attributes:
    forward: operations of a forward pass of one image.
    parameters: number of parameters without a classifier.
    embedding: size of the embedding.
  """

  forward: float
  parameters: float
  embedding: int


def finetune_flops(network: Network, classes: int, steps: int) -> float:
  """Operations of fine-tuning."""
  return BATCH * steps * (
      3 * network.forward + 6 * network.embedding * classes)


def linear_flops(network: Network, classes: int, steps: int) -> float:
  """Operations of Linear."""
  return TRAIN_IMAGES * network.forward + (
      4 * BATCH * steps * network.embedding * classes)


def head2toe_flops(network: Network, features: int, classes: int, steps: int
                   ) -> float:
  """Operations of Head2Toe with `features` features before selection."""
  return TRAIN_IMAGES * network.forward + (
      4 * BATCH * steps * features * classes)


def finetune_size(network: Network, classes: int) -> float:
  """Numbers to store for a fine-tuned network."""
  return network.parameters + linear_size(network, classes)


def linear_size(network: Network, classes: int) -> int:
  """Numbers to store for a linear head."""
  return network.embedding * classes


def head2toe_size(features: int, fraction: float, classes: int) -> float:
  """Numbers to store for a Head2Toe head and its bitmap."""
  return int(features * fraction) * classes + features / 32


def measure(backbone: 'backbone_lib.Backbone') -> Network:
  """The constants of a backbone, its operations as TensorFlow counts them."""
  import keras
  import tensorflow as tf
  from tensorflow.python.framework import convert_to_constants
  embedding = backbone.model.output[backbone.embedding]
  model = keras.Model(backbone.model.inputs, embedding)
  size = backbone.image_size
  call = tf.function(lambda x: model(x, training=False)).get_concrete_function(
      tf.TensorSpec((1, size, size, 3), tf.float32))
  graph = convert_to_constants.convert_variables_to_constants_v2(call).graph
  builder = tf.compat.v1.profiler.ProfileOptionBuilder
  options = builder(builder.float_operation()).with_empty_output().build()
  counted = tf.compat.v1.profiler.profile(graph, options=options)
  return Network(counted.total_float_ops, model.count_params(),
                 embedding.shape[-1])


def published_table() -> 'pd.DataFrame':
  """Table 3 without its average, with `steps` from Table 2."""
  table = published.table('table3_cost_resnet50')
  table = table[table.task != 'average']
  hparams = published.table('table2_hyperparameters')
  hparams = hparams[hparams.backbone == 'resnet50'].set_index('task')
  return table.join(hparams.steps, on='task')


def fit(table: 'pd.DataFrame') -> Network:
  """The two constants that the printed table was made with.

  Args:
    table: what `published_table` gives.

  Returns:
    `forward` by least squares; `parameters` in the middle of what all rows
    allow.

  Raises:
    ValueError: no number of parameters fits all rows.
  """
  embedding = RESNET50_EMBEDDING
  classes, steps = table.num_classes, table.steps
  ratio = table.flops_vs_finetune
  # ratio * (3 f + 6 E C) = 1000 f / (B steps) + 4 N C, linear in f.
  coefficient = 3 * ratio - TRAIN_IMAGES / (BATCH * steps)
  constant = 4 * table.num_features * classes - 6 * ratio * embedding * classes
  # In 1/f, because the residuals are those of the ratio.
  forward = (constant ** 2).sum() / (constant * coefficient).sum()
  stored = np.array([head2toe_size(n, f, c) for n, f, c in zip(
      table.num_features, table.fraction, classes)])
  low, high = ((stored / (table.size_vs_finetune + sign * _PRINTED)
                - embedding * classes) for sign in (1, -1))
  if low.max() > high.min():
    raise ValueError('no number of parameters fits the sizes')
  return Network(float(forward), float(low.max() + high.min()) / 2, embedding)


def table3(network: Network, table: 'pd.DataFrame') -> 'pd.DataFrame':
  """Our columns of Table 3 beside the published.

  Args:
    network: the constants.
    table: what `published_table` gives.

  Returns:
    The table with columns `ours_<column>` and `residual_<column>` (ours less
    published) for each of flops_vs_finetune, size_vs_finetune, size_vs_linear.
  """
  result = table.copy()
  rows = list(zip(table.num_features, table.fraction, table.num_classes,
                  table.steps))
  ours = {
      'flops_vs_finetune': [
          head2toe_flops(network, n, c, s) / finetune_flops(network, c, s)
          for n, _, c, s in rows],
      'size_vs_finetune': [
          head2toe_size(n, f, c) / finetune_size(network, c)
          for n, f, c, _ in rows],
      'size_vs_linear': [
          head2toe_size(n, f, c) / linear_size(network, c)
          for n, f, c, _ in rows]}
  for column, values in ours.items():
    result[f'ours_{column}'] = values
    result[f'residual_{column}'] = result[f'ours_{column}'] - result[column]
  return result
