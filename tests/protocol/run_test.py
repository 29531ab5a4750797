"""Runs: what is equal, what differs, and what they are called."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from tests import testing
from vtab_h2t import errors
from vtab_h2t.backbones import input_names
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.methods import registry as methods
from vtab_h2t.methods import space as space_lib
from vtab_h2t.protocol import grids
from vtab_h2t.protocol import ledger as ledger_lib
from vtab_h2t.protocol import run as run_lib

_LITE0 = run_lib.Network(
  backbone='efficientnet_lite0',
  weights='imagenet',
  sha256='a' * 64,
  scale=1 / 128,
  offset=-1.0,
)
_LITE2 = dataclasses.replace(
  _LITE0, backbone='efficientnet_lite2', sha256='b' * 64
)
_AS_VTAB = dataclasses.replace(_LITE0, scale=1 / 255, offset=0.0)
# Another value of each field of a run but its space.
_FIELDS = {
  'suite': ['vtab', 'own'],
  'data_source': ['archive'],
  'network': [_LITE2]
  + [
    dataclasses.replace(_LITE0, **c)
    for c in (
      {'backbone': 'mine'},
      {'weights': 'random'},
      {'weights': 'IMAGENET'},
      {'weights': 'imagenet.npz'},
      {'sha256': 'c' * 64},
      {'scale': 1.0},
      {'scale': (1.0, 1.0, 2.0)},
      {'offset': 0.0},
      {'offset': (0.0, 0.0, 1.0)},
    )
  ],
  'second': [_LITE2, dataclasses.replace(_LITE2, sha256='c' * 64)],
  'image_size': [32, 97],
  'resize': ['legacy', 'bicubic_antialias'],
  'crop': [1.0, 0.875],
  'taps': ['released', 'units'],
  'cls_pooling': ['only', 'both'],
  'precision': ['mixed_bfloat16'],
  'normalization': ['once', 'feature', 'none'],
  'protocol': ['official'],
  'train_fraction': [0.5, 0.1],
  'seed': [1],
  'parent': ['0' * 16],
  'job': ['control'],
}
# Of the network's, what a name does not say where the name says the rest: they
# follow from it, unless the weights' package is another.
_OF_THE_PACKAGE = {'sha256', 'scale', 'offset'}


def _run(**changes):
  return run_lib.Run(
    **{
      'suite': 'embedded',
      'data_source': None,
      'network': _LITE0,
      'image_size': 96,
      'space': grids.quick('efficientnet_lite0'),
    }
    | changes
  )


def _sent(run):
  """As another process gets it."""
  return pickle.loads(pickle.dumps(run))  # noqa: S301


def _others(value):
  """Values near one of an option."""
  if isinstance(value, bool):
    return [not value]
  if isinstance(value, (int, float)):
    return [value + 1, value / 2]
  if isinstance(value, str):
    return [f'{value}x']
  if isinstance(value, tuple):
    found = [(), (*value, 7)]
    return found + ([value[::-1]] if len(value) > 1 else [])
  assert value is None
  return [1, 'x']


def _spaces():
  """The quick space with one thing changed, everywhere in turn."""
  quick = grids.quick('efficientnet_lite0')
  for name, options in quick.options.items():
    for field in dataclasses.fields(options):
      for value in _others(getattr(options, field.name)):
        if value != getattr(options, field.name):
          yield (
            f'{name}.{field.name}',
            quick.changed({name: {field.name: value}}),
          )
  yield 'name', dataclasses.replace(quick, name='own')
  yield 'folds', dataclasses.replace(quick, folds=(3,))
  yield 'by_task', dataclasses.replace(quick, by_task={'digits': quick})
  yield 'grid', grids.paper('efficientnet_lite0')
  yield 'grid', grids.appendix_a('efficientnet_lite0')
  yield 'grid', grids.get('fixed', 'efficientnet_lite0', 'lr=0.1')
  yield 'grid', grids.get('fixed', 'efficientnet_lite0', 'lr=0.2')


def _changed():
  """(what was changed, a run), all different."""
  for field, values in _FIELDS.items():
    for value in values:
      yield field, _run(**{field: value})
  for what, space in _spaces():
    yield f'space.{what}', _run(space=space)


def test_every_field_is_tried():
  fields = {f.name for f in dataclasses.fields(run_lib.Run)}
  assert fields == {*_FIELDS, 'space', 'chosen_name'}
  names = {what.split('.')[1] for what, _ in _changed() if '.' in what}
  assert {
    'linear',
    'all_l21',
    'head2toe',
    'scratch',
    'finetune',
    'head2toe_ft',
    'lp_ft',
    'surgical',
    'auto_rgn',
    'auto_snr',
    'head_probe',
    'one_tap',
    'granularity',
    'relevance',
    'offset',
    'scores',
    'scaling',
    'transfer',
  } <= names


@pytest.mark.parametrize(
  'method, option, value',
  [
    ('auto_snr', 'snr', 'paper'),
    ('head2toe_ft', 'head_init', 'head2toe'),
    ('scratch', 'optimizer', 'adam'),
    ('finetune', 'optimizer', 'adam'),
    ('head2toe_ft', 'optimizer', 'adam'),
    ('head_probe', 'optimizer', 'adam'),
    ('scratch', 'unit_norm', False),
    ('finetune', 'unit_norm', False),
    ('head_probe', 'smoothing', 0.0),
    ('head_probe', 'hidden', 64),
  ],
)
def test_what_flags_set_of_a_method_sets_runs_apart(method, option, value):
  """These were in no row and in no folder's name."""
  usual = _run()
  other = _run(space=usual.space.changed({method: {option: value}}))
  assert other != usual and other.id != usual.id and other.name != usual.name
  assert other.name.startswith(f'{usual.name}-')
  was = getattr(usual.space.of(method), option)
  assert run_lib.differences(usual, other) == [
    f'space.options.{method}.{option}: {was} and {value}'
  ]


def test_different_runs_share_neither_id_nor_name():
  usual = _run()
  runs = [('usual', usual), *_changed()]
  assert len(runs) > 150
  assert len({run.id for _, run in runs}) == len(runs)
  for i, (what, run) in enumerate(runs):
    assert run == run and all(run != other for _, other in runs[:i]), what
    assert what == 'usual' or run_lib.differences(usual, run), what
  names = {}
  for _, run in runs:
    same_package = dataclasses.replace(
      run.network, **{k: getattr(_LITE0, k) for k in _OF_THE_PACKAGE}
    )
    if run.network == same_package or run.network.backbone != (
      'efficientnet_lite0'
    ):
      names.setdefault(run.name, []).append(run)
  assert all(len(some) == 1 for some in names.values()), names


def test_pairs_of_changes_share_no_name_either():
  """Two fields at once, so that no change hides another."""
  found = {}
  first = [
    (k, v) for k, values in _FIELDS.items() for v in values if k != 'network'
  ] + [('network', _LITE2)]
  for field, value in first:
    for other, another in first:
      if field < other:
        run = _run(**{field: value, other: another})
        found.setdefault(run.name, set()).add(run.id)
  assert len(found) > 100
  assert all(len(ids) == 1 for ids in found.values())


@pytest.mark.parametrize(
  'changes, name',
  [
    ({}, 'embedded-lite0-96px'),
    (
      {'image_size': 32, 'space': grids.paper('efficientnet_lite0')},
      'embedded-lite0-32px-paper',
    ),
    ({'space': grids.paper('efficientnet_lite0')}, 'embedded-lite0-96px-paper'),
    (
      {'network': dataclasses.replace(_LITE0, weights='random')},
      'embedded-lite0-96px-random',
    ),
    (
      {'space': grids.appendix_a('efficientnet_lite0')},
      'embedded-lite0-96px-appendix_a',
    ),
    ({'network': _AS_VTAB}, 'embedded-lite0-96px-vtab_input'),
    (
      {'network': _AS_VTAB, 'taps': 'units'},
      'embedded-lite0-96px-vtab_input-units',
    ),
    ({'taps': 'units'}, 'embedded-lite0-96px-units'),
    (
      {'precision': 'mixed_bfloat16'},
      'embedded-lite0-96px-mixed_bfloat16',
    ),
    (
      {
        'suite': 'vtab',
        'data_source': 'tfds',
        'network': _LITE2,
        'image_size': 224,
        'space': grids.quick('efficientnet_lite2'),
      },
      'vtab-lite2-224px',
    ),
    (
      {
        'suite': 'vtab',
        'data_source': 'tfds',
        'image_size': 224,
        'taps': 'released',
        'network': dataclasses.replace(
          _LITE0, backbone='vit_ti16', weights='random'
        ),
        'space': grids.quick('vit_ti16'),
      },
      'vtab-vit_ti16-224px-random-released',
    ),
  ],
)
def test_usual_runs_have_short_names(changes, name):
  assert _run(**changes).name == name


@pytest.mark.parametrize(
  'changes, beginning',
  [
    ({'seed': 1}, 'embedded-lite0-96px-'),
    ({'protocol': 'official'}, 'embedded-lite0-96px-'),
    ({'suite': 'vtab', 'data_source': 'archive'}, 'vtab-lite0-96px-'),
    (
      {'network': dataclasses.replace(_LITE0, weights='My Weights.NPZ')},
      'embedded-lite0-96px-my_weights-',
    ),
    (
      {'space': grids.get('fixed', 'efficientnet_lite0', 'lr=0.1,steps=5')},
      'embedded-lite0-96px-fixed-',
    ),
    ({'space': grids.quick('resnet50')}, 'embedded-lite0-96px-'),
  ],
)
def test_what_a_name_does_not_say_is_in_a_part_of_the_id(changes, beginning):
  run = _run(**changes)
  assert run.name == f'{beginning}{run.id[:8]}'


def test_a_chosen_name_determines_nothing():
  run, named = _run(), _run(chosen_name='mine')
  assert run == named and run.id == named.id
  assert named.name == 'mine' and run.name == 'embedded-lite0-96px'
  assert run_lib.differences(run, named) == []
  assert 'mine' not in json.dumps(named.as_json())


@pytest.mark.parametrize(
  'run',
  [
    _run(),
    _run(chosen_name='mine', second=_LITE2),
    _run(space=grids.get('published', 'resnet50')),
    _run().derived('control', 'x', second=_LITE2),
  ],
)
def test_pickling_and_json_keep_all_of_it(run):
  before = _sent(run)
  assert run.id and run.name  # What is cached goes along or not; no matter.
  for again in (
    before,
    _sent(run),
    copy.deepcopy(run),
    run_lib.from_json(json.loads(json.dumps(run.as_json())), run.chosen_name),
  ):
    assert again == run
    assert (again.id, again.name) == (run.id, run.name)
    assert again.as_json() == run.as_json()
    assert again.space.options == run.space.options
    assert again.space.by_task == run.space.by_task
  assert run_lib.from_json(run.as_json(), 'other').name == 'other'


def test_spaces_of_single_tasks_survive():
  space = grids.get('published', 'resnet50')
  run = _run(space=space)
  again = run_lib.from_json(json.loads(json.dumps(run.as_json())), None)
  assert len(again.space.by_task) == 19
  assert again.space.of_task('svhn') == space.of_task('svhn')
  assert isinstance(again.space.of_task('svhn').of('head2toe').fractions, tuple)


@pytest.mark.parametrize(
  'change',
  [
    lambda v: v.pop('suite'),
    lambda v: v.update(other=1),
    lambda v: v.update(network=None),
    lambda v: v['network'].pop('sha256'),
    lambda v: v['space']['options']['linear'].update(nope=1),
    lambda v: v.update(space=[]),
  ],
)
def test_what_is_no_run_of_this_version_is_refused(change):
  value = json.loads(json.dumps(_run().as_json()))
  change(value)
  with pytest.raises((KeyError, TypeError)):
    run_lib.from_json(value, None)


def test_a_run_with_a_method_of_ones_own_has_its_id_and_never_a_usual_name(
  early,
):
  usual = _run(space=grids.quick('efficientnet_lite0'))
  run = _run(space=grids.get('quick', 'efficientnet_lite0'))
  assert usual.name == 'embedded-lite0-96px'
  assert run != usual and run.id != usual.id
  assert run.name == f'{usual.name}-{run.id[:8]}'
  other = dataclasses.replace(
    run, space=run.space.changed({'early': {'steps': (50, 100)}})
  )
  assert other.id != run.id and other.name != run.name
  again = run_lib.from_json(json.loads(json.dumps(run.as_json())), None)
  assert again == run and again.space.of('early') == run.space.of('early')
  # As a process reads it that has not loaded the plugin.
  methods.REGISTERED.clear()
  there = [
    run_lib.from_json(json.loads(json.dumps(one.as_json())), None)
    for one in (run, run, other)
  ]
  assert there[0] == there[1] != there[2]
  assert [r.id for r in there] == [run.id, run.id, other.id]
  assert there[0].name == run.name
  assert there[2].space.of('early').steps == (50, 100)


def test_runs_of_a_method_whose_options_have_changed_stay_readable(early):
  value = json.loads(
    json.dumps(_run(space=grids.get('quick', 'resnet50')).as_json())
  )
  for change in ({'more': [1, 2]}, {'steps': None}):
    options = {**value['space']['options']['early'], **change}
    options = {k: v for k, v in options.items() if v is not None}
    value['space']['options']['early'] = options
    again = run_lib.from_json(value, None)
    assert json.loads(json.dumps(again.as_json())) == value
    assert not isinstance(
      again.space.of('early'), methods.REGISTERED['early'].options_type
    )


def test_runs_cannot_be_changed_and_take_keywords_only():
  with pytest.raises(dataclasses.FrozenInstanceError):
    _run().seed = 1
  with pytest.raises(TypeError):
    run_lib.Network('a', 'b', 'c', 1.0, 0.0)


def test_differences_name_the_path_and_both_values():
  space = grids.get('published', 'resnet50')
  svhn = space.by_task['svhn'].changed({'head2toe': {'fractions': (0.5,)}})
  other = dataclasses.replace(space, by_task={**space.by_task, 'svhn': svhn})
  assert run_lib.differences(_run(space=space), _run(space=other, seed=3)) == [
    'seed: 0 and 3',
    'space.by_task.svhn.options.head2toe.fractions: (0.005,) and (0.5,)',
  ]
  assert run_lib.differences(_run(), _run(second=_LITE2, taps='units'))[1:] == [
    'taps: all and units'
  ]
  assert run_lib.differences(
    _run(), _run(network=dataclasses.replace(_LITE0, sha256='c' * 64))
  ) == [f'network.sha256: {"a" * 64} and {"c" * 64}']


def test_derived_runs_name_their_parent():
  run = _run()
  control = run.derived('control', 'lite2', second=_LITE2)
  assert control.parent == run.id and control.job == 'control'
  assert control.name == 'embedded-lite0-96px.control.lite2'
  assert control.backbone == 'efficientnet_lite0+efficientnet_lite2'
  assert control.weights == 'imagenet+imagenet'
  assert control != run and control.id != run.id
  reduced = [
    run.derived('reduced', f'{f:g}', train_fraction=f) for f in (0.1, 0.5)
  ]
  assert [r.name.rpartition('px.')[2] for r in reduced] == [
    'reduced.0.1',
    'reduced.0.5',
  ]
  assert run.derived('units', taps='units').name == 'embedded-lite0-96px.units'
  # The same analysis of another run is another run.
  assert _run(seed=1).derived('control', 'lite2', second=_LITE2) != control
  # However its parent was called.
  named = _run(chosen_name='mine').derived('control', 'lite2', second=_LITE2)
  assert named == control and named.name == 'mine.control.lite2'


def test_jobs_of_rows():
  run, derived = _run(), _run().derived('control', second=_LITE2)
  assert run.job_of('linear', is_study=False) == 'accuracy'
  assert run.job_of('one_tap', is_study=True) == 'one_tap'
  assert derived.job_of('one_tap', is_study=True) == 'control'
  assert derived.job_of('linear', is_study=False) == 'control'


def test_only_networks_with_a_class_token_are_vits():
  of = lambda name: _run(network=dataclasses.replace(_LITE0, backbone=name))
  assert of('vit_b16').is_vit
  # Not by how it is called.
  assert not of('vitreous').is_vit and not of('resnet50').is_vit


def test_a_network_is_loaded_with_its_weights_hash():
  network = run_lib.network('efficientnet_lite0', 'random', 32)
  run = _run(network=network, image_size=32)
  backbone = run_lib.load(run, {})
  assert backbone.weights_sha256 == network.sha256
  fed = backbone.input
  assert (fed.scale, fed.offset) == (network.scale, network.offset)
  assert backbone.image_size == 32
  other = dataclasses.replace(
    run, network=dataclasses.replace(network, sha256='0' * 64)
  )
  with pytest.raises(
    errors.InputError,
    match=(
      'weights random of efficientnet_lite0 are not those of the run '
      'embedded-lite0-32px-random: their sha256 is .*, not 0000000000000000'
    ),
  ):
    run_lib.load(other, {})
  with pytest.raises(errors.InputError, match='unknown backbone'):
    run_lib.network('nope', 'random', 32)


def test_the_input_of_a_network_is_scaled_as_the_run_says():
  usual, as_vtab = (
    run_lib.network('efficientnet_lite0', 'random', 32, input_scaling=scaling)
    for scaling in ('usual', 'vtab')
  )
  assert (as_vtab.scale, as_vtab.offset) == (1 / 255, 0)
  assert [n.input_scaling for n in (usual, as_vtab)] == ['usual', 'vtab']
  backbones = [
    run_lib.load(_run(network=n, image_size=32), {}) for n in (usual, as_vtab)
  ]
  image = np.full((8, 8, 3), 255, np.uint8)
  assert [float(b.preprocess(image)[0, 0, 0]) for b in backbones] == [
    pytest.approx(255 / 128 - 127 / 128),
    pytest.approx(1),
  ]
  assert len({b.input_protocol() for b in backbones}) == 2
  # A second network has its own, whatever the first is fed with.
  second = run_lib.network('efficientnet_lite2', 'random', 32)
  paired = _run(network=as_vtab, image_size=32).derived('c', second=second)
  pair, alone = (
    run_lib.load(run, {})
    for run in (paired, _run(network=second, image_size=32))
  )
  np.testing.assert_allclose(
    pair.model(pair.preprocess(image[None]))['control'],
    alone.model(alone.preprocess(image[None]))[alone.embedding],
    rtol=1e-3,
    atol=1e-5,
  )
  with pytest.raises(errors.InputError, match="unknown input scaling 'x'"):
    run_lib.network('efficientnet_lite0', 'random', 32, input_scaling='x')


def test_the_input_of_a_network_is_made_as_the_run_says():
  """By channel, of a crop, and back from JSON."""
  network = run_lib.network(
    'efficientnet_lite0', 'random', 32, input_scaling='imagenet'
  )
  run = _run(
    network=network, image_size=32, resize='bicubic_antialias', crop=0.875
  )
  wanted = dataclasses.replace(
    preprocessing.IMAGENET, resize='bicubic_antialias', crop=0.875
  )
  assert run_lib.load(run, {}).input == wanted
  again = run_lib.from_json(json.loads(json.dumps(run.as_json())), None)
  assert again == run and again.id == run.id
  assert run_lib.load(again, {}).input == wanted
  usual = run_lib.usual_input('efficientnet_lite0', 'random', 32, 'all')
  assert (usual.scale, usual.offset, usual.resize, usual.crop) == (
    1 / 128,
    -127 / 128,
    'bilinear',
    None,
  )


def test_a_run_without_a_crop_is_written_as_before_there_were_crops():
  assert 'crop' not in _run().as_json()
  assert _run(crop=1.0).as_json()['crop'] == 1.0


def test_scalings_are_named():
  of = lambda backbone, fed: (
    dataclasses.replace(
      _LITE0, backbone=backbone, scale=fed.scale, offset=fed.offset
    ).input_scaling
  )
  for name, fed in (
    ('vtab', preprocessing.UNIT),
    ('half', preprocessing.HALF),
    ('imagenet', preprocessing.IMAGENET),
    ('clip', preprocessing.CLIP),
    ('pixels', preprocessing.PIXELS),
  ):
    assert of('efficientnet_lite0', fed) == name == of('mine', fed)
  assert of('resnet50', preprocessing.HALF) == 'usual'
  assert of('resnet50', preprocessing.IMAGENET) == 'imagenet'
  # Of JSON, which has other types for the same numbers.
  assert (
    of('resnet26', preprocessing.Input(scale=1 / 127.5, offset=-1)) == 'usual'
  )
  for scaling in input_names.INPUT_SCALINGS:
    network = run_lib.network(
      'efficientnet_lite0', 'random', 32, input_scaling=scaling
    )
    assert network.input_scaling == ('vtab' if scaling == 'unit' else scaling)


def test_what_weights_want_is_usual():
  kcv = dataclasses.replace(_AS_VTAB, backbone='keras_cv_resnet50')
  assert kcv.input_scaling == 'usual'
  assert dataclasses.replace(kcv, backbone='mine').input_scaling == 'vtab'


@pytest.mark.parametrize(
  'taps, cls_pooling, usual',
  [
    ('all', 'pooled', True),
    ('released', 'pooled', True),
    ('released', 'only', False),
    ('figure6', 'pooled', False),
  ],
)
def test_the_papers_taps_are_appendix_cs_and_the_released_codes(
  taps, cls_pooling, usual
):
  assert _run(taps=taps, cls_pooling=cls_pooling).has_usual_taps == usual


def test_weights_need_no_taps_but_those_of_the_run(monkeypatch):
  """As Head2Toe's ViT, which has no logits."""
  poor = testing.tiny_backbone()

  def build(weights, size, taps):
    if taps != 'released':
      raise errors.InputError('lacks endpoints logits')
    return poor

  monkeypatch.setitem(
    registry.BACKBONES,
    'poor',
    registry.Entry(build, ('some',), tap_sets=('all', 'released')),
  )
  with pytest.raises(errors.InputError, match='lacks endpoints'):
    run_lib.network('poor', 'some', 16)
  found = run_lib.network('poor', 'some', 16, 'released')
  assert found.sha256 == poor.weights_sha256


def test_a_pair_has_the_taps_of_the_first_and_the_seconds_embedding():
  one = run_lib.network('efficientnet_lite0', 'random', 32)
  two = run_lib.network('efficientnet_lite2', 'random', 32)
  run = _run(network=one, image_size=32).derived('control', second=two)
  backbone = run_lib.load(run, {})
  assert len(backbone.taps) == 2
  alone = run_lib.load(_run(network=one, image_size=32), {})
  assert len(alone.taps) > 2


@pytest.mark.soak
def test_networks_compute_in_the_runs_precision():
  one = run_lib.network('efficientnet_lite0', 'random', 32)
  two = run_lib.network('efficientnet_lite2', 'random', 32)
  usual = _run(network=one, image_size=32)
  mixed = dataclasses.replace(usual, precision='mixed_bfloat16')
  assert run_lib.differences(usual, mixed) == [
    'precision: float32 and mixed_bfloat16'
  ]
  for run, wanted in ((usual, 'float32'), (mixed, 'bfloat16')):
    for each in (run, run.derived('control', second=two)):
      backbone = run_lib.load(each, {})
      assert backbone.precision == run.precision == each.precision
      assert {x.dtype for x in backbone.model.output.values()} == {wanted}


def test_a_space_without_options_of_a_method_is_one_line():
  space = space_lib.Space(name='own', folds=(), options={})
  with pytest.raises(errors.InputError, match='grid own has no options for x'):
    space.of('x')


def test_each_run_has_a_folder_of_its_own(tmp_path):
  """Also those that the name does not tell apart: the second is refused."""
  ledger = ledger_lib.Ledger(tmp_path)
  some = [
    testing.tiny_run(**c)
    for c in (
      {},
      {'seed': 1},
      {'protocol': 'official'},
      {'normalization': 'once'},
      {'taps': 'units'},
      {'space': testing.tiny_space(auto_snr={'snr': 'paper'})},
    )
  ]
  paths = [ledger.open(run).path for run in some]
  assert len(set(paths)) == len(some)
  assert [ledger.open(run).path for run in some] == paths
  ledger.open(_run())
  package = _run(network=dataclasses.replace(_LITE0, sha256='c' * 64))
  with pytest.raises(errors.InputError, match='Different are network.sha256'):
    ledger.open(package)
