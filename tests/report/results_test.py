"""Which rows belong together is what they say, and nothing is guessed."""

import dataclasses

import pytest

from tests import testing
from tests.report import made
from tests.report import made_shifted
from vtab_h2t.backbones import registry as backbones
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import companion_rows
from vtab_h2t.report import jobs
from vtab_h2t.report import measured_cost
from vtab_h2t.report import results as results_lib
from vtab_h2t.report import statistics
from vtab_h2t.studies import registry as studies


def _read(workdir):
  return results_lib.read_all(ledger_lib.Ledger(workdir))


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """Two runs, of which the first has every job."""
  folder = tmp_path_factory.mktemp('results')
  made.write(folder, made.run())
  made.write(
    folder, made.run(image_size=64), names=('linear',), jobs_=('accuracy',)
  )
  return folder


def test_rows_are_read_by_run_and_job_the_fullest_run_first(workdir):
  one, two = _read(workdir)
  assert set(one.rows) == set(made.JOBS)
  assert set(two.rows) == {'accuracy'}
  assert (one.run, two.run) == (made.run(), made.run(image_size=64))
  for job, rows in one.rows.items():
    assert {r['job'] for r in rows} == {job}
    of = {one.run.id, *(f.run.id for f in one.derived.get(job, ()))}
    assert {r['run'] for r in rows} <= of
  assert sorted(f.run.train_fraction for f in one.derived['reduced']) == [
    0.1,
    0.25,
    0.5,
    0.75,
  ]


def test_rows_are_in_the_order_of_tasks_and_methods(workdir, tmp_path):
  one = _read(workdir)[0].of('accuracy')
  assert list(dict.fromkeys(r['task'] for r in one)) == [
    'digits',
    'scan_patches',
    'sprites_loc',
    'shapes_count',
  ]
  assert list(dict.fromkeys(r['method'] for r in one))[:6] == [
    'linear',
    'all_l2',
    'all_l1',
    'all_l21',
    'head2toe',
    'scratch',
  ]
  made.write(
    tmp_path,
    made.run(),
    ('a', 'digits', 'photo_patches'),
    names=('linear',),
    jobs_=('accuracy',),
  )
  # Tasks that the suite does not have come last.
  assert list(
    dict.fromkeys(r['task'] for r in _read(tmp_path)[0].of('accuracy'))
  ) == ['photo_patches', 'digits', 'a']


@pytest.mark.parametrize(
  'changes',
  [
    [
      {'space': made.fixed(lr=0.1, steps=5)},
      {'space': made.fixed(lr=0.01, steps=5)},
    ],
    [
      {},
      {
        'space': grids.quick('efficientnet_lite0').changed(
          {'auto_snr': {'snr': 'paper'}}
        )
      },
    ],
    [{}, {'taps': 'released'}],
    [{}, {'protocol': 'official'}],
    [{}, {'normalization': 'once'}],
    [{}, {'resize': 'legacy'}],
  ],
  ids=['hparams', 'snr', 'taps', 'protocol', 'normalization', 'resize'],
)
def test_rows_of_runs_that_differ_are_never_pooled(changes, tmp_path):
  """`grid fixed` twice was a median of nine rows of three settings."""
  runs = [made.run(**c) for c in changes]
  for i, of in enumerate(runs):
    made.write(
      tmp_path,
      of,
      ('digits',),
      names=('linear',),
      jobs_=('accuracy',),
      change=lambda r: r | {'correct': 800 + 10 * i},
    )
  found = _read(tmp_path)
  assert {r.run.id for r in found} == {r.id for r in runs}
  assert len({r.folder.path for r in found}) == 2
  for one in found:
    summary = statistics.summarise(one.of('accuracy'))
    assert summary.seeds.tolist() == [3]
    assert summary.accuracy_percent.tolist() == [80 + runs.index(one.run)]


def test_rows_of_two_runs_have_no_summary():
  rows = [
    made.row(made.run(image_size=size), 'accuracy', 'linear', 'digits', 0, 50)
    for size in (32, 64)
  ]
  with pytest.raises(ValueError, match='rows of several runs'):
    statistics.summarise(rows)


def test_a_job_is_what_the_row_says(tmp_path):
  """A plus in a backbone's name made rows the Control's."""
  of = made.run('one+two')
  made.write(tmp_path, of, ('digits',), jobs_=('accuracy', 'one_tap'))
  (one,) = _read(tmp_path)
  assert set(one.rows) == {'accuracy', 'one_tap'}


def test_a_vit_is_what_the_registry_says(monkeypatch):
  assert made.run('vit_ti16').is_vit
  assert not made.run('vitamin').is_vit
  monkeypatch.setitem(
    backbones.BACKBONES,
    'owl',
    backbones.Entry(None, ('random',), cls_token=True),
  )
  assert made.run('owl').is_vit


def test_a_view_has_fewer_tasks_methods_and_seeds(workdir):
  whole = _read(workdir)[0]
  view = whole.view({'digits'}, {'linear'}, {1})
  for job, rows in view.rows.items():
    assert {r['task'] for r in rows} == {'digits'}, job
    assert {r['seed'] for r in rows if r['split'] != 'val'} == {1}
  assert {r['method'] for r in view.of('accuracy')} == {'linear'}
  # Methods that a study compares with stay.
  assert {r['method'] for r in view.of('reduced')} == {
    'linear',
    'head2toe',
    'finetune',
  }
  assert view.run == whole.run and view.derived == whole.derived
  assert 'accuracy' not in whole.view({'digits'}, (), {0}).rows


def test_second_networks_are_not_pooled(tmp_path):
  of, third = made.run(), made.network('third', '5c')
  made.write(tmp_path, of, ('digits',))
  ledger = ledger_lib.Ledger(tmp_path)
  folder = ledger.open(jobs.JOBS['second'].derive(of, third)[0])
  folder.write(
    folder.rows_path('digits', 'rows', 'linear'),
    '',
    [made.row(folder.run, 'second', 'linear', 'digits', 0, 10)],
  )
  backbones_of = lambda found: {r['backbone'] for r in found.of('second')}
  assert backbones_of(results_lib.read(ledger, of)) == {'other'}
  assert backbones_of(results_lib.read(ledger, of, made.SECOND)) == {'other'}
  assert backbones_of(results_lib.read(ledger, of, third)) == {'third'}
  # Asked for a network that was not measured, another's rows are not shown.
  other = results_lib.read(ledger, of, made.network('fourth', '5d'))
  assert not other.of('second') and not other.of('control')
  assert other.of('accuracy')


def test_what_was_not_measured(tmp_path):
  ledger = ledger_lib.Ledger(tmp_path / 'none')
  assert results_lib.read_all(ledger) == []
  assert results_lib.read(ledger, made.run()) is None
  made.write(tmp_path, made.run(), jobs_=())
  ledger_lib.Ledger(tmp_path).open(made.run())
  assert _read(tmp_path) == []  # A run without rows.


def test_the_main_run_is_first_whatever_has_most_rows(tmp_path):
  """A table with pretrained weights on the suite that needs no download."""
  random = dataclasses.replace(made.network(), weights='random')
  few, many = ('linear',), ('linear', 'head2toe', 'ridge')
  for run, names in (
    (made.run(network=random), many),
    (made.run('resnet50', suite='vtab'), many),
    (made.run(), few),
  ):
    made.write(tmp_path, run, ('digits',), names=names, jobs_=('accuracy',))
  assert [r.run.network.weights for r in _read(tmp_path)].count('random') == 1
  assert _read(tmp_path)[0].run == made.run()


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  """Two tasks, measured with a tiny network."""
  workdir = tmp_path_factory.mktemp('measured')
  backbone = testing.tiny_backbone()
  tasks = [testing.tiny_task('one'), testing.tiny_task('two', seed=1)]
  run = testing.tiny_run(backbone)
  testing.measure(
    workdir,
    run,
    tasks,
    backbone,
    ('linear', 'head2toe'),
    [studies.STUDIES['offset']],
  )
  reduced = jobs.JOBS['reduced'].derive(run, None)[-1]
  testing.measure(workdir, reduced, tasks[:1], backbone, ('linear', 'head2toe'))
  return workdir


def test_measured_rows_have_what_outputs_read(measured):
  (one,) = _read(measured)
  assert set(one.rows) == {'accuracy', 'offset', 'reduced'}
  assert {m.facts['task'] for m in one.measurements} == {'one', 'two'}
  assert len(one.measurements) == 3
  assert one.measurements[: len(one.own_measurements)] == one.own_measurements
  assert 0 < len(one.own_measurements) < 3
  table = catalogue.OUTPUTS['figure12'].of_results(one)['figure12']
  assert table.groupby('task').share.sum().to_dict() == pytest.approx(
    {'one': 1, 'two': 1}
  )
  possible = [n for n, o in catalogue.OUTPUTS.items() if o.possible(one)]
  assert possible == [
    'table1',
    'table2',
    'table3',
    'table4',
    'table5',
    'ranking',
    'claims',
    'figure12',
    'figure13',
  ]
  # A network that cannot be built has no cost.
  assert measured_cost.measured(one.run, one.measurements).empty


def test_rows_under_shifts_are_in_the_order_of_what_is_declared(tmp_path):
  of = made_shifted.run(space=companions.space(companions.FULL))
  made_shifted.write(tmp_path, of)
  (one,) = _read(tmp_path)
  assert set(one.rows) == set(companion_rows.JOBS)
  for job, tasks in (
    ('lp_ft_shift', made_shifted.PAIRS),
    ('surgical_small', made_shifted.TARGETS),
  ):
    assert list(dict.fromkeys(r['task'] for r in one.of(job))) == list(tasks)
  # Of one seed rows stay as they were measured.
  first = [r['tuned'] for r in one.of('surgical_small')[:6]]
  assert first == ['none', *made_shifted.BLOCKS, 'last', 'all']
  (folder,) = one.derived['surgical_small']
  assert folder.run.backbone == 'small_net' and folder.run.parent == of.id


def test_runs_of_studies_alone_come_last(tmp_path):
  of = made_shifted.run(space=companions.space(companions.FULL))
  made_shifted.write(tmp_path, of)
  made.write(tmp_path, made.run(), names=('linear',), jobs_=('accuracy',))
  few, many = _read(tmp_path)
  assert (few.run, many.run) == (made.run(), of)
  assert len(few.of('accuracy')) < len(many.of('lp_ft_shift'))


def test_another_small_network_is_never_pooled(tmp_path):
  of = made_shifted.run(space=companions.space(companions.FULL))
  other = made.network('other_net', '5d')
  for small in (made_shifted.SMALL, other):
    made_shifted.write(tmp_path, of, small)
  found = results_lib.read(ledger_lib.Ledger(tmp_path), of, other)
  assert [f.run.network for f in found.derived['surgical_small']] == [other]
  ids = {f.run.id for f in found.derived['surgical_small']}
  assert {r['run'] for r in found.of('surgical_small')} == ids
