"""Points of tasks say their group, and what they have in common."""

import pandas as pd

from vtab_h2t.report import plotting
from vtab_h2t.report import scatter


def _table(*groups, gains):
  return pd.DataFrame(
    {'group': groups, 'affinity': range(len(groups)), 'gain': gains}
  )


def test_a_group_has_its_number_whichever_others_are_there():
  table = _table('structured', 'own', 'natural', gains=[1, 2, 3])
  assert scatter.groups(table) == [
    (0, 'natural'),
    (2, 'structured'),
    (3, 'own'),
  ]
  assert scatter.groups(table[:1]) == [(2, 'structured')]


def test_points_stand_where_the_table_says_with_their_correlation():
  table = _table('natural', 'natural', 'structured', gains=[3, 2, 1])
  _, (ax,) = plotting.figure(1, 1)
  scatter.draw(ax, table, 'affinity', 'gain', 'ResNet-50', '; printed')
  natural, structured = ax.collections
  assert natural.get_offsets().tolist() == [[0, 3], [1, 2]]
  assert structured.get_offsets().tolist() == [[2, 1]]
  assert natural.get_facecolor().tolist() != structured.get_facecolor().tolist()
  assert ax.get_title() == 'ResNet-50: Spearman -1.000 (3 tasks); printed'


def test_of_one_task_there_is_no_correlation():
  _, (ax,) = plotting.figure(1, 1)
  scatter.draw(ax, _table('natural', gains=[1]), 'affinity', 'gain')
  assert ax.get_title() == 'Spearman undefined (1 task)'
