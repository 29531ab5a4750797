import dataclasses
import math

import pandas as pd
import pytest

from tests.report import made
from vtab_h2t.backbones import registry
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import cost
from vtab_h2t.report import measured_cost
from vtab_h2t.report import tables

_RUN = made.run('efficientnet_lite0')


def test_a_training_that_failed_has_no_cost():
  unit = made.costly_unit()
  unit.rows['finetune'][-1]['failed'] = 'not finite'
  assert not measured_cost.suffices([unit])
  assert measured_cost.suffices([made.costly_unit()])


def test_measured_cost_of_a_unit():
  table = measured_cost.measured(
    _RUN,
    [
      made.costly_unit(),
      made.costly_unit(resumed=['finetune']),
      ledger_lib.Measurement(
        {'task': 'u', 'resumed': [], 'seconds': {}},
        {'linear': [{'split': 'test'}]},
        {},
      ),
    ],
  )
  (row,) = table.to_dict('records')
  assert row['linear_cpu_seconds'] == 4 + 6 / 6
  assert row['head2toe_cpu_seconds'] == 4 + 120 / 6
  assert row['head2toe_wall_seconds'] == 2 + 60 / 6
  assert row['finetune_cpu_seconds'] == 100
  assert row['seconds_vs_finetune'] == 0.24
  backbone = registry.load('efficientnet_lite0', 'random', 32)
  network = measured_cost.measure(backbone)
  n = row['num_features']
  assert row['flops_vs_finetune'] == cost.head2toe_flops(
    network, n, 10, 500
  ) / cost.finetune_flops(network, 10, 80, 64)
  assert row['flops_at_equal_steps'] == cost.head2toe_flops(
    network, n, 10, 500
  ) / cost.finetune_flops(network, 10, 500, 128)
  shown = tables.cost_for_terminal(table, 200)
  assert f'{row["flops_at_equal_steps"]:.4f}' in shown
  assert f'{row["flops_vs_finetune"]:.4f}' not in shown
  assert row['head2toe_bytes'] == cost.head_bytes(10, n // 100, n)
  # The fine-tuned network is its parameters and little else.
  assert row['finetune_bytes'] == pytest.approx(
    4 * cost.finetune_size(network, 10), rel=0.01
  )
  for share in ('vs_finetune', 'vs_linear'):
    assert row[f'bytes_{share}'] == pytest.approx(
      row[f'size_{share}'], rel=0.05
    )


def test_of_methods_measured_one_after_the_other_seconds_are_not_compared():
  frozen, tuned = made.costly_unit(), made.costly_unit()
  del frozen.rows['finetune']
  tuned = dataclasses.replace(tuned, rows={'finetune': tuned.rows['finetune']})
  tuned.facts['seconds']['embed train'] = {'cpu': 9.0, 'wall': 9.0}
  (alone,) = measured_cost.measured(_RUN, [made.costly_unit()]).to_dict(
    'records'
  )
  table = measured_cost.measured(_RUN, [tuned, frozen])
  (row,) = table.to_dict('records')
  assert math.isnan(row.pop('seconds_vs_finetune'))
  assert alone.pop('seconds_vs_finetune') == 0.24
  assert row == alone
  (share,) = measured_cost.shares(table)
  assert 'seconds' not in share
  assert share['operations'] == alone['flops_at_equal_steps']
  assert not measured_cost.suffices([tuned])
  # What was measured at one go goes before.
  (row,) = measured_cost.measured(
    _RUN, [frozen, tuned, made.costly_unit()]
  ).to_dict('records')
  assert row['seconds_vs_finetune'] == 0.24


def test_a_pass_over_kept_features_is_what_it_took_when_they_were_made():
  later = made.with_successors(made.costly_unit(), ridge={'num_features': 1280})
  later = dataclasses.replace(later, rows={'ridge': later.rows['ridge']})
  later.facts['seconds']['embed train'] = {'cpu': 0.1, 'wall': 0.1}
  later.facts['processor'] = 'p'
  lines = measured_cost.by_method(_RUN, [later, made.costly_unit()]).set_index(
    'method'
  )
  assert lines.cpu_seconds['ridge'] == 4 + 15
  assert lines.wall_seconds['ridge'] == 2 + 7.5


def test_shares_say_which_budgets_differ():
  table = measured_cost.measured(_RUN, [made.costly_unit()])
  (found,) = measured_cost.shares(table)
  (row,) = table.to_dict('records')
  assert found == {
    'task': 't',
    'operations': row['flops_at_equal_steps'],
    'storage': row['bytes_vs_finetune'],
    'seconds': 0.24,
    'storage_vs_linear': row['bytes_vs_linear'],
    'unequal': '500 steps of 128 images against 80 of 64',
  }
  table['finetune_steps'], table['finetune_batch'] = 500, 128
  assert measured_cost.shares(table)[0]['unequal'] == ''


def test_methods_after_head2toe_are_beside_the_others():
  later = ledger_lib.Measurement(
    {
      'task': 'a',
      'tasks': ['a'],
      'resumed': ['ridge'],
      'seeds': {},
      'seconds': {'embed train': {'cpu': 5.0, 'wall': 5.0}},
    },
    {},
    {'classes': 10},
  )
  table = measured_cost.by_method(
    _RUN,
    [
      made.with_successors(
        made.costly_unit(),
        all_ridge={'coefficient': 0.1, 'target_size': 256, 'num_features': 7},
        knn={'neighbours': 3, 'num_features': 1280, 'num_examples': 1000},
        dino_linear={'steps': 5, 'num_features': 320},
        alf={'steps': 5, 'num_features': 640, 'num_parameters': 1234},
        vqt={'queries': 1, 'num_features': 50, 'num_parameters': 777},
      ),
      made.with_successors(
        later,
        ridge={'task': 'a', 'num_features': 1280},
        logistic={'task': 'a', 'num_features': 1280},
      ),
    ],
  )
  assert list(zip(table.task, table.method)) == [
    ('a', 'logistic'),
    *(
      ('t', m)
      for m in (
        *('linear', 'all_l21', 'head2toe', 'finetune', 'all_ridge', 'knn'),
        *('dino_linear', 'alf', 'vqt'),
      )
    ),
  ]
  lines = table[table.task == 't'].set_index('method')
  (model,) = measured_cost.measured(_RUN, [made.costly_unit()]).to_dict(
    'records'
  )
  for method in ('linear', 'head2toe', 'finetune'):
    for column in ('cpu_seconds', 'wall_seconds', 'bytes'):
      assert lines[column][method] == model[f'{method}_{column}'], method
  # One predictor stands for three seeds, on two tasks; another has a seed.
  assert lines.cpu_seconds['all_ridge'] == lines.cpu_seconds['knn'] == 4 + 15
  assert lines.cpu_seconds['dino_linear'] == 4 + 5
  assert lines.wall_seconds['knn'] == 2 + 7.5
  n = lines.num_features['all_ridge']
  assert n == lines.num_features['all_l21'] == model['num_features']
  assert lines.bytes['all_ridge'] == cost.head_bytes(10, n)
  assert lines.bytes['dino_linear'] == cost.head_bytes(10, 320)
  for method, count in (('alf', 1234), ('vqt', 777)):
    size = lines.bytes[method] - 4 * count
    assert 0 <= size < 1000  # What names and shapes of a file take.
  # Who asks the network needs no pass for features; it is a part of training.
  assert lines.cpu_seconds['alf'] == 4 + 5 == 4 + lines.cpu_seconds['vqt']
  assert lines.bytes['knn'] == cost.neighbours_bytes(1000, 1280)


def test_without_methods_after_head2toe_the_table_is_not_repeated():
  assert measured_cost.by_method(_RUN, [made.costly_unit()]).empty
  failed = made.with_successors(made.costly_unit(), ridge={'failed': 'why'})
  assert measured_cost.by_method(_RUN, [failed]).empty


def test_heads_trained_for_another_method_are_counted():
  """+All-l2,1 and Head2Toe's selection may have the same first heads."""
  (row,) = measured_cost.measured(
    _RUN, [made.costly_unit(all_l21_coefficient=1e-5)]
  ).to_dict('records')
  assert row['head2toe_cpu_seconds'] == 4 + (120 + 60) / 6


def test_a_network_that_cannot_be_built_has_no_cost():
  """Nor does the page end for it."""
  run = made.run('of a plugin')
  assert measured_cost.measured(run, [made.costly_unit()]).empty
  unit = made.with_successors(made.costly_unit(), ridge={'num_features': 3})
  assert measured_cost.by_method(run, [unit]).empty
  assert len(measured_cost.by_method(_RUN, [unit])) == 5


def test_in_short_it_has_no_clocks_or_steps_but_a_mean():
  table = measured_cost.measured(_RUN, [made.costly_unit()])
  other = table.assign(task='u', finetune_cpu_seconds=300.0)
  found = measured_cost.in_short(pd.concat([table, other]))
  assert list(found.task) == ['t', 'u', 'mean']
  first, second, mean = found.finetune_cpu_seconds
  assert mean == (first + second) / 2 and second == 300
  assert not any('wall' in c or 'steps' in c for c in found)
