"""preprocessor_config.json beside weights."""

import dataclasses
import json

import pytest
from safetensors import numpy as safetensors_numpy

from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t.backbones import hf_config
from vtab_h2t.backbones import hf_input
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry

_USUAL = preprocessing.HALF
_IMAGENET = {
  'image_mean': [0.485, 0.456, 0.406],
  'image_std': [0.229, 0.224, 0.225],
}


def _fed(folder, said, usual=_USUAL):
  (folder / hf_input.PREPROCESSOR).write_text(json.dumps(said))
  return hf_input.fed(str(folder / 'model.safetensors'), usual)


def _input(usual, resize, crop=None):
  return dataclasses.replace(usual, resize=resize, crop=crop)


@pytest.mark.parametrize(
  'said, wanted',
  [
    # google/vit-base-patch16-224's, as older versions write it.
    (
      {
        'feature_extractor_type': 'ViTFeatureExtractor',
        'do_normalize': True,
        'do_resize': True,
        'image_mean': [0.5, 0.5, 0.5],
        'image_std': [0.5, 0.5, 0.5],
        'resample': 2,
        'size': 224,
      },
      _input(preprocessing.HALF, 'bilinear_antialias'),
    ),
    # DINOv2's.
    (
      _IMAGENET
      | {
        'image_processor_type': 'BitImageProcessor',
        'do_center_crop': True,
        'crop_size': {'height': 224, 'width': 224},
        'size': {'shortest_edge': 256},
        'do_rescale': True,
        'rescale_factor': 0.00392156862745098,
        'resample': 3,
      },
      _input(preprocessing.IMAGENET, 'bicubic_antialias', 0.875),
    ),
    # CLIP's.
    (
      {
        'crop_size': 224,
        'do_center_crop': True,
        'feature_extractor_type': 'CLIPFeatureExtractor',
        'image_mean': [0.48145466, 0.4578275, 0.40821073],
        'image_std': [0.26862954, 0.26130258, 0.27577711],
        'resample': 3,
        'size': 224,
      },
      _input(preprocessing.CLIP, 'bicubic_antialias', 1.0),
    ),
    # ResNet-50's.
    (
      _IMAGENET | {'crop_pct': 0.875, 'resample': 3, 'size': 224},
      _input(preprocessing.IMAGENET, 'bicubic_antialias', 0.875),
    ),
    (
      _IMAGENET
      | {'crop_pct': 0.875, 'resample': 3, 'size': {'shortest_edge': 384}},
      _input(preprocessing.IMAGENET, 'bicubic_antialias'),
    ),
    (
      {'image_processor_type': 'X', 'do_normalize': False, 'resample': 2},
      _input(preprocessing.UNIT, 'bilinear_antialias'),
    ),
    ({'image_processor_type': 'X'}, _USUAL),
    # What transformers writes of what was not set.
    (
      {
        'image_processor_type': 'X',
        'crop_pct': None,
        'crop_size': None,
        'do_center_crop': None,
        'do_normalize': None,
        'do_rescale': None,
        'do_resize': None,
        'image_mean': None,
        'image_std': None,
        'resample': None,
        'rescale_factor': None,
        'size': None,
      },
      _USUAL,
    ),
    ({'processor_class': 'of something else'}, None),
  ],
)
def test_what_published_networks_have(said, wanted, tmp_path):
  assert _fed(tmp_path, said) == wanted


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'resample': 0}, r'resample 0 is neither 2 \(bilinear\) nor 3 '),
    ({'resample': [3]}, r'resample \[3\] is neither'),
    ({'image_std': [0, 1, 1]}, 'the standard deviation of an input '),
    ({'image_mean': [1, 2]}, 'one finite number or three'),
    ({'image_mean': 'red'}, 'one finite number or three'),
    ({'image_mean': [10**400] * 3}, 'one finite number or three'),
    ({'crop_pct': 2, 'size': 224}, 'a crop is '),
    ({'crop_pct': 0.9}, 'size null is no side in pixels'),
    ({'do_center_crop': True, 'size': 224}, 'crop_size null is no side'),
    (
      {'do_center_crop': True, 'crop_size': 224, 'size': 192},
      'crop_size 224 is more than size 192',
    ),
    (
      {
        'do_center_crop': True,
        'crop_size': {'height': 224, 'width': 200},
        'size': 256,
      },
      'crop_size .* is no side in pixels',
    ),
    ({'do_normalize': 'no'}, 'do_normalize "no" is neither true nor false'),
    ({'do_rescale': False}, 'pixels are not scaled by 1 / 255'),
    ({'do_resize': False}, 'images are not resized, as they are here'),
    ({'rescale_factor': 1}, 'pixels are not scaled by 1 / 255'),
    ({'rescale_factor': 0.0078}, 'pixels are not scaled by 1 / 255'),
  ],
)
def test_what_is_not_done_is_one_line(changes, message, tmp_path):
  with pytest.raises(errors.InputError, match=message) as e:
    _fed(tmp_path, _IMAGENET | changes)
  text = str(e.value)
  assert text.startswith(f'{tmp_path}/preprocessor_config.json: ')
  assert '\n' not in text and 'or move it away' in text


def test_networks_are_fed_so(tmp_path):
  path = tmp_path / 'model.safetensors'
  safetensors_numpy.save_file(vit_like.hugging_face(vit_like.timm()), path)
  types = ('vit',)
  assert hf_input.found(str(path), types, _USUAL) == ()
  said = _fed(tmp_path, _IMAGENET | {'resample': 3})
  backbone = registry.load('vit', str(path), vit_like.SIZE)
  assert backbone.input == said != _USUAL
  assert hf_input.found(str(path), types, _USUAL) == (hf_input.PREPROCESSOR,)
  (tmp_path / hf_config.CONFIG).write_text('{"model_type": "vit"}')
  assert hf_input.found(str(path), types, _USUAL) == (
    hf_config.CONFIG,
    hf_input.PREPROCESSOR,
  )
  assert hf_input.found(str(path), (), _USUAL) == ()
  # timm's names have none.
  safetensors_numpy.save_file(vit_like.timm(), path)
  backbone = registry.load('vit', str(path), vit_like.SIZE)
  assert backbone.input != said
