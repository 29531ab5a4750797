"""Work units: what is measured, what is kept, and what never changes a row."""

import dataclasses
import functools
import json
import pickle
import shutil
import socket

import numpy as np
import pytest

from tests import synthetic_tfds
from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import retapping
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import interface
from vtab_h2t.methods import linear
from vtab_h2t.methods import registry as methods_registry
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import part
from vtab_h2t.protocol import unit
from vtab_h2t.report import statistics
from vtab_h2t.studies import registry as studies
from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer
from vtab_h2t.tasks import registry

_METHODS = 'linear', 'all_l21', 'head2toe'
_TUNED = (
  'head2toe',
  'scratch',
  'finetune',
  'head2toe_ft',
  'head2toe_ft_plus',
  'lp_ft',
  'surgical',
  'auto_rgn',
  'auto_snr',
  'head_probe',
)
_STUDIES = tuple(studies.STUDIES.values())


class _Bench:
  """Measures with one backbone, whose programs are compiled once."""

  def __init__(self, backbone):
    self.backbone = backbone
    self.extractor_for = functools.cache(
      lambda sizes: extraction.Extractor(backbone, sizes)
    )

  def run(self, **changes):
    return testing.tiny_run(self.backbone, **changes)

  def unit(
    self, run=None, tasks=('tiny',), methods=_METHODS, studies=(), seeds=(0, 1)
  ):
    return unit.Unit(
      run=run or self.run(),
      tasks=tasks,
      methods=methods,
      studies=studies,
      seeds=seeds,
    )

  def __call__(
    self, workdir, run=None, tasks=None, stages=None, progress=None, **changes
  ):
    """Measures, and returns all rows of the run, in the order of files."""
    tasks = tasks or [testing.tiny_task()]
    stages = [] if stages is None else stages
    ledger = ledger_lib.Ledger(workdir)
    work = self.unit(run, tuple(t.name for t in tasks), **changes)
    unit.run(
      work,
      tasks,
      self.backbone,
      self.extractor_for,
      ledger,
      2**30,
      progress or (lambda stage, *_: stages.append(stage)),
    )
    return ledger.find(work.run).rows()


@pytest.fixture(scope='module')
def tiny():
  return _Bench(testing.tiny_backbone())


@pytest.fixture(scope='module')
def normed():
  return _Bench(testing.normed_backbone())


@pytest.fixture(scope='module')
def whole(tiny, tmp_path_factory):
  """A work directory with the three methods' rows; not to be changed."""
  workdir = tmp_path_factory.mktemp('whole')
  tiny(workdir)
  return workdir


@pytest.fixture(scope='module')
def tuned(normed, tmp_path_factory):
  """The same for all methods that train the backbone."""
  workdir = tmp_path_factory.mktemp('tuned')
  normed(
    workdir,
    methods=_TUNED,
    run=normed.run(space=testing.tiny_space(folds=(4,))),
  )
  return workdir


def _of(rows, method):
  return [r for r in rows if r['method'] == method]


def _tests(rows):
  return [r for r in rows if r['split'] == 'test']


def _validated(rows):
  return [r for r in rows if r['split'] == 'val']


def _folder(workdir):
  (folder,) = ledger_lib.Ledger(workdir).folders()
  return folder


def _provenance(workdir):
  return [
    json.loads(path.read_text())
    for path in sorted((_folder(workdir).path / 'provenance').iterdir())
  ]


def test_rows_have_all_fields_and_counts(whole):
  rows = testing.read_rows(whole)
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  run = _folder(whole).run
  assert {(r['schema'], r['run'], r['job'], r['protocol']) for r in rows} == {
    (3, run.id, 'accuracy', 'exact')
  }
  tests = _tests(rows)
  assert [(r['method'], r['seed']) for r in tests] == [
    (m, s) for m in sorted(_METHODS) for s in (0, 1)
  ]
  assert all(r['total'] == 90 and r['fold'] is None for r in tests)
  validated = _validated(rows)
  # 2 folds x (2 linear + 4 all_l21 + 8 head2toe candidates).
  assert len(validated) == 2 * (2 + 4 + 8)
  assert {r['fold'] for r in validated} == {0, 4}
  assert all(r['total'] == 60 and r['seed'] == 0 for r in validated)
  by_method = {m: max(r['correct'] for r in _of(tests, m)) for m in _METHODS}
  assert by_method['head2toe'] > 60  # Chance is 30 of 90.
  assert all(('fraction' in r) == (r['method'] == 'head2toe') for r in rows)


def _setting(row):
  """Of a row, without what a test row says of its predictor besides."""
  found = interface.setting_of(row)
  for name in (
    'num_features',
    'num_examples',
    'num_parameters',
    'selected_by_tap',
  ):
    found.pop(name, None)
  return json.dumps(found, sort_keys=True)


def test_final_setting_is_the_best_of_validation(whole):
  rows = testing.read_rows(whole)
  for method in _METHODS:
    scores = {}
    for row in _validated(_of(rows, method)):
      key = _setting(row)
      scores[key] = scores.get(key, 0) + row['correct']
    for row in _tests(_of(rows, method)):
      assert scores[_setting(row)] == max(scores.values())


def test_methods_after_head2toe_are_measured_beside_it(tiny, tmp_path):
  names = tuple(n for n in methods_registry.SUCCESSORS if n != 'vqt')
  rows = tiny(tmp_path, methods=('linear', *names), seeds=(0, 1, 2))
  validated = {}
  for row in _validated(rows):
    key = row['method'], _setting(row)
    validated[key] = validated.get(key, 0) + row['correct']
  # Of `dino_linear`'s readings the network has two.
  counts = [sum(m == name for m, _ in validated) for name in names]
  assert counts == [2, 2, 2, 2, 2, 2 * 2, 2]
  for name in names:
    tests = _tests(_of(rows, name))
    assert [r['seed'] for r in tests] == [0, 1, 2]
    assert all(r['total'] == 90 and r['num_features'] for r in tests)
    if name != 'dino_linear':  # Whose 20 steps of SGD are few.
      assert all(r['correct'] > 45 for r in tests), name  # Chance is 30.
    # One predictor stands for all seeds.
    if not methods_registry.MEASURED[name].seeded:
      assert len({json.dumps(r | {'seed': 0}) for r in tests}) == 1
    scores = {s: n for (m, s), n in validated.items() if m == name}
    assert scores[_setting(tests[0])] == max(scores.values())
  before = testing.results(tmp_path)
  again = tiny(tmp_path, methods=names, seeds=(0, 1, 2))
  assert again == rows and testing.results(tmp_path) == before


def test_ties_go_to_the_first():
  one, two, three = (
    linear.Setting(learning_rate=lr, steps=5) for lr in (0.1, 0.2, 0.3)
  )
  assert space_lib.choose({one: [3, 4], two: [4, 4], three: [5, 3]}) == two


def test_finished_units_are_skipped(tiny, whole):
  before, stages = testing.results(whole), []
  tiny(whole, stages=stages)
  assert stages == ['load images']
  assert testing.results(whole) == before and len(_provenance(whole)) == 1


def test_what_is_unfinished_is_known(tiny, whole, tmp_path):
  of = lambda workdir, **changes: unit.unfinished(
    tiny.unit(**changes),
    [testing.tiny_task()],
    tiny.backbone,
    ledger_lib.Ledger(workdir),
  )
  assert of(tmp_path) and not list(tmp_path.iterdir())
  assert not of(whole) and not of(whole, seeds=(1,), methods=('linear',))
  assert of(whole, seeds=(2,)) and of(whole, methods=('all_l1',))
  assert of(whole, run=tiny.run(seed=1))


def test_methods_do_not_depend_on_their_company(tiny, whole, tmp_path):
  for method in reversed(_METHODS):  # One by one, the last first.
    tiny(tmp_path, methods=(method,))
  assert testing.rows_files(tmp_path) == testing.rows_files(whole)


def test_a_second_method_reuses_the_features(tiny, tmp_path):
  tiny(tmp_path, methods=('linear', 'head2toe'), seeds=(0,))
  stages = []
  tiny(tmp_path, seeds=(0,), stages=stages)
  assert 'embed train images' not in stages
  assert 'choose and train all_l21' in stages
  assert 'choose and train linear' not in stages


@pytest.mark.parametrize(
  'where',
  [
    'load images',
    'embed train images',
    'choose and train linear',
    'choose and train head2toe',
    'embed test images',
  ],
)
def test_stopping_anywhere_and_going_on_gives_the_same_files(
  tiny, whole, tmp_path, where
):
  class Stop(Exception):
    pass

  def stop(stage, *unused):
    if stage == where:
      raise Stop

  with pytest.raises(Stop):
    tiny(tmp_path, progress=stop)
  assert not testing.rows_files(tmp_path)
  tiny(tmp_path)
  assert testing.results(tmp_path) == testing.results(whole)


def test_one_setting_is_not_searched(tiny, tmp_path):
  space = grids.get(
    'fixed', 'x', 'lr=0.1,steps=9,target_size=30,fraction=0.2,l21=1e-5'
  )
  rows = tiny(tmp_path, run=tiny.run(space=space))
  assert [r['split'] for r in rows] == ['test'] * 6
  row = _of(rows, 'head2toe')[-1]
  assert row['fraction'] == 0.2 and row['steps'] == 9


def test_memory_and_paths_are_no_part_of_rows(tiny, whole, tmp_path):
  ledger = ledger_lib.Ledger(tmp_path)
  unit.run(
    tiny.unit(),
    [testing.tiny_task()],
    tiny.backbone,
    tiny.extractor_for,
    ledger,
    2**21,
    testing.no_progress,
  )
  assert testing.rows_files(tmp_path).keys() == testing.rows_files(whole).keys()
  assert str(tmp_path).encode() not in b''.join(
    testing.results(tmp_path).values()
  )


def test_runs_share_a_work_directory_and_its_features(tiny, tmp_path):
  """Each option and protocol has rows of its own, each says whose it is."""
  runs = [
    tiny.run(),
    tiny.run(protocol='official'),
    tiny.run(seed=1),
    *(tiny.run(normalization=rule) for rule in ('once', 'feature', 'none')),
    tiny.run(space=testing.tiny_space(auto_snr={'snr': 'paper'})),
    tiny.run(space=testing.tiny_space(head_probe={'smoothing': 0.3})),
  ]
  for run in runs:
    rows = tiny(tmp_path, run=run, methods=('linear',), seeds=(0,))
    assert {r['run'] for r in rows} == {run.id}
    assert {r['protocol'] for r in rows} == {run.protocol}
    assert len(_tests(rows)) == 1
  assert len(testing.rows_files(tmp_path)) == len(runs)
  assert len(list((tmp_path / 'features').iterdir())) == 1


def test_other_examples_are_one_line(tiny, whole):
  """The images of a task are no part of a run, but its rows know them."""
  other = testing.tiny_task(seed=1)
  with pytest.raises(
    errors.InputError,
    match=(
      r'\.jsonl was measured on other examples or by another version of this '
      'package; delete it to measure again, or choose another --workdir'
    ),
  ):
    tiny(whole, tasks=[other])
  labels = dataclasses.replace(
    testing.tiny_task(), load=lambda: _relabelled(testing.tiny_task()).examples
  )
  with pytest.raises(errors.InputError, match='measured on other examples'):
    tiny(whole, tasks=[labels])


def test_another_version_or_other_taps_of_a_name_are_one_line(
  tiny, whole, monkeypatch
):
  """As a plugin may change what it registers under a name."""
  changed = _Bench(
    dataclasses.replace(tiny.backbone, taps=tiny.backbone.taps[::-1])
  )
  with pytest.raises(errors.InputError, match='or by another version'):
    changed(whole, run=tiny.run())
  monkeypatch.setattr(part, 'VERSION', part.VERSION + 1)
  with pytest.raises(errors.InputError, match='or by another version'):
    tiny(whole)


def test_changed_rows_are_measured_again_when_they_are_deleted(
  tiny, whole, tmp_path
):
  shutil.copytree(whole, tmp_path / 'w')
  path = _folder(tmp_path / 'w').rows_path('tiny', 'rows', 'all_l21')
  data = path.read_bytes()
  path.write_bytes(data.replace(b'"total":90', b'"total":91'))
  with pytest.raises(errors.InputError, match='all_l21.jsonl was changed'):
    tiny(tmp_path / 'w')
  path.unlink()
  tiny(tmp_path / 'w')
  assert path.read_bytes() == data


def test_test_labels_do_not_reach_what_chooses(tiny, whole, tmp_path):
  """Other test labels leave all validation rows and choices as they are."""

  def without_counts(rows):
    drop = {'manifest_sha256'}
    return [
      {
        k: v
        for k, v in r.items()
        if k not in drop | ({'correct'} if r['split'] == 'test' else set())
      }
      for r in rows
    ]

  honest = testing.tiny_task()
  other = dataclasses.replace(
    honest,
    load=lambda: dataclasses.replace(
      honest.examples,
      test=dataclasses.replace(
        honest.test, labels=(honest.test.labels + 1) % 3
      ),
    ),
  )
  one, two = testing.read_rows(whole), tiny(tmp_path, tasks=[other])
  assert without_counts(one) == without_counts(two)
  assert one != two


def test_provenance_is_written_beside(whole):
  (facts,) = _provenance(whole)
  assert facts['task'] == 'tiny' and facts['tasks'] == ['tiny']
  assert facts['methods'] == list(_METHODS) and facts['resumed'] == []
  assert facts['rows'] == {m: f'rows/tiny/{m}.jsonl' for m in _METHODS}
  assert facts['seeds'] == {m: [0, 1] for m in _METHODS}
  assert {
    'load',
    'embed train',
    'choose head2toe',
    'train head2toe',
    'test',
  } <= set(facts['seconds'])
  (measurement,) = _folder(whole).measurements()
  assert sum(map(len, measurement.rows.values())) == len(
    testing.read_rows(whole)
  )


def test_manifests_are_written_beside(whole):
  (path,) = (_folder(whole).path / 'manifests').iterdir()
  manifest = json.loads(path.read_text())
  assert path.name == 'tiny.json'
  assert {r['manifest_sha256'] for r in testing.read_rows(whole)} == {
    manifest['sha256']
  }
  assert manifest['splits']['test']['size'] == 90


def test_a_grid_of_the_papers_shape(tiny, tmp_path):
  """Five folds, two step counts, three target sizes, three coefficients."""
  names = 'linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe'
  pooled = {'steps': (4, 8), 'target_sizes': (6, 30, 60)}
  space = testing.tiny_space(
    folds=range(5),
    linear={'steps': (4, 8)},
    head2toe=pooled,
    **{
      name: pooled | {'coefficients': (1e-5, 1e-4, 1e-3)} for name in names[1:4]
    },
  )
  space = dataclasses.replace(space, folds=tuple(range(5)))
  rows = tiny(tmp_path, run=tiny.run(space=space), methods=names, seeds=(0,))
  # Appendix A's numbers of settings; Head2Toe's 24 for each of two fractions.
  assert {m: len(_validated(_of(rows, m))) for m in names} == {
    'linear': 5 * 4,
    'all_l2': 5 * 36,
    'all_l1': 5 * 36,
    'all_l21': 5 * 36,
    'head2toe': 5 * 24 * 2,
  }
  keys = [
    tuple(
      r.get(k)
      for k in (
        'method',
        'learning_rate',
        'steps',
        'target_size',
        'coefficient',
        'fraction',
        'fold',
        'seed',
        'split',
      )
    )
    for r in rows
  ]
  assert len(set(keys)) == len(keys)


def _relabelled(task):
  """A task with the same images and other labels."""

  def shift(split):
    return dataclasses.replace(split, labels=(split.labels + 1) % 3)

  return dataclasses.replace(
    task,
    name='other',
    load=lambda: dataclasses.replace(
      task.examples, train=shift(task.train), test=shift(task.test)
    ),
  )


def test_tasks_that_share_images_are_embedded_once(tiny, tmp_path):
  space = testing.tiny_space()
  # Both tasks' target sizes in one pass.
  smaller = space.changed(
    {m: {'target_sizes': (10,)} for m in ('all_l21', 'head2toe')}
  )
  run = tiny.run(space=dataclasses.replace(space, by_task={'other': smaller}))
  pair = [testing.tiny_task(), _relabelled(testing.tiny_task())]
  for task in pair:
    tiny(tmp_path / 'alone', run=run, tasks=[task])
  stages = []
  rows = tiny(
    tmp_path / 'together',
    run=run,
    tasks=pair,
    progress=lambda stage, done, total: stages.append((stage, done)),
  )
  assert stages.count(('embed train images', 300)) == 1
  assert stages.count(('embed test images', 90)) == 1
  assert testing.results(tmp_path / 'together') == testing.results(
    tmp_path / 'alone'
  )
  assert {(r['task'], r.get('target_size')) for r in rows} == {
    ('tiny', None),
    ('tiny', 30),
    ('other', None),
    ('other', 10),
  }
  facts = _provenance(tmp_path / 'together')
  assert [f['tasks'] for f in facts] == [['tiny', 'other']] * 2


def test_tasks_with_other_images_may_come_along(tiny, whole, tmp_path):
  other = dataclasses.replace(testing.tiny_task(seed=1), name='other')
  tiny(tmp_path / 'together', tasks=[testing.tiny_task(), other])
  tiny(tmp_path / 'alone', tasks=[other])
  alone = testing.rows_files(whole) | testing.rows_files(tmp_path / 'alone')
  assert testing.rows_files(tmp_path / 'together') == alone


def _dry_run(workdir, bench, tasks, monkeypatch):
  """Tasks of VTAB-1k from TFDS's form to rows, without network."""

  def refuse(*unused):
    raise AssertionError('no test may open a connection')

  monkeypatch.setattr(socket.socket, 'connect', refuse)
  short = {'learning_rates': (0.1,), 'steps': (3,)}
  run = bench.run(
    suite='vtab',
    space=testing.tiny_space(folds=(4,), **dict.fromkeys(_METHODS, short)),
  )
  for together in registry.sharing_images(tasks):
    rows = bench(workdir, run=run, tasks=together, seeds=(0,))
  tests = _tests(rows)
  assert {(r['task'], r['method']) for r in tests} == {
    (t.name, m) for t in tasks for m in _METHODS
  }
  assert len(tests) == len(tasks) * len(_METHODS)
  assert all(
    r['total'] == len(t.test.ids)
    for t in tasks
    for r in tests
    if r['task'] == t.name
  )
  assert all(r['total'] == 200 for r in _validated(rows))
  manifests = _folder(workdir).path / 'manifests'
  assert {p.stem for p in manifests.iterdir()} == {t.name for t in tasks}


@pytest.mark.soak
def test_dry_run_of_some_of_vtab(tiny, tmp_path, monkeypatch):
  synthetic_tfds.prepare('clevr_count', tmp_path / 'data')
  tasks = registry.tasks(
    'vtab', ['clevr_count', 'clevr_dist'], tmp_path / 'data'
  )
  _dry_run(tmp_path / 'w', tiny, tasks, monkeypatch)
  assert len(list((tmp_path / 'w' / 'features').iterdir())) == 1


@pytest.mark.soak
def test_dry_run_of_vtab(synthetic_vtab, tiny, tmp_path, monkeypatch):
  tasks = registry.tasks('vtab', None, synthetic_vtab)
  assert len(tasks) == 19
  _dry_run(tmp_path, tiny, tasks, monkeypatch)
  assert len(list((tmp_path / 'features').iterdir())) == 16


def test_methods_that_train_the_backbone(normed, tuned):
  rows = testing.read_rows(tuned)
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  tests = _tests(rows)
  assert {(r['method'], r['seed']) for r in tests} == {
    (m, s) for m in _TUNED for s in (0, 1)
  } and len(tests) == 20
  assert all(0 <= r['correct'] <= 90 for r in tests)
  count = {m: len(_validated(_of(rows, m))) for m in _TUNED}
  assert count == {
    'head2toe': 8,
    'head2toe_ft_plus': count[
      next(r['chosen'] for r in tests if r['method'] == 'head2toe_ft_plus')
    ],
    'scratch': 1,
    'finetune': 1,
    'head2toe_ft': 1,
    # The start and two epochs; of surgical's four blocks, of two taus.
    'lp_ft': 3,
    'surgical': 4 * 3,
    'auto_rgn': 3,
    'auto_snr': 3,
    'head_probe': 2 * 3,
  }
  by_method = {r['method']: r for r in tests}
  assert 0 < by_method['head_probe']['aie'] < 1.5
  assert by_method['surgical']['block'] in ('last', 'first', 'second', 'all')
  # 300 images in batches of 64; the others' budget is their setting.
  for method in ('lp_ft', 'surgical', 'auto_rgn', 'auto_snr', 'head_probe'):
    row = by_method[method]
    assert row['epochs'] == 2 and row['steps'] == 5 * row['epoch']
  assert by_method['finetune']['steps'] == 6
  assert by_method['head2toe_ft']['selection_steps'] == 20
  assert not list((_folder(tuned).path / 'unfinished').iterdir())
  stages, before = [], testing.results(tuned)
  normed(tuned, run=_folder(tuned).run, methods=_TUNED, stages=stages)
  assert stages == ['load images'] and testing.results(tuned) == before


def test_stopping_between_trainings_and_going_on_gives_the_same_files(
  normed, tuned, tmp_path
):
  names, run = ('finetune', 'head_probe'), _folder(tuned).run

  class Stop(Exception):
    pass

  told = set()

  def stop(stage, done, total):
    told.add(stage)
    if stage == 'test head_probe' and done == total:
      raise Stop

  with pytest.raises(Stop):
    normed(tmp_path, run=run, methods=names, progress=stop)
  assert {'steps of finetune', 'steps of head_probe'} <= told
  unfinished = _folder(tmp_path).path / 'unfinished'
  assert {p.name for p in unfinished.iterdir()} == {
    'tiny-finetune',
    'tiny-head_probe',
  }
  stages = []
  normed(tmp_path, run=run, methods=names, stages=stages)
  assert 'test finetune' not in stages  # Its trainings were finished.
  (facts,) = _provenance(tmp_path)
  assert facts['resumed'] == ['finetune', 'head_probe']
  assert not list(unfinished.iterdir())
  wanted = testing.rows_files(tuned)
  found = testing.rows_files(tmp_path)
  assert len(found) == 2 and found.items() <= wanted.items()


def test_a_failed_configuration_is_a_row_without_a_count(normed, tmp_path):
  run = normed.run(
    space=testing.tiny_space(
      folds=(4,),
      finetune={'learning_rates': (1e30,), 'unit_norm': False, 'steps': (8,)},
    )
  )
  rows = normed(tmp_path, run=run, methods=('linear', 'finetune'))
  mine = _of(rows, 'finetune')
  assert len(mine) == 3 and all(
    r['correct'] is None and 'not finite' in r['failed'] for r in mine
  )
  summary = statistics.summarise(rows)
  assert summary.method.tolist() == ['linear']
  stages = []  # It is finished, and chosen again from what failed.
  normed(tmp_path, run=run, methods=('linear', 'finetune'), stages=stages)
  assert stages == ['load images']
  rows = normed(tmp_path, run=run, methods=('finetune',), seeds=(2,))
  assert [r['seed'] for r in rows if r['method'] == 'finetune'] == [0, 0, 1, 2]


def test_more_settings_than_folds_to_choose_on_is_one_line(normed, tmp_path):
  for method, options, message in (
    (
      'finetune',
      {'learning_rates': (0.1, 0.2)},
      'finetune has 2 settings and no fold to choose on',
    ),
    ('lp_ft', {'learning_rates': ()}, 'the grid gives no ft_lr for lp_ft'),
  ):
    run = normed.run(space=testing.tiny_space(folds=(), **{method: options}))
    with pytest.raises(errors.InputError, match=message):
      normed(tmp_path, run=run, methods=(method,))


def test_a_unit_is_checked_before_it_is_measured(tiny):
  tiny.unit().check()
  with pytest.raises(errors.InputError, match='no fraction for head2toe'):
    tiny.unit(
      run=tiny.run(space=testing.tiny_space(head2toe={'fractions': ()}))
    ).check()
  with pytest.raises(errors.InputError, match="unknown method 'x'"):
    tiny.unit(methods=('x',)).check()
  without = dataclasses.replace(testing.tiny_space(), options={})
  with pytest.raises(errors.InputError, match='no options for one_tap'):
    tiny.unit(run=tiny.run(space=without), methods=(), studies=_STUDIES).check()
  # The space of the task counts.
  run = tiny.run(
    space=dataclasses.replace(
      testing.tiny_space(),
      by_task={'tiny': testing.tiny_space(linear={'steps': ()})},
    )
  )
  with pytest.raises(errors.InputError, match='no steps for linear'):
    tiny.unit(run=run).check()
  tiny.unit(run=run, tasks=('other',)).check()


def test_what_a_method_requires_comes_along(normed, tuned, tmp_path):
  normed(tmp_path, run=_folder(tuned).run, methods=('head2toe_ft_plus',))
  found = testing.rows_files(tmp_path)
  assert {p.stem for p in found} == {
    'head2toe',
    'head2toe_ft',
    'head2toe_ft_plus',
  }
  assert found.items() <= testing.rows_files(tuned).items()


def _assert_equal_up_to_rounding(found, wanted):
  """Settings are equal, counts differ by one at most."""
  measured = 'correct', 'aie'
  without = lambda rows: [
    {k: v for k, v in r.items() if k not in measured} for r in rows
  ]
  assert without(found) == without(wanted)
  for one, other in zip(found, wanted, strict=True):
    assert abs(one['correct'] - other['correct']) <= 1
    assert one.get('aie', 0) == pytest.approx(other.get('aie', 0), abs=0.05)


def test_seeds_that_are_asked_for_later_are_added(tiny, whole, tmp_path):
  shutil.copytree(whole, tmp_path / 'later')
  before, stages = testing.read_rows(whole), []
  # In another order, and some again.
  rows = tiny(tmp_path / 'later', seeds=(3, 1, 2), stages=stages)
  assert [(r['method'], r['seed']) for r in _tests(rows)] == [
    (m, s) for m in sorted(_METHODS) for s in range(4)
  ]
  assert all(r in rows for r in before) and _validated(rows) == _validated(
    before
  )
  facts = _provenance(tmp_path / 'later')
  (added,) = (f for f in facts if f['seeds']['linear'] == [3, 2])
  assert added['resumed'] == list(_METHODS)
  assert 'embed train images' not in stages
  # Nothing is chosen again.
  assert not any(s.startswith('choose') for s in added['seconds'])
  _assert_equal_up_to_rounding(rows, tiny(tmp_path / 'once', seeds=range(4)))


def test_seeds_that_another_process_adds_meanwhile_are_kept(tiny, tmp_path):
  def while_testing(stage, *unused):
    if stage == 'embed test images' and not others:
      others.append(tiny(tmp_path, methods=('linear',), seeds=(1,)))

  others = []
  rows = tiny(tmp_path, methods=('linear',), seeds=(0,), progress=while_testing)
  tests = [r for r in rows if r['split'] == 'test']
  assert [r['seed'] for r in tests] == [0, 1]
  assert [r for r in others[0] if r['split'] == 'test'] == tests[1:]


@pytest.mark.soak
def test_seeds_are_added_to_trained_networks_and_what_follows(normed, tmp_path):
  names = 'head2toe', 'head2toe_ft', 'head2toe_ft_plus', 'surgical', 'finetune'
  run = normed.run(
    space=testing.tiny_space(
      folds=(4,), finetune={'learning_rates': (0.1, 0.01)}
    )
  )
  first = normed(tmp_path / 'w', run=run, methods=names, seeds=(0,))
  rows = normed(tmp_path / 'w', run=run, methods=names, seeds=(1, 2))
  assert all(r in rows for r in first)
  assert _validated(rows) == _validated(first)
  assert {(r['method'], r['seed']) for r in _tests(rows)} == {
    (m, s) for m in names for s in (0, 1, 2)
  }
  plus = _of(rows, 'head2toe_ft_plus')
  (chosen,) = {r['chosen'] for r in plus}
  drop = lambda rows: [
    {k: v for k, v in r.items() if k not in ('chosen', 'method')} for r in rows
  ]
  assert drop(plus) == drop(_of(rows, chosen))
  once = normed(tmp_path / 'once', run=run, methods=names, seeds=(0, 1, 2))
  _assert_equal_up_to_rounding(rows, once)


def test_choosing_does_not_depend_on_the_seeds_asked_for(tiny, whole, tmp_path):
  """They are of what is trained in the end; choosing has one of its own."""
  rows = tiny(tmp_path, seeds=(5, 7))
  before = testing.read_rows(whole)
  assert _validated(rows) == _validated(before)
  choice = lambda rows: {(r['method'], _setting(r)) for r in _tests(rows)}
  assert choice(rows) == choice(before)
  assert {r['seed'] for r in _tests(rows)} == {5, 7}
  other = tiny(tmp_path, run=tiny.run(seed=1), seeds=(5,))
  assert {r['seed'] for r in _validated(other)} == {1}
  assert [r['correct'] for r in _validated(other)] != [
    r['correct'] for r in _validated(rows)
  ]


def test_a_unit_can_be_sent_to_another_machine(tiny, whole, tmp_path):
  selection = relevance.pack(np.arange(4), 68)
  for work in (
    tiny.unit(),
    tiny.unit(studies=(*_STUDIES, transfer.Transfer('a', [(0, selection)]))),
  ):
    sent = pickle.loads(pickle.dumps(work))  # noqa: S301
    assert sent.run == work.run and sent.run.id == work.run.id
    assert sent.methods == work.methods and sent.seeds == work.seeds
    assert [s.file for s in sent.studies] == [s.file for s in work.studies]
  sent = pickle.loads(pickle.dumps(tiny.unit()))  # noqa: S301
  unit.run(
    sent,
    [testing.tiny_task()],
    tiny.backbone,
    tiny.extractor_for,
    ledger_lib.Ledger(tmp_path),
    2**30,
    testing.no_progress,
  )
  assert testing.rows_files(tmp_path) == testing.rows_files(whole)


def test_names_of_units_are_for_people(tiny):
  run = tiny.run()
  assert tiny.unit(tasks=('a', 'b')).name == 'a, b'
  assert tiny.unit(methods=(), studies=_STUDIES[:2]).name == (
    'one_tap, granularity: tiny'
  )
  assert tiny.unit(
    run=run.derived('reduced', '0.5', train_fraction=0.5)
  ).name.endswith('reduced 0.5: tiny')


@pytest.mark.soak
def test_studies_run_beside_methods(tiny, whole, tmp_path):
  shutil.copytree(whole, tmp_path / 'w')
  rows = tiny(tmp_path / 'w', studies=_STUDIES)
  assert [r for r in rows if r['job'] == 'accuracy'] == testing.read_rows(whole)
  rows = [r for r in rows if r['job'] != 'accuracy']
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  assert all(r['job'] == r['method'] for r in rows)
  assert {r['method'] for r in rows} == set(studies.STUDIES)
  judged = _tests(rows)
  assert all(r['total'] == 90 and 0 <= r['correct'] <= 90 for r in judged)
  folder = _folder(tmp_path / 'w').path
  assert {p.stem for p in (folder / 'studies' / 'tiny').iterdir()} == set(
    studies.STUDIES
  )
  stages = []
  tiny(tmp_path / 'w', studies=_STUDIES, stages=stages)
  assert stages == ['load images']


@pytest.mark.soak
def test_seeds_are_added_to_studies(tiny, tmp_path):
  run = tiny.run(space=testing.tiny_space(folds=(4,)))
  tiny(tmp_path / 'w', run=run, methods=(), studies=_STUDIES, seeds=(0,))
  rows = tiny(tmp_path / 'w', run=run, methods=(), studies=_STUDIES, seeds=(1,))
  once = tiny(tmp_path / 'o', run=run, methods=(), studies=_STUDIES)
  key = lambda r: json.dumps(
    {
      k: r.get(k)
      for k in (
        'method',
        'split',
        'seed',
        'fold',
        'tap',
        'score',
        'tap_stride',
        'target_size',
        'kind',
        'fraction',
      )
    }
  )
  count = lambda rows: sorted(map(key, rows))
  assert count(rows) == count(once)


def test_what_determines_a_study_sets_its_rows_apart(tiny, tmp_path):
  selection = relevance.pack(np.arange(4), 68)
  for source in ('a', 'b'):
    rows = tiny(
      tmp_path,
      methods=(),
      studies=(transfer.Transfer(source, [(0, selection), (1, selection)]),),
    )
  assert [r['source'] for r in rows] == ['a', 'a', 'b', 'b']
  assert {r['method'] for r in rows} == {'transfer'}
  assert {p.stem for p in testing.rows_files(tmp_path)} == {
    'transfer-from-a',
    'transfer-from-b',
  }


def test_reduced_runs_say_so(tiny, whole, tmp_path):
  shutil.copytree(whole, tmp_path / 'w')
  run = tiny.run()
  for fraction, val in ((0.5, 30), (0.2, 12)):
    less = run.derived('reduced', f'{fraction:g}', train_fraction=fraction)
    rows = tiny(tmp_path / 'w', run=less)
    assert {(r['train_fraction'], r['run'], r['job']) for r in rows} == {
      (fraction, less.id, 'reduced')
    }
    assert {r['total'] for r in _validated(rows)} == {val}
    assert {r['total'] for r in _tests(rows)} == {90}
  assert not any('train_fraction' in r for r in testing.read_rows(whole))
  parents = {f.run.parent for f in ledger_lib.Ledger(tmp_path / 'w').folders()}
  assert parents == {None, run.id}
  assert {p.name.partition('.')[2] for p in (tmp_path / 'w').iterdir()} == {
    '',
    'reduced.0.5',
    'reduced.0.2',
  }


def test_other_taps_have_other_features_and_rows(normed, tmp_path):
  """Though the weights are the same."""
  benches = [normed] + [
    _Bench(retapping.retap(normed.backbone, kind)) for kind in retapping.KINDS
  ]
  task = testing.tiny_task()
  assert (
    len({store.key(b.extractor_for((30,)), task.train) for b in benches}) == 4
  )
  for kind, bench in zip(('all', *retapping.KINDS), benches):
    bench(
      tmp_path,
      run=bench.run(taps=kind),
      methods=('linear', 'all_l2'),
      seeds=(0,),
    )
  folders = ledger_lib.Ledger(tmp_path).folders()
  assert {f.run.taps for f in folders} == {'all', *retapping.KINDS}
  assert len(list((tmp_path / 'features').iterdir())) == 4
