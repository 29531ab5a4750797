import numpy as np
import pandas as pd
import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import lp_ft_figures as figures
from vtab_h2t.report import lp_ft_frames as frames

_ROWS = made.lp_ft(made.run())
_FRAMES = frames.figure_frames(_ROWS)


@pytest.fixture(scope='module')
def drawn():
  return figures.figure(
    _FRAMES['lp_ft_figure'], _FRAMES['movement'], _FRAMES['severities']
  )


def _level(line):
  """What is shown of the first pair."""
  return line.get_ydata()[0]


def _points(ax):
  """Lines that join nothing: points, without the borders of pairs."""
  return [l for l in ax.lines if l.get_linestyle() == 'None']


def test_a_point_for_each_pair_and_adaptation(drawn):
  inside, outside = drawn.axes[:2]
  assert inside.get_title() == 'in distribution (ID)'
  assert outside.get_title() == 'out of distribution (OOD)'
  found = {}
  for ax in (inside, outside):
    points = {l.get_label(): l for l in _points(ax)}
    assert list(points) == ['LP', 'FT', 'FT, frozen statistics', 'LP-FT']
    assert {len(l.get_xdata()) for l in points.values()} == {len(made.PAIRS)}
    found[ax] = {label: _level(l) for label, l in points.items()}
    names = [t.get_text() for t in ax.get_xticklabels()]
    assert names[0] == 'digits\nto mnist_5k'
  assert list(found[inside].values()) == pytest.approx([81, 91, 89, 92])
  assert found[outside]['FT'] == pytest.approx(51)


def test_no_two_points_of_a_panel_are_in_one_column(drawn):
  for ax in drawn.axes[:3]:
    columns = [x for l in _points(ax) for x in l.get_xdata()]
    assert len({round(x, 6) for x in columns}) == len(columns)
    low, high = ax.get_xlim()
    assert low < min(columns) and max(columns) < high


def test_movement_is_on_a_logarithmic_axis(drawn):
  points = drawn.axes[2]
  assert points.get_yscale() == 'log' and not points.containers
  assert [
    (l.get_label(), l.get_fillstyle(), _level(l)) for l in _points(points)
  ] == [
    ('FT', 'full', 4),
    ('FT', 'none', 2),
    ('FT, frozen statistics', 'full', 3),
    ('FT, frozen statistics', 'none', 2),
    ('LP-FT', 'full', 0.2),
    ('LP-FT', 'none', 0.1),
  ]


def test_the_legend_has_what_is_drawn_once(drawn):
  (legend,) = drawn.legends
  labels = [t.get_text() for t in legend.get_texts()]
  assert labels == ['LP', 'FT', 'FT, frozen statistics', 'LP-FT']
  table = _FRAMES['lp_ft_figure'].assign(lp_id=np.nan, lp_ood=np.nan)
  (legend,) = figures.figure(table).legends
  assert [t.get_text() for t in legend.get_texts()] == labels[1:]


def test_a_panel_for_each_corruption(drawn):
  *_, noise, blur = drawn.axes
  assert (noise.get_title(), blur.get_title()) == ('noise', 'blur')
  assert noise.lines[0].get_ydata() == pytest.approx([63, 62, 61, 60, 59])


def test_panels_of_corruptions_say_which_pair_they_are_of(drawn):
  (pair,) = _FRAMES['severities'].pair.unique()
  below = drawn.subfigs[1]
  assert below.get_suptitle() == (
    f'{pair.replace(".to.", " to ")}, by corruption and how severe it is'
  )
  two = pd.concat(
    [_FRAMES['severities'], _FRAMES['severities'].assign(pair='a.to.b')]
  )
  drawn = figures.figure(_FRAMES['lp_ft_figure'], _FRAMES['movement'], two)
  assert drawn.subfigs[1].get_suptitle() == ''
  titles = [ax.get_title() for ax in drawn.axes if ax.get_visible()]
  assert titles[-1] == 'a to b\nblur'


def test_what_is_lacking_is_left_out():
  drawn = figures.figure(_FRAMES['lp_ft_figure'])
  assert [ax.get_visible() for ax in drawn.axes] == [True, True, False]
