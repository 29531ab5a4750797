import pandas as pd

from vtab_h2t.report import plotting


def test_a_figure_is_saved_twice_and_always_alike(tmp_path):
  def draw():
    drawn, axes = plotting.figure(2, 3)
    assert len(axes) == 6
    axes[0].plot([1, 2], **plotting.STYLES[0])
    return drawn

  one = plotting.save(draw(), tmp_path / 'one', 'f')
  two = plotting.save(draw(), tmp_path / 'two', 'f')
  assert [p.name for p in one] == ['f.png', 'f.pdf']
  for a, b in zip(one, two):
    assert a.read_bytes() == b.read_bytes()
  assert one[0].read_bytes()[:4] == b'\x89PNG'
  assert one[1].read_bytes()[:4] == b'%PDF'


def test_styles_differ_without_colour():
  assert len({(s['marker'], s['linestyle']) for s in plotting.STYLES}) == len(
    plotting.STYLES
  )


def test_either_axis_can_be_logarithmic_with_few_ticks():
  for axis in ('x', 'y'):
    _, (ax,) = plotting.figure(1, 1)
    ax.plot([1, 50], [1, 50])
    plotting.log_scale(ax, axis=axis)
    scales = ax.get_xscale(), ax.get_yscale()
    assert scales == (('log', 'linear') if axis == 'x' else ('linear', 'log'))
    labels = ax.get_xticklabels() if axis == 'x' else ax.get_yticklabels()
    assert [t.get_text() for t in labels] == ['1', '2', '5', '10', '20', '50']


def test_means_say_over_how_many_tasks():
  table = pd.DataFrame({'tasks': [3, 3]})
  assert plotting.mean_over(table) == 'mean over 3 tasks'
  assert plotting.mean_over(table[:0]) == 'mean over 0 tasks'


def test_a_figure_says_where_its_numbers_come_from():
  drawn, _ = plotting.figure(1, 1)
  plotting.note(drawn, 'measured: here')
  assert drawn.get_suptitle() == 'measured: here'
