import numpy as np
import pandas as pd
import pytest

from tests import testing
from vtab_h2t import published
from vtab_h2t.report import frames
from vtab_h2t.report import statistics
from vtab_h2t.studies import relevance


def _rows(study, fields, counts, group='natural', total=200):
  """Test rows: for each of `fields` one for each seed's count."""
  return [
    {
      'protocol': 'exact',
      'method': study,
      'split': 'test',
      'task': task,
      'group': group,
      'seed': seed,
      'correct': correct,
      'total': total,
      'num_features': 10,
    }
    | one
    for task, by_seed in counts.items()
    for one, seeds in zip(fields, by_seed)
    for seed, correct in enumerate(seeds)
  ]


def test_published_accuracies_re_add_to_the_printed_means():
  for backbone in ('resnet50', 'vit_b16'):
    table = frames.published_accuracies(backbone)
    assert table.task.nunique() == 19 and 'mean' not in set(table.task)
    printed = published.table('table1_accuracy')
    printed = printed[(printed.backbone == backbone) & (printed.task == 'mean')]
    means = table.groupby('method').percent.mean()
    for row in printed.itertuples():
      assert means[row.method] == pytest.approx(row.accuracy_percent, abs=0.06)


def test_affinity_and_gains_of_the_published_table():
  table = frames.by_affinity(frames.published_accuracies('resnet50'))
  assert len(table) == 19 and table.affinity.is_monotonic_increasing
  assert table.task.iloc[[0, -1]].tolist() == ['dsprites_loc', 'pets']
  gains = frames.gains(table, 'linear', ('head2toe', 'finetune'))
  # methods.md: -0.789 from the rounded table.
  assert statistics.spearman(gains.affinity, gains.head2toe_gain) == (
    pytest.approx(-0.789, abs=5e-4)
  )
  row = gains[gains.task == 'svhn'].iloc[0]
  assert row.head2toe_gain == pytest.approx(36.7, abs=0.15)


def test_affinities_of_the_published_backbones():
  table = frames.affinities(
    {
      b: frames.by_affinity(frames.published_accuracies(b))
      for b in ('resnet50', 'vit_b16')
    }
  )
  assert len(table) == 19
  # The paper prints 0.907 from unrounded numbers.
  assert statistics.spearman(table.resnet50, table.vit_b16) == pytest.approx(
    0.868, abs=5e-4
  )


def test_measured_accuracies_are_medians_of_test_rows():
  table = frames.accuracies(testing.result_rows())
  assert len(table) == 6
  assert (
    table[(table.method == 'linear') & (table.task == 'x')].percent.item() == 50
  )


def test_tasks_without_linear_or_scratch_have_no_affinity():
  table = pd.DataFrame(
    [
      ('linear', 't', 'g', 5.0),
      ('scratch', 't', 'g', 3.0),
      ('linear', 'u', 'g', 5.0),
      ('finetune', 'v', 'g', 9.0),
    ],
    columns=['method', 'task', 'group', 'percent'],
  )
  assert frames.by_affinity(table).task.tolist() == ['t']
  # Also where all trainings of one of them failed.
  only = frames.by_affinity(table[table.method == 'linear'])
  assert only.empty and {'affinity', 'scratch'} <= set(only)


def test_affinities_are_of_tasks_that_both_have():
  one = pd.DataFrame({'task': ['t', 'u'], 'group': 'g', 'affinity': [1.0, 2]})
  two = pd.DataFrame({'task': ['v', 'u'], 'group': 'g', 'affinity': [3.0, 4]})
  table = frames.affinities({'a': one, 'b': two})
  assert table[['task', 'a', 'b']].to_numpy().tolist() == [['u', 2, 4]]


def test_one_tap_and_the_oracle():
  rows = _rows(
    'one_tap',
    [{'tap': 'a'}, {'tap': 'b'}, {'tap': 'c'}],
    {
      't': [(10, 20, 60), (80, 90, 30), (90, 10, 70)],
      'u': [(8, 8, 8), (9, 9, 9), (9, 9, 9)],
    },
  )
  rows += [
    {
      'method': 'one_tap',
      'split': 'val',
      'task': task,
      'tap': tap,
      'correct': correct,
    }
    for task, tap, correct in (
      ('t', 'a', 7),
      ('t', 'b', 5),
      ('t', 'c', 7),
      ('u', 'a', 1),
      ('u', 'b', 2),
      ('u', 'c', 3),
    )
  ]
  taps = frames.one_tap(rows)
  assert taps.percent.tolist() == [10, 40, 35, 4, 4.5, 4.5]
  assert taps.depth.tolist() == [0, 1, 2, 0, 1, 2]
  chosen = frames.chosen_taps(rows)
  assert chosen.chosen_tap.tolist() == ['a', 'c']
  best = frames.oracle(taps, chosen)
  assert best.oracle_tap.tolist() == ['b', 'b']
  assert best.oracle.tolist() == [40, 4.5] and best.chosen.tolist() == [10, 4.5]


def test_group_means():
  groups = pd.Series({'t': 'natural', 'u': 'structured', 'v': 'structured'})
  table = frames.group_means(
    {'linear': pd.Series({'t': 10.0, 'u': 20.0, 'v': 60.0})}, groups
  )
  assert table.iloc[0].to_dict() == {
    'method': 'linear',
    'average': 30,
    'natural': 10,
    'structured': 40,
  }


def test_granularity_and_its_mean_over_tasks():
  rows = _rows(
    'granularity',
    [
      {'kind': 'features', 'fraction': 0.1},
      {'kind': 'taps_mean', 'num_taps': 4},
    ],
    {'t': [(20, 40, 30), (2, 4, 3)], 'u': [(40, 40, 40), (0, 0, 0)]},
  )
  rows[3]['num_features'] = rows[4]['num_features'] = 30
  table = frames.granularity(rows)
  assert table.percent.tolist() == [15, 1.5, 20, 0]
  assert table.step.tolist() == [0.1, 4, 0.1, 4]
  assert table.num_features.tolist() == [10, 30, 10, 10]
  mean = frames.mean_over_tasks(table, ['kind', 'step'])
  assert mean.percent.tolist() == [17.5, 0.75]
  assert mean.num_features.tolist() == [10, 20]


def test_transfer_is_compared_with_the_tasks_own():
  rows = _rows(
    'transfer',
    [{'source': 't'}, {'source': 'u'}],
    {'t': [(100,), (80,)], 'u': [(30,), (40,)]},
  )
  table = frames.transfer(rows)
  assert table.loss.tolist() == [0, 10, 5, 0]


def test_overlap_counts_shared_features_between_seeds_and_tasks():
  columns = {
    ('t', 0): [0, 1, 2, 3],
    ('t', 1): [0, 1, 2, 9],
    ('u', 0): [8, 9, 4, 5],
    ('u', 1): [0, 1, 8, 9],
  }
  rows = [
    {
      'method': 'relevance',
      'split': 'selection',
      'task': t,
      'seed': s,
      'num_features': 10,
      'selected': relevance.pack(np.array(c), 10),
    }
    for (t, s), c in columns.items()
  ]
  table = frames.overlap(rows).set_index(['task', 'other'])
  assert table.shared['t', 't'] == 3 / 4
  assert table.shared['u', 'u'] == 2 / 4
  # t0-u0: 0, t0-u1: 2, t1-u0: 1, t1-u1: 3, of 4 each.
  assert table.shared['t', 'u'] == table.shared['u', 't'] == 6 / 16
  assert (table.chance == 0.4).all()


def test_depth_is_the_mean_over_seeds():
  rows = [
    {
      'method': 'relevance',
      'split': 'selection',
      'task': 't',
      'group': 'natural',
      'seed': seed,
      'selected_by_tap': {'a': [a, 10], 'b': [4 - a, 40]},
    }
    for seed, a in ((0, 1), (1, 3))
  ]
  table = frames.depth(rows)
  assert table.tap.tolist() == ['a', 'b'] and table.depth.tolist() == [0, 1]
  assert table.share_of_selection.tolist() == [0.5, 0.5]
  assert table.share_of_tap.tolist() == [0.2, 0.05]


def test_reduced_has_the_whole_set_as_one():
  fields = [{'train_fraction': 0.5}, {}]
  rows = _rows('linear', fields, {'t': [(20, 30, 40), (60, 60, 60)]})
  rows += _rows('all_l1', fields, {'t': [(0, 0, 0), (0, 0, 0)]})
  table = frames.reduced(rows)
  assert table.method.unique().tolist() == ['linear']
  assert table.train_fraction.tolist() == [0.5, 1]
  assert table.percent.tolist() == [15, 30]


@pytest.mark.parametrize(
  'make, study, key, values',
  [
    (frames.offset, 'offset', 'offset', (0, 10)),
    (frames.scores, 'scores', 'score', ('l2', 'chi2')),
  ],
)
def test_medians_over_seeds(make, study, key, values):
  table = make(
    _rows(study, [{key: v} for v in values], {'t': [(1, 2, 30), (4, 4, 9)]})
  )
  assert table[key].tolist() == list(values)
  assert table.percent.tolist() == [1, 2]


def test_scaling_keeps_candidates_apart():
  table = frames.scaling(
    _rows(
      'scaling',
      [
        {'target_size': 30, 'tap_stride': s, 'num_candidates': 100 // s}
        for s in (4, 1)
      ],
      {'t': [(10, 20, 30), (20, 30, 40)]},
    )
  )
  assert table.num_candidates.tolist() == [25, 100]
  assert table.percent.tolist() == [10, 15]
