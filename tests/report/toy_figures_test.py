import numpy as np
import pytest

from vtab_h2t.report import toy_figures
from vtab_h2t.toys import tables as toys


@pytest.fixture(scope='module')
def tables():
  return toys.tables(seeds=(0, 1))


def test_distortion_draws_medians(tables):
  axes = toy_figures.distortion(tables['lp_ft']).axes
  table = tables['lp_ft']
  wanted = table[table.method == 'ft'].groupby('epsilon').ood.median()
  lines = {line.get_label(): line for line in axes[0].lines}
  assert set(lines) == {'linear probing', 'LP-FT', 'fine-tuning'}
  np.testing.assert_allclose(lines['fine-tuning'].get_ydata(), wanted)
  assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


def test_shifts_draws_every_seed(tables):
  axes = toy_figures.shifts(tables['shifts']).axes
  assert [ax.get_title() for ax in axes] == ['input shift', 'output shift']
  table = tables['shifts']
  full = table[(table['shift'] == 'input') & (table.layers == 'full')].loss
  np.testing.assert_allclose(axes[0].lines[2].get_ydata(), full)


def test_each_figure_is_of_the_table_of_its_name(tables):
  assert {f.name for f in toy_figures.FIGURES} == {*tables} - {'predictions'}
  for one in toy_figures.FIGURES:
    assert one.draw(tables[one.name]).axes
    assert one.shows.endswith('.') and len(one.shows.split()) > 10


def test_adaptation_draws_four_measures(tables):
  axes = toy_figures.adaptation(tables['probing']).axes
  assert [ax.get_title() for ax in axes] == [
    'L2 distance',
    'cosine distance',
    'dot product',
    'norm',
  ]
  shown = tables['probing'].query('scale == 3')
  means = shown.groupby('rank').mean(numeric_only=True)
  np.testing.assert_allclose(axes[2].lines[0].get_ydata(), means['dot'])
