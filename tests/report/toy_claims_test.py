import math

import numpy as np
import pytest

from vtab_h2t.report import html_tables
from vtab_h2t.report import judging
from vtab_h2t.report import toy_claims
from vtab_h2t.toys import tables as toys

_NEAR, _FAR = (f'features {e} from perfect ones' for e in ('0.01', '1'))
_LARGE, _SMALL = (f'random head of scale {s}' for s in ('3', '1'))


@pytest.fixture(scope='module')
def tables():
  return toys.tables()


@pytest.fixture(scope='module')
def table(tables):
  return toy_claims.table(tables)


def test_toys_agree_with_the_companion_papers(table):
  """With good features and a head that is not small."""
  assert (table.of == 10).all()
  rows = table[~table.setting.isin((_FAR, _SMALL))]
  assert len(rows) == len(set(rows.id)) == 6 + 4 + 4
  assert (rows.seeds == 10).all() and (rows.verdict == judging.HOLDS).all()


def test_what_toys_do_not_agree_with_is_told(table):
  """Where features are bad, or the random head is small."""
  rows = table[table.setting.isin((_FAR, _SMALL))].set_index('id')
  other = rows[rows.verdict != judging.HOLDS]
  assert other.seeds.to_dict() == {
    'lp_ft_moves_less': 0,
    'dot_peaks_between': 9,
    'norm_peaks_between': 7,
  }
  assert other.verdict.to_dict() == {
    'lp_ft_moves_less': judging.FAILS,
    'dot_peaks_between': judging.UNDECIDED,
    'norm_peaks_between': judging.UNDECIDED,
  }


@pytest.mark.parametrize(
  'count, of, low, high',
  [(10, 10, 0.7225, 1.0), (9, 10, 0.5958, 0.9821), (0, 5, 0.0, 0.4345)],
)
def test_interval_of_a_share(count, of, low, high):
  """Wilson's (n p + z^2/2 -+ z sqrt(n p q + z^2/4)) / (n + z^2)."""
  found = toy_claims.share_interval(count, of)
  z, p = 1.959964, count / of
  half = z * math.sqrt(of * p * (1 - p) + z**2 / 4)
  wanted = [(count + z**2 / 2 + sign * half) / (of + z**2) for sign in (-1, 1)]
  assert found == pytest.approx(wanted, abs=1e-6)
  assert found == pytest.approx((low, high), abs=1e-4)


def test_what_seeds_can_tell_from_one_half():
  assert toy_claims.detectable(10) == 0.9
  assert toy_claims.detectable(4) == 1
  assert toy_claims.detectable(100) == pytest.approx(0.6)
  assert math.isnan(toy_claims.detectable(3))  # Not even all of three.


def test_intervals_and_what_is_detectable_are_in_the_table(table):
  for row in table.itertuples():
    assert row.low <= row.seeds / row.of <= row.high
    assert (row.low > 0.5) == (row.seeds / row.of >= row.detectable)
  assert 'smallest effect that could be seen' in html_tables.html(table)


def _agree(tables, name, setting=''):
  found = toy_claims.table(tables).set_index(['id', 'setting'])
  return found.loc[(name, setting), 'seeds']


def test_two_seeds_have_an_interval_but_can_tell_nothing():
  found = toy_claims.table(toys.tables((0, 1)))
  assert found.detectable.isna().all() and (found.low < 0.5).all()


@pytest.mark.parametrize(
  'name, changes',
  [
    ('ft_above_lp_id', {('lp', 'in_span'): 1e-30}),
    ('ft_below_lp_ood', {('lp', 'ood'): 99.0}),
    ('lp_ft_best_id', {('lp_ft', 'in_span'): 1e-3}),
    ('lp_ft_best_ood', {('lp_ft', 'ood'): 1e-2}),
    ('lp_ft_best_ood', {('lp', 'ood'): 1e-9}),
    ('ft_moves_id_more', {('ft', 'moved_outside'): 9.0}),
    ('lp_ft_moves_less', {('lp_ft', 'moved_in_span'): 0.1}),
  ],
)
def test_a_claim_on_lp_ft_fails_where_a_seed_does(tables, name, changes):
  changed = tables['lp_ft'].copy()
  for (method, column), value in changes.items():
    where = (
      (changed.method == method)
      & (changed.seed == 3)
      & (changed.epsilon < 0.02)
    )
    changed.loc[where, column] = value
  assert _agree({**tables, 'lp_ft': changed}, name, _NEAR) == 9


@pytest.mark.parametrize(
  'shift, layers, names',
  [
    ('input', 'full', ('first_layer_for_', 'best_layer_equals_all_')),
    ('output', 'first', ('last_layer_for_',)),
  ],
)
def test_a_claim_on_layers_fails_where_a_seed_does(
  tables, shift, layers, names
):
  changed = tables['shifts'].copy()
  where = changed['shift'].eq(shift) & changed.layers.eq(layers)
  changed.loc[where & changed.seed.eq(2), 'loss'] = -1.0
  for name in names:
    end = shift + ('_shift' if 'for' in name else '')
    assert _agree({**tables, 'shifts': changed}, name + end) == 9


@pytest.mark.parametrize(
  'name, measure, values',
  [
    ('energy_moves_features', 'l2', [0, 2, 1, *range(3, 10)]),
    ('energy_turns_features', 'cos', [0, 2, 1, *range(3, 10)]),
    ('dot_peaks_between', 'dot', range(10)),
    ('norm_peaks_between', 'norm', range(10, 0, -1)),
  ],
)
def test_a_claim_on_energy_fails_where_a_seed_does(
  tables, name, measure, values
):
  changed = tables['probing'].copy()
  where = (changed.scale == 3) & (changed.seed == 5)
  assert changed[where].energy.is_monotonic_increasing
  changed.loc[where, measure] = np.array(values, float)
  # Rows may come in any order.
  changed = changed.sample(frac=1, random_state=0)
  assert _agree({**tables, 'probing': changed}, name, _LARGE) == 9
