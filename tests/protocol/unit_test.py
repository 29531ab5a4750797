import dataclasses
import functools
import json
import os
import socket

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import retapping
from vtab_h2t.features import extraction
from vtab_h2t.features import store
from vtab_h2t.methods import base
from vtab_h2t.methods import tuned
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import unit
from vtab_h2t.report import statistics
from vtab_h2t.studies import base as study_lib
from vtab_h2t.studies import registry as studies
from vtab_h2t.studies import relevance
from vtab_h2t.studies import transfer
from vtab_h2t.tasks import registry

_GRID = grids.Grid('test', (0, 4), (0.1, 0.01), (20,), (30,), (0.1, 0.5),
                   {p: (1e-5, 1e-3) for p in ('l1', 'l2', 'l21')},
                   (1e-5, 1e-3))
_SETTINGS = unit.Settings(('linear', 'all_l21', 'head2toe'), _GRID, 'exact',
                          (0, 1), 'selected', 2 ** 30)


@pytest.fixture(scope='module')
def backbone():
  return testing.tiny_backbone()


@pytest.fixture(scope='module')
def extractor_for(backbone):
  return functools.cache(lambda sizes: extraction.Extractor(backbone, sizes))


def _run(workdir, backbone, extractor_for, settings=_SETTINGS, stages=None,
         task=None):
  stages = [] if stages is None else stages
  task = task or testing.tiny_task()
  return unit.run([task], backbone, 'noise', {task.name: settings},
                  ledger_lib.Ledger(workdir), extractor_for,
                  lambda stage, *_: stages.append(stage))


def _files(workdir):
  return {p.relative_to(workdir): p.read_bytes()
          for p in sorted((workdir / 'rows').rglob('*')) if p.is_file()}


def test_rows_have_all_fields_and_counts(tmp_path, backbone, extractor_for):
  rows = _run(tmp_path, backbone, extractor_for)
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  tests = [r for r in rows if r['split'] == 'test']
  assert [(r['method'], r['seed']) for r in tests] == [
      (m, s) for m in _SETTINGS.methods for s in (0, 1)]
  assert all(r['total'] == 90 and r['fold'] is None for r in tests)
  validated = [r for r in rows if r['split'] == 'val']
  # 2 folds x (2 linear + 4 all_l21 + 8 head2toe candidates).
  assert len(validated) == 2 * (2 + 4 + 8)
  assert {r['fold'] for r in validated} == {0, 4}
  assert all(r['total'] == 60 for r in validated)
  by_method = {m: max(r['correct'] for r in tests if r['method'] == m)
               for m in _SETTINGS.methods}
  assert by_method['head2toe'] > 60  # Chance is 30 of 90.
  assert 'fraction' not in tests[0] and tests[-1]['fraction'] in (0.1, 0.5)


def test_final_hparams_are_the_best_of_validation(
    tmp_path, backbone, extractor_for):
  rows = _run(tmp_path, backbone, extractor_for)
  for method in _SETTINGS.methods:
    mine = [r for r in rows if r['method'] == method]
    scores = {}
    for r in mine:
      if r['split'] == 'val':
        hparams = tuple(r.get(f.name) for f in dataclasses.fields(base.Hparams))
        scores[hparams] = scores.get(hparams, 0) + r['correct']
    test = [r for r in mine if r['split'] == 'test'][0]
    chosen = tuple(test.get(f.name) for f in dataclasses.fields(base.Hparams))
    assert scores[chosen] == max(scores.values())


def test_ties_go_to_the_first():
  one, two, three = (base.Hparams(lr, 5) for lr in (0.1, 0.2, 0.3))
  assert base.choose({one: [3, 4], two: [4, 4], three: [5, 3]}) == two


def test_finished_units_are_skipped(tmp_path, backbone, extractor_for):
  first = _run(tmp_path, backbone, extractor_for)
  stages = []
  assert _run(tmp_path, backbone, extractor_for, stages=stages) == first
  assert stages == ['load images']


def test_methods_do_not_depend_on_their_company(
    tmp_path, backbone, extractor_for):
  _run(tmp_path / 'all', backbone, extractor_for)
  for method in reversed(_SETTINGS.methods):  # One by one, the last first.
    _run(tmp_path / 'each', backbone, extractor_for,
         dataclasses.replace(_SETTINGS, methods=(method,)))
  assert _files(tmp_path / 'all') == _files(tmp_path / 'each')


def test_a_second_method_reuses_the_features(tmp_path, backbone, extractor_for):
  one = dataclasses.replace(_SETTINGS, methods=('linear',))
  _run(tmp_path, backbone, extractor_for, one)
  stages = []
  _run(tmp_path, backbone, extractor_for, stages=stages)
  assert 'embed train images' not in stages
  assert 'choose and train head2toe' in stages
  assert 'choose and train linear' not in stages


@pytest.mark.parametrize('where', [
    'load images', 'embed train images', 'choose and train linear',
    'choose and train head2toe', 'embed test images'])
def test_stopping_anywhere_and_going_on_gives_the_same_files(
    tmp_path, backbone, extractor_for, where):
  _run(tmp_path / 'whole', backbone, extractor_for)
  class Stop(Exception):
    pass
  def stop(stage, *unused):
    if stage == where:
      raise Stop
  with pytest.raises(Stop):
    unit.run([testing.tiny_task()], backbone, 'noise', {'tiny': _SETTINGS},
             ledger_lib.Ledger(tmp_path / 'stopped'), extractor_for, stop)
  assert not (tmp_path / 'stopped' / 'rows').exists()
  _run(tmp_path / 'stopped', backbone, extractor_for)
  assert _files(tmp_path / 'stopped') == _files(tmp_path / 'whole')


def test_one_setting_is_not_searched(tmp_path, backbone, extractor_for):
  grid = grids.get('fixed', 'x', 'y',
                   'lr=0.1,steps=9,target_size=30,fraction=0.2,l21=1e-5')
  rows = _run(tmp_path, backbone, extractor_for,
              dataclasses.replace(_SETTINGS, grid=grid))
  assert [r['split'] for r in rows] == ['test'] * 6
  assert rows[-1]['fraction'] == 0.2 and rows[-1]['steps'] == 9


def test_inputs_tell_every_setting_apart(backbone):
  task = testing.tiny_task()
  changes = [{}, {'grid': grids.quick('vit_b16')}, {'protocol': 'official'},
             {'seeds': (1, 0)}, {'rule': 'once'}]
  inputs = [unit.inputs_of(task, backbone, 'noise',
                           dataclasses.replace(_SETTINGS, **c), 'linear')
            for c in changes]
  inputs.append(unit.inputs_of(testing.tiny_task(seed=1), backbone, 'noise',
                               _SETTINGS, 'linear'))
  inputs.append(unit.inputs_of(task, testing.tiny_backbone(seed=1), 'noise',
                               _SETTINGS, 'linear'))
  fewer = testing.tiny_backbone()
  fewer = dataclasses.replace(fewer, taps=fewer.taps[::-1])
  inputs.append(unit.inputs_of(task, fewer, 'noise', _SETTINGS, 'linear'))
  assert len({json.dumps(i, sort_keys=True) for i in inputs}) == len(inputs)
  of = lambda **changes: unit.inputs_of(task, backbone, 'noise', (
      dataclasses.replace(_SETTINGS, grid=dataclasses.replace(
          _GRID, **changes))), 'head2toe')
  assert of(score_solver='convex') != of() == of(score_solver='adam')
  assert 'score_solver' not in of()['grid']
  more_memory = dataclasses.replace(_SETTINGS, memory_bytes=1)
  assert unit.inputs_of(task, backbone, 'noise', more_memory,
                        'linear') == inputs[0]


def test_test_labels_do_not_reach_what_chooses(
    tmp_path, backbone, extractor_for):
  """Other test labels leave all validation rows and choices as they are."""
  def without_counts(rows):
    drop = {'manifest_sha256'}
    return [{k: v for k, v in r.items() if k not in drop | (
        {'correct'} if r['split'] == 'test' else set())} for r in rows]

  honest = testing.tiny_task()
  other = dataclasses.replace(honest, load=lambda: dataclasses.replace(
      honest.examples, test=dataclasses.replace(
          honest.test, labels=(honest.test.labels + 1) % 3)))
  one = _run(tmp_path / '1', backbone, extractor_for, task=honest)
  two = _run(tmp_path / '2', backbone, extractor_for, task=other)
  assert without_counts(one) == without_counts(two)
  assert one != two


def test_provenance_is_written_beside(tmp_path, backbone, extractor_for):
  _run(tmp_path, backbone, extractor_for)
  path, = (tmp_path / 'provenance').rglob('*.json')
  facts = json.loads(path.read_text())
  assert facts['methods'] == list(_SETTINGS.methods)
  written = {p.name for p in (tmp_path / 'rows').rglob('*.jsonl')}
  assert set(facts['rows']) == written and facts['resumed'] == []
  for method, name in zip(facts['methods'], facts['rows'], strict=True):
    assert name.startswith(f'{method}-')
  assert {'embed train', 'choose head2toe', 'test'} <= set(facts['seconds'])
  assert os.path.exists(tmp_path / 'schema.json')


def test_a_grid_of_the_papers_shape(tmp_path, backbone, extractor_for):
  """Five folds, two step counts, three target sizes, three coefficients."""
  grid = dataclasses.replace(
      _GRID, folds=tuple(range(5)), steps=(4, 8), target_sizes=(6, 30, 60),
      penalty_coefficients=dict.fromkeys(('l1', 'l2', 'l21'),
                                         (1e-5, 1e-4, 1e-3)))
  settings = dataclasses.replace(_SETTINGS, grid=grid, methods=(
      'linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe'))
  rows = _run(tmp_path, backbone, extractor_for, settings)
  count = {m: sum(r['method'] == m and r['split'] == 'val' for r in rows)
           for m in settings.methods}
  # Appendix A's numbers of settings; Head2Toe's 24 for each of two fractions.
  assert count == {'linear': 5 * 4, 'all_l2': 5 * 36, 'all_l1': 5 * 36,
                   'all_l21': 5 * 36, 'head2toe': 5 * 24 * 2}
  keys = [tuple(r.get(k) for k in (
      'method', 'learning_rate', 'steps', 'target_size', 'coefficient',
      'fraction', 'fold', 'seed', 'split')) for r in rows]
  assert len(set(keys)) == len(keys)


def _relabelled(task):
  """A task with the same images and other labels."""
  def shift(split):
    return dataclasses.replace(split, labels=(split.labels + 1) % 3)
  return dataclasses.replace(
      task, name='other', load=lambda: dataclasses.replace(
          task.examples, train=shift(task.train), test=shift(task.test)))


def test_tasks_that_share_images_are_embedded_once(
    tmp_path, backbone, extractor_for):
  pair = [testing.tiny_task(), _relabelled(testing.tiny_task())]
  for task in pair:
    _run(tmp_path / 'alone', backbone, extractor_for, task=task)
  stages = []
  smaller = dataclasses.replace(_SETTINGS, grid=dataclasses.replace(
      _GRID, target_sizes=(10,)))  # Both tasks' target sizes in one pass.
  _run(tmp_path / 'alone2', backbone, extractor_for, smaller, task=pair[1])
  rows = unit.run(
      pair, backbone, 'noise', {'tiny': _SETTINGS, 'other': smaller},
      ledger_lib.Ledger(tmp_path / 'together'), extractor_for,
      lambda stage, done, total: stages.append((stage, done)))
  assert stages.count(('embed train images', 300)) == 1
  assert stages.count(('embed test images', 90)) == 1
  wanted = {p: b for p, b in _files(tmp_path / 'alone').items()
            if p.parts[3] == 'tiny'} | _files(tmp_path / 'alone2')
  assert _files(tmp_path / 'together') == wanted
  assert [r['task'] for r in rows if r['split'] == 'test'] == (
      ['tiny'] * 6 + ['other'] * 6)


def test_tasks_with_other_images_may_come_along(
    tmp_path, backbone, extractor_for):
  other = dataclasses.replace(testing.tiny_task(seed=1), name='other')
  pair = [testing.tiny_task(), other]
  unit.run(pair, backbone, 'noise', dict.fromkeys(('tiny', 'other'), _SETTINGS),
           ledger_lib.Ledger(tmp_path / 'together'), extractor_for,
           testing.no_progress)
  for task in pair:
    _run(tmp_path / 'alone', backbone, extractor_for, task=task)
  assert _files(tmp_path / 'together') == _files(tmp_path / 'alone')


def test_dry_run_of_vtab(
    synthetic_vtab, tmp_path, backbone, extractor_for, monkeypatch):
  """All 19 tasks from TFDS's form to rows, without network."""
  def refuse(*unused):
    raise AssertionError('no test may open a connection')
  monkeypatch.setattr(socket.socket, 'connect', refuse)
  tasks = registry.tasks('vtab', None, synthetic_vtab)
  settings = dataclasses.replace(
      _SETTINGS, seeds=(0,), grid=dataclasses.replace(
          _GRID, folds=(4,), learning_rates=(0.1,), steps=(3,)))
  rows = []
  for together in registry.sharing_images(tasks):
    rows += unit.run(
        together, backbone, 'noise', dict.fromkeys(
            (t.name for t in together), settings),
        ledger_lib.Ledger(tmp_path), extractor_for, testing.no_progress)
  tests = [r for r in rows if r['split'] == 'test']
  assert [(r['task'], r['method']) for r in tests] == [
      (t.name, m) for t in tasks for m in settings.methods]
  assert all(r['total'] == len(t.test.ids) for t in tasks for r in tests
             if r['task'] == t.name)
  assert all(r['total'] == 200 for r in rows if r['split'] == 'val')
  assert len(list((tmp_path / 'manifests/vtab').iterdir())) == 19
  assert len(list((tmp_path / 'features').iterdir())) == 16


def test_manifests_are_written_beside(tmp_path, backbone, extractor_for):
  rows = _run(tmp_path, backbone, extractor_for)
  path, = (tmp_path / 'manifests' / 'embedded').iterdir()
  manifest = json.loads(path.read_text())
  assert manifest['sha256'] == rows[0]['manifest_sha256']
  assert path.name == f'tiny-{manifest["sha256"][:16]}.json'
  assert manifest['splits']['test']['size'] == 90


_TUNED = ('head2toe', 'scratch', 'finetune', 'head2toe_ft', 'head2toe_ft_plus',
          'lp_ft', 'surgical', 'auto_rgn', 'auto_snr', 'head_probe')


@pytest.fixture(scope='module')
def normed():
  return testing.normed_backbone()


@pytest.fixture(scope='module')
def normed_extractor_for(normed):
  return functools.cache(lambda sizes: extraction.Extractor(normed, sizes))


def _tuned(**changes):
  tuning = tuned.Tuning(**{
      'learning_rates': (0.1,), 'steps': (6,), 'batch': 64,
      'lp_ft_learning_rates': (1e-2,), 'surgical_learning_rates': (1e-2,),
      'surgical_steps': (6,), 'taus': (0, 2)} | changes)
  return dataclasses.replace(
      _SETTINGS, methods=_TUNED,
      grid=dataclasses.replace(_GRID, folds=(4,), tuning=tuning))


def test_methods_that_train_the_backbone(
    tmp_path, normed, normed_extractor_for):
  rows = _run(tmp_path, normed, normed_extractor_for, _tuned())
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  tests = [r for r in rows if r['split'] == 'test']
  assert [(r['method'], r['seed']) for r in tests] == [
      (m, s) for m in _TUNED for s in (0, 1)]
  assert all(0 <= r['correct'] <= 90 for r in tests)
  count = {m: sum(r['method'] == m and r['split'] == 'val' for r in rows)
           for m in _TUNED}
  assert count == {'head2toe': 8, 'head2toe_ft_plus': count[
      next(r['chosen'] for r in tests if r['method'] == 'head2toe_ft_plus')],
                   'surgical': 2, 'head_probe': 2} | dict.fromkeys((
                       'scratch', 'finetune', 'head2toe_ft', 'lp_ft',
                       'auto_rgn', 'auto_snr'), 1)
  by_method = {r['method']: r for r in tests}
  assert 0 < by_method['head_probe']['aie'] < 1.5
  assert by_method['surgical']['block'] in ('first', 'second')
  assert by_method['head2toe_ft']['selection_steps'] == 20
  assert not list((tmp_path / 'runs').iterdir())
  stages = []
  assert _run(tmp_path, normed, normed_extractor_for, _tuned(),
              stages=stages) == rows
  assert stages == ['load images']


def test_stopping_between_runs_and_going_on_gives_the_same_files(
    tmp_path, normed, normed_extractor_for):
  settings = dataclasses.replace(_tuned(), methods=('finetune', 'head_probe'))
  _run(tmp_path / 'whole', normed, normed_extractor_for, settings)
  class Stop(Exception):
    pass
  def stop(stage, done, total):
    if stage == 'test head_probe' and done == total:
      raise Stop
  with pytest.raises(Stop):
    unit.run([testing.tiny_task()], normed, 'noise', {'tiny': settings},
             ledger_lib.Ledger(tmp_path / 'stopped'), normed_extractor_for,
             stop)
  assert len(list((tmp_path / 'stopped' / 'runs').iterdir())) == 2
  stages = []
  _run(tmp_path / 'stopped', normed, normed_extractor_for, settings, stages)
  assert 'test finetune' not in stages  # Its runs were finished.
  path, = (tmp_path / 'stopped' / 'provenance').rglob('*.json')
  assert json.loads(path.read_text())['resumed'] == ['finetune', 'head_probe']
  assert _files(tmp_path / 'stopped') == _files(tmp_path / 'whole')


def test_a_failed_configuration_is_a_row_without_a_count(
    tmp_path, normed, normed_extractor_for):
  settings = dataclasses.replace(
      _tuned(learning_rates=(1e30,), unit_norm=False, steps=(8,)),
      methods=('linear', 'finetune'))
  rows = _run(tmp_path, normed, normed_extractor_for, settings)
  mine = [r for r in rows if r['method'] == 'finetune']
  assert all(r['correct'] is None and 'not finite' in r['failed']
             for r in mine)
  summary = statistics.summarise(rows)
  assert summary.method.tolist() == ['linear']


def test_tuning_matters_to_the_methods_that_tune(normed):
  task = testing.tiny_task()
  inputs = lambda method, **changes: unit.inputs_of(
      task, normed, 'noise', _tuned(**changes), method)
  assert inputs('linear') == inputs('linear', steps=(7,))
  assert inputs('finetune') != inputs('finetune', steps=(7,))


def test_more_settings_than_folds_to_choose_on_is_one_line(
    tmp_path, normed, normed_extractor_for):
  grid = dataclasses.replace(_tuned(learning_rates=(0.1, 0.2)).grid, folds=())
  for methods, changes, message in (
      (('finetune',), {}, 'finetune has 2 settings and no fold'),
      (('lp_ft',), {'lp_ft_learning_rates': ()}, 'nothing to try for lp_ft')):
    settings = dataclasses.replace(
        _SETTINGS, methods=methods, grid=dataclasses.replace(
            grid, tuning=dataclasses.replace(grid.tuning, **changes)))
    with pytest.raises(errors.InputError, match=message):
      _run(tmp_path, normed, normed_extractor_for, settings)


def test_what_a_method_requires_comes_along(
    tmp_path, normed, normed_extractor_for):
  settings = dataclasses.replace(_tuned(), methods=('head2toe_ft_plus',))
  rows = _run(tmp_path, normed, normed_extractor_for, settings)
  assert {r['method'] for r in rows} == {'head2toe_ft_plus'}
  assert {p.name.split('-')[0] for p in _files(tmp_path)} == {
      'head2toe', 'head2toe_ft', 'head2toe_ft_plus'}


_SPACE = study_lib.Space(
    'study', (4,), base.Hparams(0.05, 20, 30, 1e-5, 0.1), (0.1, 0.01),
    (30, 60), (0.05, 0.5))


def test_studies_run_in_the_place_of_methods(
    tmp_path, backbone, extractor_for):
  settings = dataclasses.replace(
      _SETTINGS, methods=(), grid=_SPACE,
      studies=tuple(studies.STUDIES.values()))
  rows = _run(tmp_path, backbone, extractor_for, settings)
  assert all(set(ledger_lib.FIELDS) <= set(r) for r in rows)
  assert list(dict.fromkeys(r['method'] for r in rows)) == list(studies.STUDIES)
  judged = [r for r in rows if r['split'] == 'test']
  assert all(r['total'] == 90 and 0 <= r['correct'] <= 90 for r in judged)
  stages = []
  assert _run(tmp_path, backbone, extractor_for, settings, stages) == rows
  assert stages == ['load images']


def test_what_determines_a_study_sets_its_rows_apart(
    tmp_path, backbone, extractor_for):
  selection = relevance.pack(np.arange(4), 68)
  for source in ('a', 'b'):
    settings = dataclasses.replace(
        _SETTINGS, methods=(), grid=_SPACE,
        studies=(transfer.Transfer({source: {0: selection, 1: selection}}),))
    rows = _run(tmp_path, backbone, extractor_for, settings)
    assert [r['source'] for r in rows] == [source] * 2


def test_reduced_tasks_say_so_and_share_the_pass(
    tmp_path, backbone, extractor_for):
  task, stages = testing.tiny_task(), []
  tasks = [task, task.reduced(0.5, 0), task.reduced(0.2, 0)]
  rows = unit.run(tasks, backbone, 'noise', {'tiny': _SETTINGS},
                  ledger_lib.Ledger(tmp_path), extractor_for,
                  lambda stage, *_: stages.append(stage))
  whole = _run(tmp_path / 'whole', backbone, extractor_for)
  assert [r for r in rows if 'train_fraction' not in r] == whole
  assert {r.get('train_fraction', 1) for r in rows} == {1, 0.5, 0.2}
  # 90 test images in two batches, once.
  assert stages.count('embed test images') == 2
  assert {r['total'] for r in rows if r.get('train_fraction') == 0.5
          and r['split'] == 'val'} == {30}


def test_other_taps_have_other_features_and_rows(tmp_path, normed):
  """Though the weights are the same."""
  backbones = [normed] + [retapping.retap(normed, k) for k in retapping.KINDS]
  extractors = [extraction.Extractor(b, (30,)) for b in backbones]
  task = testing.tiny_task()
  assert len({store.key(e, task.train) for e in extractors}) == 4
  inputs = [unit.inputs_of(task, b, 'noise', _SETTINGS, 'linear')
            for b in backbones]
  assert len({json.dumps(i) for i in inputs}) == 4
