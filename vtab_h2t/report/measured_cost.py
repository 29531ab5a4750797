"""What training a run's methods cost, beside the model of `report.cost`.

Seconds are those that provenance tells of, bytes those of stored files, and the
operations of a network's forward pass are counted by TensorFlow.
"""

from collections.abc import Iterable, Mapping
import functools
import math
from typing import Any, TYPE_CHECKING

import pandas as pd

from vtab_h2t.backbones import registry as backbones
from vtab_h2t.features import extraction
from vtab_h2t.heads import fraction as fraction_lib
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.report import budgets
from vtab_h2t.report import cost
from vtab_h2t.report import frames
from vtab_h2t.report import seconds as seconds_lib

if TYPE_CHECKING:
  from vtab_h2t.backbones import backbone as backbone_lib
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.protocol import run as run_lib

_COMPARED = 'linear', 'head2toe', 'finetune'
_COMPARED_BY = r'^task$|_cpu_seconds$|_bytes$|^(flops|bytes)_vs_'
# What `by_method` tells of, in this order.
_ALL = tuple(
  m
  for m in methods_registry.MEASURED
  if m in methods_registry.FROZEN
  or m in methods_registry.SUCCESSORS
  or m == 'finetune'
)


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


def suffices(measurements: 'Iterable[ledger_lib.Measurement]') -> bool:
  """Whether they tell, of a task, what all that are compared cost, in full."""
  return bool(_compared(measurements))


def measured(
  run: 'run_lib.Run', measurements: 'Iterable[ledger_lib.Measurement]'
) -> pd.DataFrame:
  """What training cost, beside the cost model, where all three were measured.

  Args:
    run: the run.
    measurements: its own, not those of derived runs; linear, head2toe and
      finetune that failed, or that another process had begun, are passed over,
      and all of a network that cannot be built without a file.

  Returns:
    A line for each task with the chosen settings, and

    `<method>_cpu_seconds`, `<method>_wall_seconds`: of training one predictor
      with the chosen setting on the training set, without the search; for
      frozen ones with a pass over the training images; fine-tuning with the
      compilation of its step. The mean over seeds.
    `<method>_bytes`: of what is stored.
    `seconds_vs_finetune`, `bytes_vs_finetune`, `bytes_vs_linear`: Head2Toe's
      share of cpu seconds and bytes; of seconds NaN unless both were measured
      in one go, as a machine is not always as fast.
    `flops_vs_finetune`, `size_vs_finetune`, `size_vs_linear`: the model's;
      `flops_at_equal_steps`: if fine-tuning had Head2Toe's steps and batch.
  """
  if not _can_be_built(run):
    return pd.DataFrame()
  known = list(measurements)
  passes = seconds_lib.passes_by_task(known)
  return pd.DataFrame(
    [_measured(run, units, passes) for units in _compared(known).values()]
  )


def in_short(table: pd.DataFrame) -> pd.DataFrame:
  """Of what `measured` gives what readers compare, with the mean over tasks."""
  shown = table.filter(regex=_COMPARED_BY)
  mean = {'task': frames.MEAN, **shown.mean(numeric_only=True)}
  return pd.concat([shown, pd.DataFrame([mean])], ignore_index=True)


def by_method(
  run: 'run_lib.Run', measurements: 'Iterable[ledger_lib.Measurement]'
) -> pd.DataFrame:
  """What each method on frozen features cost, and fine-tuning.

  Args:
    run: the run.
    measurements: its; methods that failed, or that another process had begun,
      are passed over, and all of a network that cannot be built without a file.

  Returns:
    A line for each task and method with `num_features` (that its predictor
    reads), `cpu_seconds` and `wall_seconds` (as `measured` has them) and
    `bytes`; nothing unless a method after Head2Toe was measured, as `measured`
    says it of the others.
  """
  if not _can_be_built(run):
    return pd.DataFrame()
  known = list(measurements)
  passes = seconds_lib.passes_by_task(known)
  found = [
    _of_method(run, unit, method, passes)
    for unit in known
    for method in _ALL
    if method in unit.rows and seconds_lib.is_whole(unit, method)
  ]
  if not any(line['method'] in methods_registry.SUCCESSORS for line in found):
    return pd.DataFrame()
  table = pd.DataFrame(found)
  order = table.method.map(_ALL.index)
  return (
    table.assign(order=order)
    .sort_values(['task', 'order'], kind='stable')
    .drop(columns='order')
    .reset_index(drop=True)
  )


def _can_be_built(run: 'run_lib.Run') -> bool:
  """Whether what it would take to build a run's network is here."""
  entry = backbones.BACKBONES.get(run.network.backbone)
  return entry is not None and 'random' in entry.weights


def _compared(
  measurements: 'Iterable[ledger_lib.Measurement]',
) -> 'dict[str, dict[str, ledger_lib.Measurement]]':
  """The measurement of each of the three, by tasks that have them all.

  One that has all three goes before others.
  """
  found: dict[str, dict[str, ledger_lib.Measurement]] = {}
  for unit in sorted(
    measurements,
    key=lambda u: len(u.rows.keys() & set(_COMPARED)),
    reverse=True,
  ):
    for method in _COMPARED:
      if method in unit.rows and seconds_lib.is_whole(unit, method):
        found.setdefault(unit.facts['task'], {}).setdefault(method, unit)
  return {
    task: units
    for task, units in sorted(found.items())
    if len(units) == len(_COMPARED)
  }


def shares(table: pd.DataFrame) -> list[dict[str, Any]]:
  """What claims on cost are about, of what `measured` gives.

  Returns:
    For each line its task; Head2Toe's shares of fine-tuning's `operations` by
    the model at equal steps, of its `storage` and, where they are known, its
    `seconds`, and its storage as a multiple of Linear's, `storage_vs_linear`;
    and `unequal`, the budgets that both were trained for if they differ, else
    ''.
  """
  found = []
  for line in table.to_dict('records'):
    both = [
      ((line['head2toe_steps'],), cost.BATCH),
      ((line['finetune_steps'],), line['finetune_batch']),
    ]
    share = {
      'task': line['task'],
      'operations': line['flops_at_equal_steps'],
      'storage': line['bytes_vs_finetune'],
      'storage_vs_linear': line['bytes_vs_linear'],
      'unequal': '' if both[0] == both[1] else budgets.in_words(both),
    }
    if not math.isnan(line['seconds_vs_finetune']):
      share['seconds'] = line['seconds_vs_finetune']
    found.append(share)
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


def _network_of(
  run: 'run_lib.Run',
) -> 'tuple[backbone_lib.Backbone, cost.Network, int]':
  """What `_network` gives of a run's."""
  return _network(
    run.network.backbone, run.image_size, run.taps, run.cls_pooling
  )


def _of_method(
  run: 'run_lib.Run',
  unit: 'ledger_lib.Measurement',
  method: str,
  passes: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
  """A line of `by_method`."""
  row, classes = (
    seconds_lib.test_rows(unit)[method][0],
    unit.manifest['classes'],
  )
  backbone, network, size = _network_of(run)
  columns, selected_of = row.get('num_features', network.embedding), None
  if 'target_size' in row:
    columns = extraction.layout_of(backbone, row['target_size']).size
  if method == 'head2toe':
    selected_of = columns
    columns = fraction_lib.num_kept(columns, row['fraction'])
  if method == 'knn':
    stored = cost.neighbours_bytes(row['num_examples'], columns)
  elif 'num_parameters' in row:
    stored = cost.parameters_bytes(row['num_parameters'])
  else:
    stored = cost.head_bytes(classes, columns, selected_of)
  return {
    'task': row['task'],
    'method': method,
    'num_features': columns,
    'cpu_seconds': seconds_lib.training(unit, method, 'cpu', passes),
    'wall_seconds': seconds_lib.training(unit, method, 'wall', passes),
    'bytes': stored + (size if method == 'finetune' else 0),
  }


def _measured(
  run: 'run_lib.Run',
  units: 'Mapping[str, ledger_lib.Measurement]',
  passes: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
  """A line of `measured`, of a measurement for each method."""
  linear, ours, tuned = (
    seconds_lib.test_rows(units[m])[m][0] for m in _COMPARED
  )
  backbone, network, size = _network_of(run)
  classes = units['head2toe'].manifest['classes']
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
    for clock in ('cpu', 'wall'):
      found[f'{method}_{clock}_seconds'] = seconds_lib.training(
        units[method], method, clock, passes
      )
  kept = fraction_lib.num_kept(features, fraction)
  found |= {
    'linear_bytes': cost.head_bytes(classes, network.embedding),
    'head2toe_bytes': cost.head_bytes(classes, kept, features),
    'finetune_bytes': size + cost.head_bytes(classes, network.embedding),
  }
  found |= {
    'seconds_vs_finetune': (
      found['head2toe_cpu_seconds'] / found['finetune_cpu_seconds']
      if units['head2toe'] is units['finetune']
      else math.nan
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
