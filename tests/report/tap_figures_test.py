"""What is drawn of layers is what their frames say."""

import pandas as pd

from vtab_h2t.report import plotting
from vtab_h2t.report import tap_figures


def test_figure9_has_a_panel_for_each_task_with_linears_level():
  table = pd.DataFrame(
    {
      'task': ['t'] * 2 + ['u'] * 2,
      'tap': ['a', 'b'] * 2,
      'depth': [0, 1] * 2,
      'percent': [5.0, 6, 7, 8],
      'linear': [5.5, 5.5, 9, 9],
    }
  )
  one, two = tap_figures.figure9(table).axes
  assert (one.get_title(), two.get_title()) == ('t', 'u')
  assert two.lines[0].get_xydata().tolist() == [[0, 7], [1, 8]]
  assert set(two.lines[1].get_ydata()) == {9}
  assert [t.get_text() for t in one.get_xticklabels()] == ['a', 'b']


def test_layers_are_named_by_their_blocks():
  """Of each block a selection has one layer."""
  taps = ['stem', 'block00_depthwise', 'block01_expand', 'logits']
  table = pd.DataFrame(
    {
      'task': 'digits',
      'kind': 'features',
      'tap': taps,
      'depth': range(4),
      'kept': [4.0, 3, 2, 1],
      'share': [0.4, 0.3, 0.2, 0.1],
    }
  )
  _, (ax,) = plotting.figure(1, 1)
  tap_figures.distribution(ax, table)
  assert [t.get_text() for t in ax.get_xticklabels()] == [
    'stem',
    'block00',
    'block01',
    'logits',
  ]


def _units(tasks, units):
  return pd.DataFrame(
    [
      {'task': t, 'unit': f'block{i}', 'depth': i, 'share': (1 + i) / 10}
      for t in tasks
      for i in range(units)
    ]
  )


def test_figure12_has_a_bar_for_each_block():
  ax = tap_figures.figure12(_units(['t'], 4)).axes[0]
  assert [b.get_height() for b in ax.containers[0]] == [0.1, 0.2, 0.3, 0.4]
  # Of many the first and the last are named.
  assert [t.get_text() for t in ax.get_xticklabels()] == ['block0', 'block3']


def test_many_tasks_fill_a_grid_and_hide_the_rest():
  drawn = tap_figures.figure12(_units([f't{i}' for i in range(7)], 1))
  assert [ax.get_visible() for ax in drawn.axes] == [True] * 7 + [False] * 3
  # The lowest panel of each column says what is below it.
  assert [bool(ax.get_xlabel()) for ax in drawn.axes[:7]] == (
    [False] * 2 + [True] * 5
  )
