"""config.json beside weights of ViTs and ResNets."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import testing
from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import resnet_v1_names
from vtab_h2t.backbones import tensors as tensors_lib
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_reading

# As transformers writes it for `vit_like.timm`.
_VIT = {
  'architectures': ['ViTForImageClassification'],
  'model_type': 'vit',
  'hidden_size': vit_like.WIDTH,
  'num_hidden_layers': vit_like.DEPTH,
  'num_attention_heads': 2,
  'intermediate_size': vit_like.MLP,
  'patch_size': vit_like.PATCH,
  'image_size': vit_like.SIZE,
  'num_channels': 3,
  'hidden_act': 'gelu',
  'layer_norm_eps': 1e-12,
}


def _file(folder, config, tensors=None):
  """Writes a ViT of Hugging Face and its configuration; returns its path."""
  path = folder / 'model.safetensors'
  tensors = tensors or vit_like.hugging_face(vit_like.timm())
  safetensors_numpy.save_file(tensors, path)
  (folder / hf_config.CONFIG).write_text(json.dumps(config))
  return str(path)


def _network(path):
  shapes = {n: a.shape for n, a in tensors_lib.read(path).arrays.items()}
  return vit_reading.identify(shapes, path).network


@pytest.mark.parametrize(
  'changes, options',
  [
    ({'layer_norm_eps': 0.01}, {'epsilon': 0.01}),
    ({'hidden_act': 'quick_gelu'}, {'activation': 'quick_gelu'}),
    ({'hidden_act': 'gelu_pytorch_tanh'}, {'activation': 'gelu_tanh'}),
  ],
)
def test_epsilon_and_activation_equal_numpy(changes, options, tmp_path):
  path = _file(tmp_path, _VIT | changes)
  backbone = registry.load('vit', path, vit_like.SIZE)
  x = np.asarray(backbone.preprocess(testing.images(2, size=vit_like.SIZE)))
  options = {'epsilon': 1e-12} | options
  wanted = vit_like.forward(vit_like.timm(), x, **options)
  for tap, value in backbone.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=2e-5, err_msg=tap)


def test_weights_with_another_configuration_are_others(tmp_path):
  path = _file(tmp_path, _VIT)
  plain = tensors_lib.read(path).sha256
  found = [
    registry.load('vit', _file(tmp_path, config), vit_like.SIZE).weights_sha256
    for config in (
      _VIT,
      _VIT | {'layer_norm_eps': 1e-6},
      _VIT | {'hidden_act': 'gelu_new'},
      _VIT | {'num_attention_heads': 4},
      _VIT | {'label2id': {'cat': 0}},
      {'architecture': 'vit_tiny', 'hidden_size': 3},  # Of another program.
    )
  ]
  assert [x == plain for x in found] == [True, False, False, False, True, True]
  assert len(set(found)) == 4


def test_heads_that_shapes_do_not_tell(tmp_path):
  tensors = vit_like.hugging_face(vit_like.timm(width=96))
  config = _VIT | {'hidden_size': 96, 'num_attention_heads': 3}
  path = _file(tmp_path, config, tensors)
  assert _network(path).heads == 3
  sha256 = registry.load('vit', path, vit_like.SIZE).weights_sha256
  assert sha256 != tensors_lib.read(path).sha256
  (tmp_path / hf_config.CONFIG).unlink()
  with pytest.raises(errors.InputError, match='tensors do not tell its heads'):
    _network(path)


def test_clips_say_it_of_their_images(tmp_path):
  timm = vit_like.timm(norm_pre=True, patch_bias=False, classes=0)
  tensors = vit_like.hugging_face_clip(timm)
  images = {k: v for k, v in _VIT.items() if k != 'model_type'}
  config: dict[str, Any] = {
    'model_type': 'clip',
    'text_config': {'hidden_size': 2},
    'vision_config': images | {'layer_norm_eps': 1e-5},
  }
  network = _network(_file(tmp_path, config, tensors))
  assert (network.activation, network.epsilon) == (vit_names.GELU, 1e-5)
  # What is not said is what the model has by default.
  config |= {'vision_config': {'hidden_size': vit_like.WIDTH}}
  assert _network(_file(tmp_path, config, tensors)) == dataclasses.replace(
    network, activation=vit_names.QUICK_GELU
  )
  config |= {'vision_config': 3}
  with pytest.raises(errors.InputError, match='vision_config is no object'):
    _network(_file(tmp_path, config, tensors))


def test_a_wide_clip_has_quick_gelu_if_its_configuration_says_nothing():
  network = vit_architecture.of_width(1280, 16)
  config = hf_config.Config(path=pathlib.Path('c'), weights='w', values={})
  found = hf_config.of_vit(config, network, vit_names.QUICK_GELU)
  assert found.activation == vit_names.QUICK_GELU


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'hidden_size': 64}, 'hidden_size is 64, but 128 of the tensors in '),
    ({'num_hidden_layers': 12}, 'num_hidden_layers is 12, but 2 of '),
    ({'intermediate_size': 1}, 'intermediate_size is 1, but 160 of '),
    ({'patch_size': 16}, 'patch_size is 16, but 4 of '),
    ({'image_size': 224}, 'image_size is 224, but 12 of '),
    ({'num_channels': 1}, 'num_channels is 1, but 3 of '),
    ({'num_attention_heads': 3}, 'num_attention_heads 3 does not divide 128'),
    ({'num_attention_heads': 0}, 'num_attention_heads 0 does not divide 128'),
    ({'num_attention_heads': '2'}, 'num_attention_heads "2" does not divide'),
    ({'hidden_act': 'relu'}, 'hidden_act "relu" is none of gelu, gelu_new, '),
    ({'hidden_act': ['gelu']}, r'hidden_act \["gelu"\] is none of '),
    ({'layer_norm_eps': -1}, 'layer_norm_eps -1 is no number from 0 to 1'),
    ({'layer_norm_eps': float('nan')}, 'layer_norm_eps NaN is no number'),
    ({'layer_norm_eps': 'small'}, 'layer_norm_eps "small" is no number'),
    ({'model_type': 'bert'}, 'model_type is "bert", but the names of tensors'),
    ({'model_type': {}}, 'model_type is {}, but the names of tensors'),
  ],
)
def test_contradictions_are_one_line(changes, message, tmp_path):
  path = _file(tmp_path, _VIT | changes)
  with pytest.raises(errors.InputError, match=message) as e:
    _network(path)
  text = str(e.value)
  assert text.startswith(f'{tmp_path}/config.json: ') and '\n' not in text
  assert 'put the configuration of these weights beside them, or mov' in text


def test_a_pooler_with_another_activation(tmp_path):
  tensors = vit_like.hugging_face(vit_like.timm(representation=True, classes=0))
  assert _network(_file(tmp_path, _VIT, tensors)).representation
  with pytest.raises(errors.InputError, match='pooler_act is "gelu", but tanh'):
    _network(_file(tmp_path, _VIT | {'pooler_act': 'gelu'}, tensors))


@pytest.mark.parametrize(
  'content', [b'', b'[]', b'{"a": ', b'\xff\xfe{}', b'[' * 10**5, b'9' * 5000]
)
def test_what_is_no_configuration_is_one_line(content, tmp_path):
  path = _file(tmp_path, {})
  (tmp_path / hf_config.CONFIG).write_bytes(content)
  with pytest.raises(errors.InputError, match='is no configuration in JSON'):
    _network(path)


def test_too_long_a_configuration(tmp_path):
  path = _file(tmp_path, {'a': 'a' * 2**22})
  with pytest.raises(errors.InputError, match='it is too long'):
    _network(path)


def test_other_names_of_tensors_have_none(tmp_path):
  path = _file(tmp_path, {'model_type': 'bert'}, vit_like.timm())
  assert _network(path).width == vit_like.WIDTH


_RESNET = resnet_v1_names.of_depth(50)
_SAID = {
  'model_type': 'resnet',
  'layer_type': 'bottleneck',
  'embedding_size': 64,
  'hidden_sizes': [256, 512, 1024, 2048],
  'depths': [3, 4, 6, 3],
  'hidden_act': 'relu',
  'downsample_in_first_stage': False,
}


def _resnet(folder, config, network=_RESNET):
  (folder / hf_config.CONFIG).write_text(json.dumps(config))
  return hf_config.of_resnet(str(folder / 'model.safetensors'), network)


def test_strides_of_resnets(tmp_path):
  assert hf_config.of_resnet(str(tmp_path / 'w'), _RESNET) == _RESNET
  assert _resnet(tmp_path, _SAID) == _RESNET
  said = _SAID | {'downsample_in_bottleneck': True}
  assert _resnet(tmp_path, said).stride_first
  # Basic units have no such convolution.
  basic = resnet_v1_names.of_depth(18)
  said |= {
    'layer_type': 'basic',
    'hidden_sizes': [64, 128, 256, 512],
    'depths': [2, 2, 2, 2],
  }
  assert _resnet(tmp_path, said, basic) == basic


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'depths': [2, 2]}, r'depths is \[2, 2\], but \[3, 4, 6, 3\] of '),
    ({'hidden_sizes': [1]}, r'hidden_sizes is \[1\], but '),
    ({'layer_type': 'basic'}, 'layer_type is "basic", but bottleneck of '),
    ({'embedding_size': 32}, 'embedding_size is 32, but 64 of '),
    ({'hidden_act': 'gelu'}, 'hidden_act is "gelu", but relu of '),
    ({'downsample_in_first_stage': True}, 'is true, which is not computed'),
    ({'downsample_in_bottleneck': 1}, 'bottleneck 1 is neither true nor fal'),
    ({'model_type': 'vit'}, 'model_type is "vit", but the names .* of resnet;'),
  ],
)
def test_contradictions_of_resnets(changes, message, tmp_path):
  with pytest.raises(errors.InputError, match=message):
    _resnet(tmp_path, _SAID | changes)
