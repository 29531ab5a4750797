import dataclasses
import json

import numpy as np
import pytest

from tests import testing
from tests.classifier import heads
from vtab_h2t import errors
from vtab_h2t.backbones import precision
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.classifier import adapting
from vtab_h2t.classifier import artefact
from vtab_h2t.features import normalization
from vtab_h2t.protocol import grids

_SPACE = grids.get(
  'fixed',
  'efficientnet_lite0',
  ('lr=0.1,steps=40,target_size=256,fraction=0.05,l2=1e-5,l21=1e-5'),
)


@pytest.fixture(scope='module')
def backbone():
  return registry.load('efficientnet_lite0', 'random', 32)


@pytest.fixture(scope='module')
def split():
  return testing.tiny_task(train=60, test=3).train


@pytest.fixture(
  scope='module',
  params=[
    'head2toe',
    pytest.param('linear', marks=pytest.mark.soak),
    pytest.param('all_l2', marks=pytest.mark.soak),
  ],
)
def adapted(request, backbone, split, tmp_path_factory):
  return adapting.adapt(
    split,
    ('a', 'b', 'c'),
    backbone,
    tmp_path_factory.mktemp('work'),
    method=request.param,
    space=_SPACE,
    steps=40,
    val_fraction=0.3,
  )


def _probabilities(model, split):
  return np.concatenate([p for _, p in model.probabilities(split)])


def test_a_loaded_model_predicts_what_was_adapted(adapted, split, tmp_path):
  sizes = artefact.save(adapted, 'random', tmp_path / 'm')
  model = artefact.load(tmp_path / 'm')
  wanted = _probabilities(artefact.model_of(adapted), split)
  np.testing.assert_array_equal(_probabilities(model, split), wanted)
  np.testing.assert_allclose(wanted.sum(axis=1), 1, atol=1e-5)
  assert model.classes == ('a', 'b', 'c')
  kept = len(model.readout.columns)
  bits = -(-model.facts['num_features'] // 8)
  expected = 4 * 3 * (kept + 1) + bits * (adapted.method == 'head2toe')
  assert 0 <= sizes['model.safetensors'] - expected < 400
  assert sizes['model.json'] < 2000


@pytest.mark.soak
def test_predictions_are_those_of_the_head_on_stored_features(
  backbone, split, tmp_path
):
  """Through the taps of the images, or through the feature store."""
  adapted = adapting.adapt(
    split, 'abc', backbone, tmp_path, space=_SPACE, steps=40
  )
  from vtab_h2t.features import extraction
  from vtab_h2t.features import store

  head = adapted.head
  features = store.open_or_compute(
    tmp_path / 'features',
    extraction.Extractor(backbone, (256,)),
    split,
    testing.no_progress,
  )
  x = normalization.design_matrix(
    features.blocks(256), features.layouts[256], columns=head.columns
  )
  logits = x @ head.head.kernel.numpy().T + head.head.bias
  logits /= adapted.temperature
  found = _probabilities(artefact.model_of(adapted), split)
  np.testing.assert_allclose(
    np.log(found) - np.log(found[:, :1]), logits - logits[:, :1], atol=1e-3
  )


@pytest.mark.soak
@pytest.mark.parametrize(
  'change',
  [
    {'resize': 'bicubic_antialias', 'crop': 0.875},
    {'scale': 1, 'offset': 0, 'resize': 'legacy'},
  ],
  ids=['channels', 'numbers'],
)
def test_the_input_is_kept(backbone, split, tmp_path, change):
  fed = dataclasses.replace(preprocessing.IMAGENET, **change)
  adapted = adapting.adapt(
    split,
    'abc',
    dataclasses.replace(backbone, input=fed),
    tmp_path,
    method='linear',
    space=_SPACE,
    steps=40,
    val_fraction=0.3,
  )
  artefact.save(adapted, 'random', tmp_path / 'm')
  model = artefact.load(tmp_path / 'm')
  assert model.backbone.input == fed != backbone.input
  np.testing.assert_array_equal(
    _probabilities(model, split),
    _probabilities(artefact.model_of(adapted), split),
  )


# What came with the fourth format, the third and the second.
_FOURTH = ('apart',)
_THIRD = ('temperature', 'label_type', 'source', 'images', 'calibration_error')
_SECOND = ('scale', 'offset', 'crop')


@pytest.mark.parametrize('resize', ['bilinear', 'legacy'])
@pytest.mark.parametrize('number', [1, 2, 3])
def test_a_folder_of_an_earlier_format_is_read(
  saved, backbone, split, tmp_path, number, resize
):
  """The first says of the input only the resize; two have no temperature."""
  folder = tmp_path / 'm'
  folder.mkdir()
  facts = json.loads((saved / 'model.json').read_text())
  for name in _FOURTH + _THIRD * (number < 3) + _SECOND * (number < 2):
    del facts[name]
  facts |= {'format': number, 'resize': resize}
  (folder / 'model.json').write_text(json.dumps(facts))
  (folder / 'model.safetensors').write_bytes(
    (saved / 'model.safetensors').read_bytes()
  )
  model = artefact.load(folder)
  assert model.backbone.input == dataclasses.replace(
    backbone.input, resize=resize
  )
  assert model.temperature == facts.get('temperature', 1)
  for path in (tmp_path / 'again', tmp_path / 'and_again'):
    artefact.write(model, path)
    model = artefact.load(path)
    assert model.facts == facts
  (folder / 'model.json').write_text(json.dumps(facts | {'format': number + 1}))
  with pytest.raises(errors.InputError, match='is missing or not'):
    artefact.load(folder)


def test_what_is_written_again_has_the_same_bytes(saved, tmp_path):
  artefact.write(artefact.load(saved), tmp_path / 'm')
  names = {p.name for p in saved.iterdir()}
  assert names == {'model.json', 'model.safetensors', 'README.md'}
  for name in names:
    assert (tmp_path / 'm' / name).read_bytes() == (saved / name).read_bytes()


def test_a_model_is_compiled_once():
  """Which takes longer than to classify an image."""
  seen = []
  model = heads.drawn(
    testing.with_operation(lambda x: seen.append(x.shape) or x)
  )
  split = testing.tiny_task(train=6, test=3).train
  _probabilities(model, split)
  before = len(seen)
  _probabilities(model, split)
  assert len(seen) == before > 0


def test_the_temperature_divides_logits():
  model = heads.drawn(testing.normed_backbone())
  split = testing.tiny_task(train=6, test=3).train
  warm, cool = (
    np.log(_probabilities(dataclasses.replace(model, temperature=t), split)) * t
    for t in (2.0, 0.5)
  )
  np.testing.assert_allclose(warm - warm[:, :1], cool - cool[:, :1], atol=1e-4)


def test_what_the_images_were_called_is_kept_without_a_path(adapted):
  model = artefact.model_of(adapted, source='/home/somebody/photos')
  assert model.facts['source'] == 'photos'
  assert model.facts['images'] == [20, 20, 20]
  assert model.temperature == adapted.temperature == model.facts['temperature']


@pytest.fixture(scope='module')
def saved(backbone, split, tmp_path_factory):
  folder = tmp_path_factory.mktemp('saved') / 'm'
  artefact.save(
    adapting.adapt(
      split,
      ('a', 'b', 'c'),
      backbone,
      tmp_path_factory.mktemp('w'),
      space=_SPACE,
      steps=40,
      val_fraction=0.3,
    ),
    'random',
    folder,
  )
  return folder


@pytest.mark.parametrize(
  'change, message',
  [
    ({'format': 5}, 'format 5, and this version reads up to 4; use the ver'),
    ({'format': 0}, 'not of format 4; adapt again'),
    ({'format': True}, 'not of format 4; adapt again'),
    ({'format': ['x']}, 'not of format 4; adapt again'),
    ({'temperature': 0}, 'temperature must be above 0'),
    ({'temperature': float('nan')}, 'temperature must be above 0'),
    ({'label_type': 'int'}, "classes are not of label_type 'int'"),
    ({'label_type': 'x'}, "classes are not of label_type 'x'"),
    ({'images': [1, 2]}, 'images, accuracy, .* it was edited'),
    ({'accuracy': {}}, 'images, accuracy, .* it was edited'),
    ({'apart': {}}, 'images, accuracy, .* it was edited'),
    ({'calibration_error': {}}, 'images, accuracy, .* it was edited'),
    ({'scale': 'x'}, 'scale is missing or not'),
    ({'scale': [1, 2]}, 'model.json: the scale of an input is one'),
    ({'scale': 0}, 'model.json: the scale of an input must not be 0'),
    ({'offset': [1, 2, 'x']}, 'model.json: the offset of an input is one'),
    ({'offset': float('inf')}, 'model.json: the offset of an input is one'),
    ({'crop': 2}, 'model.json: a crop is from 0.01 to 1, not 2'),
    ({'resize': 'x'}, "unknown resize 'x'; choose from bilinear, legacy"),
    ({'classes': ['a', 'b'], 'images': [1, 2]}, 'does not fit 2 classes'),
    ({'classes': ['a', 'a', 'b']}, 'distinct names'),
    ({'classes': 'abc'}, 'classes is missing or not'),
    ({'backbone': 'nope'}, 'unknown backbone .* the --plugins that registers'),
    ({'backbone': ['x']}, 'backbone is missing or not'),
    ({'weights': '../../etc/passwd'}, 'give their file with --weights'),
    ({'weights': 'http://localhost:1/x'}, 'give their file with --weights'),
    (
      {'backbone': 'resnet50', 'weights': 'http://localhost:1/x'},
      'give their file with --weights',
    ),
    ({'weights_sha256': '0' * 64}, 'made with other weights'),
    ({'image_size': 10**9}, 'out of range'),
    ({'image_size': True}, 'image_size is missing or not'),
    ({'target_size': -1}, 'out of range'),
    ({'target_size': 1024}, 'features, its backbone gives'),
    ({'taps': 'x'}, 'there are no taps'),
    ({'tensors_sha256': 'x'}, 'another checksum'),
    ({'normalization': None}, 'normalization is missing or not'),
    (
      {'normalization': 'feature'},
      "unknown normalization 'feature'; choose from selected, once, none",
    ),
  ],
)
def test_an_edited_model_is_one_line(saved, tmp_path, change, message):
  folder = tmp_path / 'm'
  folder.mkdir()
  facts = json.loads((saved / 'model.json').read_text()) | change
  (folder / 'model.json').write_text(json.dumps(facts))
  (folder / 'model.safetensors').write_bytes(
    (saved / 'model.safetensors').read_bytes()
  )
  with pytest.raises(errors.InputError, match=message):
    artefact.load(folder)


def test_damaged_and_missing_files_are_one_line(saved, tmp_path):
  for path in (tmp_path, tmp_path / 'no', saved / 'README.md'):
    with pytest.raises(errors.InputError, match='is no adapted model'):
      artefact.load(path)
  folder = tmp_path / 'm'
  folder.mkdir()
  (folder / 'model.json').write_text('{"format": ' + '[' * 100_000)
  with pytest.raises(errors.InputError, match='is damaged'):
    artefact.load(folder)
  (folder / 'model.json').write_bytes((saved / 'model.json').read_bytes())
  with pytest.raises(errors.InputError, match='cannot be read'):
    artefact.load(folder)
  whole = bytearray((saved / 'model.safetensors').read_bytes())
  whole[-1] ^= 1
  (folder / 'model.safetensors').write_bytes(bytes(whole))
  with pytest.raises(errors.InputError, match='another checksum'):
    artefact.load(folder)


def test_a_folder_that_is_there_is_kept(saved, adapted):
  before = (saved / 'model.json').read_bytes()
  with pytest.raises(errors.InputError, match='there already'):
    artefact.save(adapted, 'random', saved)
  assert (saved / 'model.json').read_bytes() == before


def test_another_precision_is_not_saved(adapted, tmp_path):
  other = dataclasses.replace(
    adapted,
    backbone=precision.compute_in(adapted.backbone, 'mixed_bfloat16'),
  )
  with pytest.raises(errors.InputError, match='adapt it in float32'):
    artefact.save(other, 'random', tmp_path / 'm')
  assert not (tmp_path / 'm').exists()


def test_other_weights_can_be_given_but_must_be_the_same(saved):
  assert artefact.load(saved, 'random').classes == ('a', 'b', 'c')
  with pytest.raises(errors.InputError, match='made with other weights'):
    artefact.load(saved, 'imagenet')


def test_only_the_taps_that_are_read_are_computed(saved):
  model = artefact.load(saved)
  assert set(model.readout.taps) <= set(model.backbone.taps)
  few = dataclasses.replace(
    model,
    readout=dataclasses.replace(model.readout, columns=np.arange(5)),
    kernel=model.kernel[:, :5],
  )
  assert few.readout.taps == model.backbone.taps[:1]
