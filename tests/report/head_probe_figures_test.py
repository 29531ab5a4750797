import pytest

from tests.report import made_shifted as made
from vtab_h2t.report import head_probe_figures as figures
from vtab_h2t.report import head_probe_frames as frames

_TABLE = frames.figure(made.head_probe(made.run()))


def test_a_row_for_each_head_and_a_panel_for_each_measure():
  axes = figures.figure(_TABLE).axes
  assert len(axes) == 10
  assert (
    axes[0].get_title() == axes[5].get_title() == ('l2 distance / norm before')
  )
  assert axes[9].get_title() == 'test accuracy (%)'
  assert axes[0].get_ylabel() == 'linear head'
  assert axes[5].get_ylabel() == '512 hidden units'


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


def test_what_missed_the_common_loss_is_a_cross_beside_the_line():
  missed = (_TABLE.tau == made.TAUS[0]) & (_TABLE.task == 'mnist_5k')
  drawn = figures.figure(_TABLE.assign(reached=~missed))
  distance = drawn.axes[0]
  line = next(l for l in distance.lines if l.get_label().startswith('mnist_5k'))
  assert len(line.get_xdata()) == len(made.TAUS) - 1
  crosses = [tuple(x) for c in distance.collections for x in c.get_offsets()]
  (wanted,) = _TABLE[missed & (_TABLE.hidden == 0) & (_TABLE.images == 'test')][
    ['energy', 'l2']
  ].to_numpy()
  assert len(crosses) == 2 and tuple(wanted) in crosses


def test_the_legend_has_only_what_is_drawn():
  """Of a task that reached the loss nowhere there is no line."""
  missed = _TABLE.task == 'mnist_5k'
  (legend,) = figures.figure(_TABLE.assign(reached=~missed)).legends
  assert [t.get_text() for t in legend.get_texts()] == [
    'photo_patches, train images',
    'photo_patches, test images',
    'mnist_5k, common loss not reached',
  ]


def test_the_legend_has_lines_before_crosses():
  missed = _TABLE.tau == made.TAUS[0]
  (legend,) = figures.figure(_TABLE.assign(reached=~missed)).legends
  texts = [t.get_text() for t in legend.get_texts()]
  lines = [t for t in texts if t.endswith('images')]
  assert texts == [
    *lines,
    *(f'{t}, common loss not reached' for t in made.PROBED),
  ]
  assert lines == [
    f'{task}, {images} images'
    for task in made.PROBED
    for images in frames.IMAGES
  ]
