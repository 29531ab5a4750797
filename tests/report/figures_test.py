"""What is drawn is what the frames say."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vtab_h2t.report import figures
from vtab_h2t.report import frames
from vtab_h2t.report import plotting

_BACKBONES = 'resnet50', 'vit_b16'


@pytest.fixture(scope='module')
def affinity():
  return {
    b: frames.by_affinity(frames.published_accuracies(b)) for b in _BACKBONES
  }


def _points(ax):
  return sorted(tuple(p) for c in ax.collections for p in c.get_offsets())


def test_figure2_has_a_bar_a_task_by_affinity(affinity):
  tables = {
    b: frames.gains(t, 'linear', ('head2toe',)) for b, t in affinity.items()
  }
  drawn = figures.figure2(tables)
  assert [ax.get_title() for ax in drawn.axes] == [
    'ResNet-50',
    'ViT-B/16',
  ]
  for ax, table in zip(drawn.axes, tables.values()):
    assert [t.get_text().split()[0] for t in ax.get_xticklabels()] == list(
      table.task
    )
    bars = sorted(
      (b.get_x() + b.get_width() / 2, b.get_height(), c.get_label())
      for c in ax.containers
      for b in c
    )
    assert [b[1] for b in bars] == table.head2toe_gain.tolist()
    assert [b[2] for b in bars] == table.group.tolist()  # Told apart.
    assert [b[0] for b in bars] == pytest.approx(range(19))
  assert len({c[0].get_facecolor() for c in drawn.axes[0].containers}) == 3


def _gains(*values, groups=None):
  """What `frames.gains` gives of some tasks."""
  return pd.DataFrame(
    {
      'task': [f't{i}' for i in range(len(values))],
      'group': groups or ['natural'] * len(values),
      'affinity': np.arange(len(values), dtype=float),
      'head2toe_gain': values,
    }
  )


def test_bars_of_figure2_have_their_numbers_outside_their_ends(affinity):
  tables = {
    b: frames.gains(t, 'linear', ('head2toe',)) for b, t in affinity.items()
  }
  drawn = figures.figure2(tables)
  drawn.draw_without_rendering()
  for ax, table in zip(drawn.axes, tables.values()):
    texts = sorted(ax.texts, key=lambda t: t.xy[0])
    assert [t.get_text() for t in texts] == [
      f'{gain:z.1f}' for gain in table.head2toe_gain
    ]
    boxes = [t.get_window_extent() for t in texts]
    whole = ax.get_window_extent()
    bars = [b.get_window_extent() for c in ax.containers for b in c]
    for i, box in enumerate(boxes):
      assert whole.x0 < box.x0 and box.x1 < whole.x1
      assert whole.y0 < box.y0 and box.y1 < whole.y1
      assert not any(box.overlaps(other) for other in [*boxes[:i], *bars])


def test_a_gain_of_nothing_shows_its_number_and_its_group():
  table = _gains(
    *(20.0, 0.0, -0.04, -7.5, np.nan),
    groups=['natural', 'specialized', 'structured', 'natural', 'specialized'],
  )
  (ax,) = figures.figure2({'resnet50': table}).axes
  assert {t.xy[0]: t.get_text() for t in ax.texts} == {
    0: '20.0',
    1: '0.0',
    2: '0.0',
    3: '-7.5',
  }
  points = {
    (line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor()
    for line in ax.lines
    if line.get_marker() in plotting.MARKERS
  }
  # The second and the third group's, as of bars.
  assert points == {(1, 0.0): 'C1', (2, -0.04): 'C2'}


def test_gains_that_are_missing_have_no_number_and_give_no_warning():
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    drawn = figures.figure2({'resnet50': _gains(np.nan, np.nan)})
    plotting.png(drawn, 50)
  assert not drawn.axes[0].texts


def test_words_of_figure2_can_be_read_in_a_column():
  """A README shows the figure of ten tasks 480 pixels wide."""
  drawn = figures.figure2({'resnet50': _gains(*range(10))})
  (ax,) = drawn.axes
  pixels = 480 / drawn.get_figwidth() / 72  # Of a point.
  for text in (*ax.texts, *ax.get_xticklabels(), ax.xaxis.label):
    assert text.get_fontsize() * pixels > 10.5


def test_a_group_has_its_colour_whichever_others_are_there(affinity):
  table = frames.gains(affinity['resnet50'], 'linear', ('head2toe',))
  colours = []
  for part in (table, table[table.group == 'structured']):
    drawn = figures.figure2({'resnet50': part.reset_index(drop=True)})
    (bars,) = (
      c for c in drawn.axes[0].containers if c.get_label() == 'structured'
    )
    colours.append(bars[0].get_facecolor())
  assert colours[0] == colours[1]


def test_affinities_have_the_digits_of_table1_and_zero_no_minus(affinity):
  table = frames.gains(affinity['resnet50'], 'linear', ('head2toe',))
  table.loc[0, 'affinity'] = -0.04
  names = [
    t.get_text()
    for t in figures.figure2({'resnet50': table}).axes[0].get_xticklabels()
  ]
  assert names[0].endswith('(+0.0)')
  assert 'dsprites_ori (-0.3)' in names and 'dmlab (+0.2)' in names


def test_panels_of_the_papers_numbers_say_so(affinity):
  tables = {
    'resnet50': affinity['resnet50'],
    'resnet50_published': affinity['resnet50'],
  }
  two = {b: frames.gains(t, 'linear', ('head2toe',)) for b, t in tables.items()}
  wanted = ['ResNet-50', 'ResNet-50, as published']
  assert [ax.get_title() for ax in figures.figure2(two).axes] == wanted
  assert [
    ax.get_title().split(':')[0] for ax in figures.figure11(two).axes
  ] == wanted


def test_legends_of_points_cover_none_of_their_names(affinity):
  table = frames.gains(affinity['resnet50'], 'finetune', ('head2toe',))
  drawn = figures.figure11({'resnet50': table})
  drawn.draw_without_rendering()
  (ax,) = drawn.axes
  legend = ax.get_legend().get_window_extent()
  assert not legend.overlaps(ax.get_window_extent())
  assert not legend.overlaps(ax.title.get_window_extent())


def test_figure3_has_three_lines_of_tasks_and_of_groups(affinity):
  methods = 'linear', 'finetune', 'scratch'
  tables = {b: frames.with_groups(t, methods) for b, t in affinity.items()}
  drawn = figures.figure3(tables)
  for ax, table in zip(drawn.axes, tables.values()):
    labels = [t.get_text().split()[0] for t in ax.get_xticklabels()]
    assert labels == list(table.name)
    for i, method in enumerate(methods):
      tasks, groups = ax.lines[2 * i : 2 * i + 2]
      assert tasks.get_ydata().tolist() == table[method][:19].tolist()
      assert groups.get_ydata().tolist() == table[method][19:].tolist()
      assert min(groups.get_xdata()) > max(tasks.get_xdata()) + 1
      # Names stand where points do.
      places = [*tasks.get_xdata(), *groups.get_xdata()]
      assert list(ax.get_xticks()) == places


def test_figure8_compares_two_backbones_and_has_each_layer(affinity):
  table = frames.affinities(affinity)
  (ax,) = figures.figure8(table, printed=0.907).axes
  assert _points(ax) == sorted(zip(table.resnet50, table.vit_b16))
  assert ax.get_title() == 'Spearman +0.868 (19 tasks); the paper prints +0.907'
  layers = pd.DataFrame(
    {'tap': ['a', 'b'], 'depth': [0, 1], 'tasks': 9, 'spearman': [-0.5, 0.25]}
  )
  _, right = figures.figure8(table, layers).axes
  assert [b.get_height() for b in right.containers[0]] == [-0.5, 0.25]
  assert [t.get_text() for t in right.get_xticklabels()] == ['a', 'b']
  assert right.get_title() == 'ResNet-50 (9 tasks)'
  layers['tasks'] = [9, 10]
  _, right = figures.figure8(table, layers).axes
  assert right.get_title() == 'ResNet-50 (9 to 10 tasks)'


def test_figure11_has_a_panel_for_what_is_known(affinity):
  gains = {
    b: frames.gains(t, 'finetune', ('head2toe',)) for b, t in affinity.items()
  }
  assert len(figures.figure11(gains).axes) == 2
  overlap = pd.DataFrame(
    {
      'task': ['t', 't', 'u', 'u'],
      'other': ['t', 'u'] * 2,
      'shared': [0.9, 0.2, 0.2, 0.8],
    }
  )
  offset = pd.DataFrame({'offset': [0, 10], 'percent': [5.0, 4], 'tasks': 3})
  drawn = figures.figure11({'resnet50': gains['resnet50']}, overlap, offset)
  left, middle, right = drawn.axes[:3]
  assert len(_points(left)) == 19
  assert middle.images[0].get_array().tolist() == [[0.9, 0.2], [0.2, 0.8]]
  assert right.lines[0].get_ydata().tolist() == [5, 4]
  assert right.get_ylabel() == 'test accuracy (%), mean over 3 tasks'
  assert right.get_title() == '10 features each, from this place on'
  # The colour bar's words are nearer to it than to the words beside the curve.
  drawn.draw_without_rendering()
  bar = drawn.axes[3]
  words = bar.yaxis.label.get_window_extent()
  between = right.yaxis.label.get_window_extent().x0 - words.x1
  assert between > words.x0 - bar.get_window_extent().x1 > 0


def test_what_is_missing_in_a_matrix_is_blank_without_a_warning():
  """One task with one seed has no overlap to show."""
  for values in ([np.nan], [np.nan, 0.2, 0.4, np.nan]):
    tasks = ['t', 'u'][: len(values) // 2 or 1]
    table = pd.DataFrame(
      [(a, b) for a in tasks for b in tasks], columns=['task', 'other']
    ).assign(shared=values)
    with warnings.catch_warnings():
      warnings.simplefilter('error')
      drawn, (ax,) = plotting.figure(1, 1)
      plotting.heatmap(
        drawn, ax, table, ('task', 'other', 'shared'), '{:.1f}'.format, 'x'
      )
      plotting.png(drawn, 50)
    assert [t.get_text() for t in ax.texts] == [
      f'{v:.1f}' for v in values if np.isfinite(v)
    ]


def test_a_source_that_some_tasks_lack_is_blank():
  table = pd.DataFrame(
    {'task': ['t', 'u', 'u'], 'source': ['t', 't', 'u'], 'change': [0.0, 2, 0]}
  )
  drawn, (ax,) = plotting.figure(1, 1)
  plotting.heatmap(
    drawn, ax, table, ('source', 'task', 'change'), '{:.0f}'.format, 'x'
  )
  assert [t.get_text() for t in ax.texts] == ['0', '2', '0']


def test_points_that_are_missing_have_no_name(affinity):
  table = affinity['resnet50'].copy()
  gains = frames.gains(table, 'finetune', ('head2toe',))
  gains.loc[:16, 'head2toe_gain'] = np.nan
  (ax,) = figures.figure11({'resnet50': gains}).axes
  assert {t.get_text() for t in ax.texts} - {''} == set(gains.task[17:])
  gains = gains[17:18]  # One task has no correlation.
  (ax,) = figures.figure11({'resnet50': gains}).axes
  assert ax.get_title() == 'ResNet-50: Spearman undefined (1 task)'
  gains = gains.assign(head2toe_gain=np.nan)
  assert not figures.figure11({'resnet50': gains}).axes[0].texts
