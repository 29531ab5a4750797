"""Seeds are 0, 1 and 2 points above the levels of `made_shifted`."""

import numpy as np
import pytest

from tests.report import made_shifted as made
from vtab_h2t.methods import lp_ft
from vtab_h2t.report import lp_ft_frames as frames

_OF = made.run()
_ROWS = made.lp_ft(_OF)


def test_out_of_distribution_is_the_mean_over_the_shifted_sets():
  table = frames.by_seed(_ROWS).set_index(['task', 'adaptation', 'seed'])
  line = table.loc['photo_patches.to.corrupted', 'ft', 2]
  # 50 + 3 - severity on average, and 2 points of the seed.
  assert line.ood == pytest.approx(52) and line.id == pytest.approx(92)
  assert (line.id_l2, line.ood_l2) == (4, 2)


def test_medians_over_seeds_and_means_over_pairs():
  table = frames.accuracy(_ROWS).set_index('pair')
  assert list(table.index) == [*made.PAIRS, 'mean']
  assert table.loc['mean', 'kind'] == '3 pairs'
  for name in (*made.PAIRS, 'mean'):
    assert table.loc[name].drop('kind').to_dict() == pytest.approx(
      {
        f'{a}_{place}': 1 + level
        for a, levels in made.LP_FT.items()
        for place, level in zip(frames.PLACES, levels)
      }
    )
  deviations = frames.deviations(_ROWS)
  assert deviations.drop(columns=['pair', 'kind']).to_numpy() == (
    pytest.approx(1)
  )


def test_a_pair_that_lacks_something_is_not_in_the_mean():
  rows = [
    r
    for r in _ROWS
    if (r['task'], r['adaptation']) != ('digits.to.mnist_5k', 'ft')
  ]
  table = frames.accuracy(rows)
  assert np.isnan(table.ft_id[0]) and table.kind.iloc[-1] == '2 pairs'
  # If all pairs lack it there is no mean.
  rows = [r for r in rows if r['adaptation'] != 'lp_ft']
  assert list(frames.accuracy(rows).pair) == list(made.PAIRS)
  assert list(frames.differences(rows).pair) == list(made.PAIRS)


def test_differences_are_of_the_same_seeds():
  """The median difference is not the difference of the medians, 53 and 51."""
  percents = {'lp': (50, 51, 52), 'ft': (59, 49, 53)}
  rows = [
    made.row(_OF, 'lp_ft_shift', 'lp_ft_shift', 'digits.to.mnist_5k', s, p)
    | {'adaptation': a, 'adaptation_l2': 1.0}
    for a, some in percents.items()
    for s, p in enumerate(some)
  ]
  line = frames.differences(rows).iloc[0]
  assert line.ft_less_lp_id == pytest.approx(1)  # Of 9, -2 and 1.
  assert np.isnan(line.ft_less_lp_ood) and np.isnan(line.lp_ft_less_ft_id)
  mean = frames.differences(_ROWS).iloc[-1]
  assert mean.pair == 'mean'
  assert mean.ft_less_lp_id == pytest.approx(10)
  assert mean.ft_less_lp_ood == pytest.approx(-10)
  assert mean.lp_ft_less_ft_frozen_ood == pytest.approx(8)


def test_a_rate_at_the_edge_of_what_was_tried_is_marked():
  table = frames.chosen(_ROWS)
  assert set(table.adaptation) == {'ft', 'ft_frozen', 'lp_ft'}
  assert set(table.at_edge) == {'largest'} and set(table.tried) == {2}
  assert (set(table.seeds), set(table.epoch)) == ({3}, {7})
  rows = [
    r
    | (
      {'learning_rate': 0.001}
      if r['split'] == 'test' and r.get('learning_rate') and r['seed'] == 1
      else {}
    )
    for r in _ROWS
  ]
  ft = frames.chosen(rows).query(
    'pair == "digits.to.mnist_5k" and adaptation == "ft"'
  )
  assert dict(zip(ft.at_edge, ft.seeds)) == {'largest': 2, 'smallest': 1}
  inside = _ROWS + [r | {'learning_rate': 1} for r in _ROWS if r['fold'] == 0]
  assert set(frames.chosen(inside).at_edge) == {''}
  alone = [r for r in _ROWS if r['split'] == 'test']
  assert set(frames.chosen(alone).at_edge) == {''}


@pytest.mark.parametrize(
  'place, edge', [(0, 'smallest'), (20, ''), (-1, 'largest')]
)
def test_the_probes_coefficient_is_told(place, edge):
  c = lp_ft.C_PATH[place]
  rows = [
    r | ({'coefficient': c} if r['adaptation'] in ('lp', 'lp_ft') else {})
    for r in _ROWS
  ]
  table = frames.chosen(rows)
  lines = table[table.adaptation == 'lp']
  assert set(lines.coefficient) == {c} and lines.learning_rate.isna().all()
  assert (set(lines.at_edge), set(lines.tried)) == ({edge}, {50})
  # Of LP-FT its rate was chosen.
  assert set(table[table.adaptation == 'lp_ft'].learning_rate) == {0.01}


def test_movement_and_its_quotients():
  line = frames.movement(_ROWS).iloc[0]
  assert (line.ft_id, line.ft_ood, line.ft_id_over_ood) == (4, 2, 2)
  assert line.ft_over_lp_ft_id == pytest.approx(20)
  assert line.ft_frozen_over_lp_ft_ood == pytest.approx(20)
  assert not any(c.startswith('lp_id') for c in frames.movement(_ROWS))
  still = [r | {'adaptation_l2': 0.0} for r in _ROWS]
  assert np.isnan(frames.movement(still).ft_over_lp_ft_id).all()


def test_severities_are_of_corruptions_only():
  table = frames.severities(_ROWS)
  assert set(table.pair) == {'photo_patches.to.corrupted'}
  assert list(table.corruption.unique()) == ['noise', 'blur']
  line = table.query(
    'adaptation == "lp" and corruption == "blur" and severity == 5'
  )
  assert line.percent.item() == pytest.approx(60 - 2 + 1)


def test_the_papers_numbers_stand_alone():
  found = frames.frames(_ROWS)
  assert list(found)[-1] == 'published'
  theirs = found['published'].set_index(['kind', 'test'])
  assert theirs.loc[('id', 'cifar10'), 'ft'] == 97.3
  assert theirs.loc[('ood', 'stl10'), 'lp_ft'] == 90.7
  assert not any('published' in c for t in found.values() for c in t)
  assert list(frames.of_the_paper()) == ['published']


def test_without_rows_only_the_paper_is_there():
  assert list(frames.frames([])) == ['published']
  assert not frames.figure_frames([])
  assert 'mean' not in set(frames.figure_frames(_ROWS)['lp_ft_figure'].pair)
