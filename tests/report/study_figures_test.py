"""What is drawn of studies is what their frames say."""

import pandas as pd

from vtab_h2t.report import frames
from vtab_h2t.report import study_figures


def test_figures_6_and_10_have_a_line_for_each_kind():
  table = pd.DataFrame(
    {
      'task': ['t'] * 4 + ['u'] * 4,
      'group': 'natural',
      'kind': ['features', 'features', 'taps_mean', 'taps_mean'] * 2,
      'step': [2, 1] * 4,
      'num_features': [20.0, 10, 200, 100] * 2,
      'percent': [5.0, 4, 3, 2, 9, 8, 7, 6],
    }
  )
  mean = frames.mean_over_tasks(table, ['kind', 'step'])
  (ax,) = study_figures.figure6(mean).axes
  assert [l.get_ydata().tolist() for l in ax.lines] == [[6, 7], [4, 5]]
  assert ax.lines[0].get_xdata().tolist() == [10, 20]
  drawn = study_figures.figure10(table)
  assert [ax.get_title() for ax in drawn.axes] == ['t', 'u']
  assert drawn.axes[1].lines[1].get_ydata().tolist() == [6, 7]


def test_figures_7_and_14():
  transfer = pd.DataFrame(
    {
      'task': ['t', 't', 'u', 'u'],
      'source': ['t', 'u'] * 2,
      'loss': [0.0, 3, -1, 0],
    }
  )
  scaling = pd.DataFrame(
    {
      'task': 't',
      'group': 'natural',
      'target_size': [30, 60] * 2,
      'tap_stride': [4, 4, 1, 1],
      'num_candidates': [10, 20, 40, 80],
      'percent': [1.0, 2, 3, 4],
    }
  )
  drawn = study_figures.figure7(
    transfer,
    frames.mean_over_tasks(
      scaling, ['target_size', 'tap_stride', 'num_candidates']
    ),
  )
  left, right = drawn.axes[:2]
  assert left.images[0].get_array().tolist() == [[0, 3], [-1, 0]]
  assert [l.get_label() for l in right.lines] == ['1/4 of taps', 'all taps']
  assert right.lines[1].get_xdata().tolist() == [40, 80]
  ax = study_figures.figure14(scaling).axes[0]
  assert ax.lines[0].get_ydata().tolist() == [1, 2]


def test_figures_12_13_and_scores():
  depth = pd.DataFrame(
    {
      'task': ['t'] * 2 + ['u'] * 2,
      'depth': [0, 1] * 2,
      'share_of_selection': [0.25, 0.75, 0.5, 0.5],
    }
  )
  drawn = study_figures.figure12(depth)
  (steps,) = drawn.axes[0].patches
  assert steps.get_data().values.tolist() == [25, 75]
  assert steps.get_data().edges.tolist() == [-0.5, 0.5, 1.5]
  reduced = pd.DataFrame(
    {
      'method': ['linear', 'head2toe'] * 2,
      'train_fraction': [1, 1, 0.5, 0.5],
      'percent': [3.0, 4, 1, 2],
    }
  )
  (ax,) = study_figures.figure13(reduced).axes
  assert [l.get_ydata().tolist() for l in ax.lines] == [[1, 3], [2, 4]]
  (ax,) = study_figures.scores(
    pd.DataFrame({'score': ['l2', 'chi2'], 'percent': [9.0, 7]})
  ).axes
  assert [t.get_text() for t in ax.get_yticklabels()] == ['chi2', 'l2']


def test_many_tasks_fill_a_grid_and_hide_the_rest():
  depth = pd.DataFrame(
    {'task': [f't{i}' for i in range(7)], 'depth': 0, 'share_of_selection': 1.0}
  )
  drawn = study_figures.figure12(depth)
  assert [ax.get_visible() for ax in drawn.axes] == [True] * 7 + [False] * 3


def test_grids_keep_small_ticks_where_there_is_no_power_of_ten():
  def minor(high):
    table = pd.DataFrame(
      {
        'task': 't',
        'kind': 'features',
        'percent': [1.0, 2],
        'num_features': [20.0, high],
      }
    )
    ax = study_figures.figure10(table).axes[0]
    return len(ax.xaxis.get_minorticklocs())

  assert minor(90) > 0 and minor(5000) == 0
