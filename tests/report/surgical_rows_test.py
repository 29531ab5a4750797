from tests.report import made_shifted as made
from vtab_h2t.report import surgical_rows

_ROWS = made.surgical(made.run(), 'surgical_small')
_TABLE = surgical_rows.tests(_ROWS)


def test_batch_norms_are_in_inference_mode():
  assert set(_TABLE.batch_norm) == {'inference'}
  assert surgical_rows.tests([]).empty


def test_blocks_are_in_the_networks_order():
  assert surgical_rows.blocks(_TABLE) == [*made.BLOCKS, 'last']
  assert surgical_rows.order(_TABLE) == [
    'none',
    *made.BLOCKS,
    'last',
    'all',
    *surgical_rows.AUTOMATIC,
  ]


def test_a_failed_training_does_not_change_the_order():
  rows = [
    r | {'correct': None}
    if (r['task'], r['tuned']) == ('photo_patches.same', 'block1')
    else r
    for r in _ROWS
  ]
  table = surgical_rows.tests(rows)
  assert table.tuned.iloc[1] == 'block2'
  assert surgical_rows.blocks(table) == [*made.BLOCKS, 'last']
  assert surgical_rows.blocks(surgical_rows.tests([])) == ['last']


def test_the_block_is_chosen_by_validation_only():
  choice = surgical_rows.chosen(_TABLE)
  assert choice['photo_patches.noise5', 20] == 'block1'
  assert choice['mnist_pairs.odd', 100] == 'block3'
  assert choice['mnist_5k.flipped', 20] == 'last'
  # Whatever the test says, and though all layers have more right.
  rows = [
    r
    | (
      {'val_correct': 99 if r['tuned'] in ('block2', 'all') else 1}
      if 'val_correct' in r
      else {}
    )
    for r in _ROWS
  ]
  rows = [r | {'val_correct': 100} if r['tuned'] == 'all' else r for r in rows]
  assert set(surgical_rows.chosen(surgical_rows.tests(rows))) == {'block2'}


def test_ties_go_to_the_larger_mean_then_to_the_first_block():
  counts = {
    'block1': (50, 60, 60),
    'block2': (60, 60, 60),
    'block3': (60, 60, 60),
    'last': (0, 59, 99),
  }
  rows = [
    r | {'val_correct': counts[r['tuned']][r['seed']]}
    for r in _ROWS
    if r['tuned'] in counts
  ]
  assert set(surgical_rows.chosen(surgical_rows.tests(rows))) == {'block2'}


def test_ranks_are_among_rules_the_last_layer_and_all():
  ranks = surgical_rows.ranks_by_seed(_TABLE)
  assert set(ranks.group) == {'input', 'feature', 'output'}
  line = ranks[ranks.task == 'photo_patches.noise5'].iloc[0]
  # Auto-RGN has 2 points more than all, the last layer is far below.
  assert line[list(surgical_rows.RANKED)].to_list() == [2, 7, 1, 3, 4, 5, 6]
  line = ranks[ranks.task == 'mnist_5k.flipped'].iloc[0]
  assert (line['last'], line['auto_rgn'], line['all']) == (1, 2, 3)
  # A target that lacks one is left out.
  rows = [
    r
    for r in _ROWS
    if (r['task'], r['tuned']) != ('mnist_5k.flipped', 'auto_snr_code')
  ]
  left = surgical_rows.ranks_by_seed(surgical_rows.tests(rows))
  assert 'mnist_5k.flipped' not in set(left.task) and len(left) == 15


def test_a_targets_accuracy_is_with_the_fewest_images():
  wide = surgical_rows.by_unit(_TABLE).set_index(['task', 'seed'])
  line = wide.loc['photo_patches.noise5', 2]
  # And one point of the seed.
  assert line['all'] == 79 and line['none'] == 41
  assert line['chosen'] == line['block1'] == 81
  assert set(surgical_rows.fewest(_TABLE).shots) == {20}
