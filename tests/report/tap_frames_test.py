import pandas as pd
import pytest

from tests.report import rows as rows_lib
from vtab_h2t.report import tap_frames as frames
from vtab_h2t.studies import one_tap

_TAPS = [{'tap': one_tap.NO_TAP}, {'tap': 'a'}, {'tap': 'b'}, {'tap': 'c'}]


def _one_tap_rows():
  rows = rows_lib.of_study(
    'one_tap',
    _TAPS,
    {
      't': [(20, 30, 90), (10, 20, 60), (80, 90, 30), (90, 10, 70)],
      'u': [(8, 8, 8), (8, 8, 8), (9, 9, 9), (9, 9, 9)],
    },
  )
  return rows + [
    {
      'method': 'one_tap',
      'split': 'val',
      'task': task,
      'tap': tap,
      'correct': correct,
    }
    for task, tap, correct in (
      ('t', one_tap.NO_TAP, 9),
      ('t', 'a', 7),
      ('t', 'b', 5),
      ('t', 'c', 7),
      ('u', 'a', 1),
      ('u', 'b', 2),
      ('u', 'c', 3),
    )
  ]


def test_one_tap_and_the_oracle():
  rows = _one_tap_rows()
  taps = frames.one_tap(rows)
  assert taps.tap.tolist() == ['a', 'b', 'c'] * 2
  assert taps.percent.tolist() == [10, 40, 35, 4, 4.5, 4.5]
  assert taps.depth.tolist() == [0, 1, 2, 0, 1, 2]
  # Linear is the study's own: the embedding alone.
  assert taps.linear.tolist() == [15] * 3 + [4] * 3
  assert taps.gain.tolist() == [-5, 25, 20, 0, 0.5, 0.5]
  assert taps.relative_gain.to_numpy() == pytest.approx(
    [-100 / 3, 500 / 3, 400 / 3, 0, 12.5, 12.5]
  )
  chosen = frames.chosen_taps(rows)
  assert chosen.chosen_tap.tolist() == ['a', 'c']
  best = frames.oracle(taps, chosen)
  assert best.oracle_tap.tolist() == ['b', 'b']
  assert best.oracle.tolist() == [40, 4.5] and best.chosen.tolist() == [10, 4.5]
  assert best.oracle_gain.tolist() == [25, 0.5]
  assert best.oracle_features.tolist() == [10, 10]


def test_a_tap_that_failed_on_a_task_leaves_the_others_their_depth():
  rows = [
    r | {'correct': None} if (r['task'], r['tap']) == ('t', 'a') else r
    for r in _one_tap_rows()
  ]
  taps = frames.one_tap(rows)
  assert taps.tap.tolist() == ['b', 'c', 'a', 'b', 'c']
  assert taps.depth.tolist() == [1, 2, 0, 1, 2]
  table = frames.layer_correlations(taps, pd.Series({'t': 1.0, 'u': 2.0}))
  assert table.tap.tolist() == ['a', 'b', 'c']
  assert table.tasks.tolist() == [1, 2, 2]


def test_without_the_embedding_alone_there_is_no_gain():
  rows = [r for r in _one_tap_rows() if r['tap'] != one_tap.NO_TAP]
  taps = frames.one_tap(rows)
  assert len(taps) == 6 and taps.gain.isna().all()


def test_layers_are_correlated_with_affinity():
  taps = frames.one_tap(
    rows_lib.of_study(
      'one_tap',
      _TAPS[:3],
      {
        't': [(100,), (110,), (104,)],
        'u': [(50,), (53,), (56,)],
        'v': [(10,), (10,), (12,)],
        'w': [(10,), (10,), (90,)],
      },
    )
  )
  table = frames.layer_correlations(
    taps, pd.Series({'t': 1.0, 'u': 2.0, 'v': 3.0})
  )
  assert table.tap.tolist() == ['a', 'b'] and table.tasks.tolist() == [3, 3]
  # In percent of Linear a gains 10, 6, 0 and b 4, 12, 20; in points b gains 2,
  # 3, 1.
  assert table.spearman.tolist() == [-1, 1]
  assert table.spearman_points[1] == pytest.approx(-0.5)


def test_layers_of_the_selected_features_of_one_number():
  rows = rows_lib.of_study(
    'granularity',
    [
      {'kind': 'features', 'num_features': 4},
      {'kind': 'features', 'num_features': 8},
    ],
    {'t': [(1, 1), (1, 1)], 'u': [(1, 1), (1, 1)]},
  )
  for row, kept in zip(rows, (1, 3, 9, 9) * 2):
    row['selected_by_tap'] = {'a': [kept, 10], 'b': [4 - kept, 40]}
  table = frames.layers(rows, 't', 4)
  assert table.tap.tolist() == ['a', 'b'] and table.depth.tolist() == [0, 1]
  assert table.kept.tolist() == [2, 2] and table['size'].tolist() == [10, 40]
  assert table.share.tolist() == [0.5, 0.5]


def test_units_of_the_chosen_setting_add_up_to_1():
  rows = [
    {
      'task': 't',
      'group': 'natural',
      'selected_by_tap': {
        'root': [a, 10],
        'block1_unit1_layer0': [1, 10],
        'block1_unit1_layer1': [2, 10],
        'logits': [5 - a, 40],
      },
    }
    for a in (1, 3)
  ]
  table = frames.units(rows)
  assert table.unit.tolist() == ['root', 'block1_unit1', 'logits']
  assert table.depth.tolist() == [0, 1, 2]
  assert table.share.to_numpy() == pytest.approx([2 / 8, 3 / 8, 3 / 8])
  assert table.share.sum() == pytest.approx(1)
