"""What a file of weights is: tiny files of each kind."""

import dataclasses
import shlex

import keras
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import testing
from tests.backbones import released
from tests.backbones import torch_files
from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import identification
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import tensors
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_saved
from vtab_h2t.backbones import vit_tensors


@pytest.fixture(autouse=True)
def registered(monkeypatch):
  """What a test registers is gone after it."""
  monkeypatch.setattr(registry, 'BACKBONES', dict(registry.BACKBONES))


def _said(contents):
  """What is said, by subject; the lines of one subject in a list."""
  found = {}
  for subject, text in contents.described():
    assert '\n' not in text
    found.setdefault(subject, []).append(text)
  return {k: v[0] if len(v) == 1 else v for k, v in found.items()}


def _resnet(classes=6):
  """A ResNet v1 of two small stages, as arrays."""
  stage = resnet_v1_names.Stage(units=1, width=4, output=4)
  network = resnet_v1_names.Architecture(
    stages=(stage, dataclasses.replace(stage, width=8, output=8)),
    bottleneck=False,
    stem=4,
    classes=classes,
  )
  return {
    name: np.ones(shape, np.float32)
    for name, shape in resnet_v1_names.shapes(network).items()
  }


def test_safetensors_of_a_vit(tmp_path):
  path = tmp_path / 'a vit.safetensors'
  safetensors_numpy.save_file(vit_like.timm(), path)
  contents = identification.identify(str(path))
  said = _said(contents)
  count = len(vit_like.timm())
  assert said['file'].startswith('safetensors of float32, 0.')
  assert f' MiB: {count} tensors of ' in said['file']
  assert said['sha256'] == tensors.read(path).sha256
  assert said['fits'] == f'vit: {count} of {count} tensors, named as by timm'
  assert (
    'width 128, depth 2, 2 heads and patches of 4 pixels' in said['network']
  )
  assert said['images'] == '12 pixels a side, as it was trained with'
  assert said['input'].startswith(
    'mean 0.5, deviation 0.5 of pixels 0 to 1, bicubic_antialias, crop 0.9: '
    'assumed'
  )
  assert said['head'] == '5 classes' and 'prefix' not in said
  assert contents.backbone.taps[-1] == 'logits'
  assert shlex.split(contents.command) == [
    'python',
    '-m',
    'runners.table1',
    '--backbone=vit',
    f'--weights={path}',
    '--image_size=12',
  ]
  again = identification.identify(str(path), 16)
  assert _said(again)['images'].startswith('16 pixels a side; trained with 12')
  # Also of the size that is shown by default here: suites have others.
  usual = dataclasses.replace(contents.backbone, image_size=224)
  contents = dataclasses.replace(contents, backbone=usual)
  assert contents.command.endswith(' --image_size=224')


def test_taps_that_no_network_has(tmp_path):
  with pytest.raises(errors.InputError, match="no network has taps 'nope'"):
    identification.identify(str(tmp_path / 'w.npz'), tap_set='nope')


def test_torch_nested_and_with_a_prefix(tmp_path):
  path = tmp_path / 'checkpoint.pth'
  arrays = {f'module.{n}': a.astype('f2') for n, a in _resnet().items()}
  state, storages = torch_files.state_of(arrays)
  path.write_bytes(torch_files.zipped({'model': state, 'epoch': 3}, storages))
  contents = identification.identify(str(path), 32)
  said = _said(contents)
  assert said['file'].startswith("torch zip of float16, in 'model', ")
  assert said['prefix'] == "'module.', which is before its names"
  assert said['fits'].startswith('resnet_v1: ')
  assert said['network'].startswith('ResNet v1 of 6 layers, 1-1 basic units')
  assert said['input'].startswith('mean 0.485, 0.456, 0.406, deviation 0.229, ')
  assert contents.command.endswith(' --image_size=32')


def test_weights_without_a_head(tmp_path):
  path = tmp_path / 'w.npz'
  np.savez(path, **_resnet(classes=0))
  said = _said(identification.identify(str(path), 32))
  assert said['head'].startswith('none')


@pytest.mark.parametrize(
  'classes, head',
  [
    (1000, "1000 classes, presumably ImageNet's, in "),
    (1001, "1001 classes, presumably ImageNet's after one for the back"),
    (21843, "21843 classes, presumably ImageNet-21k's"),
    (21841, "21841 classes, presumably ImageNet-22k's"),
  ],
)
def test_published_numbers_of_classes(tmp_path, classes, head):
  path = tmp_path / 'w.npz'
  np.savez(path, **_resnet(classes))
  assert _said(identification.identify(str(path), 32))['head'].startswith(head)


def test_nothing_fits(tmp_path):
  path = tmp_path / 'w.h5'
  keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name='d')]).save(
    path
  )
  contents = identification.identify(str(path))
  said = _said(contents)
  assert contents.backbone is None and not contents.fits
  assert said['file'].startswith('h5 of float32')
  assert said['fits'].startswith(
    'no network that is read, and none is near (its tensors are '
  )
  with pytest.raises(ValueError, match='of no network'):
    print(contents.command)


def test_the_nearest_is_named(tmp_path):
  path = tmp_path / 'w.npz'
  arrays = _resnet()
  del arrays['bn1.bias']
  arrays['fc.bias'] = np.zeros(9, np.float32)
  np.savez(path, extra=np.ones(2), **arrays)
  contents = identification.identify(str(path))
  said = _said(contents)
  count = len(arrays) + 1
  assert contents.backbone is None
  assert said['fits'] == (
    'no network that is read; nearest is resnet_v1, named as by torchvision '
    f'and timm: {count - 2} of {count} tensors fit'
  )
  assert said['differs'] == [
    'lacks bn1.bias',
    'has besides extra',
    'has of other shapes fc.bias [9], not [6]',
  ]


def test_what_is_not_used_is_told(tmp_path):
  path = tmp_path / 'mae.pth'
  arrays = vit_like.timm(classes=0) | {
    'mask_token': np.zeros((1, 1, vit_like.WIDTH), np.float32),
    'decoder_embed.weight': np.full((3, 3), np.nan, np.float32),
  }
  arrays['norm.bias'][3] = np.inf
  state, storages = torch_files.state_of(arrays)
  path.write_bytes(torch_files.zipped({'model': state, 'epoch': 3}, storages))
  said = _said(identification.identify(str(path)))
  assert said['left over'] == [
    'mask_token, decoder_embed.weight, which features do not depend on',
    'epoch, beside the state dict',
  ]
  assert said['damaged'].startswith('norm.bias: ')
  path = tmp_path / 'w.npz'
  np.savez(path, **_resnet(), **{'bn1.num_batches_tracked': np.array(3)})
  said = _said(identification.identify(str(path), 32))
  assert said['left over'].startswith('bn1.num_batches_tracked, which ')


def test_configurations_beside_a_file_are_told(tmp_path):
  path = tmp_path / 'model.safetensors'
  safetensors_numpy.save_file(vit_like.hugging_face(vit_like.timm()), path)
  assert 'settings' not in _said(identification.identify(str(path)))
  (tmp_path / 'config.json').write_text(
    '{"model_type": "vit", "layer_norm_eps": 1e-6}'
  )
  said = _said(identification.identify(str(path)))
  assert said['settings'] == 'config.json beside it, as part of the weights'
  assert said['network'].endswith(', epsilon 1e-06')
  assert 'assumed from the names' in said['input']
  (tmp_path / 'preprocessor_config.json').write_text(
    '{"image_mean": 0.5, "image_std": 0.5, "resample": 3}'
  )
  said = _said(identification.identify(str(path)))
  assert said['settings'].startswith('config.json and preprocessor_config.json')
  assert ' bicubic_antialias, squashed: as preprocessor_' in said['input']
  (tmp_path / 'config.json').write_text(
    '{"model_type": "vit", "hidden_size": 3}'
  )
  said = _said(identification.identify(str(path)))
  assert said['fits'].startswith('no network that is read; nearest is vit_')
  assert 'config.json: hidden_size is 3, but 128 of' in said['differs'][0]


def test_taps_that_are_asked_for_are_not_replaced(tmp_path):
  path = str(tmp_path / 'w.npz')
  np.savez(path, **_resnet())
  with pytest.raises(
    errors.InputError, match="of resnet_v1: there are no taps 'released' for "
  ):
    identification.identify(path, 32, 'released')
  np.savez(path, **vit_like.timm(fc_norm=True))
  assert identification.identify(path).backbone.tap_set == 'all'
  contents = identification.identify(path, tap_set='last_1')
  assert contents.backbone is None
  assert _said(contents)['differs'].endswith('; use blocks')
  # A plugin's network, of which nothing is known, has the default taps only.
  np.savez(path, mine=np.ones(3))
  registry.register('mine', lambda *_: testing.tiny_backbone(), (), 'a file')
  said = _said(identification.identify(path, tap_set='released'))
  assert said['differs'] == 'has no taps released'


@pytest.mark.usefixtures('small')
def test_a_headless_vit_is_also_read_by_its_name_with_released_taps(tmp_path):
  path = tmp_path / 'w.npz'
  network = dataclasses.replace(_SMALL, classes=0)
  shapes = vit_tensors.shapes(vit_names.AUGREG, network)
  np.savez(path, **{n: np.ones(shape, 'f4') for n, shape in shapes.items()})
  for taps, name in (('all', ''), ('released', '; also read as vit_ti16')):
    said = _said(identification.identify(str(path), _SIZE, taps))
    assert said['fits'].endswith(f'vision_transformer (AugReg){name}')


def test_an_image_size_that_is_no_multiple_of_the_patches(tmp_path):
  path = str(tmp_path / 'w.npz')
  np.savez(path, **vit_like.timm())
  with pytest.raises(
    errors.InputError, match='patches of 4 pixels, of which .* 18 is none'
  ):
    identification.identify(path, 18)


def test_names_of_weights_are_no_files():
  with pytest.raises(
    errors.InputError,
    match="^'imagenet' is a name of weights of efficientnet_lite0, .*"
    '--backbone=efficientnet_lite0 --weights=imagenet, or name a file$',
  ):
    identification.identify('imagenet')
  with pytest.raises(errors.InputError, match='--weights=FILE'):
    identification.identify('')


def test_bad_files_are_one_line(tmp_path):
  path = tmp_path / 'w.safetensors'
  path.write_text('<html>')
  with pytest.raises(errors.InputError, match='a web page'):
    identification.identify(str(path))
  model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
  model.save(tmp_path / 'm.keras')
  with pytest.raises(errors.InputError, match='whole model of Keras; load it'):
    identification.identify(str(tmp_path / 'm.keras'))
  with pytest.raises(errors.InputError, match='none.npz cannot be read'):
    identification.identify(str(tmp_path / 'none.npz'))
  (tmp_path / 'folder').mkdir()
  with pytest.raises(errors.InputError, match='holds no SavedModel'):
    identification.identify(str(tmp_path / 'folder'))
  (tmp_path / 'folder' / 'model.safetensors').touch()
  with pytest.raises(
    errors.InputError, match=r'name a file in it, .*/folder/model\.safetensors'
  ):
    identification.identify(str(tmp_path / 'folder'))


def test_shards_count_as_one(tmp_path):
  arrays = _resnet()
  names = list(arrays)
  shard_of = {name: f'{i % 2}.safetensors' for i, name in enumerate(names)}
  for shard in set(shard_of.values()):
    safetensors_numpy.save_file(
      {n: arrays[n] for n in names if shard_of[n] == shard}, tmp_path / shard
    )
  path = tmp_path / 'model.safetensors.index.json'
  path.write_text(
    f'{{"weight_map": {str(shard_of).replace(chr(39), chr(34))}}}'
  )
  contents = identification.identify(str(path), 32)
  assert contents.backbone is not None and ' in 2 files of ' in contents.format
  assert contents.nbytes == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_networks_of_ones_own_are_asked_last(tmp_path):
  path = tmp_path / 'mine.npz'
  np.savez(path, mine=np.ones(3))

  def build(weights, size):
    del size
    if 'mine' not in tensors.read(weights).arrays:
      raise errors.InputError('this is not mine')
    return testing.tiny_backbone()

  registry.register('mine', build, (), 'a file of mine')
  contents = identification.identify(str(path))
  assert contents.backbone.name == 'mine'
  assert _said(contents)['fits'] == 'mine, by its plugin'
  assert contents.command.startswith('python -m runners.table1 --backbone=mine')
  np.savez(path, yours=np.ones(3))
  said = _said(identification.identify(str(path)))
  assert said['fits'].endswith('nearest is mine, by its plugin')
  assert said['differs'] == 'this is not mine'


_SMALL = vit_architecture.Architecture(width=12, depth=3, heads=3, mlp=48)
_SIZE = 32


@pytest.fixture
def small(monkeypatch):
  """ViTs by name have three blocks of 12 or of 24 channels, and 32 pixels."""
  for name, width in (('vit_ti16', 12), ('vit_s16', 24)):
    network = dataclasses.replace(_SMALL, width=width)
    monkeypatch.setitem(vit_architecture.NAMED, name, network)
    entry = registry.BACKBONES[name]
    registry.BACKBONES[name] = dataclasses.replace(entry, image_size=_SIZE)
  monkeypatch.setattr(vit_architecture, 'SMALLEST', _SMALL)


def _save(folder, name, scheme):
  """A SavedModel with the endpoints of all taps, as the released code's."""
  network = dataclasses.replace(
    vit_architecture.NAMED[name], activation=vit_names.GELU_TANH
  )
  model, taps = vit.build(network, _SIZE)
  rng = np.random.default_rng(0)
  for weight in model.weights:
    weight.assign(weight + rng.normal(0, 0.3, tuple(weight.shape)))
  plan = {
    e.path: e.name for e in vit_tensors.entries(vit_names.AUGREG, network)
  }
  if not scheme:
    plan = {path: f'v{i}' for i, path in enumerate(plan)}
  variables, forward = released.renamed(model, plan)

  def endpoints(v, images):
    outputs = forward(v, images)
    return {vit_saved.endpoints().get(t, t): outputs[t] for t in taps}

  released.save(folder, variables, endpoints, _SIZE, 'serving_default')


@pytest.mark.usefixtures('small')
def test_saved_models_whose_variables_are_known(tmp_path):
  _save(tmp_path / 'm', 'vit_s16', scheme=True)
  contents = identification.identify(str(tmp_path / 'm'))
  said = _said(contents)
  assert said['file'].startswith('SavedModel, ')
  assert said['fits'].startswith('vit_s16: ') and 'AugReg' in said['fits']
  assert contents.backbone.is_trainable
  assert contents.fits[0].is_whole


@pytest.mark.soak
@pytest.mark.usefixtures('small')
def test_saved_models_of_which_endpoints_are_known(tmp_path):
  _save(tmp_path / 'm', 'vit_s16', scheme=False)
  contents = identification.identify(str(tmp_path / 'm'))
  assert _said(contents)['fits'] == "vit_s16, by its signature's endpoints"
  assert not contents.backbone.is_trainable
  assert contents.backbone.input == preprocessing.HALF
  assert contents.backbone.tap_set == backbone_lib.ALL_TAPS
