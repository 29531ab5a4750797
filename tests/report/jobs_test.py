import pytest

from tests import testing
from tests.report import made
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.features import normalization
from vtab_h2t.methods import head2toe
from vtab_h2t.protocol import companions
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.report import catalogue
from vtab_h2t.report import jobs
from vtab_h2t.studies import registry as studies


def test_jobs_that_are_alike_run_together_and_needs_come_first():
  # One pass over the images serves methods and studies of the run itself.
  assert jobs.batches(['transfer', 'accuracy', 'offset', 'scaling']) == [
    ['accuracy', 'relevance', 'offset', 'scaling'],
    ['transfer'],
  ]
  assert jobs.batches(['offset', 'offset']) == [['offset']]
  assert jobs.batches([]) == []
  everything = jobs.batches(jobs.JOBS)
  assert [n for b in everything for n in b] == list(jobs.JOBS)


def _units(names, ledger=None, methods=('linear',), seeds=(0, 1)):
  return jobs.units(
    names,
    made.run(),
    made.SECOND,
    [('a',), ('b', 'c')],
    methods,
    seeds,
    ledger or ledger_lib.Ledger('nowhere'),
  )


def test_a_unit_for_each_group_of_tasks():
  found = _units(['accuracy', 'offset'])
  assert [u.tasks for u in found] == [('a',), ('b', 'c')]
  assert all(u.run == made.run() for u in found)
  assert {u.methods for u in found} == {('linear',)}
  assert {u.studies for u in found} == {(studies.STUDIES['offset'],)}
  assert {u.seeds for u in found} == {(0, 1)}


def _signature():
  """A network without weights of its own, as a signature is."""
  import keras

  inputs = keras.Input((16, 16, 3))
  model = keras.Model(inputs, {'x': keras.layers.ReLU()(inputs)})
  return backbone_lib.Backbone(
    'called', model, ('x',), 'x', 16, preprocessing.PIXELS, ''
  )


@pytest.mark.parametrize(
  'names, methods, message',
  [
    (['pre_normalization'], [], 'cannot be moved to pre_normalization'),
    (['accuracy'], ['linear', 'lp_ft'], 'cannot be trained'),
    (['lp_ft_shift'], [], 'cannot be trained'),
    ([], ['head2toe_ft_plus'], 'cannot be trained'),
  ],
)
def test_what_a_network_does_not_allow_is_one_line(names, methods, message):
  with pytest.raises(errors.InputError, match=f'of called .*{message}'):
    jobs.check(names, methods, _signature())
  jobs.check(names, methods, testing.normed_backbone())


def test_a_second_networks_methods_are_not_the_firsts():
  jobs.check(['second', 'with_input', 'accuracy'], ['linear'], _signature())


def test_reduced_runs_have_parts_of_the_images():
  found = _units(['reduced'])
  assert [(u.run.train_fraction, u.tasks) for u in found] == [
    (f, t) for f in (0.1, 0.25, 0.5, 0.75) for t in (('a',), ('b', 'c'))
  ]
  assert jobs.count(['reduced']) == 4


def test_fine_tuning_has_fewer_images_only_where_it_is_named():
  asked = ['finetune', 'all_l2', 'head2toe', 'linear']
  methods = [u.methods for u in _units(['reduced'], methods=asked)]
  assert set(methods) == {('linear', 'head2toe', 'finetune')}
  methods = [u.methods for u in _units(['reduced'], methods=asked[1:])]
  assert set(methods) == {('linear', 'head2toe')}
  assert _units(['reduced'], methods=['all_l2']) == []
  jobs.check(['reduced'], ['linear', 'head2toe'], _signature())


@pytest.mark.parametrize(
  'name', [n for n, j in jobs.JOBS.items() if j.derive is not jobs._itself]
)
def test_derived_runs_name_their_parent_and_job(name):
  of = made.run()
  if name == jobs.SURGICAL_SMALL:  # Of what is tried, it changes a part.
    of = made.run(space=companions.space(companions.FULL))
  found = jobs.JOBS[name].derive(of, made.SECOND)
  assert found and len({r.id for r in found} | {of.id}) == len(found) + 1
  for one in found:
    assert (one.parent, one.job) == (of.id, name)
    assert one.name.startswith(f'{of.name}.{name}')
    assert one.seed == of.seed
    assert one.space == of.space or name == jobs.SURGICAL_SMALL
    assert one.job_of('one_tap', True) == name


def test_what_is_derived_differs_in_one_thing():
  of = made.run(taps='released', cls_pooling='both')
  (control,) = jobs.JOBS['control'].derive(of, made.SECOND)
  assert control.network == of.network and control.second == made.SECOND
  (second,) = jobs.JOBS['second'].derive(of, made.SECOND)
  assert second.network == made.SECOND and second.second is None
  # The second network has neither the first's taps nor its class token.
  assert (second.taps, second.cls_pooling) == ('all', 'pooled')
  (taps,) = jobs.JOBS['pre_activation'].derive(of, None)
  assert (taps.taps, taps.cls_pooling) == ('pre_activation', 'both')
  (token,) = jobs.JOBS['cls_only'].derive(of, None)
  assert (token.taps, token.cls_pooling) == ('released', 'only')
  shifted = made.run(space=companions.space(companions.QUICK))
  (small,) = jobs.JOBS['surgical_small'].derive(shifted, made.SECOND)
  assert small.network == made.SECOND and small.second is None
  assert small.space == companions.small_space(shifted.space)
  for rule, name in jobs.NORMALIZATIONS.items():
    (other,) = jobs.JOBS[name].derive(of, None)
    assert other.normalization == rule != of.normalization
    assert (other.taps, other.cls_pooling) == ('released', 'both')


def test_every_rule_of_normalization_is_compared():
  rules = {normalization.SELECTED, *jobs.NORMALIZATIONS}
  assert rules == set(normalization.RULES)
  assert list(jobs.NORMALIZATIONS.values()) == [
    'normalization_once',
    'normalization_feature',
    'normalization_none',
  ]


def test_a_job_of_a_second_network_wants_one():
  for name in ('control', 'second', 'surgical_small'):
    with pytest.raises(ValueError, match='second network'):
      jobs.JOBS[name].derive(made.run(), None)


def test_transfer_is_given_the_selections(tmp_path):
  of = made.run()
  made.write(
    tmp_path, of, ('digits', 'scan_patches'), (0, 1), jobs_=('relevance',)
  )
  # With fewer seeds than are asked for, a task is no source.
  made.write(tmp_path, of, ('sprites_loc',), (0,), jobs_=('relevance',))
  found = _units(['transfer'], ledger_lib.Ledger(tmp_path))
  rows = {
    (r['task'], r['seed']): r['selected']
    for r in ledger_lib.Ledger(tmp_path).find(of).rows()
  }
  assert len(found) == 2
  for unit in found:
    assert [s.file for s in unit.studies] == [
      'transfer-from-digits',
      'transfer-from-scan_patches',
    ]
    assert unit.studies[0]._selections == tuple(
      (s, rows['digits', s]) for s in (0, 1)
    )
    assert not unit.methods
  # Without selections there is nothing to do.
  assert _units(['transfer']) == []


@pytest.mark.parametrize('name', jobs.JOBS)
def test_a_job_has_methods_or_a_study(name):
  job = jobs.JOBS[name]
  assert not (job.methods and job.study)
  assert job.methods or job.study or name == jobs.ACCURACY
  assert job.study in (
    None,
    'transfer',
    *studies.STUDIES,
    *studies.COMPANIONS,
  )
  if not job.study and name not in (jobs.ACCURACY, 'second'):
    assert head2toe.Head2Toe.name in job.methods


def test_every_job_is_for_an_output():
  outputs = (catalogue.OUTPUTS | catalogue.COMPANIONS).values()
  assert {j for o in outputs for j in o.jobs + o.some} == set(jobs.JOBS)
