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


def test_figure2_has_three_lines_for_each_backbone(affinity):
  drawn = figures.figure2(affinity)
  assert [ax.get_title() for ax in drawn.axes] == list(_BACKBONES)
  for ax, table in zip(drawn.axes, affinity.values()):
    linear, scratch, tuned = ax.lines
    assert linear.get_ydata().tolist() == table.linear.tolist()
    assert scratch.get_ydata().tolist() == table.scratch.tolist()
    assert tuned.get_ydata().tolist() == table.finetune.tolist()
    assert [t.get_text().split()[0] for t in ax.get_xticklabels()] == list(
      table.task
    )


def test_figure3_has_two_bars_a_task(affinity):
  tables = {
    b: frames.gains(t, 'linear', ('head2toe', 'finetune'))
    for b, t in affinity.items()
  }
  drawn = figures.figure3(tables)
  for ax, table in zip(drawn.axes, tables.values()):
    ours, tuned = ax.containers
    assert [b.get_height() for b in ours] == table.head2toe_gain.tolist()
    assert [b.get_height() for b in tuned] == table.finetune_gain.tolist()


def test_figure4_scatters_the_oracles_gain_and_draws_averages(affinity):
  gains = affinity['resnet50'][['task', 'group', 'affinity']].copy()
  gains['oracle_gain'] = range(19)
  averages = pd.DataFrame(
    [
      {'method': 'linear', 'average': 50.0, 'natural': 60.0},
      {'method': 'oracle', 'average': 55.0, 'natural': 61.0},
    ]
  )
  left, right = figures.figure4(gains, averages).axes
  assert _points(left) == sorted(zip(gains.affinity, gains.oracle_gain))
  assert left.get_title() == 'Spearman +1.000'
  assert [[b.get_height() for b in c] for c in right.containers] == [
    [50, 60],
    [55, 61],
  ]
  (only,) = figures.figure4(None, averages).axes
  assert len(only.containers) == 2


def test_figure8_compares_two_backbones(affinity):
  table = frames.affinities(affinity)
  (ax,) = figures.figure8(table, 0.907).axes
  assert _points(ax) == sorted(zip(table.resnet50, table.vit_b16))
  assert ax.get_title() == 'Spearman +0.868; the paper prints +0.907'


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
  offset = pd.DataFrame({'offset': [0, 10], 'percent': [5.0, 4]})
  drawn = figures.figure11({'resnet50': gains['resnet50']}, overlap, offset)
  left, middle, right = drawn.axes[:3]
  assert len(_points(left)) == 19
  assert middle.images[0].get_array().tolist() == [[0.9, 0.2], [0.2, 0.8]]
  assert right.lines[0].get_ydata().tolist() == [5, 4]


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
        drawn, ax, table, ('task', 'other', 'shared'), '{:.1f}', 'x'
      )
      plotting.png(drawn, 50)
    assert [t.get_text() for t in ax.texts] == [
      f'{v:.1f}' for v in values if np.isfinite(v)
    ]


def test_a_source_that_some_tasks_lack_is_blank():
  table = pd.DataFrame(
    {'task': ['t', 'u', 'u'], 'source': ['t', 't', 'u'], 'loss': [0.0, 2, 0]}
  )
  drawn, (ax,) = plotting.figure(1, 1)
  plotting.heatmap(drawn, ax, table, ('task', 'source', 'loss'), '{:.0f}', 'x')
  assert [t.get_text() for t in ax.texts] == ['0', '2', '0']


def test_points_that_are_missing_have_no_name(affinity):
  table = affinity['resnet50'].copy()
  gains = frames.gains(table, 'finetune', ('head2toe',))
  gains.loc[:16, 'head2toe_gain'] = np.nan
  (ax,) = figures.figure11({'resnet50': gains}).axes
  assert {t.get_text() for t in ax.texts} - {''} == set(gains.task[17:])
  gains['head2toe_gain'] = np.nan
  assert not figures.figure11({'resnet50': gains}).axes[0].texts
