import dataclasses
import math

import pytest

from tests.report import made
from vtab_h2t.backbones import registry
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import cost
from vtab_h2t.report import measured_cost

_RUN = made.run('efficientnet_lite0')


def _unit(resumed=(), all_l21_coefficient=1e-4):
  """Ten classes, three seeds, two tasks timed together."""
  common = {'task': 't', 'split': 'test'}
  head = {'learning_rate': 0.1, 'steps': 500, 'target_size': 256}
  rows = {
    'linear': common | {'learning_rate': 0.1, 'steps': 500},
    'all_l21': common | head | {'coefficient': all_l21_coefficient},
    'head2toe': common | head | {'coefficient': 1e-5, 'fraction': 0.01},
    'finetune': common | {'learning_rate': 0.1, 'steps': 80, 'batch': 64},
  }
  seconds = {
    'embed train': 4,
    'train linear': 6,
    'train all_l21': 60,
    'train head2toe': 120,
    'train finetune': 600,
    'test': 1000,
  }
  facts = {
    'task': 't',
    'tasks': ['t', 'u'],
    'resumed': list(resumed),
    'seeds': {method: [0, 1, 2] for method in rows},
    'seconds': {
      k: {'cpu': float(v), 'wall': v / 2} for k, v in seconds.items()
    },
  }
  return ledger_lib.Measurement(
    facts,
    {m: [r | {'split': 'val'}] + [r] * 3 for m, r in rows.items()},
    {'classes': 10},
  )


def test_a_training_that_failed_has_no_cost():
  unit = _unit()
  unit.rows['finetune'][-1]['failed'] = 'not finite'
  assert not measured_cost.suffices([unit])
  assert measured_cost.suffices([_unit()])


def test_measured_cost_of_a_unit():
  table = measured_cost.measured(
    _RUN,
    [
      _unit(),
      _unit(resumed=['finetune']),
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
  frozen, tuned = _unit(), _unit()
  del frozen.rows['finetune']
  tuned = dataclasses.replace(tuned, rows={'finetune': tuned.rows['finetune']})
  tuned.facts['seconds']['embed train'] = {'cpu': 9.0, 'wall': 9.0}
  (alone,) = measured_cost.measured(_RUN, [_unit()]).to_dict('records')
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
  (row,) = measured_cost.measured(_RUN, [frozen, tuned, _unit()]).to_dict(
    'records'
  )
  assert row['seconds_vs_finetune'] == 0.24


def test_a_pass_over_kept_features_is_what_it_took_when_they_were_made():
  later = _with_successors(_unit(), ridge={'num_features': 1280})
  later = dataclasses.replace(later, rows={'ridge': later.rows['ridge']})
  later.facts['seconds']['embed train'] = {'cpu': 0.1, 'wall': 0.1}
  later.facts['processor'] = 'p'
  lines = measured_cost.by_method(_RUN, [later, _unit()]).set_index('method')
  assert lines.cpu_seconds['ridge'] == 4 + 15
  assert lines.wall_seconds['ridge'] == 2 + 7.5
  later.facts['seconds']['choose ridge'] = {'cpu': 6.0, 'wall': 6.0}
  found = measured_cost.seconds_by_method([_unit(), later])
  assert found == {
    ('ridge', 't'): measured_cost.Seconds(choose=3, train=19, processor='p')
  }


def test_shares_say_which_budgets_differ():
  table = measured_cost.measured(_RUN, [_unit()])
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


def _with_successors(unit, **rows):
  """The same with test rows of methods after Head2Toe, 30 seconds each."""
  for method, row in rows.items():
    unit.rows[method] = [{'task': 't', 'split': 'test'} | row] * 3
    unit.facts['seeds'][method] = [0, 1, 2]
    unit.facts['seconds'][f'train {method}'] = {'cpu': 30.0, 'wall': 15.0}
  return unit


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
      _with_successors(
        _unit(),
        all_ridge={'coefficient': 0.1, 'target_size': 256, 'num_features': 7},
        knn={'neighbours': 3, 'num_features': 1280, 'num_examples': 1000},
        dino_linear={'steps': 5, 'num_features': 320},
        alf={'steps': 5, 'num_features': 640, 'num_parameters': 1234},
        vqt={'queries': 1, 'num_features': 50, 'num_parameters': 777},
      ),
      _with_successors(
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
        *('linear', 'all_l21', 'head2toe', 'all_ridge', 'knn', 'dino_linear'),
        *('alf', 'vqt', 'finetune'),
      )
    ),
  ]
  lines = table[table.task == 't'].set_index('method')
  (model,) = measured_cost.measured(_RUN, [_unit()]).to_dict('records')
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
  assert measured_cost.by_method(_RUN, [_unit()]).empty
  failed = _with_successors(_unit(), ridge={'failed': 'why'})
  assert measured_cost.by_method(_RUN, [failed]).empty


def test_heads_trained_for_another_method_are_counted():
  """+All-l2,1 and Head2Toe's selection may have the same first heads."""
  (row,) = measured_cost.measured(
    _RUN, [_unit(all_l21_coefficient=1e-5)]
  ).to_dict('records')
  assert row['head2toe_cpu_seconds'] == 4 + (120 + 60) / 6


def test_a_network_that_cannot_be_built_has_no_cost():
  """Nor does the page end for it."""
  run = made.run('of a plugin')
  assert measured_cost.measured(run, [_unit()]).empty
  unit = _with_successors(_unit(), ridge={'num_features': 3})
  assert measured_cost.by_method(run, [unit]).empty
  assert len(measured_cost.by_method(_RUN, [unit])) == 5


def test_tasks_that_were_timed_together_count_once():
  together = {
    'tasks': ['one', 'two'],
    'seconds': {'choose': {'wall': 6.0, 'cpu': 8.0}},
  }
  alone = {'task': 'three', 'seconds': {'choose': {'wall': 1.0, 'cpu': 2.0}}}
  facts = [together | {'task': t} for t in together['tasks']] + [alone]
  assert measured_cost.total_seconds(facts, 'wall') == 7
  assert measured_cost.total_seconds(facts, 'cpu') == 10
