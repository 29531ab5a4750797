"""What is drawn of layers is what their frames say."""

import pandas as pd
import pytest

from vtab_h2t.report import frames
from vtab_h2t.report import plotting
from vtab_h2t.report import tap_figures


def _taps():
  return pd.DataFrame(
    {
      'task': ['pets'] * 2 + ['svhn'] * 2,
      'group': 'natural',
      'tap': ['a', 'b'] * 2,
      'depth': [0, 1] * 2,
      'percent': [80.0, 85, 60, 50],
      'linear': [84.0, 84, 40, 40],
    }
  )


def _gains():
  """Gains that rise with the affinity, which the paper's tables give."""
  affinity = frames.by_affinity(frames.published_accuracies('resnet50'))
  return affinity[['task', 'group', 'affinity']].assign(
    oracle_gain=range(19), shown=lambda t: t.task.isin(['pets', 'svhn'])
  )


def test_figure4_has_the_gain_two_tasks_by_layer_and_averages():
  gains = _gains()
  averages = pd.DataFrame(
    [
      {'method': 'linear', 'average': 50.0, 'natural': 60.0},
      {'method': 'oracle', 'average': 55.0, 'natural': 61.0},
    ]
  )
  left, right, far, near = tap_figures.figure4(averages, gains, _taps()).axes
  assert sorted(
    tuple(p) for c in left.collections for p in c.get_offsets()
  ) == sorted(zip(gains.affinity, gains.oracle_gain))
  assert left.get_title() == 'Spearman +1.000 (19 tasks)'
  assert far.get_title() == 'svhn (affinity -11.8)'
  assert near.get_title() == 'pets (affinity +74.1)'
  assert far.lines[0].get_ydata().tolist() == [60, 50]
  assert set(far.lines[1].get_ydata()) == {40}  # Linear, a level.
  assert near.lines[0].get_ydata().tolist() == [80, 85]
  assert [[b.get_height() for b in c] for c in right.containers] == [
    [50, 60],
    [55, 61],
  ]
  assert right.get_ylim() == (0, 100)
  assert [t.get_text() for t in right.texts] == ['50.0', '60.0', '55.0', '61.0']
  (only,) = tap_figures.figure4(averages).axes
  assert len(only.containers) == 2
  # The numbers of the paper's table.
  assert [t.get_text() for t in only.texts] == [
    '50.00',
    '60.00',
    '55.00',
    '61.00',
  ]


@pytest.mark.parametrize(
  'control, said',
  [(None, 'Control'), ('efficientnet_lite2', 'Control: EfficientNet-Lite2')],
)
def test_figure4_names_the_controls_network_where_it_is_known(control, said):
  averages = pd.DataFrame([{'method': 'control', 'average': 100.0}])
  network = None if control is None else pd.DataFrame({'backbone': [control]})
  drawn = tap_figures.figure4(averages, _gains(), _taps(), network)
  bars = drawn.axes[1]
  assert [t.get_text() for t in bars.get_legend().get_texts()] == [said]
  # Neither the number of a bar of 100 % nor the legend covers the other.
  drawn.draw_without_rendering()
  (number,) = bars.texts
  box = number.get_window_extent()
  assert not box.overlaps(bars.get_legend().get_window_extent())


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


def test_a_layer_that_failed_moves_none_of_those_after_it():
  table = pd.DataFrame(
    {
      'task': 't',
      'tap': ['a', 'c', 'd', 'f'],
      'depth': [0, 2, 3, 5],
      'percent': [5.0, 6, 7, 8],
      'linear': 5.5,
    }
  )
  (ax,) = tap_figures.figure9(table).axes
  assert ax.lines[0].get_xdata().tolist() == [0, 2, 3, 5]
  assert ax.get_xticks().tolist() == [0, 5]
  assert [t.get_text() for t in ax.get_xticklabels()] == ['a', 'f']


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
