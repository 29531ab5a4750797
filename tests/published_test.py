"""The transcribed numbers add up to what the paper prints."""

import pytest

from vtab_h2t import errors
from vtab_h2t import published


def test_table_1_means_re_add():
  table = published.table('table1_accuracy')
  checked = 0
  for _, rows in table.groupby(['backbone', 'method']):
    tasks, mean = rows[rows.task != 'mean'], rows[rows.task == 'mean']
    assert len(tasks) == 19 and len(mean) == 1
    # The tasks are rounded to 0.1, so the mean may be off by a half of it.
    assert (
      abs(tasks.accuracy_percent.mean() - mean.accuracy_percent.item()) < 0.051
    )
    checked += 1
  assert checked == 18


def test_group_means_are_those_of_table_6():
  table = published.table('table1_accuracy')
  rows = table[(table.backbone == 'resnet50') & (table.method == 'head2toe')]
  means = rows[rows.task != 'mean'].groupby('group').accuracy_percent.mean()
  wanted = published.table('table6_ablation_resnet50').iloc[0]
  assert wanted.variant == 'original'
  for group in ('natural', 'specialized', 'structured'):
    assert means[group] == pytest.approx(wanted[group], abs=0.051)


def test_table_4_means_re_add():
  table = published.table('table4_std')
  for _, rows in table.groupby(['backbone', 'method']):
    tasks, mean = rows[rows.task != 'mean'], rows[rows.task == 'mean']
    if len(mean):
      assert abs(tasks.std_percent.mean() - mean.std_percent.item()) < 0.02


def test_table_3_averages_re_add():
  table = published.table('table3_cost_resnet50')
  tasks = table[table.task != 'average']
  average = table[table.task == 'average']
  assert len(tasks) == 19
  for column in ('flops_vs_finetune', 'size_vs_finetune', 'size_vs_linear'):
    assert tasks[column].mean() == pytest.approx(
      average[column].item(), rel=1e-3
    )


def test_tables_name_the_same_tasks():
  tasks = published.table('table5_tasks')
  assert len(tasks) == 19
  for name in ('table1_accuracy', 'table2_hyperparameters'):
    named = set(published.table(name).task) - {'mean'}
    assert named == set(tasks.task)


def _lp_ft_averages(kind):
  table = published.table('lp_ft_accuracy')
  rows = table[(table.kind == kind) & (table.test == 'average')]
  return rows.set_index('method').percent


def test_averages_of_lp_ft_are_what_the_abstract_says():
  inside, outside = _lp_ft_averages('id'), _lp_ft_averages('ood')
  assert round(inside.ft - inside.lp) == 2
  assert round(outside.ft - outside.lp) == -7
  assert round(inside.lp_ft - inside.ft) == 1
  assert round(outside.lp_ft - outside.ft) == 10


def test_averages_of_lp_ft_leave_room_for_the_sets_that_are_missing():
  """1 of 6 in distribution, and 3 of 10 out of it, are not known."""
  table = published.table('lp_ft_accuracy')
  for kind, size, missing in (('id', 6, 1), ('ood', 10, 3)):
    for method, average in _lp_ft_averages(kind).items():
      known = table[
        (table.kind == kind)
        & (table.method == method)
        & (table.test != 'average')
      ].percent
      assert len(known) == size - missing
      assert 0 < (size * average - known.sum()) / missing < 100


def test_lp_ft_of_the_drafts_six_sets_re_adds():
  table = published.table('lp_ft_accuracy')
  rows = table[(table.kind == 'ood') & (table.source == 'paper')]
  means = rows.groupby('method').percent.mean()
  assert means.lp_ft == pytest.approx(74.4, abs=0.051)
  assert means.ft < means.lp < means.lp_ft


def test_what_lp_ft_numbers_come_from_is_said():
  table = published.table('lp_ft_accuracy')
  assert set(table.source) == {'paper', 'secondary'}
  # The draft prints intervals, what quotes the final paper does not.
  assert (table.interval.notna() == (table.source == 'paper')).all()
  assert not table.duplicated(['dataset', 'test', 'kind', 'method']).any()


def test_ranks_of_surgical_fine_tuning_are_over_seven_tasks():
  table = published.table('surgical_ranks')
  assert (table.tasks == 7).all() and (table.source == 'secondary').all()
  sevenths = 7 * table.average_rank
  assert ((sevenths - sevenths.round()).abs() < 7 * 0.01).all()
  assert table.average_rank.sum() <= 21
  assert table.sort_values('average_rank').method.iloc[0] == 'auto_rgn'


def test_replications_of_surgical_fine_tuning():
  """One network each, and the same best block for a kind of shift."""
  table = published.table('surgical_replications')
  assert (table.batch_norm == 'training').all()
  best = {}
  for (shift, *_), rows in table.groupby(
    ['shift', 'replication', 'dataset', 'target_size'], dropna=False
  ):
    percent = rows.set_index('tuned').percent
    blocks = 3 if rows.backbone.iloc[0] == 'resnet26' else 4
    names = [*(f'block{i + 1}' for i in range(blocks)), 'fc', 'all']
    assert percent.index.tolist() == names
    best.setdefault(shift, []).append(percent.drop('all').idxmax())
  assert best['input'] == ['block1'] * 3
  assert set(best['feature']) <= {'block3', 'block4'}
  assert set(best['output']) == {'fc', 'block4'}


def test_missing_file_is_one_line():
  with pytest.raises(
    errors.InputError, match='table99.csv are missing; install'
  ):
    published.table('table99')
