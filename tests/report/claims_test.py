"""What the statistics are; `judging_test` has the verdicts."""

import math

import numpy as np
import pytest

from tests.report import made
from vtab_h2t.report import claim as claim_lib
from vtab_h2t.report import claims
from vtab_h2t.report import claims_overlap
from vtab_h2t.report import jobs
from vtab_h2t.studies import relevance
from vtab_h2t.tasks import registry as tasks

_BY_ID = {c.id: c for c in claims.CLAIMS}


def _of(name, values):
  found = _BY_ID[name].statistic(
    {c: np.array(v, float) for c, v in values.items()}
  )
  return float(found)


def test_claims_are_told_apart_and_of_known_jobs():
  assert len(_BY_ID) == len(claims.CLAIMS) > 80
  known = {*jobs.JOBS, claim_lib.COST, claim_lib.SEARCH}
  for claim in claims.CLAIMS:
    assert set(claim.jobs) <= known, claim.id
    assert set(claim.of) <= set(claim_lib.BOTH) and claim.of
    assert claim.where and claim.sentence.endswith('.')
    assert bool(claim.untested) or claim.text != 'none'
    assert set(claim.printed) <= set(claim_lib.BOTH)


def test_shares_of_tasks_have_an_error_and_bounds():
  shares = [c for c in claims.CLAIMS if c.text.startswith('share of the tasks')]
  assert len(shares) > 3
  for claim in (*shares, _BY_ID['tasks_share_few_features']):
    assert claim.least_error and claim.bounds == (-0.5, 0.5), claim.id


def test_every_section_and_appendix_with_results_is_there():
  places = ' '.join(c.where for c in claims.CLAIMS)
  for place in (
    *('abstract', 'section 1', 'section 2', 'section 3.1', 'section 3.2'),
    *('section 3.3', 'section 4.1', 'section 4.2', 'section 4.3'),
    *(f'Appendix {a}' for a in 'BDFGHIJ'),
    *(f'Figure {n}' for n in (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 15)),
    *(f'Table {n}' for n in (1, 3, 4, 6, 7)),
  ):
    assert place in places


def test_statistics_of_many_replicates_are_those_of_each():
  """All that is computed at once; the conditions are made up."""
  rng = np.random.default_rng(0)
  names = [
    *(*claim_lib.FROZEN, 'scratch', 'finetune', 'head2toe_ft'),
    *('head2toe_ft_plus', 'linearized', 'second linear', 'second scratch'),
    *('original', 'variant', 'tap none', 'tap a', 'tap b', 'tap c', 'control'),
    *('validated a', 'validated b', 'validated c', 'early', 'later', 'few'),
    'kept',
    *('within', 'between', 'twin', 'others', 'own', 'other t', 'other u'),
    *('operations', 'storage', 'storage_vs_linear', 'seconds', 'overhead'),
    *('displacement', 'other snorb_elev'),
    *(f'deviation of {m}' for m in (*claim_lib.FROZEN, 'finetune')),
    *(f'is {g}' for g in ('natural', 'structured')),
  ]
  common = {n: rng.normal(50, 9, (7, 6)) for n in names}
  for group in ('natural', 'structured'):
    common[f'is {group}'] = np.tile(
      [float((i % 2 == 0) == (group == 'natural')) for i in range(6)], (7, 1)
    )
  common['tasks that the paper groups'] = common['is natural']
  own = {
    'granularity': {
      f'{k} {n}': rng.normal(size=(7, 6))
      for k in ('features', 'taps_mean', 'taps_group')
      for n in (9, 10, 100)
    },
    'scaling': {
      f'{t} {s}': rng.normal(size=(7, 6)) for t in (9, 10) for s in (1, 4, 16)
    },
    'offset': {str(o): rng.normal(size=(7, 6)) for o in (0, 9, 10)},
    'coefficient': {str(c): rng.normal(size=(7, 6)) for c in (0.0, 1e-5, 1e-3)},
    'reduced': {
      f'fraction {f}': rng.normal(size=(7, 6)) for f in (0.1, 0.5, 1.0)
    },
  }
  for claim in claims.CLAIMS:
    if claim.untested:
      continue
    values = own.get(claim.jobs[-1])
    if values:
      values = values | {n: common[n] for n in claim.needs if n in common}
    if values is None:  # Statistics that take all there is.
      needs = [n for n in claim.needs if not n.endswith('*')]
      values = {n: common[n] for n in needs} or common
      if claim.jobs[-1] in ('one_tap', 'control', 'transfer'):
        values = common
      if claim.jobs[-1] == 'transfer':
        values = {n: common[n] for n in ('own', 'other t', 'other snorb_elev')}
    values = values | {n: common[n] for n in common if n.startswith('is ')}
    if len(claim.groups) < 2:
      values = {n: v for n, v in values.items() if not n.startswith('is ')}
    whole = claim.statistic(values)
    one_by_one = [
      claim.statistic({n: v[i] for n, v in values.items()}) for i in range(7)
    ]
    np.testing.assert_allclose(whole, one_by_one, err_msg=claim.id)


def test_places_are_ordered_by_their_number():
  # 10 comes after 9; the first task falls, the second rises, the third is flat.
  places = {'9': [3, 1, 2], '10': [2, 2, 2], '100': [1, 3, 2]}
  assert _of('ranking_matters', places) == pytest.approx(0)  # Of -1 and 1.
  assert _of('ranking_matters', {'0': [9], '20': [5], '3': [7]}) == 1
  assert math.isnan(_of('ranking_matters', {'0': [9]}))
  # Means 9, 6, 7: the last step rises by 1.
  assert _of('ranking_monotone', {'0': [9], '3': [6], '20': [7]}) == -1


def test_layers_are_compared_at_equal_numbers_of_features():
  """Not at the best of each curve, and not with all features."""
  values = {
    'features 10': [60, 50],
    'features 100': [70, 60],
    'features 400': [65, 65],
    'taps_mean 10': [50, 45],  # 10 and 5 less
    'taps_mean 100': [68, 59],  # 2 and 1 less
    'taps_mean 400': [65, 65],
    'taps_group 10': [62, 40],
    'taps_group 100': [72, 50],
    'taps_group 400': [65, 65],
    'taps_group 7': [99, 99],  # A number that the others lack.
  }
  assert _of('features_above_taps_mean', values) == (10 + 5 + 2 + 1) / 4
  assert _of('features_above_taps_group', values) == (-2 + 10 - 2 + 10) / 4
  # Of two tasks the second: less the better kind -2, -2; 5, 1.
  assert _of('features_above_taps_mostly', values) == 0
  assert _of('features_above_taps', values) == min(18, 16) / 4
  # Means 55, 65, 65: in between 65, at the ends 65.
  assert _of('number_kept_in_between', values) == 0
  del values['features 100']
  assert math.isnan(_of('number_kept_in_between', values))


def test_own_features_are_compared_where_there_are_others():
  nan = math.nan
  values = {'own': [9, 5, 7], 'other t': [nan, 4, 4], 'other u': [nan, 2, nan]}
  assert _of('own_features_best', values) == ((5 - 3) + (7 - 4)) / 2
  assert math.isnan(_of('own_features_best', {'own': [9]}))
  assert _of('own_features_best_mostly', values) == 0.5
  # t: 9, 4, 4; u: 9, 2, 7. The own 21 of 3.
  assert _of('no_source_serves_all', values) == pytest.approx(7 - 6)


def test_the_oracle_and_the_layers():
  taps = {
    'tap none': [50, 50, 50],
    'tap a': [51, 58, 50],
    'tap b': [50, 49, 56],
  }
  affinity = {'linear': [60, 50, 40], 'scratch': [0, 20, 30]}  # 60, 30, 10
  assert _of('oracle_above_linear', taps) == (1 + 8 + 6) / 3
  control = taps | {'control': [51, 50, 50]}
  assert _of('oracle_above_control', control) == pytest.approx(14 / 3)
  assert _of('control_above_linear', control) == pytest.approx(1 / 3)
  # Gains 1, 8, 6 with affinities 60, 30, 10: rho is -0.5.
  both = taps | affinity
  assert _of('oracle_gain_falls_with_affinity', both) == pytest.approx(0.5)
  # a: 1, 8, 0 has 0.5; b: 0, -1, 6 has -0.5.
  assert _of('no_layer_gains_with_affinity', both) == pytest.approx(0.2 - 0.5)
  assert _of('later_layers_correlate_more', both) == pytest.approx(1)


def test_each_task_has_a_layer_of_its_own_by_validation():
  """Not by test, by which the best of noise would always be better."""
  values = {
    'tap none': [0, 0],
    'tap a': [50, 60],
    'tap b': [55, 50],
    'validated a': [40, 48],
    'validated b': [42, 41],
  }
  # By validation b and a; on average a. By test 55 and 60; 50 and 60.
  assert _of('best_layer_differs', values) == 57.5 - 55


def test_groups_gain_more_or_less():
  values = {
    'tap none': [50, 50, 50],
    'tap a': [51, 58, 56],
    'is natural': [1, 0, 0],
    'is structured': [0, 1, 1],
  }
  assert _of('structured_gain_more_than_natural', values) == 7 - 1


def test_margins_are_a_point_and_a_fifth():
  values = {'head2toe': [60, 60], 'finetune': [60.5, 61]}
  assert _of('head2toe_matches_finetune', values) == pytest.approx(0.25)
  coefficients = {'0.0': [10, 20], '1e-05': [50, 60], '0.001': [50.5, 60.3]}
  assert _of('robust_to_the_coefficient', coefficients) == pytest.approx(0.6)
  assert _of('some_coefficient_is_needed', coefficients) == pytest.approx(40.2)


def test_candidates():
  values = {
    '256 16': [50, 50],
    '256 4': [52, 50],
    '256 1': [53, 51],
    '4096 16': [51, 53],
    '4096 4': [58, 45],
    '4096 1': [59, 47],
  }
  assert _of('more_candidates_help', values) == (9 - 3) / 2
  assert _of('all_layers_best', values) == 1  # 2, 1, 1 and 1.5.
  # One task gains 6, the other loses 4, from 256 to 4096 with all taps.
  assert _of('two_groups_of_tasks', values) == 4 - 1
  assert _of('two_groups_of_tasks', {'256 1': [50], '4096 1': [60]}) == -1


def test_the_best_of_all_has_the_best_mean():
  values = {
    'head2toe': [50, 60],
    'linear': [70, 30],
    'all_l2': [52, 56],
    'finetune': [40, 64],
  }
  assert _of('head2toe_best_on_average', values) == 55 - 54
  values |= {'head2toe_ft': [60, 60], 'head2toe_ft_plus': [58, 60]}
  assert _of('ft_plus_best', values) == 59 - 60
  # 60 and 60 against 58 and 60.
  assert _of('ft_plus_not_the_better', values) == 1
  values['head2toe_ft_plus'] = [62, 60]
  assert _of('ft_plus_not_the_better', values) == 1
  assert _of('natural_head2toe_ft_poor_on_some', values) == 0 - 1


def _selection(task, seed, columns):
  return {
    'job': 'relevance',
    'split': 'selection',
    'task': task,
    'seed': seed,
    'num_features': 40,
    'selected': relevance.pack(np.array(columns), 40),
  }


def test_overlap_of_selections():
  rows = [
    _selection('sprites_loc', 0, range(10)),
    _selection('sprites_loc', 1, range(2, 12)),
    _selection('sprites_ori', 0, range(5, 15)),
    _selection('digits', 0, range(30, 40)),
  ]
  within = _BY_ID['seeds_share_more_than_tasks'].gather(rows)
  assert within['within'] == {'sprites_loc': pytest.approx([0.8, 0.8])}
  # Loc has 5 and 7 of 10 of the other, and none of digits'.
  assert within['between']['sprites_loc'] == pytest.approx([0.3])
  few = _BY_ID['tasks_share_few_features'].gather(rows)
  assert few == {
    'few': {'sprites_loc': [0.5], 'sprites_ori': [0.5], 'digits': [1.0]}
  }
  twins = _BY_ID['same_images_share_most'].gather(rows)
  assert twins['twin'] == {
    t: pytest.approx([0.6]) for t in ('sprites_loc', 'sprites_ori')
  }
  assert twins['others']['sprites_ori'] == [0]
  assert claims_overlap.OVERLAP[0].gather([]) == {}


@pytest.mark.parametrize('suite', ['embedded', 'vtab'])
def test_twins_label_the_same_images(suite):
  """By their names as by their data."""
  found = tasks.tasks(suite) if suite == 'embedded' else None
  if found is None:
    names = tasks.order(suite)
    twins = [
      ['clevr_count', 'clevr_dist'],
      ['dsprites_loc', 'dsprites_ori'],
      ['snorb_azim', 'snorb_elev'],
    ]
  else:
    names = [t.name for t in found]
    twins = [
      [t.name for t in same]
      for same in tasks.sharing_images(found)
      if len(same) > 1
    ]
  by_stem = {}
  for name in names:
    by_stem.setdefault(claims_overlap.stem(name), []).append(name)
  assert sorted(v for v in by_stem.values() if len(v) > 1) == sorted(twins)


def test_depth_is_that_of_blocks():
  """Of five the middle one is in neither half; the first has two taps."""
  row = made.row(made.run(), 'accuracy', 'head2toe', 'digits', 0, 50)
  row['selected_by_tap'] = {
    'block01_a': [1, 9],
    'block01_b': [2, 9],
    'block02_a': [1, 9],
    'block03_a': [10, 30],
    'block04_a': [4, 9],
    'block05_a': [2, 9],
  }
  found = _BY_ID['later_layers_selected_more'].gather([row])
  assert found == {'early': {'digits': [4 / 20]}, 'later': {'digits': [6 / 20]}}
  for nothing in ({}, {'a': [0, 9], 'b': [0, 9]}, {'a': [3, 9]}):
    row['selected_by_tap'] = nothing
    assert _BY_ID['later_layers_selected_more'].gather([row]) == {}


def test_deviations_are_of_seeds_or_as_a_row_tells():
  rows = [
    made.row(made.run(), 'accuracy', 'linear', 'digits', s, p)
    for s, p in enumerate((50, 52, 54))
  ]
  gather = _BY_ID['linear_deviates_least'].gather
  assert gather(rows) == {'deviation of linear': {'digits': [2.0]}}
  assert gather(rows[:1]) == {}
  assert gather([rows[0] | {'deviation': 0.3}]) == {
    'deviation of linear': {'digits': [0.3]}
  }
  value = _of(
    'linear_deviates_least',
    {'deviation of linear': [2, 1], 'deviation of head2toe': [3, 4]},
  )
  assert value == 2
