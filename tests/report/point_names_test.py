"""Names beside points can be read: none meets anything else."""

import itertools

import numpy as np
import pandas as pd
import pytest

from vtab_h2t.report import figures
from vtab_h2t.report import making_figures
from vtab_h2t.report import plotting
from vtab_h2t.report import point_names


def _named(ax):
  return [text for text in ax.texts if text.get_text()]


def _draw(x, y, names, size=3.6):
  drawn, (ax,) = plotting.figure(1, 1, size, size)
  ax.scatter(x, y)
  point_names.write(ax, *map(pd.Series, (x, y, names)))
  return drawn, ax


def _check(drawn, ax):
  """Names meet no other name, no marker and no line, and are in the axes."""
  drawn.draw_without_rendering()
  texts = _named(ax)
  boxes = [text.get_window_extent() for text in texts]
  for one, other in itertools.combinations(boxes, 2):
    assert not one.overlaps(other)
  markers = np.concatenate(
    [
      c.get_offset_transform().transform(c.get_offsets())
      for c in ax.collections
    ]
  )
  assert len(texts) == len(markers)
  radius = 3 * drawn.dpi / 72  # Of a scatter plot's markers.
  whole = ax.get_window_extent()
  for box in boxes:
    assert not any(box.padded(radius).contains(*m) for m in markers)
    assert whole.contains(*box.min) and whole.contains(*box.max)
    for line in ax.lines:
      (_, low), (_, high) = line.get_transform().transform(line.get_xydata())
      assert low == high  # The line at 0.
      assert not box.y0 < low < box.y1


@pytest.mark.parametrize('which', ['figure8', 'figure11'])
def test_names_of_the_papers_tasks_meet_nothing(which):
  if which == 'figure8':
    table = making_figures.figure8_published()['figure8']
    drawn = figures.figure8(table, printed=0.907)
  else:
    drawn = figures.figure11(
      making_figures.gains(
        making_figures.affinity_of_the_paper(), 'finetune', ('head2toe',)
      )
    )
  plotting.note(drawn, 'published numbers (Evci et al., 2022)')
  for ax in drawn.axes:
    assert len(_named(ax)) == 19
    _check(drawn, ax)


def test_a_name_stands_beside_its_point():
  drawn, ax = _draw([0.0, 1.0], [0.0, 1.0], ['one', 'two'])
  drawn.draw_without_rendering()
  for text, place in zip(_named(ax), ([0, 0], [1, 1])):
    box, point = text.get_window_extent(), ax.transData.transform(place)
    nearest = np.clip(point, box.min, box.max)
    assert np.abs(nearest - point).max() < 10 * drawn.dpi / 72


def test_nobody_takes_a_name_for_that_of_another_point():
  """Points as of Figure 8, where names of one stood beside the other."""
  x, y = [31.7, 30.5, 37.5, 0.0], [37.9, 30.0, 47.4, 0.0]
  drawn, ax = _draw(x, y, ['resisc45', 'sun397', 'cifar100', 'far'], 4.0)
  _check(drawn, ax)
  places = ax.transData.transform(np.column_stack([x, y]))
  for i, text in enumerate(_named(ax)):
    box = text.get_window_extent()
    apart = np.abs(np.clip(places, box.min, box.max) - places).max(axis=1)
    assert apart.argmin() == i


def test_lines_lead_from_names_that_have_no_room_beside_their_points():
  places = [0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 1.0]
  names = [f'name_{i}' for i in range(7)]
  drawn, ax = _draw(places, places, names)
  _check(drawn, ax)
  led = {text.xy for text in ax.texts if not text.get_text()}
  assert led and led <= {(p, p) for p in places[:6]}


def test_points_at_one_place_have_their_names_side_by_side():
  _check(*_draw([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], list('abcd')))


def test_the_same_points_have_the_same_places():
  rng = np.random.default_rng(0)
  x, y = rng.random((2, 25))
  names = [f'task_{i}' for i in range(25)]
  one, two = (
    [text.get_position() for text in _named(_draw(x, y, names)[1])]
    for _ in range(2)
  )
  assert one == two


@pytest.mark.soak
def test_where_there_is_no_room_for_all_each_still_has_its_name():
  names = [f'a long name {i}' for i in range(25)]
  _, ax = _draw(np.arange(25) % 2, np.arange(25) % 3, names, 1.5)
  assert [text.get_text() for text in _named(ax)] == names


def test_points_that_are_missing_have_no_name():
  _, ax = _draw([0.0, np.nan, 1.0], [0.0, 1.0, np.nan], ['a', 'b', 'c'])
  assert [text.get_text() for text in _named(ax)] == ['a']
  assert not _draw([np.nan], [0.0], ['a'])[1].texts
