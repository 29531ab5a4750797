import re

import pytest

from tests.report import made
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import figure_outputs
from vtab_h2t.report import results as results_lib

_BY_NAME = {o.name: o for o in figure_outputs.OUTPUTS}


def test_every_figure_with_numbers_is_there():
  """Figures 1 and 5 of the paper are drawings."""
  numbers = {n for n in range(2, 17) if n != 5}
  assert set(_BY_NAME) == {f'figure{n}' for n in numbers} | {
    'coefficient',
    'scores',
  }
  assert all(o.draw and o.measured for o in figure_outputs.OUTPUTS)


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  folder = tmp_path_factory.mktemp('figures')
  made.write(folder, made.run(), jobs_=('granularity', 'one_tap', 'scaling'))
  return results_lib.read(ledger_lib.Ledger(folder), made.run())


@pytest.mark.parametrize('output', figure_outputs.OUTPUTS, ids=lambda o: o.name)
def test_each_says_what_is_seen_in_it(output):
  assert output.shows.endswith('.') and len(output.shows.split()) > 10


@pytest.mark.parametrize('name', ['figure6', 'figure9', 'figure10'])
def test_captions_say_what_is_in_the_legend(name, measured):
  output = _BY_NAME[name]
  drawn = output.picture(output.of_results(measured), 'source')
  legends = [*drawn.legends, *(ax.get_legend() for ax in drawn.axes)]
  labels = [t.get_text() for l in legends if l for t in l.get_texts()]
  assert labels
  caption = output.shows.lower()
  for label in {*labels} - {'one layer more'}:
    assert all(word in caption for word in label.lower().split()), label


@pytest.mark.parametrize('name', ['figure7', 'figure14'])
def test_captions_say_how_tasks_were_grouped(name):
  assert re.search(
    'group 1 has those whose accuracy .* is higher at the largest target size',
    _BY_NAME[name].shows,
  )


def test_the_curves_of_figure6_are_drawn_by_themselves(measured, tmp_path):
  output = _BY_NAME['figure6']
  paths = output.write(output.of_results(measured), tmp_path, 'source')
  (small,) = (p for p in paths if p.name == 'figure6_curves.png')
  assert small.stat().st_size < 1_000_000


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
