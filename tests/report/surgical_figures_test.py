import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import surgical_figures as figures
from vtab_h2t.report import surgical_frames as frames

_TABLE = frames.figure_frames(made.all_results())['surgical_figure']


def test_a_row_for_each_network_and_number_and_a_panel_for_each_kind():
  axes = figures.figure(_TABLE).axes
  assert [ax.get_title() for ax in axes] == [
    f'{kind} ({count})\n{network}, {shots} images a class'
    for network, count in (('small_net', '2 targets'), ('made', '1 target'))
    for shots in (20, 100)
    for kind in ('input shift', 'feature shift', 'output shift', 'no shift')
  ]


def test_points_are_blocks_and_lines_all_and_none():
  axes = figures.figure(_TABLE).axes
  for ax, more in ((axes[0], 0), (axes[4], 5)):
    names = [t.get_text() for t in ax.get_xticklabels()]
    assert names == ['block1', 'block2', 'block3', 'last']
    (points,) = [c[0].get_ydata() for c in ax.containers]
    assert points == pytest.approx(
      [80.5 + more, 70.5 + more, 65.5 + more, 60.5 + more]
    )
    lines = {l.get_label(): l.get_ydata()[0] for l in ax.lines}
    assert lines['all layers'] == 78.5 + more
    assert lines['nothing tuned'] == 40.5


def test_parts_are_in_the_networks_order():
  names = {'block1': 'embedding', 'block2': 'blocks00_02'}
  axes = figures.figure(_TABLE.assign(tuned=_TABLE.tuned.replace(names))).axes
  assert [t.get_text() for t in axes[0].get_xticklabels()] == [
    'embedding',
    'blocks00_02',
    'block3',
    'last',
  ]


def test_what_was_not_measured_has_no_panel():
  table = _TABLE[(_TABLE.shots == 20) & _TABLE.kind.isin(['input', 'none'])]
  assert len(figures.figure(table).axes) == 4
  table = table[(table.network != 'made') | (table.kind == 'input')]
  assert [ax.get_visible() for ax in figures.figure(table).axes] == [
    True,
    True,
    True,
    False,
  ]


def test_networks_have_the_names_that_readers_know():
  table = _TABLE.assign(
    network=_TABLE.network.replace('made', 'efficientnet_lite0')
  )
  title = figures.figure(table).axes[-1].get_title()
  assert title.endswith('EfficientNet-Lite0, 100 images a class')
