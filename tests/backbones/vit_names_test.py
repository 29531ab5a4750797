"""Tables of names."""

import dataclasses

import pytest

from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_tensors

_NETWORK = vit_architecture.Architecture(width=64, depth=12, heads=1, mlp=80)


@pytest.mark.parametrize(
  'scheme', vit_names.SCHEMES, ids=lambda scheme: scheme.name
)
def test_each_tensor_has_a_name_of_its_own(scheme):
  """And anchor and marks, but for those of pretraining, are among them."""
  network = dataclasses.replace(
    _NETWORK, layer_scale=scheme.has('block00_scale1')
  )
  shapes = vit_tensors.shapes(scheme, network)
  left_aside = {'mask_token', 'decoder_embed.weight'}
  assert {scheme.anchor, *scheme.marks} - set(shapes) <= left_aside
  paths = {entry.path for entry in vit_tensors.entries(scheme, network)}
  fused = 2 * 2 * _NETWORK.depth * scheme.has('qkv')
  assert len(shapes) == len(paths) - fused
  assert not any('{' in name for name in shapes)


def test_numbers_of_blocks_are_as_the_scheme_has_them():
  part = vit_names.in_block(11, 'norm2')
  assert part == 'block11_norm2'
  assert vit_names.TIMM.weight(part) == 'blocks.11.norm2.weight'
  assert vit_names.AUGREG.weight(part) == (
    'Transformer/encoderblock_11/LayerNorm_2/scale'
  )
  assert vit_names.AUGREG.weight(vit_names.in_block(0, 'mlp1')) == (
    'Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel'
  )
  assert vit_names.OPENAI.bias(vit_names.in_block(2, 'qkv')) == (
    'transformer.resblocks.2.attn.in_proj_bias'
  )
