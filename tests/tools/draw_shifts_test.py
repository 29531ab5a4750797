import numpy as np
from PIL import Image
import pytest

from tools import draw_shifts
from vtab_h2t.tasks import shifted


def test_every_kind_of_shift_is_drawn():
  names = [name for name, _ in draw_shifts.SHIFTS]
  kinds = {shifted.task(name).group for name in names}
  assert kinds == {shifted.task(n).group for n in shifted.TARGETS} | {'real'}
  drawn = {name.partition('.')[2].rstrip('5') for name in names}
  assert drawn >= {'same', 'instances', 'odd', 'flipped', 'permuted'}


def test_sides_show_the_same_classes():
  (left, labels), (right, others) = draw_shifts.sides('digits.flipped', 'test')
  assert left.shape == right.shape == (4, 64, 64, 3)
  np.testing.assert_array_equal(labels, others)
  assert len(set(labels)) == 4


@pytest.mark.soak
def test_drawn_to_a_file(tmp_path, monkeypatch, capsys):
  rows = ('digits.to.mnist_5k', 'mnist_5k'), ('digits.permuted', 'test')
  monkeypatch.setattr(draw_shifts, 'SHIFTS', rows)
  file = tmp_path / 'some.png'
  draw_shifts.main([str(file)])
  assert capsys.readouterr().out == f'{file}\n'
  with Image.open(file) as image:
    assert image.mode == 'RGB' and image.width > 500


def test_the_picture_of_the_guide_is_small():
  assert draw_shifts.DEFAULT.stat().st_size < 400_000


@pytest.mark.parametrize(
  'name, title',
  [
    ('digits.noise1', '3'),
    ('digits.flipped', 'label 3'),
    ('mnist_pairs.odd', '6 or 7'),
  ],
)
def test_titles_are_classes_where_they_keep_their_meaning(name, title):
  assert draw_shifts._title(name, 3) == title
