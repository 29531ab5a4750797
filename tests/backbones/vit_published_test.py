"""A published ViT's weights under other names."""

import json

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import testing
from tests.backbones import torch_files
from tests.backbones import vit_like
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import tensors as tensors_lib

_WEIGHTS = testing.SHARED / 'weights' / 'vit_tiny_patch16_224_in1k_timm.npz'
_needs_weights = pytest.mark.skipif(
  not _WEIGHTS.exists(),
  reason=f'../shared/weights/{_WEIGHTS.name} is not there',
)


def _torch(path, tensors):
  path.write_bytes(torch_files.zipped(*torch_files.state_of(tensors)))


def _safetensors(path, tensors):
  safetensors_numpy.save_file(
    {n: np.ascontiguousarray(v) for n, v in tensors.items()}, path
  )


@testing.needs_photos
@_needs_weights
@pytest.mark.soak
@pytest.mark.parametrize(
  'rename, write',
  [
    (dict, _safetensors),
    (dict, _torch),
    (vit_like.hugging_face, _safetensors),
    (vit_like.dinov2, _torch),
  ],
)
def test_real_weights_under_other_names(rename, write, tmp_path):
  """The real ViT-Ti/16; DINOv2's naming has the same code but for its input."""
  tensors = dict(tensors_lib.read(_WEIGHTS).arrays)
  write(tmp_path / 'm', rename(tensors))
  if rename is vit_like.hugging_face:  # As its conversion has to say it.
    said = {'model_type': 'vit', 'layer_norm_eps': 1e-6}
    (tmp_path / 'config.json').write_text(json.dumps(said))
  usual = registry.load('vit_ti16', str(_WEIGHTS), 224)
  found = registry.load(
    'vit', str(tmp_path / 'm'), 224, input=preprocessing.HALF
  )
  x = usual.preprocess(testing.images(2, size=224))
  wanted = usual.model(x)
  for tap, value in found.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)
  assert testing.top_1(found) == (14, 17)
