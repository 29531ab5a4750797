"""What is drawn of studies is what their frames say."""

import pandas as pd
import pytest

from vtab_h2t.report import study_figures

_GRANULARITY = pd.DataFrame(
  {
    'task': ['t'] * 4 + ['u'] * 4,
    'group': 'natural',
    'kind': ['features', 'features', 'taps_mean', 'taps_mean'] * 2,
    'num_features': [20, 10] * 4,
    'percent': [5.0, 4, 3, 2, 9, 8, 7, 6],
  }
)
_MEAN = pd.DataFrame(
  {
    'kind': ['features', 'features', 'taps_mean', 'taps_mean'],
    'num_features': [20, 10] * 2,
    'percent': [7.0, 6, 5, 4],
    'tasks': 2,
  }
)


def test_figure6_has_a_line_for_each_kind_the_oracle_and_the_layers():
  (ax,) = study_figures.figure6(_MEAN).axes
  assert [l.get_ydata().tolist() for l in ax.lines] == [[6, 7], [4, 5]]
  assert ax.lines[0].get_xdata().tolist() == [10, 20]
  assert ax.get_ylabel() == 'test accuracy (%), mean over 2 tasks'
  oracle = pd.DataFrame({'percent': [8.0], 'num_features': [15.0], 'tasks': 2})
  layers = pd.DataFrame(
    {
      'task': 'svhn',
      'kind': ['features'] * 2 + ['taps_mean'] * 2,
      'tap': ['a', 'b'] * 2,
      'depth': [0, 1] * 2,
      'kept': [2.0, 2, 0, 4],
      'share': [0.5, 0.5, 0, 1],
    }
  )
  left, right = study_figures.figure6(_MEAN, layers, oracle).axes
  assert left.lines[-1].get_label() == 'Oracle'
  assert left.lines[-1].get_xydata().tolist() == [[15, 8]]
  assert [[b.get_height() for b in c] for c in right.containers] == [
    [0.5, 0.5],
    [0, 1],
  ]
  assert right.get_title() == 'svhn'
  assert right.get_ylabel() == 'share of the 4 selected features'


def test_figure6_has_its_curves_in_words_of_their_own():
  oracle = pd.DataFrame({'percent': [8.0], 'num_features': [15.0], 'tasks': 2})
  (whole,) = study_figures.figure6(_MEAN, None, oracle).axes
  drawn = study_figures.figure6_curves(_MEAN, oracle)
  (ax,) = drawn.axes
  assert [l.get_xydata().tolist() for l in ax.lines] == [
    l.get_xydata().tolist() for l in whole.lines
  ]
  (legend,) = drawn.legends
  assert [t.get_text().replace('\n', ' ') for t in legend.get_texts()] == [
    'features one by one (Head2Toe)',
    'whole layers, by mean relevance',
    'Oracle: embedding and the best layer of each task (looks at the test '
    'images)',
  ]
  assert len(study_figures.figure6_curves(_MEAN).axes[0].lines) == 2


def test_figure10_has_a_panel_for_each_task():
  drawn = study_figures.figure10(_GRANULARITY)
  assert [ax.get_title() for ax in drawn.axes] == ['t', 'u']
  assert drawn.axes[1].lines[1].get_ydata().tolist() == [6, 7]


_SCALING = pd.DataFrame(
  {
    'set': ['group 1'] * 4 + ['group 2'] * 2,
    'target_size': [30, 60, 30, 60, 30, 60],
    'tap_stride': [16, 16, 1, 1, 4, 4],
    'percent': [1.0, 2, 3, 4, 5, 6],
  }
)
_GROUPS = pd.DataFrame({'task': ['t', 'u'], 'set': ['group 1', 'group 2']})


def _curves(ax):
  return [
    (l.get_color(), l.get_linestyle(), l.get_xydata().tolist())
    for l in ax.lines
  ]


_WANTED = [
  ('red', ':', [[30, 3], [60, 4]]),
  ('red', '-', [[30, 1], [60, 2]]),
  ('blue', '--', [[30, 5], [60, 6]]),
]


def test_figure7_has_changes_and_groups_by_target_size():
  transfer = pd.DataFrame(
    {
      'source': ['t', 'u'] * 2,
      'task': ['t', 't', 'u', 'u'],
      'change': [0.0, -3, 1, 0],
    }
  )
  drawn = study_figures.figure7(transfer, _SCALING, _GROUPS)
  left, right, aside = drawn.axes[:3]
  # Rows select, columns use; negative is worse.
  assert left.images[0].get_array().tolist() == [[0, 1], [-3, 0]]
  assert left.images[0].get_clim() == (-3, 3)
  assert left.get_ylabel() == 'features selected with'
  assert left.get_xlabel() == 'used for'
  assert _curves(right) == _WANTED
  assert [t.get_text() for t in right.get_legend().get_texts()] == [
    'group 1',
    'group 2',
    '1/16 of the layers',
    '1/4 of the layers',
    'all layers',
  ]
  assert [(t.get_text(), t.get_color()) for t in aside.texts] == [
    ('group 1', 'red'),
    ('t', 'red'),
    ('group 2', 'blue'),
    ('u', 'blue'),
  ]


def test_labels_of_axes_are_no_longer_than_the_axes():
  drawn = study_figures.figure14(_SCALING, _GROUPS)
  drawn.draw_without_rendering()
  ax = drawn.axes[0]
  label, whole = ax.yaxis.label.get_window_extent(), ax.get_window_extent()
  assert whole.y0 < label.y0 and label.y1 < whole.y1


def test_figure14_is_the_right_part_of_figure7():
  ax = study_figures.figure14(_SCALING, _GROUPS).axes[0]
  assert _curves(ax) == _WANTED
  assert [t.get_text() for t in ax.get_xticklabels()] == ['30', '60']


def test_figure16_has_target_sizes_for_each_task():
  table = _SCALING.assign(task=['t'] * 4 + ['u'] * 2)
  one, two = study_figures.figure16(table).axes
  assert [c[1:] for c in _curves(one)] == [
    ('-', [[30, 1], [60, 2]]),
    (':', [[30, 3], [60, 4]]),
  ]
  assert len(two.lines) == 1


def test_figure13_has_the_mean_and_each_task():
  table = pd.DataFrame(
    {
      'task': 't',
      'method': ['linear', 'head2toe'] * 2,
      'train_fraction': [1, 1, 0.5, 0.5],
      'percent': [3.0, 4, 1, 2],
    }
  )
  mean, one = study_figures.figure13(table.assign(tasks=1), table).axes
  assert mean.get_title() == 'mean over 1 task' and one.get_title() == 't'
  for ax in (mean, one):
    assert [l.get_ydata().tolist() for l in ax.lines] == [[1, 3], [2, 4]]


def test_coefficients_have_equal_distances():
  (ax,) = study_figures.coefficient(
    pd.DataFrame(
      {'coefficient': [1e-5, 0, 1e-2], 'percent': [5.0, 4, 6], 'tasks': 2}
    )
  ).axes
  assert ax.lines[0].get_xydata().tolist() == [[0, 4], [1, 5], [2, 6]]
  assert [t.get_text() for t in ax.get_xticklabels()] == ['0', '1e-05', '0.01']


def test_scores_are_in_ascending_order():
  (ax,) = study_figures.scores(
    pd.DataFrame({'score': ['l2', 'chi2'], 'percent': [9.0, 7], 'tasks': 2})
  ).axes
  assert [t.get_text() for t in ax.get_yticklabels()] == [
    'chi-squared test',
    'group lasso, l2 norm (Head2Toe)',
  ]


@pytest.mark.parametrize(
  'high, wanted', [(90, ['20', '50']), (50_000, ['100', '1000', '10000'])]
)
def test_logarithmic_axes_have_few_ticks_but_some(high, wanted):
  table = pd.DataFrame(
    {
      'task': 't',
      'kind': 'features',
      'percent': [1.0, 2],
      'num_features': [20, high],
    }
  )
  ax = study_figures.figure10(table).axes[0]
  assert [t.get_text() for t in ax.get_xticklabels()] == wanted
  assert not len(ax.xaxis.get_minorticklocs())
