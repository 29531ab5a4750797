"""ViTs that have all that ViTs may have, of noise."""

import dataclasses

import numpy as np

from vtab_h2t.backbones import backbone as backbone_lib
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names

# All that ViTs have beside the plainest.
RICH = vit_architecture.Architecture(
  width=16,
  depth=5,
  heads=2,
  mlp=24,
  patch=4,
  grid=3,
  registers=2,
  norm_pre=True,
  layer_scale=True,
  representation=True,
  projection=6,
  classes=0,
  activation=vit_names.QUICK_GELU,
)
AVERAGED = dataclasses.replace(
  RICH,
  class_token=False,
  registers=0,
  positions=vit_architecture.PATCHES,
  fc_norm=True,
  norm_pre=False,
  projection=0,
  classes=3,
)


def built(network, tap_set='all', size=12):
  """A model of noise."""
  model, taps = vit.build(network, size, tap_set)
  rng = np.random.default_rng(0)
  for weight in model.weights:
    mean = 1 if weight.name in ('gamma', 'scale') else 0
    weight.assign(rng.normal(mean, 0.2, tuple(weight.shape)))
  return model, taps


def backbone(network, tap_set='all', size=12):
  model, taps = built(network, tap_set, size)
  return backbone_lib.Backbone(
    'vit',
    model,
    taps,
    'pre_logits',
    size,
    preprocessing.HALF,
    backbone_lib.hash_weights(model),
    tap_set=tap_set,
    blocks=vit_architecture.blocks(network),
  )


def images(count=2):
  return np.random.default_rng(1).normal(size=(count, 12, 12, 3)).astype('f4')
