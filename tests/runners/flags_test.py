"""The one run that follows from the flags."""

from absl import flags as absl_flags
from absl.testing import flagsaver
import pytest

from runners import flags
from vtab_h2t import errors
from vtab_h2t.methods import registry as methods
from vtab_h2t.protocol import grids
from vtab_h2t.report import jobs


def test_without_flags_the_run_has_the_short_name():
  run = flags.run()
  assert run.name == 'embedded-lite0-64px'
  assert run.space == grids.quick('efficientnet_lite0')
  assert (run.parent, run.job) == (None, 'accuracy')
  with flagsaver.flagsaver(
    tasks=['digits'],
    seeds=['4'],
    workdir='elsewhere',
    methods=['linear'],
    memory_gib=1.0,
    num_shards=2,
    source='published',
    control='vit_b16:random',
  ):
    assert flags.run() == run  # Views and places are no part of it.
    assert flags.run().id == run.id


@pytest.mark.parametrize(
  'changes, name',
  [
    ({'image_size': 32, 'grid': 'paper'}, 'embedded-lite0-32px-paper'),
    (
      {'image_size': 32, 'grid': 'appendix_a'},
      'embedded-lite0-32px-appendix_a',
    ),
    (
      {'image_size': 32, 'input_scaling': 'vtab'},
      'embedded-lite0-32px-vtab_input',
    ),
    (
      {'image_size': 32, 'input_scaling': 'unit'},
      'embedded-lite0-32px-vtab_input',
    ),
    (
      {'image_size': 32, 'input_scaling': 'imagenet'},
      'embedded-lite0-32px-imagenet_input',
    ),
    # What is usual for the network.
    (
      {'image_size': 32, 'resize': 'bilinear', 'crop': 'usual'},
      'embedded-lite0-32px',
    ),
    ({'image_size': 32, 'weights': 'random'}, 'embedded-lite0-32px-random'),
    (
      {'image_size': 32, 'taps': 'pre_activation'},
      'embedded-lite0-32px-pre_activation',
    ),
    (
      {'image_size': 32, 'precision': 'mixed_bfloat16'},
      'embedded-lite0-32px-mixed_bfloat16',
    ),
    ({'image_size': 32, 'run_name': 'mine'}, 'mine'),
  ],
)
def test_what_is_usual_but_for_its_name_needs_no_hash(changes, name):
  with flagsaver.flagsaver(**changes):
    assert flags.run().name == name


@pytest.mark.parametrize(
  'changes',
  [
    {'protocol': 'official'},
    {'snr': 'paper'},
    {'head_init': 'head2toe'},
    {'finetune_optimizer': 'adam'},
    {'finetune_unit_norm': False},
    {'probe_smoothing': 0.2},
    {'probe_hidden': 8},
    {'normalization': 'once'},
    {'normalization': 'feature'},
    {'normalization': 'none'},
    {'resize': 'legacy'},
    {'resize': 'bicubic_antialias'},
    {'crop': '0.875'},
    {'crop': '1'},
    {'grid': 'fixed', 'hparams': 'lr=1,steps=1'},
  ],
  ids=lambda c: '='.join(map(str, next(iter(c.items())))),
)
def test_what_changes_numbers_changes_the_run(changes):
  with flagsaver.flagsaver(image_size=32):
    usual = flags.run()
    with flagsaver.flagsaver(**changes):
      other = flags.run()
  assert other != usual and other.id != usual.id
  grid = 'fixed-' if 'grid' in changes else ''
  assert other.name == f'embedded-lite0-32px-{grid}{other.id[:8]}'


_OPTIMISED = 'scratch', 'finetune', 'linearized', 'head2toe_ft', 'head_probe'


def test_as_released_sets_every_choice_of_the_released_code():
  with flagsaver.flagsaver(image_size=32):
    with flagsaver.flagsaver(
      resize='legacy', protocol='official', finetune_optimizer='adam'
    ):
      one_by_one = flags.run()
    with flagsaver.flagsaver(as_released=True):
      run = flags.run()
      assert flags.has_usual_taps()
  # Of this backbone there are no released taps.
  assert run == one_by_one and run.id == one_by_one.id
  assert (run.taps, run.normalization, run.cls_pooling, run.precision) == (
    'all',
    'selected',
    'pooled',
    'float32',
  )
  assert run.network.input_scaling == 'usual'
  for method in _OPTIMISED:
    assert run.space.of(method).optimizer == 'adam'
  assert run.space.of('finetune').unit_norm
  assert run.space.of('head2toe_ft').head_init == 'fresh'


def test_as_released_takes_the_released_taps_of_vits():
  with flagsaver.flagsaver(
    as_released=True, backbone='vit_ti16', weights='random'
  ):
    run = flags.run()
    assert flags.is_vit() and flags.has_usual_taps()
  assert (run.taps, run.resize, run.protocol) == (
    'released',
    'legacy',
    'official',
  )
  assert run.has_usual_taps and run.network.scale == 1 / 127.5
  with flagsaver.flagsaver(
    taps='figure6', backbone='resnet50', weights='random'
  ):
    assert not flags.has_usual_taps()


@pytest.mark.parametrize(
  'given, message',
  [
    ('--resize=bilinear', '--resize=legacy, and --resize=bilinear'),
    ('--protocol=exact', '--protocol=official, and --protocol=exact'),
    ('--normalization=once', '--normalization=selected, and --norm'),
    ('--finetune_optimizer=sgd', '--finetune_optimizer=adam, and --finet'),
    (
      '--nofinetune_unit_norm',
      '--finetune_unit_norm, and --nofinetune_unit_norm',
    ),
    ('--head_init=head2toe', '--head_init=fresh, and --head_init=head2toe'),
    ('--input_scaling=vtab', '--input_scaling=usual, and --input_scaling'),
    ('--precision=mixed_bfloat16', '--precision=float32, and --precision='),
    ('--taps=pre_activation', '--taps=all, and --taps=pre_activation'),
  ],
)
def test_another_value_beside_as_released_is_an_error(given, message):
  with pytest.raises(
    absl_flags.IllegalFlagValueError,
    match=f'--as_released sets {message}.* beside it; leave out one',
  ):
    _parsed('--as_released', given)


def test_the_same_value_beside_as_released_is_no_error():
  _parsed('--as_released', '--resize=legacy', '--taps=all')
  vit = '--backbone=vit_ti16', '--weights=random'
  _parsed('--as_released', *vit, '--taps=released')
  with pytest.raises(
    absl_flags.IllegalFlagValueError, match='--taps=released, and --taps=all'
  ):
    _parsed('--as_released', *vit, '--taps=all')


def _parsed(*arguments):
  """Reads a command line, and forgets it."""
  with flagsaver.flagsaver():
    absl_flags.FLAGS(['table1', *arguments])


def test_required_methods_join_those_of_the_grid():
  tried = flags.space()
  assert flags.methods(tried, ['scratch']) == [
    'linear',
    'all_l2',
    'all_l1',
    'all_l21',
    'head2toe',
    'scratch',
  ]
  with flagsaver.flagsaver(methods=['linear']):
    assert flags.methods(tried, ['head2toe']) == ['linear', 'head2toe']
  with flagsaver.flagsaver(methods=['all']):
    assert flags.methods(tried, []) == list(methods.ANYWHERE)
    assert flags.methods(tried, ['scratch']) == list(methods.ANYWHERE)
  with flagsaver.flagsaver(methods=['paper']):
    assert flags.methods(tried, []) == [
      *('linear', 'all_l2', 'all_l1', 'all_l21', 'head2toe', 'scratch'),
      *('finetune', 'head2toe_ft', 'head2toe_ft_plus'),
    ]
  with flagsaver.flagsaver(methods=['knn', 'paper']):
    assert flags.methods(tried, []) == [*methods.TABLE1, 'knn']
  with flagsaver.flagsaver(grid='fixed', hparams='lr=1,steps=1'):
    assert flags.methods(flags.space(), []) == ['linear']


def test_methods_of_ones_own_are_measured_where_they_are_named(early):
  tried = flags.space()
  assert tried.of('early').steps == (50, 500)
  assert 'early' not in flags.methods(tried, [])
  with flagsaver.flagsaver(methods=['all']):
    assert flags.methods(tried, []) == list(methods.ANYWHERE)
  with flagsaver.flagsaver(methods=['all', 'early']):
    assert flags.methods(tried, []) == [*methods.ANYWHERE, 'early']
  with flagsaver.flagsaver(methods=['early', 'linear']):
    assert flags.methods(tried, []) == ['linear', 'early']
  with (
    pytest.raises(errors.InputError, match='unknown method .* early$'),
    flagsaver.flagsaver(methods=['erly']),
  ):
    pass


def test_the_reduced_job_has_methods_of_its_own():
  assert jobs.JOBS['reduced'].methods == ('linear', 'head2toe', 'finetune')


def test_options_reach_the_methods_that_have_them():
  usual = flags.space()
  assert usual.of('finetune').steps == (500,)
  assert usual.of('auto_snr').snr == 'code'
  with flagsaver.flagsaver(
    probe_hidden=512,
    probe_smoothing=0.2,
    finetune_optimizer='adam',
    snr='paper',
    finetune_unit_norm=False,
    head_init='head2toe',
  ):
    space = flags.space()
  assert space == usual.changed(
    {
      'scratch': {'optimizer': 'adam', 'unit_norm': False},
      'finetune': {'optimizer': 'adam', 'unit_norm': False},
      'linearized': {'optimizer': 'adam', 'unit_norm': False},
      'head2toe_ft': {'optimizer': 'adam', 'head_init': 'head2toe'},
      'auto_snr': {'snr': 'paper'},
      'head_probe': {'optimizer': 'adam', 'smoothing': 0.2, 'hidden': 512},
    }
  )


def test_the_second_network():
  with flagsaver.flagsaver(
    image_size=32, taps='pre_activation', control='efficientnet_lite2:random'
  ):
    run = flags.run()
    other = flags.second(run)
  assert (other.backbone, other.weights) == ('efficientnet_lite2', 'random')
  (control,) = jobs.JOBS['control'].derive(run, other)
  assert control.backbone == 'efficientnet_lite0+efficientnet_lite2'
  assert control.weights == 'imagenet+random' and control.taps == 'all'
  (second,) = jobs.JOBS['second'].derive(run, other)
  assert (second.backbone, second.weights, second.taps) == (
    'efficientnet_lite2',
    'random',
    'all',
  )
  (kind,) = jobs.JOBS['with_input'].derive(run, None)
  assert (run.taps, kind.taps) == ('pre_activation', 'with_input')
  for derived in (control, second, kind):
    assert derived.parent == run.id
    assert derived.name.startswith(f'{run.name}.{derived.job}')
  with (
    flagsaver.flagsaver(control='efficientnet_lite0:imagenet'),
    pytest.raises(errors.InputError, match='own network; name another'),
  ):
    flags.check_second()


def test_places_say_where_files_are(tmp_path):
  path = tmp_path / 'own.npz'
  path.touch()
  with flagsaver.flagsaver(
    backbone='vit_ti16', weights=str(path), memory_gib=0.5
  ):
    places = flags.places()
  assert places.weights['own.npz'] == str(path)
  assert places.memory_bytes == 2**29


def test_weights_that_are_not_named_are_the_networks_own():
  assert flags.run() is not None
  assert flags.run().network.weights == 'imagenet'
  assert set(flags.places().weights) == {'imagenet'}
  with flagsaver.flagsaver(control='efficientnet_lite2'):
    assert flags.second(flags.run()).weights == 'imagenet'
  with (
    flagsaver.flagsaver(control='efficientnet_lite0'),
    pytest.raises(errors.InputError, match='own network; name another'),
  ):
    flags.check_second()
  with (
    pytest.raises(errors.InputError, match='^resnet50: .* no weights by def'),
    flagsaver.flagsaver(backbone='resnet50'),
  ):
    pass


def test_the_first_flags_of_help_are_flags():
  own = {
    f.name for f in absl_flags.FLAGS.get_key_flags_for_module(flags.__name__)
  }
  assert set(flags.FIRST) <= own
  assert len(flags.FIRST) < len(own) - 15
