import pytest

from tests.report import made
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import making_figures as making
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics


def _measured(folder, of, **options):
  made.write(folder, of, **options)
  return results_lib.read(ledger_lib.Ledger(folder), of)


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  """All rows of a run with made-up ones."""
  return _measured(tmp_path_factory.mktemp('made'), made.run())


@pytest.mark.parametrize(
  'of', [made.run('resnet50'), made.run('vit_ti16', suite='vtab')]
)
def test_nothing_published_stands_beside_other_tasks_or_networks(of):
  rows = [
    made.row(of, 'accuracy', m, 'pets', 0, 50) for m in ('linear', 'scratch')
  ]
  assert len(making.affinity(made.results(rows, of))) == 1


def test_figures_2_and_3_of_the_paper():
  """Of the farthest task, dSprites-Location, Table 1 has 40.4 and 64.9."""
  table = making.affinity_of_the_paper()
  two = making.figure2(table)['resnet50']
  assert list(two) == ['task', 'group', 'affinity', 'head2toe_gain']
  assert two.task.iloc[0] == 'dsprites_loc'
  assert two.head2toe_gain.iloc[0] == pytest.approx(64.9 - 40.4)
  three = making.figure3(table)['vit_b16']
  assert len(three) == 19 + 3
  assert {'linear', 'scratch', 'finetune'} <= set(three)


def test_figure4_has_its_own_linear(measured):
  frames = making.figure4(measured)
  taps, gains = frames['taps'], frames['gains']
  assert set(taps.tap) == {'early', 'tokens'}
  own = taps.drop_duplicates('task').set_index('task').linear
  averages = frames['averages'].set_index('method')
  assert averages.index.tolist() == ['linear', 'control', 'oracle']
  assert averages.average['linear'] == pytest.approx(own.mean())
  assert gains.oracle_gain.to_numpy() == pytest.approx(
    (gains.oracle - gains.task.map(own)).to_numpy()
  )
  second = measured.derived['control'][0].run.second
  assert frames['control'].backbone.tolist() == [second.backbone]
  # Neither Clevr-Dist nor Pets: the farthest and the nearest task.
  assert gains.affinity.is_monotonic_increasing
  assert gains.shown.tolist() == [True, False, False, True]


def test_figure4_shows_the_papers_two_tasks_where_they_are(tmp_path):
  of = made.run(suite='vtab', data_source='tfds')
  tasks = 'svhn', 'clevr_dist', 'dtd', 'pets'
  wanted = 'accuracy', 'one_tap', 'control'
  results = _measured(tmp_path, of, tasks=tasks, jobs_=wanted)
  gains = making.figure4(results)['gains']
  assert set(gains.task[gains.shown]) == {'clevr_dist', 'pets'}


def test_figure4_is_of_the_tasks_that_have_all_of_it(tmp_path):
  results = _measured(
    tmp_path,
    made.run(),
    jobs_=('accuracy', 'one_tap', 'control'),
    change=lambda r: (
      None
      if (r['job'], r['task']) == ('control', 'digits')
      or (r['method'], r['task']) == ('scratch', 'scan_patches')
      else r
    ),
  )
  frames = making.figure4(results)
  assert set(frames['gains'].task) == {'sprites_loc', 'shapes_count'}
  assert set(frames['averages']) == {'method', 'average', 'structured'}


def test_figure6_has_the_oracle_and_the_layers_of_what_is_kept(measured):
  frames = making.figure6(measured)
  assert set(frames['figure6'].kind) == {'features', 'taps_mean', 'taps_group'}
  assert frames['figure6'].tasks.eq(4).all()
  layers = frames['layers']
  kept = measured.run.space.of('granularity').kept
  assert set(layers.task) == {'digits'}  # SVHN was not measured.
  assert layers.groupby('kind').kept.sum().eq(kept).all()
  assert layers.groupby('kind').share.sum().to_numpy() == pytest.approx(1)
  oracle = frames['oracle'].iloc[0]
  assert oracle.tasks == 4
  best = making.figure4(measured)['gains']
  assert oracle.percent == pytest.approx(best.oracle.mean())
  assert oracle.num_features == best.oracle_features.mean() == 20


def test_figure6_without_the_oracle_on_all_tasks(tmp_path):
  results = _measured(
    tmp_path,
    made.run(),
    jobs_=('granularity', 'one_tap'),
    change=lambda r: (
      None if (r['job'], r['task']) == ('one_tap', 'digits') else r
    ),
  )
  assert 'oracle' not in making.figure6(results)


def test_with_few_candidates_the_half_is_shown():
  of = made.run()
  rows = [
    made.row(
      of,
      'granularity',
      'granularity',
      't',
      0,
      50,
      kind='features',
      num_features=n,
      selected_by_tap={'a': [n, 20]},
    )
    for n in (1, 10, 20)
  ]
  layers = making.figure6(made.results(of=of, granularity=rows))['layers']
  assert layers.kept.tolist() == [10]


def test_figure7_states_the_groups(measured):
  frames = making.figure7(measured)
  assert list(frames) == ['transfer', 'scaling', 'groups']
  diagonal = frames['transfer'].query('source == task')
  assert len(diagonal) == 4 and diagonal.change.eq(0).all()
  assert set(frames['groups'].task) == set(made.GROUPS)
  assert making.figure14(measured)['figure14'].equals(frames['scaling'])


def test_figure7_names_the_tasks_that_its_means_are_over(tmp_path):
  results = _measured(
    tmp_path,
    made.run(),
    jobs_=('transfer', 'scaling', 'relevance'),
    change=lambda r: (
      None if r['task'] == 'digits' and r.get('tap_stride') == 4 else r
    ),
  )
  frames = making.figure7(results)
  assert set(frames['groups'].task) == set(made.GROUPS) - {'digits'}
  sizes = frames['groups'].groupby('set').size()
  for line in frames['scaling'].itertuples():
    assert line.tasks == sizes[line.set]


def test_figure8_names_both_networks(measured):
  frames = making.figure8(measured)
  table = frames['figure8']
  made_, other = (
    f'{name} pretrained on ImageNet' for name in ('made', 'other')
  )
  assert list(table) == ['task', 'group', made_, other]
  summary = statistics.wide(
    statistics.summarise(measured.of('second')), ('natural',)
  )
  assert (
    table.set_index('task')[other].digits
    == (statistics.domain_affinity(summary)['natural', 'digits'])
  )
  assert frames['layers'].tap.tolist() == ['early', 'tokens']
  assert frames['layers'].tasks.tolist() == [4, 4]


def test_figure8_without_single_layers(tmp_path):
  of = made.run()
  results = _measured(tmp_path, of, jobs_=('accuracy', 'second'))
  assert list(making.figure8(results)) == ['figure8']


def test_figure12_is_of_the_chosen_settings(measured):
  table = making.units(measured)
  assert table.groupby('task').share.sum().to_numpy() == pytest.approx(1)
  assert table.unit.tolist()[:2] == ['early', 'tokens']
  assert table.share.tolist()[:2] == [0.75, 0.25]


@pytest.mark.parametrize(
  'methods', [('linear', 'head2toe', 'finetune'), ('linear', 'head2toe')]
)
def test_figure13_has_tasks_with_all_and_fewer_images(methods):
  of = made.run()
  everything = 'linear', 'head2toe', 'finetune'

  def rows(job, task, percent, **fields):
    return [
      made.row(of, job, m, task, 0, percent + i, **fields)
      for i, m in enumerate(methods if fields else everything)
    ]

  whole = [*rows('accuracy', 't', 60), *rows('accuracy', 'u', 60)]
  reduced = [
    *rows('reduced', 't', 20, train_fraction=0.1),
    *rows('reduced', 't', 40, train_fraction=0.5),
    *rows('reduced', 'u', 30, train_fraction=0.1),
  ]
  frames = making.figure13(made.results(whole, of, reduced=reduced))
  assert set(frames['tasks'].task) == {'t'}
  table = frames['figure13']
  assert table.method.unique().tolist() == list(methods)
  linear = table[table.method == 'linear']
  assert linear.train_fraction.tolist() == [0.1, 0.5, 1.0]
  assert linear.percent.tolist() == [20, 40, 60]


def test_coefficients_are_means_over_tasks(measured):
  frames = making.coefficient(measured)
  table = frames['coefficient'].set_index('coefficient')
  tasks = frames['tasks']
  assert 0 in table.index and len(table) == 6
  assert table.percent[0] == pytest.approx(
    tasks.percent[tasks.coefficient == 0].mean()
  )
