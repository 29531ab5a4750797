import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import head_probe_figures as figures
from vtab_h2t.report import head_probe_frames as frames

_TABLE = frames.figure(made.head_probe(made.run()))


def test_a_row_for_each_head_and_a_panel_for_each_measure():
  axes = figures.figure(_TABLE).axes
  assert len(axes) == 10
  assert axes[0].get_title() == 'l2 distance / norm before, linear head'
  assert axes[9].get_title() == 'test accuracy (%), 512 hidden units'


def test_lines_go_by_energy_training_and_test_images_apart():
  distance, *_, accuracy = figures.figure(_TABLE).axes[:5]
  lines = {l.get_label(): l for l in distance.lines}
  assert set(lines) == {
    f'{task}, {images} images'
    for task in made.PROBED
    for images in frames.IMAGES
  }
  line = lines['mnist_5k, test images']
  assert line.get_xdata() == pytest.approx([0.3, 0.45, 0.6, 0.75, 0.9])
  assert line.get_ydata() == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
  assert line.get_linestyle() == '--'
  assert lines['mnist_5k, train images'].get_linestyle() == '-'
  assert {l.get_label() for l in accuracy.lines} == {
    f'{task}, test images' for task in made.PROBED
  }
