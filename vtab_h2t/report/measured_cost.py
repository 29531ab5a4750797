"""What training a run's methods cost, beside the model of `report.cost`.

Seconds are those that provenance tells of, bytes those of stored files, and the
operations of a network's forward pass are counted by TensorFlow.
"""

from collections.abc import Iterable, Mapping, Sequence
import functools
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.report import budgets
from vtab_h2t.report import cost

if TYPE_CHECKING:
  from vtab_h2t.backbones import backbone as backbone_lib
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import run as run_lib

_COMPARED = 'linear', 'head2toe', 'finetune'


def measure(backbone: 'backbone_lib.Backbone') -> cost.Network:
  """The constants of a backbone, its operations as TensorFlow counts them."""
  import tensorflow as tf
  from tensorflow.python.framework import convert_to_constants

  model = cost.to_embedding(backbone)
  size = backbone.image_size
  call = tf.function(lambda x: model(x, training=False)).get_concrete_function(
    tf.TensorSpec((1, size, size, 3), tf.float32)
  )
  graph = convert_to_constants.convert_variables_to_constants_v2(call).graph
  builder = tf.compat.v1.profiler.ProfileOptionBuilder
  options = builder(builder.float_operation()).with_empty_output().build()
  counted = tf.compat.v1.profiler.profile(graph, options=options)
  return cost.Network(
    counted.total_float_ops, model.count_params(), model.output.shape[-1]
  )


def suffices(measurement: 'ledger_lib.Measurement') -> bool:
  """Whether a measurement tells what all that are compared cost, in full.

  A training that failed stopped early, so its seconds tell nothing.
  """
  return (
    set(_COMPARED) <= set(measurement.rows)
    and not measurement.facts['resumed']
    and not any(
      'failed' in row
      for method in _COMPARED
      for row in measurement.rows[method]
      if row['split'] == 'test'
    )
  )


def measured(
  run: 'run_lib.Run', measurements: 'Iterable[ledger_lib.Measurement]'
) -> pd.DataFrame:
  """What training cost, beside the cost model, where all three were measured.

  Args:
    run: the run.
    measurements: its; those without linear, head2toe and finetune, with one
      of them failed, or that another process had begun, are passed over, and
      all of a network that cannot be built without a file.

  Returns:
    A line for each with its task, the chosen settings, and

    `<method>_cpu_seconds`, `<method>_wall_seconds`: of training one predictor
      with the chosen setting on the training set, without the search; for
      frozen ones with a pass over the training images; fine-tuning with the
      compilation of its step. The mean over seeds.
    `<method>_bytes`: of what is stored.
    `seconds_vs_finetune`, `bytes_vs_finetune`, `bytes_vs_linear`: Head2Toe's
      share of cpu seconds and bytes.
    `flops_vs_finetune`, `size_vs_finetune`, `size_vs_linear`: the model's;
      `flops_at_equal_steps`: if fine-tuning had Head2Toe's steps and batch.
  """
  entry = backbones.BACKBONES.get(run.network.backbone)
  if entry is None or 'random' not in entry.weights:
    return pd.DataFrame()  # What it would take to build it is not here.
  return pd.DataFrame(
    [_measured(run, one) for one in measurements if suffices(one)]
  )


def shares(table: pd.DataFrame) -> list[dict[str, Any]]:
  """What claims on cost are about, of what `measured` gives.

  Returns:
    For each line its task; Head2Toe's shares of fine-tuning's `operations` by
    the model at equal steps, of its `storage` and `seconds`, and its storage as
    a multiple of Linear's, `storage_vs_linear`; and `unequal`, the budgets that
    both were trained for if they differ, else ''.
  """
  found = []
  for line in table.to_dict('records'):
    both = [
      ((line['head2toe_steps'],), cost.BATCH),
      ((line['finetune_steps'],), line['finetune_batch']),
    ]
    found.append(
      {
        'task': line['task'],
        'operations': line['flops_at_equal_steps'],
        'storage': line['bytes_vs_finetune'],
        'seconds': line['seconds_vs_finetune'],
        'storage_vs_linear': line['bytes_vs_linear'],
        'unequal': '' if both[0] == both[1] else budgets.in_words(both),
      }
    )
  return found


@functools.cache
def _network(
  name: str, image_size: int, taps: str, cls_pooling: str
) -> 'tuple[backbone_lib.Backbone, cost.Network, int]':
  """A network with random weights, its constants, and its bytes."""
  backbone = backbones.load(
    name, 'random', image_size, taps, cls_pooling=cls_pooling
  )
  return backbone, measure(backbone), cost.weights_bytes(backbone)


def _measured(
  run: 'run_lib.Run', unit: 'ledger_lib.Measurement'
) -> dict[str, Any]:
  """A line of `measured`."""
  tests = {
    m: [r for r in rows if r['split'] == 'test']
    for m, rows in unit.rows.items()
  }
  linear, ours, tuned = (tests[m][0] for m in _COMPARED)
  backbone, network, size = _network(
    run.network.backbone, run.image_size, run.taps, run.cls_pooling
  )
  classes = unit.manifest['classes']
  features = extraction.layout_of(backbone, ours['target_size']).size
  fraction, steps = ours['fraction'], ours['steps']
  found = {
    'task': ours['task'],
    'fraction': fraction,
    'num_features': features,
    'num_classes': classes,
    'linear_steps': linear['steps'],
    'head2toe_steps': steps,
    'finetune_steps': tuned['steps'],
    'finetune_batch': tuned['batch'],
  }
  for method in _COMPARED:
    stages = [f'train {method}']
    if method == 'head2toe' and _selects_as_all_l21(tests):
      stages.append('train all_l21')
    for clock in ('cpu', 'wall'):
      # Tasks that share images are timed together.
      count = len(unit.facts['seeds'][method]) * len(unit.facts['tasks'])
      seconds = sum(unit.facts['seconds'][s][clock] for s in stages) / count
      if method != 'finetune':
        seconds += unit.facts['seconds']['embed train'][clock]
      found[f'{method}_{clock}_seconds'] = seconds
  kept = fraction_lib.num_kept(features, fraction)
  found |= {
    'linear_bytes': cost.head_bytes(classes, network.embedding),
    'head2toe_bytes': cost.head_bytes(classes, kept, features),
    'finetune_bytes': size + cost.head_bytes(classes, network.embedding),
  }
  found |= {
    'seconds_vs_finetune': (
      found['head2toe_cpu_seconds'] / found['finetune_cpu_seconds']
    ),
    'flops_vs_finetune': (
      cost.head2toe_flops(network, features, classes, steps)
      / cost.finetune_flops(network, classes, tuned['steps'], tuned['batch'])
    ),
    'flops_at_equal_steps': (
      cost.head2toe_flops(network, features, classes, steps)
      / cost.finetune_flops(network, classes, steps)
    ),
    'bytes_vs_finetune': found['head2toe_bytes'] / found['finetune_bytes'],
    'size_vs_finetune': (
      cost.head2toe_size(features, fraction, classes)
      / cost.finetune_size(network, classes)
    ),
    'bytes_vs_linear': found['head2toe_bytes'] / found['linear_bytes'],
    'size_vs_linear': (
      cost.head2toe_size(features, fraction, classes)
      / cost.linear_size(network, classes)
    ),
  }
  return found


def _selects_as_all_l21(
  tests: Mapping[str, Sequence[Mapping[str, Any]]],
) -> bool:
  """Whether Head2Toe's first heads were trained already for +All-l2,1."""
  if 'all_l21' not in tests:
    return False
  ours, other = tests['head2toe'][0], tests['all_l21'][0]
  return all(
    ours[k] == other[k]
    for k in ('learning_rate', 'steps', 'target_size', 'coefficient')
  )
