import pytest

from tests.report import made
from vtab_h2t.report import papers
from vtab_h2t.report import statistics


@pytest.mark.parametrize('backbone, count', [('resnet50', 9), ('vit_b16', 9)])
def test_table1_as_rows(backbone, count):
  rows = papers.rows(backbone)['accuracy']
  assert len(rows) == 19 * count
  svhn = {r['method']: r for r in rows if r['task'] == 'svhn'}
  wanted = {'resnet50': (84.1, 0.24), 'vit_b16': (82.9, 0.14)}[backbone]
  found = svhn['head2toe']
  assert (statistics.percent(found), found['deviation']) == pytest.approx(
    wanted
  )
  # The ResNet-50's Scratch is from another paper, without deviations.
  assert ('deviation' in svhn['scratch']) == (backbone == 'vit_b16')


def test_the_other_backbone_is_the_second_network():
  svhn = [r for r in papers.rows('resnet50')['second'] if r['task'] == 'svhn']
  assert {r['method']: statistics.percent(r) for r in svhn} == pytest.approx(
    {'linear': 38.7, 'scratch': 19.4}
  )


def test_cost_is_that_of_table_3():
  rows = {r['task']: r for r in papers.rows('resnet50')['cost']}
  assert len(rows) == 19 and 'cost' not in papers.rows('vit_b16')
  assert rows['pets']['storage_vs_linear'] == 0.649417
  kept = {
    r['task']: r['num_features']
    for r in papers.rows('resnet50')['accuracy']
    if r['method'] == 'head2toe'
  }
  assert (kept['pets'], kept['svhn']) == (935, 8482)  # 0.002 of 467688
  (overhead,) = {r['overhead'] for r in papers.rows('vit_b16')['search']}
  assert overhead == pytest.approx(0.3885)


def test_averages():
  assert papers.mean_of('figure4_averages_resnet50', 'oracle') == 60.15
  table6 = papers.mean_of('table6_ablation_resnet50', 'original', 'structured')
  assert table6 == 53.7
  assert papers.table1_mean('vit_b16', 'linear') == 52.8


@pytest.mark.parametrize(
  'changes, fair',
  [
    ({}, True),
    ({'normalization': 'once'}, True),
    ({'normalization': 'none'}, False),
    ({'suite': 'embedded'}, False),
    ({'cls_pooling': 'only'}, False),
    ({'train_fraction': 0.5}, False),
  ],
)
def test_what_may_stand_beside_the_papers_numbers(changes, fair):
  of = made.run('resnet50', **{'suite': 'vtab'} | changes)
  assert papers.comparable(of) == fair
  assert not papers.comparable(made.run('vit_ti16', suite='vtab'))
