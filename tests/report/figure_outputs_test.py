import pytest

from tests.report import made
from vtab_h2t.report import figure_outputs

_BY_NAME = {o.name: o for o in figure_outputs.OUTPUTS}


def test_every_figure_with_numbers_is_there():
  """Figures 1 and 5 of the paper are drawings."""
  numbers = {n for n in range(2, 17) if n != 5}
  assert set(_BY_NAME) == {f'figure{n}' for n in numbers} | {
    'coefficient',
    'scores',
  }
  assert all(o.draw and o.measured for o in figure_outputs.OUTPUTS)


def test_those_that_printed_numbers_suffice_for():
  assert [o.name for o in figure_outputs.OUTPUTS if o.published] == [
    'figure2',
    'figure3',
    'figure4',
    'figure8',
    'figure11',
  ]


@pytest.mark.parametrize('name', ['figure4', 'figure8', 'figure11'])
def test_of_the_paper_alone_a_part_is_drawn(name):
  output = _BY_NAME[name]
  drawn = output.picture(output.of_paper(), 'published')
  # One scatter or one chart of bars a backbone that it is printed for.
  assert len(drawn.axes) == {'figure11': 2}.get(name, 1)
  if name == 'figure8':
    assert 'the paper prints +0.907' in drawn.axes[0].get_title()


@pytest.mark.parametrize(
  'backbone, lacking',
  [
    ('resnet50', {'figure14', 'figure15'}),
    ('vit_ti16', {'figure12'}),
  ],
)
def test_some_are_of_vits_and_some_of_others(backbone, lacking):
  is_vit = made.run(backbone).is_vit
  assert {
    o.name for o in figure_outputs.OUTPUTS if o.vit not in (None, is_vit)
  } == lacking
