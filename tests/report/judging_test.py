import numpy as np
import pandas as pd
import pytest

from tests.report import made
from vtab_h2t.report import claims
from vtab_h2t.report import jobs
from vtab_h2t.report import judging
from vtab_h2t.toys import tables as toys

_BY_ID = {c.id: c for c in claims.CLAIMS}


def _rows(method, percents, noise=1.0, seed=0, job='accuracy', **fields):
  """Three seeds of each task around its percentage."""
  job = method if method in jobs.JOBS else job
  rng = np.random.default_rng(seed)
  rows = []
  for i, percent in enumerate(percents):
    for s in range(3):
      correct = round(10 * (percent + noise * rng.normal()))
      rows.append(
        {
          'method': method,
          'task': f't{i}',
          'seed': s,
          'split': 'test',
          'group': 'natural' if i % 2 else 'structured',
          'correct': correct,
          'total': 1000,
          'protocol': 'exact',
          'job': job,
        }
        | fields
      )
  return rows


_LINEAR = [40, 45, 50, 55, 60, 65, 70, 75]


@pytest.mark.parametrize(
  'gains, verdict',
  [
    ([8, 7, 9, 8, 6, 7, 8, 9], judging.HOLDS),
    ([-8, -7, -9, -8, -6, -7, -8, -9], judging.FAILS),
    ([8, -7, 9, -8, 6, -7, 8, -9], judging.UNDECIDED),
  ],
)
def test_a_difference_is_judged_by_its_interval(gains, verdict):
  ours = [a + g for a, g in zip(_LINEAR, gains)]
  rows = {
    'accuracy': _rows('linear', _LINEAR) + _rows('head2toe', ours, seed=1)
  }
  found = judging.judge(_BY_ID['head2toe_above_linear'], rows)
  assert found.verdict == verdict and found.tasks == 8
  assert found.interval.low <= found.interval.value <= found.interval.high
  assert found.interval.value == pytest.approx(np.mean(gains), abs=0.8)
  assert found.rows == 'accuracy/head2toe accuracy/linear'


def test_what_was_not_measured_cannot_be_tested():
  found = judging.judge(
    _BY_ID['head2toe_above_linear'], {'accuracy': _rows('linear', _LINEAR)}
  )
  assert found.verdict == judging.UNTESTABLE and found.interval is None
  assert found.rows == 'no rows of head2toe'
  other = [
    r | {'task': f'other {r["task"]}'} for r in _rows('head2toe', _LINEAR)
  ]
  found = judging.judge(
    _BY_ID['head2toe_above_linear'],
    {'accuracy': _rows('linear', _LINEAR) + other},
  )
  assert found.verdict == judging.UNTESTABLE
  assert found.rows == 'no task has all that is compared'
  for claim in claims.CLAIMS:
    assert judging.judge(claim, {}).verdict == judging.UNTESTABLE


def test_failed_trainings_and_other_jobs_do_not_count():
  rows = _rows('linear', _LINEAR) + _rows(
    'head2toe', [a + 5 for a in _LINEAR], seed=1
  )
  worse = [
    r | {'correct': 0, 'train_fraction': 0.1, 'job': 'reduced'} for r in rows
  ]
  failed = [r | {'correct': None} for r in rows]
  claim = _BY_ID['head2toe_above_linear']
  assert judging.judge(
    claim, {'accuracy': rows + failed, 'reduced': worse}
  ).interval == (judging.judge(claim, {'accuracy': rows}).interval)


def test_gain_against_affinity():
  scratch = [50, 48, 46, 44, 42, 40, 38, 36]  # Affinity rises from t0 to t7.
  ours = [a + g for a, g in zip(_LINEAR, range(24, 0, -3))]
  rows = {
    'accuracy': [
      *_rows('linear', _LINEAR),
      *_rows('scratch', scratch, seed=1),
      *_rows('head2toe', ours, seed=2),
    ]
  }
  found = judging.judge(_BY_ID['gain_falls_with_affinity'], rows)
  assert found.verdict == judging.HOLDS
  assert found.interval.value == pytest.approx(1, abs=0.1)
  # The oracle is the best tap of each task.
  rows['one_tap'] = [
    r
    for tap, seed in (('a', 3), ('b', 4))
    for r in _rows(
      'one_tap', [o - 10 * (tap == 'a') for o in ours], seed=seed, tap=tap
    )
  ]
  oracle = judging.judge(_BY_ID['oracle_gain_falls_with_affinity'], rows)
  assert oracle.verdict == judging.HOLDS


def test_studies_claims():
  rows = {
    'transfer': [
      r
      for source in ('t0', 't1', 't2')
      for r in _rows('transfer', [60, 60, 60], source=source)
    ],
    'offset': [
      r
      for i in range(5)
      for r in _rows('offset', [60 - 4 * i] * 4, offset=7 * i, seed=i)
    ],
    'scaling': [
      r
      for size, stride, add in (
        (256, 16, 0),
        (256, 1, 3),
        (4096, 16, 2),
        (4096, 1, 9),
      )
      for r in _rows(
        'scaling', [50 + add] * 4, target_size=size, tap_stride=stride
      )
    ],
    'granularity': [
      r
      for kind, key, step, percent in (
        ('features', 'fraction', 0.1, 70),
        ('features', 'fraction', 1.0, 90),
        ('taps_mean', 'num_taps', 1, 50),
        ('taps_mean', 'num_taps', 9, 90),
        ('taps_group', 'num_taps', 1, 60),
        ('taps_group', 'num_taps', 9, 90),
      )
      for r in _rows('granularity', [percent] * 4, kind=kind, **{key: step})
    ],
  }
  for row in rows['transfer']:
    row['correct'] += 50 * (row['task'] == row['source'])
  value = lambda name: judging.judge(_BY_ID[name], rows).interval.value
  assert value('own_features_best') == pytest.approx(5, abs=0.01)
  assert value('ranking_matters') == pytest.approx(1, abs=0.1)
  assert value('more_candidates_help') == pytest.approx(9, abs=0.1)
  # All features, or all taps, are no selection.
  assert value('features_above_taps') == pytest.approx(10, abs=0.1)


def test_reduced_and_ablation_claims():
  rows = {
    'accuracy': _rows('head2toe', [70] * 4),
    'reduced': _rows('head2toe', [60] * 4, train_fraction=0.1, job='reduced'),
    'pre_activation': _rows('head2toe', [68] * 4, job='pre_activation'),
    'cls_only': _rows('head2toe', [64] * 4, job='cls_only'),
    'cls_both': _rows('head2toe', [71] * 4, job='cls_both'),
  }
  value = lambda name: judging.judge(_BY_ID[name], rows).interval.value
  assert value('more_data_help') == pytest.approx(10)
  assert value('taps_above_pre_activation') == pytest.approx(2)
  assert value('class_token_only') == pytest.approx(6)
  assert value('class_token_both') == pytest.approx(1)
  assert (
    judging.judge(_BY_ID['taps_above_pre_normalization'], rows).verdict
    == judging.UNTESTABLE
  )


def test_the_rows_protocol_counts():
  """711 of 711 are 711 of 750 to the released evaluator."""
  of = made.run(protocol='official')
  rows = [
    made.row(of, 'accuracy', method, f't{i}', 0, 100, total=711)
    | {'correct': correct}
    for i in range(4)
    for method, correct in (('head2toe', 711), ('linear', 636))
  ]
  reduced = [
    made.row(
      of, 'reduced', 'head2toe', f't{i}', 0, 100, total=711, train_fraction=0.1
    )
    | {'correct': 561}
    for i in range(4)
  ]
  value = lambda name: (
    judging.judge(
      _BY_ID[name], {'accuracy': rows, 'reduced': reduced}
    ).interval.value
  )
  assert value('head2toe_above_linear') == pytest.approx(100 * 75 / 750)
  assert value('more_data_help') == pytest.approx(100 * 150 / 750)


def test_a_runs_claims_are_judged_once_and_one_task_does_not_do():
  rows = (
    _rows('linear', [40]) + _rows('scratch', [30]) + _rows('head2toe', [60])
  )
  results = made.results(rows)
  assert judging.verdicts(results) is judging.verdicts(results)
  table = judging.of_run(results).set_index('id')
  assert len(table) == len(claims.CLAIMS) + 1
  assert table.verdict['head2toe_above_linear'] == judging.HOLDS
  assert table.rows['gain_falls_with_affinity'] == '1 tasks do not do'
  assert table.verdict['cost_below_1_percent'] == judging.UNTESTABLE


def test_cost():
  share = lambda values: pd.DataFrame(
    {'task': list('abcd'), 'seconds_vs_finetune': values}
  )
  low = judging.cost_row(share([0.001, 0.002, 0.003, 0.002]))
  assert low['verdict'] == judging.HOLDS
  assert low['measured'] == pytest.approx(0.8)
  assert judging.cost_row(share([0.5] * 4))['verdict'] == judging.FAILS
  assert judging.cost_row(pd.DataFrame())['verdict'] == judging.UNTESTABLE


def test_toys_agree_with_the_companion_papers():
  table = judging.toy_table(toys.tables())
  assert (table.of == 10).all() and (table.verdict == judging.HOLDS).all()


def test_table_has_a_line_for_each_claim():
  table = judging.table([judging.judge(c, {}) for c in claims.CLAIMS])
  assert table.id.is_unique and len(table) == len(claims.CLAIMS)
  assert set(table.verdict) == {judging.UNTESTABLE}
