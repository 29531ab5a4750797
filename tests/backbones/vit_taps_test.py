"""Sets of taps, and what reads the layers themselves."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from tests.backbones import vit_like
from tests.backbones import vit_rich
from vtab_h2t import errors
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_taps
from vtab_h2t.features import block_tokens
from vtab_h2t.features import last_blocks
from vtab_h2t.features import transformer_blocks
from vtab_h2t.training import layers
from vtab_h2t.training import queries


@pytest.mark.parametrize('tap_set, count', [('last_1', 1), ('last_4', 4)])
def test_last_blocks_go_through_the_final_norm(tap_set, count, tmp_path):
  timm = vit_like.timm(depth=6, registers=2, layer_scale=True, classes=0)
  np.savez(tmp_path / 'm.npz', **vit_like.dinov2(timm))
  backbone = registry.load(
    'vit', str(tmp_path / 'm.npz'), vit_like.SIZE, tap_set
  )
  assert backbone.taps == (
    *(f'block{i:02d}_normed' for i in range(6 - count, 6)),
    'pre_logits',
  )
  x = np.random.default_rng(1).normal(size=(1, 12, 12, 3)).astype('f4')
  wanted = vit_like.forward(timm, x)
  for tap, value in backbone.model(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)


def test_what_is_final_is_the_last_blocks_also_in_a_copy():
  """A copy calls the norm on earlier blocks first."""
  model, _ = vit_rich.built(vit_rich.RICH, 'last_4')
  copy = layers.copy_of(model, 'float32', True)
  copy.set_weights(model.get_weights())
  x = vit_rich.images()
  for one in (model, copy):
    final = keras.Model(one.inputs, transformer_blocks.final(one))
    np.testing.assert_allclose(final(x), model(x)['block04_normed'], atol=1e-5)


def test_fewer_blocks_than_asked_for_are_all():
  short = dataclasses.replace(vit_rich.RICH, depth=2)
  names = 'block00_normed', 'block01_normed', 'pre_logits'
  assert vit_taps.names(short, 'last_4') == names


def test_a_norm_after_the_mean_leaves_no_normed_tokens():
  with pytest.raises(errors.InputError, match='use blocks'):
    vit.build(vit_rich.AVERAGED, 12, 'last_4')
  _, taps = vit.build(vit_rich.AVERAGED, 12)
  assert taps[-3:] == ('block04_mlp2', 'pre_logits', 'logits')
  assert 'norm' not in taps


@pytest.mark.soak
@pytest.mark.parametrize(
  'tap_set',
  [
    'all',
    'last_4',
    *(
      pytest.param(t, marks=pytest.mark.soak)
      for t in vit_taps.SETS
      if t not in ('all', 'last_4')
    ),
  ],
)
def test_does_what_every_backbone_does(tap_set, tmp_path):
  testing.check_backbone(
    lambda size: vit_rich.backbone(vit_rich.RICH, tap_set, size),
    (12, 16),
    tmp_path,
  )


def test_successors_read_registers_apart():
  """ALF and DINOv2's evaluation: neither class token nor patches."""
  backbone = vit_rich.backbone(vit_rich.RICH)
  x = vit_rich.images()
  for outputs in (block_tokens.outputs, last_blocks.outputs):
    assert outputs(backbone)
  final = backbone.model(x)['norm'].numpy()
  found = keras.Model(backbone.model.inputs, block_tokens.outputs(backbone))(x)
  assert len(found) == 2 * 5
  np.testing.assert_allclose(found['norm.cls'], final[:, 0], atol=1e-6)
  np.testing.assert_allclose(
    found['norm.mean'], final[:, 3:].mean(1), atol=1e-6
  )
  last = keras.Model(backbone.model.inputs, last_blocks.outputs(backbone))(x)
  np.testing.assert_allclose(
    last['block04_last'],
    np.concatenate([final[:, :1], final[:, 3:]], axis=1),
    atol=1e-5,
  )


def test_queries_that_are_the_tokens_give_what_blocks_give():
  """VQT's network has LayerScale, registers and the norm before the blocks."""
  backbone = vit_rich.backbone(vit_rich.RICH)
  model, x = backbone.model, vit_rich.images(1)
  net = queries.QueryNetwork(backbone)
  blocks = transformer_blocks.blocks(model)
  tokens = keras.Model(
    model.inputs, [[block.given, block.output] for block in blocks]
  )(x)
  found = net.read(
    net.context(x), tf.stack([given for given, _ in tokens], axis=1)
  )[0, 0]
  width = vit_rich.RICH.width
  for (_, output), part in zip(
    tokens, np.split(found[width:], vit_rich.RICH.depth), strict=True
  ):
    wanted = np.ravel(output)
    np.testing.assert_allclose(part, wanted / np.linalg.norm(wanted), atol=1e-5)
