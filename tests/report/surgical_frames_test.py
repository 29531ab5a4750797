"""Accuracies are those of `made_shifted.SURGICAL`, half a point more a seed."""

import numpy as np
import pytest

from tests.report import made_shifted as made
from vtab_h2t.protocol import companions
from vtab_h2t.report import surgical_frames as frames
from vtab_h2t.report import surgical_rows

_RESULTS = made.all_results()
_ROWS = _RESULTS.of('surgical_small')
_TABLE = surgical_rows.tests(_ROWS)


def test_a_line_for_each_target_and_number_of_images():
  table = frames.accuracy(_TABLE)
  assert len(table) == 16 and set(table.seeds) == {3}
  # By number, then by kind of shift.
  assert list(table.shots) == [20] * 8 + [100] * 8
  assert list(table.kind[:8]) == [
    kind for kind in ('input', 'feature', 'output', 'none') for _ in range(2)
  ]
  line = table.iloc[0]
  assert line.target == 'photo_patches.noise5' and line.chosen == 'block1'
  assert line.block1 == pytest.approx(80.5) and line['all'] == 78.5
  assert line.none == 40.5 and line.auto_rgn == 80.5


def test_the_chosen_block_is_compared_with_all_on_the_same_seeds():
  rows = [
    r | {'correct': 800 + 10 * (2 - r['seed']) ** 2}
    if (r['task'], r['tuned']) == ('photo_patches.noise5', 'block1')
    else r
    for r in _ROWS
  ]
  line = frames.accuracy(surgical_rows.tests(rows)).iloc[0]
  # 84, 81, 80 less 78, 78.5, 79.
  differences = 6, 2.5, 1
  assert line.chosen_less_all == pytest.approx(2.5)
  assert line.chosen_less_all_std == pytest.approx(np.std(differences, ddof=1))


def test_the_chosen_block_is_found_in_each_line():
  table = frames.accuracy(_TABLE)
  cells = frames.chosen(table)
  assert set(cells) == set(table.chosen)
  for i, block in enumerate(table.chosen):
    assert [b for b, lines in cells.items() if i in lines] == [block]


def test_the_ablation_is_where_both_modes_are():
  table = frames.batch_norm(_ROWS)
  assert set(table.shots) == {20} and not {'none', 'auto_rgn'} & set(
    table.tuned
  )
  assert table.change.to_numpy() == pytest.approx(1)
  assert frames.batch_norm([]).empty


def test_the_source_is_told_with_its_plateau():
  table = frames.sources(_TABLE)
  line = table.set_index('target').loc['mnist_5k.same']
  assert line.source_percent == pytest.approx(95)
  assert (line.source_epochs, line.plateaus, line.seeds) == (30, 2, 3)
  assert frames.sources(_TABLE.drop(columns='source_total')).empty


def test_what_is_chosen_at_an_edge_is_counted():
  space = companions.space(companions.FULL)  # 1e-2, 1e-3 and 1e-4.
  of = made.run(space=space)
  changes = {
    'block1': {'learning_rate': 0.01, 'epoch': 15},
    'last': {'learning_rate': 0.0001},
  }
  rows = [r | changes.get(r['tuned'], {}) for r in _ROWS]
  table = frames.edges(surgical_rows.tests(rows), of).set_index(
    ['shots', 'tuned']
  )
  assert list(table.loc[20].index[:5]) == [*made.BLOCKS, 'last', 'all']
  # 8 targets, 3 seeds.
  assert table.loc[20, 'block1'].to_list() == [24, 0, 24, 24]
  assert table.loc[100, 'last'].to_list() == [24, 24, 0, 0]
  assert table.loc[20, 'block2'].to_list() == [24, 0, 0, 0]
  results = made.results({'surgical_small': rows}, of)
  assert set(frames.frames(results)['edges'].network) == {'small_net'}
  # It is not known what was tried.
  assert frames.edges(_TABLE, made.run()).empty
  assert frames.edges(_TABLE[['task', 'tuned', 'shots']], of).empty


def test_ranks_stand_beside_the_papers():
  table = frames.ranks(_TABLE).set_index('method')
  # 1 under input and feature shifts, 2 after the last layer under output ones.
  assert table.average_rank['auto_rgn'] == pytest.approx(4 / 3)
  assert table.index[0] == 'auto_rgn' and set(table.targets) == {6}
  theirs = table.published_rank
  assert (theirs['auto_rgn'], theirs['all']) == (1.29, 2.71)
  assert theirs['auto_snr_code'] == theirs['auto_snr_paper'] == 4.14
  assert np.isnan(theirs['last'])


def test_networks_are_one_below_the_other_the_small_one_first():
  found = frames.frames(_RESULTS)
  table = found['surgical']
  assert list(table.network.unique()) == ['small_net', 'made']
  assert table.block4[table.network == 'small_net'].isna().all()
  columns = list(table)
  assert columns.index('block4') + 1 == columns.index('last')
  assert columns[-1] == 'chosen_less_all_std'
  assert list(found)[-1] == 'replications' and 'published_ranks' not in found


def test_others_numbers_are_in_frames_of_their_own():
  found = frames.of_others()
  assert list(found) == ['replications', 'published_ranks']
  line = found['replications'].query('dataset == "CIFAR-Flip"').iloc[0]
  assert (line.block1, line['last'], line['all']) == (15.9, 84.4, 50.9)
  assert list(found['replications'])[-3:] == ['block4', 'last', 'all']
  assert len(found['replications']) == 8


def test_without_rules_the_papers_ranks_stand_alone():
  rows = [r for r in _ROWS if r['tuned'] not in surgical_rows.AUTOMATIC]
  found = frames.frames(made.results({'surgical_small': rows}))
  assert 'ranks' not in found and 'published_ranks' in found


def test_one_network_is_enough():
  of = made.run()
  rows = made.surgical(of, 'surgical_shift', ('mnist_5k.same',))
  found = frames.frames(made.results({'surgical_shift': rows}, of, small=False))
  assert set(found['surgical'].network) == {'made'}


def test_means_over_the_targets_of_a_kind_with_their_errors():
  rows = [
    r | {'correct': r['correct'] + 40}
    if r['task'] == 'photo_patches.noise5' and r['tuned'] == 'block1'
    else r
    for r in _ROWS
  ]
  table = frames.by_kind(surgical_rows.tests(rows)).set_index(
    ['kind', 'shots', 'tuned']
  )
  line = table.loc['input', 20, 'block1']
  # Of 84.5 and 80.5: a deviation of the square root of 8 over that of 2.
  assert line.percent == pytest.approx(82.5) and line.tasks == 2
  assert line.error == pytest.approx(2)
  assert not set(surgical_rows.AUTOMATIC) & set(table.index.levels[2])
  alone = [r for r in _ROWS if r['task'] == 'mnist_5k.same']
  line = frames.by_kind(surgical_rows.tests(alone)).iloc[1]
  assert (line.tuned, line.error) == ('block1', pytest.approx(0.5))
  assert set(frames.figure_frames(_RESULTS)['surgical_figure'].network) == {
    'small_net',
    'made',
  }


def test_means_of_a_kind_are_over_the_same_targets():
  failed = [
    r
    for r in _ROWS
    if (r['task'], r['tuned']) != ('photo_patches.blur5', 'block1')
  ]
  table = frames.by_kind(surgical_rows.tests(failed))
  assert set(table.tasks[table.kind == 'input']) == {1}
  assert set(table.tasks[table.kind == 'output']) == {2}
  assert list(table.tuned[table.kind == 'output'][:6]) == [
    'none',
    *made.BLOCKS,
    'last',
    'all',
  ]
  # If none has all, what all have is shown.
  alone = [r for r in failed if r['task'] == 'photo_patches.blur5'] + [
    r
    for r in failed
    if (r['task'], r['tuned']) != ('photo_patches.noise5', 'block2')
    and r['task'] == 'photo_patches.noise5'
  ]
  table = frames.by_kind(surgical_rows.tests(alone))
  assert set(table.tuned) == {'none', 'block3', 'last', 'all'}
  assert set(table.tasks) == {2}
