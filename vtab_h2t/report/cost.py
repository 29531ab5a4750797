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

from collections.abc import Iterable, Mapping
import dataclasses
import json
import math
from typing import TYPE_CHECKING

import numpy as np

from vtab_h2t import published
from vtab_h2t.heads import fraction as fraction_lib

if TYPE_CHECKING:
  import keras
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


def finetune_flops(
  network: Network, classes: int, steps: int, batch: int = BATCH
) -> float:
  """Operations of fine-tuning."""
  return batch * steps * (3 * network.forward + 6 * network.embedding * classes)


def linear_flops(network: Network, classes: int, steps: int) -> float:
  """Operations of Linear."""
  return TRAIN_IMAGES * network.forward + (
    4 * BATCH * steps * network.embedding * classes
  )


def head2toe_flops(
  network: Network, features: int, classes: int, steps: int
) -> float:
  """Operations of Head2Toe with `features` features before selection."""
  return TRAIN_IMAGES * network.forward + (
    4 * BATCH * steps * features * classes
  )


def finetune_size(network: Network, classes: int) -> float:
  """Numbers to store for a fine-tuned network."""
  return network.parameters + linear_size(network, classes)


def linear_size(network: Network, classes: int) -> int:
  """Numbers to store for a linear head."""
  return network.embedding * classes


def head2toe_size(features: int, fraction: float, classes: int) -> float:
  """Numbers to store for a Head2Toe head and its bitmap."""
  return fraction_lib.num_kept(features, fraction) * classes + features / 32


def selection_overhead(fractions: Iterable[float]) -> float:
  """What validating fractions adds to the operations of the first stage.

  A head on a fraction `f` of the features costs `f` of the head on all of them,
  at equal steps, and the scores are computed once (Appendix B).

  Args:
    fractions: those that are validated.

  Returns:
    Their sum, for example 0.1885 for the eight that Appendix A lists.
  """
  return math.fsum(fractions)


def to_embedding(backbone: 'backbone_lib.Backbone') -> 'keras.Model':
  """The network without classifier."""
  import keras

  return keras.Model(
    backbone.model.inputs, backbone.model.output[backbone.embedding]
  )


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
  forward = (constant**2).sum() / (constant * coefficient).sum()
  stored = np.array(
    [
      head2toe_size(n, f, c)
      for n, f, c in zip(table.num_features, table.fraction, classes)
    ]
  )
  low, high = (
    (stored / (table.size_vs_finetune + sign * _PRINTED) - embedding * classes)
    for sign in (1, -1)
  )
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
  rows = list(
    zip(table.num_features, table.fraction, table.num_classes, table.steps)
  )
  ours = {
    'flops_vs_finetune': [
      head2toe_flops(network, n, c, s) / finetune_flops(network, c, s)
      for n, _, c, s in rows
    ],
    'size_vs_finetune': [
      head2toe_size(n, f, c) / finetune_size(network, c) for n, f, c, _ in rows
    ],
    'size_vs_linear': [
      head2toe_size(n, f, c) / linear_size(network, c) for n, f, c, _ in rows
    ],
  }
  for column, values in ours.items():
    result[f'ours_{column}'] = values
    result[f'residual_{column}'] = result[f'ours_{column}'] - result[column]
  return result


def stored_bytes(arrays: Mapping[str, np.ndarray]) -> int:
  """Bytes of a safetensors file with these arrays."""
  from safetensors import numpy as safetensors

  return len(safetensors.save(dict(arrays)))


# Those of safetensors.
_TYPES = {'float32': 'F32', 'int64': 'I64', 'uint8': 'U8'}


def _planned_bytes(plan: Mapping[str, tuple[str, tuple[int, ...]]]) -> int:
  """`stored_bytes` of arrays that are not made, as they may be large.

  Args:
    plan: name to type, of `_TYPES`, and shape.
  """
  header: dict[str, Mapping[str, object]] = {}
  end = 0
  # In the order of such files, in which offsets follow one another.
  for name, (kind, shape) in sorted(
    plan.items(), key=lambda p: (-np.dtype(p[1][0]).itemsize, p[0])
  ):
    sides = list(map(int, shape))
    start, end = end, end + np.dtype(kind).itemsize * math.prod(sides)
    header[name] = {
      'dtype': _TYPES[kind],
      'shape': sides,
      'data_offsets': (start, end),
    }
  size = len(json.dumps(header, separators=(',', ':')))
  return 8 + size + -size % 8 + end


def head_bytes(classes: int, columns: int, features: int | None = None) -> int:
  """Bytes of a stored linear head on some columns.

  Args:
    classes: number of classes.
    columns: how many features it reads.
    features: of how many they are selected, which a bitmap then says.
  """
  plan: dict[str, tuple[str, tuple[int, ...]]] = {
    'kernel': ('float32', (classes, columns)),
    'bias': ('float32', (classes,)),
  }
  if features is not None:
    plan['selected'] = 'uint8', (-(-features // 8),)
  return _planned_bytes(plan)


def parameters_bytes(count: int) -> int:
  """Bytes of so many stored numbers, float32."""
  return _planned_bytes({'parameters': ('float32', (count,))})


def neighbours_bytes(examples: int, columns: int) -> int:
  """Bytes of stored training examples, with their labels.

  Args:
    examples: how many.
    columns: features of each.
  """
  return _planned_bytes(
    {
      'features': ('float32', (examples, columns)),
      'labels': ('int64', (examples,)),
    }
  )


def weights_bytes(backbone: 'backbone_lib.Backbone') -> int:
  """Bytes of a stored network without head, batch norms' statistics too."""
  weights = to_embedding(backbone).get_weights()
  return stored_bytes({f'{i:05d}': w for i, w in enumerate(weights)})


def network_bytes(backbone: 'backbone_lib.Backbone', classes: int) -> int:
  """Bytes of a stored network with a linear head."""
  embedding = to_embedding(backbone).output.shape[-1]
  return weights_bytes(backbone) + head_bytes(classes, embedding)
