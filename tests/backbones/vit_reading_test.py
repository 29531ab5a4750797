"""Files of ViTs under every naming, against NumPy."""

import dataclasses
import math
import pathlib
import re

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests.backbones import vit_like
from vtab_h2t import errors
from vtab_h2t import plugins
from vtab_h2t.backbones import preprocessing
from vtab_h2t.backbones import registry
from vtab_h2t.backbones import vit
from vtab_h2t.backbones import vit_architecture
from vtab_h2t.backbones import vit_names
from vtab_h2t.backbones import vit_reading
from vtab_h2t.backbones import vit_taps
from vtab_h2t.backbones import vit_tensors

_HEADS = vit_like.WIDTH // 64


def _clip(**changes):
  """timm's tensors of an image tower, with a projection."""
  tensors = vit_like.timm(norm_pre=True, patch_bias=False, classes=0, **changes)
  rng = np.random.default_rng(3)
  proj = rng.normal(0, 0.1, (vit_like.WIDTH, vit_like.SHARED))
  return tensors | {'proj': proj.astype(np.float32)}


def _dino(**changes):
  return vit_like.timm(layer_scale=True, classes=0, **changes)


# Of each: timm's tensors, how they are named, NumPy's options, the scheme.
_VARIANTS = {
  'timm': (vit_like.timm(), dict, {}, vit_names.TIMM),
  'timm, no class token': (
    vit_like.timm(class_token=False, placed=0),
    dict,
    {'placed': 0},
    vit_names.TIMM,
  ),
  'timm, mean and fc_norm': (
    vit_like.timm(fc_norm=True),
    dict,
    {},
    vit_names.TIMM,
  ),
  'timm, no biases of queries': (
    vit_like.timm(qkv_bias=False),
    dict,
    {},
    vit_names.TIMM,
  ),
  'timm, DeiT III': (
    vit_like.timm(layer_scale=True, placed=0),
    dict,
    {'placed': 0},
    vit_names.TIMM,
  ),
  'timm, registers without positions': (
    vit_like.timm(registers=4, placed=0, layer_scale=True, classes=0),
    dict,
    {'placed': 0},
    vit_names.TIMM,
  ),
  'timm, registers with positions': (
    vit_like.timm(registers=2, placed=3),
    dict,
    {'placed': 3, 'registers_first': True},
    vit_names.TIMM,
  ),
  'timm, representation': (
    vit_like.timm(representation=True),
    dict,
    {},
    vit_names.TIMM,
  ),
  'timm, CLIP': (
    vit_like.timm(norm_pre=True, patch_bias=False),
    dict,
    {'epsilon': 1e-5},
    vit_names.TIMM,
  ),
  'AugReg': (
    vit_like.timm(representation=True),
    lambda t: vit_like.augreg(t, _HEADS),
    {'activation': 'gelu_tanh'},
    vit_names.AUGREG,
  ),
  'Hugging Face': (
    vit_like.timm(),
    vit_like.hugging_face,
    {'epsilon': 1e-12},
    vit_names.HUGGING_FACE,
  ),
  'Hugging Face, pooler': (
    vit_like.timm(classes=0, representation=True),
    vit_like.hugging_face,
    {'epsilon': 1e-12},
    vit_names.HUGGING_FACE,
  ),
  'DINOv2': (_dino(), vit_like.dinov2, {}, vit_names.DINOV2),
  'DINOv2 in chunks, registers': (
    _dino(registers=4),
    lambda t: vit_like.dinov2(t, chunks=True),
    {},
    vit_names.DINOV2,
  ),
  'DINOv2 of Hugging Face': (
    _dino(),
    vit_like.hugging_face_dinov2,
    {},
    vit_names.HUGGING_FACE_DINOV2,
  ),
  'DINOv2 of Hugging Face, registers, wrapped, with a classifier': (
    _dino(registers=4),
    lambda t: (
      {
        f'dinov2.{name}': value
        for name, value in vit_like.hugging_face_dinov2(t).items()
      }
      | {'classifier.weight': np.ones((5, 2 * vit_like.WIDTH), np.float32)}
    ),
    {},
    vit_names.HUGGING_FACE_DINOV2,
  ),
  'CLIP': (
    _clip(),
    vit_like.openai,
    {'activation': 'quick_gelu', 'epsilon': 1e-5},
    vit_names.OPENAI,
  ),
  'CLIP, images alone': (
    {k: v for k, v in _clip().items() if k != 'proj'},
    lambda t: vit_like.openai(t, texts=False),
    {'activation': 'quick_gelu', 'epsilon': 1e-5},
    vit_names.OPENAI,
  ),
  'CLIP of Hugging Face': (
    _clip(),
    vit_like.hugging_face_clip,
    {'activation': 'quick_gelu', 'epsilon': 1e-5},
    vit_names.HUGGING_FACE_CLIP,
  ),
  'MAE': (
    vit_like.timm(classes=0),
    lambda t: (
      vit_like.dinov2(t)
      | {'decoder_embed.weight': np.ones((8, vit_like.WIDTH), np.float32)}
    ),
    {},
    vit_names.MAE,
  ),
  'CLIP of Hugging Face, with a classifier': (
    {k: v for k, v in _clip().items() if k != 'proj'},
    lambda t: (
      vit_like.hugging_face_clip(t, texts=False)
      | {'classifier.weight': np.ones((5, vit_like.WIDTH), np.float32)}
    ),
    {'activation': 'quick_gelu', 'epsilon': 1e-5},
    vit_names.HUGGING_FACE_CLIP,
  ),
}


def _write(path, tensors):
  safetensors_numpy.save_file(
    {n: np.ascontiguousarray(v) for n, v in tensors.items()}, path
  )
  return str(path)


def _images(size=vit_like.SIZE, seed=1):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(2, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize('variant', _VARIANTS)
def test_equals_numpy(variant, tmp_path):
  timm, rename, options, scheme = _VARIANTS[variant]
  path = _write(tmp_path / 'm.safetensors', rename(timm))
  backbone = registry.load('vit', path, vit_like.SIZE)
  found = vit_reading.identify(
    {n: v.shape for n, v in rename(timm).items()}, path
  )
  assert found.scheme is scheme
  x = _images()
  wanted = vit_like.forward(timm, x, **options)
  got = backbone.model(x)
  assert tuple(got) == backbone.taps == vit_taps.names(found.network, 'all')
  for tap, value in got.items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)
  of_blocks = vit.build(found.network, vit_like.SIZE, 'blocks')[0]
  tensors = rename(timm)
  vit.load(of_blocks, found, tensors, path)
  for tap, value in of_blocks(x).items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)


def _shapes(tensors):
  return {name: value.shape for name, value in tensors.items()}


def test_what_a_published_network_is():
  """The shapes of DINOv2's ViT-L/14 with registers, at 518 pixels."""
  tensors = {
    name: np.broadcast_to(np.float32(0), shape)
    for name, shape in vit_like.shapes(
      depth=24,
      width=1024,
      mlp=4096,
      patch=14,
      grid=37,
      registers=4,
      layer_scale=True,
      classes=0,
    ).items()
  }
  found = vit_reading.identify(_shapes(vit_like.dinov2(tensors)), 'f')
  assert str(found) == (
    'ViT of width 1024, depth 24, 16 heads and patches of 14 pixels, 4 '
    'registers, LayerScale, activation gelu, epsilon 1e-06; named as by DINOv2'
  )
  shapes = vit_tensors.shapes(found.scheme, found.network)
  # 304,372,736 parameters are torch.hub's, of which 1024 are the mask token's.
  assert sum(math.prod(s) for s in shapes.values()) + 1024 == 304_372_736
  assert found.network.grid == 37 and found.network.prefix == 5


@pytest.mark.parametrize(
  'width, heads', [(192, 3), (384, 6), (1152, 16), (1280, 16), (1536, 16)]
)
def test_heads_are_64_wide_or_as_published(width, heads):
  shapes = vit_like.shapes(width=width, depth=1, mlp=8)
  assert vit_reading.identify(shapes, 'f').network.heads == heads


def test_what_clips_so_wide_have_is_the_exact_gelu():
  for width, activation in ((128, 'quick_gelu'), (1280, 'gelu')):
    tensors = vit_like.timm(
      width=width, depth=1, norm_pre=True, patch_bias=False, classes=0
    )
    shapes = _shapes(vit_like.openai(tensors))
    assert vit_reading.identify(shapes, 'f').network.activation == activation


@pytest.mark.parametrize(
  'variant, within, fed, resize, crop',
  [
    ('timm', '', preprocessing.HALF, 'bicubic_antialias', 0.9),
    ('timm', 'model', preprocessing.IMAGENET, 'bicubic_antialias', 0.9),
    ('timm', 'teacher', preprocessing.IMAGENET, 'bicubic_antialias', 0.9),
    ('timm, DeiT III', '', preprocessing.IMAGENET, 'bicubic_antialias', 0.9),
    ('timm, CLIP', '', preprocessing.CLIP, 'bicubic_antialias', 1.0),
    ('AugReg', '', preprocessing.HALF, 'bilinear', None),
    ('Hugging Face', '', preprocessing.HALF, 'bilinear_antialias', None),
    ('MAE', '', preprocessing.IMAGENET, 'bicubic_antialias', 0.9),
    ('DINOv2', 'teacher', preprocessing.IMAGENET, 'bicubic_antialias', 0.875),
    ('CLIP', '', preprocessing.CLIP, 'bicubic_antialias', 1.0),
  ],
)
def test_a_scheme_gives_the_input(variant, within, fed, resize, crop):
  timm, rename, _, _ = _VARIANTS[variant]
  found = vit_reading.identify(_shapes(rename(timm)), 'f').input(within)
  assert (found.mean, found.std) == (fed.mean, fed.std)
  assert (found.resize, found.crop) == (resize, crop)


@pytest.mark.parametrize(
  'change, message',
  [
    ({'norm.bias': None}, 'f lacks norm.bias; it belongs to another'),
    ({'blocks.1.ls1.gamma': (128,)}, 'f holds unknown blocks.1.ls1.gamma;'),
    ({'blocks.1.mlp.fc1.weight': (160, 64)}, r'shape \(160, 64\), not \(160'),
    (
      {'pos_embed': (1, 12, 128)},
      'pos_embed of 12 rows that are no square of patches, which',
    ),
    ({'patch_embed.proj.weight': (128, 3)}, r'weight of shape \(128, 3\)'),
    ({'patch_embed.proj.weight': (100, 3, 4, 4)}, 'width 100: tensors do not'),
    ({'blocks.0.mlp.fc2.weight': (128, 80)}, 'of 160 rows: SwiGLU'),
  ],
)
def test_what_is_not_read_is_named(change, message):
  shapes = vit_like.shapes() | change
  shapes = {name: shape for name, shape in shapes.items() if shape}
  with pytest.raises(errors.InputError, match=message) as e:
    vit_reading.identify(shapes, 'f')
  assert '\n' not in str(e.value)


def test_clips_without_a_norm_before_the_blocks_are_refused():
  """CLIPA averages tokens, which its tensors do not tell."""
  tensors = vit_like.openai(vit_like.timm(patch_bias=False, classes=0))
  with pytest.raises(errors.InputError, match='f has no ln_pre.weight'):
    vit_reading.identify(_shapes(tensors), 'f')


def test_named_networks_are_those_of_their_names(tmp_path):
  path = _write(tmp_path / 'm.safetensors', vit_like.timm())
  with pytest.raises(
    errors.InputError, match='does not fit vit_s16: it holds a ViT of width 128'
  ):
    registry.load('vit_s16', path, 224)


def test_fixed_positions_of_a_small_network_are_refused(tmp_path):
  """They are MoCo v3's; at other widths, heads are no question."""
  for width in (384, 128):
    timm = vit_like.timm(width=width, depth=1)
    timm['pos_embed'][0, 0] = 0
    path = _write(tmp_path / f'{width}.safetensors', timm)
    if width == 128:
      registry.load('vit', path, vit_like.SIZE)
      continue
    with pytest.raises(errors.InputError, match="MoCo v3's ViT-S, whose twel"):
      registry.load('vit', path, vit_like.SIZE)


def test_a_plugin_says_what_tensors_do_not(monkeypatch, tmp_path):
  """That of the documents: here a CLIP with the exact GELU."""
  monkeypatch.setattr(registry, 'BACKBONES', dict(registry.BACKBONES))
  docs = pathlib.Path(__file__).parents[2] / 'docs' / 'backbones.md'
  (code,) = re.findall(
    r'```python\n(# as_trained\.py\n.*?)```', docs.read_text(), re.DOTALL
  )
  (tmp_path / 'as_trained.py').write_text(code)
  plugins.load(str(tmp_path / 'as_trained.py'))
  path = _write(tmp_path / 'm.safetensors', vit_like.openai(_clip()))
  backbone = registry.load('as_trained', path, vit_like.SIZE)
  usual = registry.load('vit', path, vit_like.SIZE)
  assert backbone.taps == usual.taps and backbone.embedding == 'pre_logits'
  assert backbone.input == usual.input
  wanted = vit_like.forward(_clip(), _images(), epsilon=1e-5)
  got, other = backbone.model(_images()), usual.model(_images())
  for tap, value in got.items():
    np.testing.assert_allclose(value, wanted[tap], atol=1e-5, err_msg=tap)
  assert np.abs(got['pre_logits'] - other['pre_logits']).max() > 1e-3


def test_saved_models_are_the_named_networks(tmp_path):
  (tmp_path / 'saved_model.pb').write_bytes(b'')
  with pytest.raises(errors.InputError, match='vit reads files of tensors'):
    vit.vit('vit', str(tmp_path), 32)


@pytest.mark.soak
def test_a_named_network_takes_every_naming(tmp_path):
  """And interpolates positions, of 32 pixels here, to what is asked for."""
  timm = vit_like.timm(depth=12, width=192, mlp=768, patch=16, grid=2)
  path = _write(tmp_path / 'a.safetensors', timm)
  other = _write(tmp_path / 'b.safetensors', vit_like.augreg(timm, 3))
  one, two = (registry.load('vit_ti16', p, 224) for p in (path, other))
  assert one.input == two.input == preprocessing.HALF
  assert dict(one.blocks) == vit_architecture.BLOCKS and one.taps == two.taps
  for a, b in zip(one.model.weights, two.model.weights, strict=True):
    assert a.path == b.path
    np.testing.assert_array_equal(a, b)
  headless = {n: v for n, v in timm.items() if not n.startswith('head')}
  path = _write(tmp_path / 'c.safetensors', headless)
  with pytest.raises(errors.InputError, match='has no head.bias: the logits'):
    registry.load('vit_ti16', path, 224)
  assert 'logits' not in registry.load('vit', path, 32).taps


def test_a_class_token_that_is_not_there_is_not_asked_for(tmp_path):
  timm = vit_like.timm(class_token=False, placed=0)
  np.savez(tmp_path / 'm.npz', **timm)
  path, size = str(tmp_path / 'm.npz'), vit_like.SIZE
  assert registry.load('vit', path, size).taps[-1] == 'logits'
  with pytest.raises(errors.InputError, match="class token 'only' is for"):
    registry.load('vit', path, size, cls_pooling='only')


def test_a_named_network_without_logits_is_refused_in_any_naming():
  network = vit_architecture.NAMED['vit_s16']
  network = dataclasses.replace(network, classes=0)
  for scheme, head in (
    (vit_names.TIMM, 'head.bias'),
    (vit_names.HUGGING_FACE_CLIP, 'classifier'),
  ):
    found = vit_reading.Reading(scheme=scheme, network=network, stored={})
    with pytest.raises(errors.InputError, match=f'^w has no {head}: the log'):
      vit_reading.check_named(found, 'vit_s16', 'all', 'w')
    vit_reading.check_named(found, 'vit_s16', vit_taps.RELEASED, 'w')
