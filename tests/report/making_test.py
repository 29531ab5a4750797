import pandas as pd
import pytest

from tests import testing
from tests.report import made
from vtab_h2t import published
from vtab_h2t.protocol import run as run_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import making
from vtab_h2t.report import statistics


def _add(of, job, **fields):
  """`testing.result_rows` of another run and job."""
  return [
    r | {'run': of.id, 'job': job} | fields for r in testing.result_rows()
  ]


def test_table2_is_what_head2toe_chose():
  of = made.run()
  rows = _add(
    of,
    'accuracy',
    target_size=256,
    fraction=0.1,
    learning_rate=0.1,
    steps=500,
    coefficient=1e-5,
  )
  table = making.table2(made.results(rows, of))['table2']
  assert table.task.tolist() == ['x', 'y', 'z']
  assert (table.l21_coefficient == 1e-5).all()


def test_table5_has_each_task_once():
  table = making.table5(made.results(testing.result_rows()))['table5']
  assert table.to_numpy().tolist() == [
    ['x', 'natural'],
    ['y', 'structured'],
    ['z', 'structured'],
  ]


@pytest.mark.parametrize(
  'name, wanted, theirs',
  [
    ('table6', making.TABLE6, 'table6_ablation_resnet50'),
    ('table7', making.TABLE7, 'table7_cls_token_vit_b16'),
  ],
)
def test_variants_stand_beside_the_original(name, wanted, theirs):
  of = made.run()
  by_job = {
    job: [
      r | {'correct': r['correct'] + 10 * i}
      for r in _add(made.run(image_size=32 + i), job)
    ]
    for i, job in enumerate(wanted.values())
  }
  results = made.results(by_job.pop('accuracy'), of, **by_job)
  table = catalogue.OUTPUTS[name].of_results(results)[name]
  table = table.set_index('variant')
  assert table.index.tolist() == published.table(theirs).variant.tolist()
  # Head2Toe has 60, 60 and 80 of 200 in the median, 5 points more each.
  assert table.natural.tolist() == [60 + 5 * i for i in range(len(table))]
  assert table.structured['original'] == pytest.approx(70)
  assert table.average['original'] == pytest.approx(200 / 3)


def test_variants_are_compared_on_the_tasks_that_all_have():
  of = made.run()
  rows = _add(of, 'accuracy')
  fewer = [r for r in rows if r['task'] != 'z']
  table = making.table7(made.results(rows, of, cls_only=fewer, cls_both=rows))
  table = table['table7'].set_index('variant')
  assert table.structured.tolist() == [60, 60, 60]  # Not 70, of y and z.


def _as_printed(of):
  """As if measured with the paper's network: 1 point above what it prints."""
  table = published.table('table1_accuracy')
  table = table[(table.backbone == 'resnet50') & (table.task != 'mean')]
  return [
    made.row(of, 'accuracy', r.method, r.task, 0, 0)
    | {'group': r.group, 'correct': round(10 * r.accuracy_percent) + 10}
    for r in table.itertuples()
  ]


def test_published_numbers_stand_beside_where_it_is_fair():
  of = made.run('resnet50', suite='vtab')
  rows = _as_printed(of)
  results = made.results(rows, of)
  output = catalogue.OUTPUTS['table1']
  frames = output.of_results(results)
  assert list(frames) == ['table1', 'published', 'difference']
  assert frames['difference'].accuracy_percent.to_numpy() == pytest.approx(1)
  assert len(frames['difference']) == 19 * 9
  text = output.text(frames, 'here')
  assert 'Measured less published' in text and 'Published (Tables' in text
  two = catalogue.OUTPUTS['figure2'].of_results(results)
  assert list(two) == ['resnet50', 'resnet50_published']
  pd.testing.assert_frame_equal(
    two['resnet50'][['affinity']], two['resnet50_published'][['affinity']]
  )
  variants = {job: rows for job in making.TABLE6.values() if job != 'accuracy'}
  frames = making.table6(made.results(rows, of, **variants))
  table = frames['table6']
  assert table.natural[0] - table.natural_published[0] == pytest.approx(
    1, abs=0.06
  )
  text = catalogue.OUTPUTS['table6'].text(frames, 'here')
  assert 'natural_published' in text
  assert 'pre_activation moves 49 of 52 taps; ' in text


@pytest.mark.parametrize(
  'of', [made.run('resnet50'), made.run('vit_ti16', suite='vtab')]
)
def test_nothing_published_stands_beside_other_tasks_or_networks(of):
  results = made.results(_as_printed(of), of)
  assert list(making.table1(results)) == ['table1']
  assert len(making.affinity(results)) == 1


def test_published_numbers_are_of_the_tasks_that_were_measured():
  of = made.run('resnet50', suite='vtab')
  rows = [r for r in _as_printed(of) if r['task'] in ('svhn', 'pets')]
  frames = making.table1(made.results(rows, of))
  assert set(frames['published'].task) == {'svhn', 'pets'}


def test_figure8_names_both_networks(tmp_path):
  of = made.run()
  made.write(tmp_path, of)
  from vtab_h2t.protocol import ledger as ledger_lib
  from vtab_h2t.report import results as results_lib

  results = results_lib.read(ledger_lib.Ledger(tmp_path), of)
  table = making.figure8(results)['figure8']
  assert list(table) == ['task', 'group', 'made (imagenet)', 'other (imagenet)']
  summary = statistics.wide(
    statistics.summarise(results.of('second')), ('natural',)
  )
  assert (
    table.set_index('task')['other (imagenet)'].digits
    == (statistics.domain_affinity(summary)['natural', 'digits'])
  )


def test_figure13_has_tasks_with_all_and_fewer_images():
  of = made.run()
  row = lambda job, task, percent, **fields: made.row(
    of, job, 'linear', task, 0, percent, **fields
  )
  rows = [row('accuracy', t, 60) for t in ('t', 'u')]
  reduced = [
    row('reduced', 't', p, train_fraction=f) for f, p in ((0.1, 20), (0.5, 40))
  ] + [row('reduced', 'u', 30, train_fraction=0.1)]
  frames = making.figure13(made.results(rows, of, reduced=reduced))
  assert set(frames['tasks'].task) == {'t'}
  assert frames['figure13'].train_fraction.tolist() == [0.1, 0.5, 1.0]
  assert frames['figure13'].percent.tolist() == [20, 40, 60]


@pytest.mark.parametrize(
  'changes, fair',
  [
    ({}, True),
    ({'weights': 'random'}, False),
    ({'suite': 'embedded'}, False),
    ({'taps': 'pre_activation'}, False),
    ({'train_fraction': 0.5}, False),
  ],
)
def test_the_papers_numbers_stand_beside_its_networks_only(changes, fair):
  weights = changes.pop('weights', 'file.h5')
  run = testing.tiny_run(
    **{
      'suite': 'vtab',
      'data_source': 'tfds',
      'network': run_lib.Network(
        backbone='resnet50', weights=weights, sha256='0', scale=1, offset=0
      ),
    }
    | changes
  )
  assert making.comparable(run) == fair
