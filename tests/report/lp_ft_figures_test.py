import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import lp_ft_figures as figures
from vtab_h2t.report import lp_ft_frames as frames

_ROWS = made.lp_ft(made.run())
_FRAMES = frames.figure_frames(_ROWS)


@pytest.fixture(scope='module')
def axes():
  return figures.figure(
    _FRAMES['lp_ft_figure'], _FRAMES['movement'], _FRAMES['severities']
  ).axes


def test_a_point_for_each_pair_and_adaptation(axes):
  points, *_ = axes
  of_ft = next(l for l in points.lines if l.get_label() == 'FT')
  assert of_ft.get_xdata() == pytest.approx([91] * 3)
  assert of_ft.get_ydata() == pytest.approx([51] * 3)
  # A pair is joined from LP to LP-FT.
  joined = points.lines[len(frames.ADAPTATIONS)]
  assert joined.get_xdata() == pytest.approx([81, 91, 89, 92])
  assert {t.get_text() for t in points.texts} >= set(made.PAIRS)


def test_movement_is_on_a_logarithmic_axis(axes):
  _, points, *_ = axes
  assert points.get_yscale() == 'log' and not points.containers
  named = [l for l in points.lines if not l.get_label().startswith('_')]
  assert {l.get_label(): l.get_ydata()[0] for l in named} == {
    'FT, ID (right)': 4,
    'FT, OOD (right)': 2,
    'FT, frozen statistics, ID (right)': 3,
    'FT, frozen statistics, OOD (right)': 2,
    'LP-FT, ID (right)': 0.2,
    'LP-FT, OOD (right)': 0.1,
  }
  assert {l.get_label(): l.get_fillstyle() for l in named}[
    'FT, OOD (right)'
  ] == 'none'
  names = [t.get_text() for t in points.get_xticklabels()]
  assert names[0] == 'digits\nto mnist_5k'


def test_a_panel_for_each_corruption(axes):
  *_, noise, blur = axes
  assert (noise.get_title(), blur.get_title()) == ('noise', 'blur')
  assert noise.lines[0].get_ydata() == pytest.approx([63, 62, 61, 60, 59])


def test_what_is_lacking_is_left_out():
  drawn = figures.figure(_FRAMES['lp_ft_figure'])
  assert len(drawn.axes) == 2 and not drawn.axes[1].get_visible()
