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


def test_missing_file_is_one_line():
  with pytest.raises(
    errors.InputError, match='table99.csv are missing; install'
  ):
    published.table('table99')
